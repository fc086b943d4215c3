// Package identity knows who uses the Marketplace: tenants with their users, rights and organization profile, operators,
// sessions, and the audit of what all of them change.
//
// It validates and keeps them as documents; it knows no HTTP and no engine, and where users are known is behind Directory.
// It refuses what the actor has no right to, and names it could not show again.
package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"llmhub/fault"
	"llmhub/store"
)

// The kinds of documents. TenantKind is known to those who watch the store.
const (
	TenantKind       = "tenant"
	kindTenantDomain = "tenant_domain"
)

// maxReasonRunes bounds the reasons that operators give.
const maxReasonRunes = 1000

// TenantState says whether a tenant may use what it has subscribed to.
type TenantState string

// The states of a tenant.
const (
	TenantActive    TenantState = "active"
	TenantSuspended TenantState = "suspended"
)

// Tenant is an organization.
type Tenant struct {
	ID string `json:"id"`
	// Name is the company's once its profile has been approved.
	Name      string      `json:"name"`
	State     TenantState `json:"state"`
	CreatedAt time.Time   `json:"created_at"`
	// Domain and DomainID are those of the directory; empty for a tenant that nobody can sign in to.
	Domain   string `json:"domain,omitempty"`
	DomainID string `json:"domain_id,omitempty"`
	// RightsGiven says that rights are those that were given to each user. Until then Tenant Administrators have all.
	RightsGiven   bool       `json:"rights_given,omitempty"`
	SuspendedAt   *time.Time `json:"suspended_at,omitempty"`
	SuspendReason string     `json:"suspend_reason,omitempty"`
}

// RequireActive returns nil if things of the tenant may be changed, and a fault of kind State if it is suspended.
func (t Tenant) RequireActive() error {
	if t.State != TenantActive {
		return fault.New(fault.State, "", "the tenant is suspended")
	}
	return nil
}

// changeableBy returns nil unless the tenant is suspended, which keeps its users from changing anything, but not operators.
func (t Tenant) changeableBy(a Actor) error {
	if a.Kind == Operator {
		return nil
	}
	return t.RequireActive()
}

// tenantDomain makes sure that a domain has one tenant; its ID is that of the domain.
type tenantDomain struct {
	TenantID string `json:"tenant_id"`
}

// Tenants keeps tenants. It may be used concurrently.
type Tenants struct {
	changer
	tenants store.Collection[Tenant]
	domains store.Collection[tenantDomain]
}

// NewTenants returns the tenants kept in d.
func NewTenants(d store.Documents, a *Audit, now func() time.Time) *Tenants {
	return &Tenants{
		changer: changer{d, a, now},
		tenants: store.NewCollection[Tenant](d, TenantKind, nil),
		domains: store.NewCollection[tenantDomain](d, kindTenantDomain, nil),
	}
}

// Create makes a tenant without a domain; only operators may. Names need not be unique: two organizations may have the
// same.
func (t *Tenants) Create(ctx context.Context, by Actor, name string) (Tenant, error) {
	if err := by.RequireOperator(); err != nil {
		return Tenant{}, err
	}
	name, err := fault.Name("name", name)
	if err != nil {
		return Tenant{}, err
	}
	tenant := t.fresh(name)
	return tenant, t.change(ctx, func() ([]store.Write, error) {
		return t.write(by, "tenant.create", store.Record[Tenant]{Value: tenant}, nil)
	})
}

func (t *Tenants) fresh(name string) Tenant {
	return Tenant{ID: NewID("ten_"), Name: name, State: TenantActive, CreatedAt: t.stamp().Truncate(time.Second)}
}

// write returns the writes of a tenant and of the audit entry. r.Version is what was read, before the former value.
func (t *Tenants) write(by Actor, action string, r store.Record[Tenant], before any) ([]store.Write, error) {
	v := r.Value
	var w writes
	w.add(t.tenants.Write(v.ID, r.Version, v))
	w.add(t.entry(by, Change{TenantID: v.ID, Action: action, ObjectID: v.ID, ObjectName: v.Name, Reason: v.SuspendReason}, before, v))
	return w.all()
}

// Get returns a tenant, or a fault of kind NotFound.
func (t *Tenants) Get(ctx context.Context, id string) (Tenant, error) {
	r, err := t.get(ctx, id)
	return r.Value, err
}

func (t *Tenants) get(ctx context.Context, id string) (store.Record[Tenant], error) {
	r, err := t.tenants.Get(ctx, id)
	if missing(err) {
		err = noTenant()
	}
	return r, err
}

func noTenant() *fault.Error { return fault.New(fault.NotFound, "", "there is no such tenant") }

// List returns a page of tenants in order of ID, and the cursor of the next, empty behind the last. Only operators may.
func (t *Tenants) List(ctx context.Context, by Actor, after string, limit int) ([]Tenant, string, error) {
	if err := by.RequireOperator(); err != nil {
		return nil, "", err
	}
	page, next, err := t.tenants.List(ctx, "", "", after, limit)
	return values(page), next, err
}

// Find returns the tenants whose name or domain contains a text, or whose ID begins with it, letters of either case being
// the same, in order of their names; an empty text finds all. Only operators may.
func (t *Tenants) Find(ctx context.Context, by Actor, text string) ([]Tenant, error) {
	if err := by.RequireOperator(); err != nil {
		return nil, err
	}
	text = strings.ToLower(text)
	var found []Tenant
	for r, err := range t.tenants.All(ctx, "", "") {
		if err != nil {
			return nil, err
		}
		v := r.Value
		if strings.Contains(strings.ToLower(v.Name), text) || strings.Contains(strings.ToLower(v.Domain), text) || strings.HasPrefix(v.ID, text) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b Tenant) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	return found, nil
}

// Suspend refuses all keys of a tenant and all changes by its users, who can still sign in, read, and end what they have:
// keys, subscriptions, tokens and sessions. Only operators may. The customer sees the reason.
func (t *Tenants) Suspend(ctx context.Context, by Actor, id, reason string) (Tenant, error) {
	if err := by.RequireOperator(); err != nil {
		return Tenant{}, err
	}
	reason, err := fault.Text("reason", reason, maxReasonRunes)
	if err != nil {
		return Tenant{}, err
	}
	return t.update(ctx, by, "tenant.suspend", id, func(v *Tenant) error {
		if v.State == TenantSuspended {
			return fault.New(fault.State, "", "the tenant is suspended already")
		}
		at := t.stamp()
		v.State, v.SuspendedAt, v.SuspendReason = TenantSuspended, &at, reason
		return nil
	})
}

// Resume ends a suspension. Only operators may.
func (t *Tenants) Resume(ctx context.Context, by Actor, id string) (Tenant, error) {
	if err := by.RequireOperator(); err != nil {
		return Tenant{}, err
	}
	return t.update(ctx, by, "tenant.resume", id, func(v *Tenant) error {
		if v.State == TenantActive {
			return fault.New(fault.State, "", "the tenant is not suspended")
		}
		v.State, v.SuspendedAt, v.SuspendReason = TenantActive, nil, ""
		return nil
	})
}

func (t *Tenants) update(ctx context.Context, by Actor, action, id string, set func(*Tenant) error) (Tenant, error) {
	var tenant Tenant
	err := t.change(ctx, func() ([]store.Write, error) {
		r, err := t.get(ctx, id)
		if err != nil {
			return nil, err
		}
		before := r.Value
		if err := set(&r.Value); err != nil {
			return nil, err
		}
		tenant = r.Value
		return t.write(by, action, r, before)
	})
	return tenant, err
}

// NewID returns a random ID with a prefix that says what it names: 26 characters of 130 random bits.
func NewID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }
