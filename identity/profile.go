package identity

import (
	"context"
	"errors"
	"time"

	"llmhub/fault"
	"llmhub/store"
)

const kindProfile = "profile"

// ProfileState is where a tenant's profile stands.
type ProfileState string

// The states of a profile.
const (
	ProfileNone      ProfileState = "none"
	ProfileSubmitted ProfileState = "submitted"
	ProfileApproved  ProfileState = "approved"
	ProfileRejected  ProfileState = "rejected"
)

// ProfileData is what an organization says of itself. Sellers whose products it uses see Company, Website and
// SellerEmail; the rest is for the Marketplace.
type ProfileData struct {
	Company          string `json:"company"`
	Website          string `json:"website"`
	SellerEmail      string `json:"seller_email"`
	MarketplaceEmail string `json:"marketplace_email"`
	Phone            string `json:"phone,omitempty"`
}

// ProfileChange is what waits for its review, or was rejected.
type ProfileChange struct {
	Data ProfileData `json:"data"`
	// State is ProfileSubmitted or ProfileRejected.
	State       ProfileState `json:"state"`
	SubmittedAt time.Time    `json:"submitted_at"`
	// SubmittedBy and ReviewedBy are names.
	SubmittedBy string     `json:"submitted_by"`
	ReviewedAt  *time.Time `json:"reviewed_at,omitempty"`
	ReviewedBy  string     `json:"reviewed_by,omitempty"`
	// Reason is why it was rejected.
	Reason string `json:"reason,omitempty"`
}

// Profile is the organization profile of a tenant: one for all its users. What has been approved stays in force while a
// change is under review.
type Profile struct {
	TenantID string `json:"tenant_id"`
	// InForce is what has been approved last; nil if nothing has been.
	InForce    *ProfileData `json:"in_force,omitempty"`
	ApprovedAt *time.Time   `json:"approved_at,omitempty"`
	ApprovedBy string       `json:"approved_by,omitempty"`
	// Change is what is under review or was rejected; nil if nothing is.
	Change *ProfileChange `json:"change,omitempty"`
}

// Approved says whether the tenant may buy.
func (p Profile) Approved() bool { return p.InForce != nil }

// State returns ProfileApproved from the first approval on, and before it where the profile stands.
func (p Profile) State() ProfileState {
	switch {
	case p.InForce != nil:
		return ProfileApproved
	case p.Change != nil:
		return p.Change.State
	}
	return ProfileNone
}

// waiting says whether something is to be reviewed.
func (p Profile) waiting() bool { return p.Change != nil && p.Change.State == ProfileSubmitted }

// Profiles keeps the organization profiles of tenants. It may be used concurrently.
type Profiles struct {
	changer
	profiles store.Collection[Profile]
	tenants  *Tenants
}

// The index by which profiles that wait for their review are found.
const (
	reviewIndex   = "review"
	reviewWaiting = "waiting"
)

// NewProfiles returns the profiles kept in d.
func NewProfiles(d store.Documents, a *Audit, tenants *Tenants, now func() time.Time) *Profiles {
	return &Profiles{
		changer: changer{d, a, now},
		profiles: store.NewCollection(d, kindProfile, func(p Profile) map[string]string {
			if !p.waiting() {
				return nil
			}
			return map[string]string{reviewIndex: reviewWaiting}
		}),
		tenants: tenants,
	}
}

// Get returns the profile of a tenant; one that was never submitted has only a TenantID.
func (p *Profiles) Get(ctx context.Context, by Actor, tenantID string) (Profile, error) {
	if err := by.See(tenantID, noTenant()); err != nil {
		return Profile{}, err
	}
	r, err := p.get(ctx, tenantID)
	return r.Value, err
}

// get returns the profile, at version 0 if it was never submitted.
func (p *Profiles) get(ctx context.Context, tenantID string) (store.Record[Profile], error) {
	r, err := p.profiles.Get(ctx, tenantID)
	if errors.Is(err, store.ErrNotFound) {
		return store.Record[Profile]{ID: tenantID, Value: Profile{TenantID: tenantID}}, nil
	}
	if missing(err) {
		err = noTenant()
	}
	return r, err
}

