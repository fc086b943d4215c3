package subscription

import (
	"context"
	"errors"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// Service changes subscriptions and keys. It may be used concurrently. What a method has changed is in force at the
// gate when it returns.
type Service struct {
	documents store.Documents
	collections
	tenants store.Collection[identity.Tenant]
	hasher  *Hasher
	gate    *Gate
	now     func() time.Time
}

// NewService returns a service on the given documents. The gate must be running.
func NewService(d store.Documents, h *Hasher, g *Gate, now func() time.Time) *Service {
	return &Service{
		documents: d, collections: newCollections(d), hasher: h, gate: g, now: now,
		tenants: store.NewCollection[identity.Tenant](d, identity.TenantKind, nil),
	}
}

// CreateSubscription says what to subscribe to.
type CreateSubscription struct {
	TenantID  string
	ProductID string
	// Models are those that may be used; empty means all.
	Models []string
}

// CreateSubscription makes an active subscription.
func (s *Service) CreateSubscription(ctx context.Context, c CreateSubscription) (Subscription, error) {
	product, err := fault.Name("product_id", c.ProductID)
	if err != nil {
		return Subscription{}, err
	}
	models, err := fault.Models("models", c.Models)
	if err != nil {
		return Subscription{}, err
	}
	sub := Subscription{
		ID: identity.NewID("sub_"), TenantID: c.TenantID, ProductID: product, Models: models,
		State: Active, CreatedAt: s.stamp(),
	}
	return sub, s.change(ctx, func() ([]store.Write, error) {
		tenant, err := s.activeTenant(ctx, c.TenantID)
		if err != nil {
			return nil, err
		}
		w, err := s.subscriptions.Write(sub.ID, 0, sub)
		return []store.Write{tenant, w}, err
	})
}

// CancelSubscription cancels a subscription, which deactivates all its keys in the same commit. It cannot be undone.
func (s *Service) CancelSubscription(ctx context.Context, id string) (Subscription, error) {
	var sub Subscription
	err := s.change(ctx, func() ([]store.Write, error) {
		r, err := s.getSubscription(ctx, id)
		if err != nil {
			return nil, err
		}
		sub = r.Value
		if sub.State == Cancelled {
			return nil, fault.New(fault.State, "", "the subscription has been cancelled already")
		}
		at := s.stamp()
		sub.State, sub.CancelledAt = Cancelled, &at
		w, err := s.subscriptions.Write(sub.ID, r.Version, sub)
		return []store.Write{w}, err
	})
	return sub, err
}

// GetSubscription returns a subscription, or a fault of kind NotFound.
func (s *Service) GetSubscription(ctx context.Context, id string) (Subscription, error) {
	r, err := s.getSubscription(ctx, id)
	return r.Value, err
}

func (s *Service) getSubscription(ctx context.Context, id string) (store.Record[Subscription], error) {
	r, err := s.subscriptions.Get(ctx, id)
	if missing(err) {
		err = fault.New(fault.NotFound, "", "there is no such subscription")
	}
	return r, err
}

// missing says whether a read failed because nothing has that ID, which may be one that nothing can have.
func missing(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid)
}

// ListSubscriptions returns a page of a tenant's subscriptions, or of all if tenantID is empty, in order of ID.
func (s *Service) ListSubscriptions(ctx context.Context, tenantID, after string, limit int) ([]Subscription, string, error) {
	index := ""
	if tenantID != "" {
		index = "tenant"
	}
	page, next, err := s.subscriptions.List(ctx, index, tenantID, after, limit)
	return values(page), next, err
}

func values[T any](page []store.Record[T]) []T {
	out := make([]T, len(page))
	for i, r := range page {
		out[i] = r.Value
	}
	return out
}

// activeTenant returns a check that the tenant stays as it is, or why nothing can be made for it.
func (s *Service) activeTenant(ctx context.Context, id string) (store.Write, error) {
	r, err := s.tenants.Get(ctx, id)
	switch {
	case missing(err):
		return store.Write{}, fault.New(fault.NotFound, "", "there is no such tenant")
	case err != nil:
		return store.Write{}, err
	}
	if err := r.Value.RequireActive(); err != nil {
		return store.Write{}, err
	}
	return store.Write{Kind: identity.TenantKind, ID: id, Expect: r.Version, Check: true}, nil
}

// change puts what prepare returns, preparing anew when another writer came between, and waits for the gate.
func (s *Service) change(ctx context.Context, prepare func() ([]store.Write, error)) error {
	version, err := store.Change(ctx, s.documents, prepare)
	if err != nil {
		return err
	}
	// The change is done: that the gate follows must not depend on the caller's patience.
	return s.gate.WaitVersion(context.WithoutCancel(ctx), version)
}

// stamp returns the time as it is kept.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Second) }
