package subscription

import (
	"context"
	"errors"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// Offer is what a customer is shown and subscribes to: a version of a product.
type Offer struct {
	ProductID string
	Version   string
	Name      string
	// Models are those that the subscription grants; empty means all.
	Models []string
	// Documents must all be accepted.
	Documents []identity.Document
}

// Subscribe says what a customer subscribes to.
type Subscribe struct {
	TenantID string
	Product  Offer
	// Accepted holds what the customer has ticked, with the digest of what was shown; DocumentID and Digest count.
	Accepted []identity.Consent
}

// ErrSubscribed says that the tenant has an active subscription of the product; Existing finds it.
var ErrSubscribed = fault.New(fault.Conflict, "", "the product is subscribed to already; open the subscription to manage it")

// Subscribe makes an active subscription for a customer. In this order it takes the right Subscribe, an active tenant,
// an approved profile, the consent to every document, and that the product is not subscribed to already, which is
// ErrSubscribed.
func (s *Service) Subscribe(ctx context.Context, by identity.Actor, c Subscribe) (Subscription, error) {
	sub, err := s.newSubscription(by, c.TenantID, c.Product.ProductID, c.Product.Models)
	if err != nil {
		return Subscription{}, err
	}
	sub.ProductVersion, sub.ProductName = c.Product.Version, c.Product.Name
	err = s.change(ctx, func() ([]store.Write, error) {
		checks, err := s.buyers.Require(ctx, by, c.TenantID)
		if err != nil {
			return nil, err
		}
		if sub.Consents, err = by.Accept(c.Product.Documents, c.Accepted, s.stamp()); err != nil {
			return nil, err
		}
		guard, err := s.takeProduct(ctx, sub)
		if err != nil {
			return nil, err
		}
		created, err := s.subscribed(by, sub)
		return append(append(checks, guard), created...), err
	})
	if err != nil {
		return Subscription{}, err
	}
	return sub, nil
}

// Ready returns nil if the actor can subscribe for the tenant, or else the fault that Subscribe would give.
func (s *Service) Ready(ctx context.Context, by identity.Actor, tenantID string) error {
	_, err := s.buyers.Require(ctx, by, tenantID)
	return err
}

// Existing returns the active subscription that a tenant has of a product, and whether there is one. Of several that
// operators have made it is the latest.
func (s *Service) Existing(ctx context.Context, by identity.Actor, tenantID, productID string) (Subscription, bool, error) {
	if err := by.See(tenantID, errNoTenant); err != nil {
		return Subscription{}, false, err
	}
	id, found := s.gate.activeOf(tenantID, productID)
	if !found {
		return Subscription{}, false, nil
	}
	r, err := s.getSubscription(ctx, id)
	return r.Value, err == nil, err
}

func activeProductID(tenantID, productID string) string { return tenantID + "." + textHash(productID) }

// takeProduct returns the write by which the subscription becomes the tenant's only one of the product, or
// ErrSubscribed. What the gate knows covers operators' subscriptions, the document those who subscribe at once.
func (s *Service) takeProduct(ctx context.Context, sub Subscription) (store.Write, error) {
	id := activeProductID(sub.TenantID, sub.ProductID)
	_, err := s.active.Get(ctx, id)
	_, other := s.gate.activeOf(sub.TenantID, sub.ProductID)
	switch {
	case err == nil || other:
		return store.Write{}, ErrSubscribed
	case !errors.Is(err, store.ErrNotFound):
		return store.Write{}, err
	}
	return s.active.Write(id, 0, activeProduct{SubscriptionID: sub.ID})
}

// freeProduct returns what undoes takeProduct; nothing where an operator subscribed.
func (s *Service) freeProduct(ctx context.Context, sub Subscription) ([]store.Write, error) {
	id := activeProductID(sub.TenantID, sub.ProductID)
	r, err := s.active.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && r.Value.SubscriptionID != sub.ID:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []store.Write{{Kind: kindActive, ID: id, Expect: r.Version, Delete: true}}, nil
}
