package identity

import (
	"context"

	"llmhub/fault"
	"llmhub/store"
)

// Approval knows whether the organization profile of a tenant has been approved: Profiles.
type Approval interface {
	// RequireApproved returns a check that the profile stays approved, to be put with what depends on it, or a fault of
	// kind State that says what is missing.
	RequireApproved(ctx context.Context, tenantID string) (store.Write, error)
}

// Buyers decides who can buy for a tenant. It may be used concurrently.
type Buyers struct {
	tenants  store.Collection[Tenant]
	approval Approval
}

// NewBuyers returns what decides by the tenants kept in d. Without an approval no profile is known, so that customers
// cannot buy.
func NewBuyers(d store.Documents, a Approval) *Buyers {
	return &Buyers{store.NewCollection[Tenant](d, TenantKind, nil), a}
}

// Require returns checks that tenant and profile stay as they are, or what keeps the actor from accepting documents for
// the tenant: the right Subscribe, being one of its users, a tenant that is active, an approved profile.
func (b *Buyers) Require(ctx context.Context, by Actor, tenantID string) ([]store.Write, error) {
	if err := by.Require(tenantID, Subscribe, noTenant()); err != nil {
		return nil, err
	}
	if by.Kind != Customer {
		return nil, fault.New(fault.Forbidden, "", "only a user of the tenant can accept its documents")
	}
	return b.RequireGood(ctx, by, tenantID)
}

// RequireGood returns checks that the tenant stays active and, where a customer acts, its profile approved. Operators answer
// for what they make themselves.
func (b *Buyers) RequireGood(ctx context.Context, by Actor, tenantID string) ([]store.Write, error) {
	tenant, err := b.RequireActive(ctx, tenantID)
	if err != nil || by.Kind != Customer {
		return []store.Write{tenant}, err
	}
	if b.approval == nil {
		return nil, fault.New(fault.State, "", "the organization profile must be completed and approved first")
	}
	profile, err := b.approval.RequireApproved(ctx, tenantID)
	return []store.Write{tenant, profile}, err
}

// RequireActive returns a check that the tenant stays as it is, or why nothing can be made for it.
func (b *Buyers) RequireActive(ctx context.Context, id string) (store.Write, error) {
	r, err := b.tenants.Get(ctx, id)
	switch {
	case missing(err):
		return store.Write{}, noTenant()
	case err != nil:
		return store.Write{}, err
	}
	if err := r.Value.RequireActive(); err != nil {
		return store.Write{}, err
	}
	return store.Write{Kind: TenantKind, ID: id, Expect: r.Version, Check: true}, nil
}