// RequireApproved returns a check that the tenant's profile stays as it is, to be put together with what needs its
// approval, or a fault of kind State that says what is missing.
func (p *Profiles) RequireApproved(ctx context.Context, tenantID string) (store.Write, error) {
	r, err := p.get(ctx, tenantID)
	if err != nil {
		return store.Write{}, err
	}
	switch r.Value.State() {
	case ProfileApproved:
		return store.Write{Kind: kindProfile, ID: tenantID, Expect: r.Version, Check: true}, nil
	case ProfileSubmitted:
		return store.Write{}, fault.New(fault.State, "", "the organization profile is in review")
	case ProfileRejected:
		return store.Write{}, fault.New(fault.State, "", "the organization profile was rejected: %s", r.Value.Change.Reason)
	}
	return store.Write{}, fault.New(fault.State, "", "the organization profile has not been submitted")
}

// Submit sets what is to be reviewed, which needs ManageProfile. It replaces what waits for its review already. What is in
// force stays; to submit that again takes a pending change back, and is a fault of kind State if there is none. All that
// is wrong with the data comes at once, as fault.Faults.
func (p *Profiles) Submit(ctx context.Context, by Actor, tenantID string, data ProfileData) (Profile, error) {
	if err := by.Require(tenantID, ManageProfile, noTenant()); err != nil {
		return Profile{}, err
	}
	data, err := data.checked()
	if err != nil {
		return Profile{}, err
	}
	return p.update(ctx, by, tenantID, func(v *Profile) (Change, error) {
		switch {
		case v.waiting() && v.Change.Data == data:
			return Change{}, nil // sent twice
		case v.InForce != nil && *v.InForce == data && v.Change == nil:
			return Change{}, fault.New(fault.State, "", "nothing differs from what is in force")
		case v.InForce != nil && *v.InForce == data:
			v.Change = nil
			return Change{Action: "profile.withdraw"}, nil
		}
		at := p.stamp()
		if v.Change != nil && !at.After(v.Change.SubmittedAt) {
			at = v.Change.SubmittedAt.Add(time.Microsecond) // tells it from the one it replaces
		}
		v.Change = &ProfileChange{Data: data, State: ProfileSubmitted, SubmittedAt: at, SubmittedBy: by.Name}
		return Change{Action: "profile.submit"}, nil
	})
}

// Withdraw takes back a change of an approved profile, under review or rejected, which needs ManageProfile.
func (p *Profiles) Withdraw(ctx context.Context, by Actor, tenantID string) (Profile, error) {
	if err := by.Require(tenantID, ManageProfile, noTenant()); err != nil {
		return Profile{}, err
	}
	return p.update(ctx, by, tenantID, func(v *Profile) (Change, error) {
		switch {
		case v.Change == nil:
			return Change{}, fault.New(fault.State, "", "there is no change to withdraw")
		case v.InForce == nil:
			return Change{}, fault.New(fault.State, "", "nothing has been approved yet; submit the profile again to replace it")
		}
		v.Change = nil
		return Change{Action: "profile.withdraw"}, nil
	})
}

// update changes a profile and audits it. set returns what was done; without an action nothing was.
func (p *Profiles) update(ctx context.Context, by Actor, tenantID string, set func(*Profile) (Change, error)) (Profile, error) {
	var profile Profile
	err := p.change(ctx, func() ([]store.Write, error) {
		tenant, err := p.tenants.get(ctx, tenantID)
		if err != nil {
			return nil, err
		}
		r, err := p.get(ctx, tenantID)
		if err != nil {
			return nil, err
		}
		if err := tenant.Value.changeableBy(by); err != nil {
			return nil, err
		}
		before := r.Value
		done, err := set(&r.Value)
		profile = r.Value
		if err != nil || done.Action == "" {
			return nil, err
		}
		return p.write(by, done, tenant, before, r)
	})
	return profile, err
}

// write returns the writes of a changed profile: with them, the tenant has the name of the company that is in force, and
// is otherwise as it was read.
func (p *Profiles) write(by Actor, done Change, tenant store.Record[Tenant], before Profile, r store.Record[Profile]) ([]store.Write, error) {
	var w writes
	if v := r.Value.InForce; v != nil && v.Company != tenant.Value.Name {
		tenant.Value.Name = v.Company
		w.add(p.tenants.tenants.Write(tenant.ID, tenant.Version, tenant.Value))
	} else {
		w.add(store.Write{Kind: TenantKind, ID: tenant.ID, Expect: tenant.Version, Check: true}, nil)
	}
	w.add(p.profiles.Write(r.ID, r.Version, r.Value))
	done.TenantID, done.ObjectID, done.ObjectName = tenant.ID, tenant.ID, tenant.Value.Name
	w.add(p.entry(by, done, before, r.Value))
	return w.all()
}
