package portal

import (
	"time"

	"llmhub/fault"
	"llmhub/identity"
)

type tenantView struct {
	ID        string    `json:"id" example:"ten_4qkz7r2m5x"`
	Name      string    `json:"name" example:"Example GmbH"`
	Domain    string    `json:"domain,omitempty" doc:"What its users sign in to; absent if nobody can."`
	State     string    `json:"state" enum:"active,suspended"`
	CreatedAt time.Time `json:"created_at"`
	// SuspendedAt and SuspendReason are there while it is suspended.
	SuspendedAt   *time.Time `json:"suspended_at,omitempty"`
	SuspendReason string     `json:"suspend_reason,omitempty"`
}

func viewTenant(t identity.Tenant) tenantView {
	return tenantView{
		ID: t.ID, Name: t.Name, Domain: t.Domain, State: string(t.State), CreatedAt: t.CreatedAt.UTC(),
		SuspendedAt: utc(t.SuspendedAt), SuspendReason: t.SuspendReason,
	}
}

// newTenant is the body that makes a tenant.
type newTenant struct {
	Name string `json:"name" example:"Example GmbH"`
}

func (p *Portal) createTenant(r *request, in newTenant) (tenantView, error) {
	t, err := p.tenants.Create(r.ctx, r.by, in.Name)
	return viewTenant(t), err
}

func (p *Portal) listTenants(r *request) (page[tenantView], error) {
	if text := r.query("search"); text != "" {
		found, err := p.tenants.Find(r.ctx, r.by, text)
		return pageOf(found[:min(len(found), r.limit())], "", viewTenant), err
	}
	list, next, err := p.tenants.List(r.ctx, r.by, r.query("after"), r.limit())
	return pageOf(list, next, viewTenant), err
}

// seeTenant returns a tenant that exists for who asks. A misspelt ID must not stand for a tenant that has nothing.
func (p *Portal) seeTenant(r *request, id string) (identity.Tenant, error) {
	if err := r.by.See(id, fault.New(fault.NotFound, "", "there is no such tenant")); err != nil {
		return identity.Tenant{}, err
	}
	return p.tenants.Get(r.ctx, id)
}

// tenantAsked returns whose things a query asks for: a customer's own if it does not say, and all for an operator.
func (p *Portal) tenantAsked(r *request) (string, error) {
	id := r.query("tenant_id")
	if id == "" {
		id = r.by.TenantID
	}
	if id == "" {
		return "", nil
	}
	_, err := p.seeTenant(r, id)
	return id, err
}

func (p *Portal) getTenant(r *request) (tenantView, error) {
	id, err := r.id()
	if err != nil {
		return tenantView{}, err
	}
	t, err := p.seeTenant(r, id)
	return viewTenant(t), err
}

// reason is a body that says why.
type reason struct {
	Reason string `json:"reason" doc:"The customer sees it." example:"invoices are not paid"`
}

func (p *Portal) suspendTenant(r *request, in reason) (tenantView, error) {
	id, err := r.id()
	if err != nil {
		return tenantView{}, err
	}
	t, err := p.tenants.Suspend(r.ctx, r.by, id, in.Reason)
	return viewTenant(t), err
}

func (p *Portal) resumeTenant(r *request) (tenantView, error) {
	id, err := r.id()
	if err != nil {
		return tenantView{}, err
	}
	t, err := p.tenants.Resume(r.ctx, r.by, id)
	return viewTenant(t), err
}

type userView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Owner and Admin are as the directory said at the last sign-in.
	Owner        bool             `json:"owner" doc:"Owns the tenant's domain, and has all rights."`
	Admin        bool             `json:"admin" doc:"Is a Tenant Administrator."`
	Rights       []identity.Right `json:"rights" enum:"reports,profile,subscribe,rights"`
	CreatedAt    time.Time        `json:"created_at"`
	LastSignInAt time.Time        `json:"last_sign_in_at"`
}

func viewUser(u identity.User, t identity.Tenant) userView {
	return userView{
		ID: u.ID, Name: u.Name, Owner: u.Owner, Admin: u.Admin, Rights: orEmpty(identity.RightsOf(u, t)),
		CreatedAt: u.CreatedAt.UTC(), LastSignInAt: u.LastSignInAt.UTC(),
	}
}

func (p *Portal) listUsers(r *request) (page[userView], error) {
	id, err := r.id()
	if err != nil {
		return page[userView]{}, err
	}
	t, err := p.seeTenant(r, id)
	if err != nil {
		return page[userView]{}, err
	}
	users, err := p.users.List(r.ctx, r.by, id)
	return pageOf(users, "", func(u identity.User) userView { return viewUser(u, t) }), err
}

// newRights is the body that sets rights.
type newRights struct {
	Rights []identity.Right `json:"rights" enum:"reports,profile,subscribe" doc:"Reports is part of the others; an empty list takes all away."`
}

func (p *Portal) setRights(r *request, in newRights) (userView, error) {
	id, err := r.id()
	if err != nil {
		return userView{}, err
	}
	if in.Rights == nil {
		return userView{}, fault.New(fault.Invalid, "rights", "must be a list")
	}
	u, err := p.users.Give(r.ctx, r.by, id, in.Rights)
	if err != nil {
		return userView{}, err
	}
	t, err := p.tenants.Get(r.ctx, u.TenantID)
	return viewUser(u, t), err
}
