package subscription

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// maxReasonRunes bounds the reason for a cancellation.
const maxReasonRunes = 500

// Options is what a Service works with. All fields are required, but for Profiles.
type Options struct {
	Documents store.Documents
	Hasher    *Hasher
	// Gate must be running.
	Gate *Gate
	// Profiles decides about customers; without it no profile is known, so that they cannot subscribe.
	Profiles identity.Approval
	Now      func() time.Time
}

// Service changes subscriptions and keys, and shows them. It may be used concurrently. What a method has changed is in
// force at the gate when it returns, and kept in the audit by the same commit.
//
// Each method takes who acts: what belongs to another tenant does not exist for a customer, reading takes the right
// Reports and changing the right Subscribe, else it is a fault of kind Forbidden.
type Service struct {
	documents store.Documents
	collections
	buyers *identity.Buyers
	audit  *identity.Audit
	hasher *Hasher
	gate   *Gate
	now    func() time.Time
}

// NewService returns a service.
func NewService(o Options) *Service {
	return &Service{
		documents: o.Documents, collections: newCollections(o.Documents),
		buyers: identity.NewBuyers(o.Documents, o.Profiles), audit: identity.NewAudit(o.Documents),
		hasher: o.Hasher, gate: o.Gate, now: o.Now,
	}
}

// What does not exist, for somebody or at all.
var (
	errNoTenant       = fault.New(fault.NotFound, "", "there is no such tenant")
	errNoSubscription = fault.New(fault.NotFound, "", "there is no such subscription")
	errNoKey          = fault.New(fault.NotFound, "", "there is no such key")
)

// CreateSubscription says what to subscribe a tenant to.
type CreateSubscription struct {
	TenantID  string
	ProductID string
	// Models are those that may be used; empty means all.
	Models []string
}

// CreateSubscription makes an active subscription without consents, and without asking for a profile. It is for
// operators alone, who may make several of a product.
func (s *Service) CreateSubscription(ctx context.Context, by identity.Actor, c CreateSubscription) (Subscription, error) {
	if err := by.RequireOperator(); err != nil {
		return Subscription{}, err
	}
	sub, err := s.newSubscription(by, c.TenantID, c.ProductID, c.Models)
	if err != nil {
		return Subscription{}, err
	}
	return sub, s.change(ctx, func() ([]store.Write, error) {
		tenant, err := s.buyers.RequireActive(ctx, c.TenantID)
		if err != nil {
			return nil, err
		}
		created, err := s.subscribed(by, sub)
		return append(created, tenant), err
	})
}

// newSubscription returns an active subscription that has not been written.
func (s *Service) newSubscription(by identity.Actor, tenantID, productID string, models []string) (Subscription, error) {
	product, err := fault.Name("product_id", productID)
	if err != nil {
		return Subscription{}, err
	}
	models, err = fault.Models("models", models)
	return Subscription{
		ID: identity.NewID("sub_"), TenantID: tenantID, ProductID: product, Models: models,
		State: Active, CreatedAt: s.stamp(), CreatedBy: by.Name,
	}, err
}

// subscribed returns the writes of a new subscription and of its audit entry.
func (s *Service) subscribed(by identity.Actor, sub Subscription) ([]store.Write, error) {
	w, err := s.subscriptions.Write(sub.ID, 0, sub)
	if err != nil {
		return nil, err
	}
	audit, err := s.subscriptionAudit(by, "subscription.subscribe", nil, &sub)
	return []store.Write{w, audit}, err
}

// CancelSubscription cancels a subscription, which deactivates all its keys in the same commit. It cannot be undone.
// The reason may be empty; it has at most 500 characters.
func (s *Service) CancelSubscription(ctx context.Context, by identity.Actor, id, reason string) (Subscription, error) {
	reason, err := checkReason(reason)
	if err != nil {
		return Subscription{}, err
	}
	var sub Subscription
	err = s.change(ctx, func() ([]store.Write, error) {
		r, err := s.ownSubscription(ctx, by, id)
		if err != nil {
			return nil, err
		}
		sub = r.Value
		if sub.State == Cancelled {
			return nil, fault.New(fault.State, "", "the subscription has been cancelled already")
		}
		at := s.stamp()
		sub.State, sub.CancelledAt, sub.CancelledBy, sub.CancelReason = Cancelled, &at, by.Name, reason
		return s.cancelled(ctx, by, r, sub)
	})
	if err != nil {
		return Subscription{}, err
	}
	return sub, nil
}

// cancelled returns the writes that turn a subscription into a cancelled one.
func (s *Service) cancelled(ctx context.Context, by identity.Actor, old store.Record[Subscription], sub Subscription) ([]store.Write, error) {
	w, err := s.subscriptions.Write(sub.ID, old.Version, sub)
	if err != nil {
		return nil, err
	}
	audit, err := s.subscriptionAudit(by, "subscription.cancel", &old.Value, &sub)
	if err != nil {
		return nil, err
	}
	free, err := s.freeProduct(ctx, sub)
	return append(free, w, audit), err
}

// checkReason returns a reason without space around it, or says what is wrong with it.
func checkReason(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	unprintable := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }
	switch {
	case utf8.RuneCountInString(reason) > maxReasonRunes:
		return "", fault.New(fault.Invalid, "reason", "must have at most %d characters", maxReasonRunes)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unprintable):
		return "", fault.New(fault.Invalid, "reason", "must not contain control characters")
	}
	return reason, nil
}

// GetSubscription returns a subscription, or a fault of kind NotFound.
func (s *Service) GetSubscription(ctx context.Context, by identity.Actor, id string) (Subscription, error) {
	r, err := s.getSubscription(ctx, id)
	if err == nil {
		err = by.See(r.Value.TenantID, errNoSubscription)
	}
	if err != nil {
		return Subscription{}, err
	}
	return r.Value, nil
}

// ownSubscription returns a subscription that the actor may change.
func (s *Service) ownSubscription(ctx context.Context, by identity.Actor, id string) (store.Record[Subscription], error) {
	r, err := s.getSubscription(ctx, id)
	if err == nil {
		err = by.Require(r.Value.TenantID, identity.Subscribe, errNoSubscription)
	}
	return r, err
}

func (s *Service) getSubscription(ctx context.Context, id string) (store.Record[Subscription], error) {
	r, err := s.subscriptions.Get(ctx, id)
	if missing(err) {
		err = errNoSubscription
	}
	return r, err
}

// missing says whether a read failed because nothing has that ID, which may be one that nothing can have.
func missing(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid)
}

// ListSubscriptions returns a page of a tenant's subscriptions in order of ID, and the cursor of the next, empty behind
// the last. For operators an empty tenantID stands for all.
func (s *Service) ListSubscriptions(ctx context.Context, by identity.Actor, tenantID, after string, limit int) ([]Subscription, string, error) {
	if err := by.See(tenantID, errNoTenant); err != nil {
		return nil, "", err
	}
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
