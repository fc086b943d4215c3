package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"llmhub/fault"
	"llmhub/store"
)

// TenantAdministrator is the name of the directory's role whose holders have the rights in a tenant until they are first
// given to users.
const TenantAdministrator = "te_admin"

// enroll returns the user and the tenant of an account that has signed in, made if they are new. Whoever comes first from
// a domain makes its tenant.
func (u *Users) enroll(ctx context.Context, a Account) (User, Tenant, error) {
	if a.DomainID == "" || a.UserID == "" {
		return User{}, Tenant{}, errors.New("the directory told no domain or no user")
	}
	var user User
	var tenant Tenant
	err := u.change(ctx, func() ([]store.Write, error) {
		var w writes
		t, isNew, err := u.enrollTenant(ctx, a, &w)
		if err != nil {
			return nil, err
		}
		now, before, err := u.enrollUser(ctx, a, t, isNew, &w)
		if err != nil {
			return nil, err
		}
		tenant, user = t, now
		if isNew {
			w.add(u.entry(user.Actor(t), Change{TenantID: t.ID, Action: "tenant.create", ObjectID: t.ID, ObjectName: t.Name}, nil, t))
		}
		u.auditEnrolled(t, before, user, &w)
		return w.all()
	})
	return user, tenant, err
}

// enrollTenant finds the tenant of the account's domain, or adds the writes that make it.
func (u *Users) enrollTenant(ctx context.Context, a Account, w *writes) (tenant Tenant, isNew bool, err error) {
	t := u.tenants
	known, err := t.domains.Get(ctx, a.DomainID)
	switch {
	case err == nil:
		tenant, err = t.Get(ctx, known.Value.TenantID)
		return tenant, false, err
	case !errors.Is(err, store.ErrNotFound):
		return Tenant{}, false, err
	}
	tenant = t.fresh(shown(a.DomainName, a.DomainID))
	tenant.Domain, tenant.DomainID = tenant.Name, a.DomainID
	w.add(t.domains.Write(a.DomainID, 0, tenantDomain{tenant.ID}))
	w.add(t.tenants.Write(tenant.ID, 0, tenant))
	return tenant, true, nil
}

// enrollUser adds the writes that make the account's user, or note that it has signed in. before has no ID if it is new.
func (u *Users) enrollUser(ctx context.Context, a Account, tenant Tenant, isNew bool, w *writes) (user, before User, err error) {
	var version store.Version
	guard := a.DomainID + "." + a.UserID
	known, err := u.known.Get(ctx, guard)
	switch {
	case err == nil:
		r, err := u.get(ctx, known.Value.UserID)
		if err != nil {
			return user, before, err
		}
		if r.Value.TenantID != tenant.ID && isNew {
			// Somebody has made the tenant since it was looked for: a write that conflicts has all of it tried again.
			w.add(u.known.Write(guard, 0, known.Value))
			return user, before, nil
		}
		if r.Value.TenantID != tenant.ID {
			return user, before, fmt.Errorf("user %s of the directory belongs to another tenant", a.UserID)
		}
		user, before, version = r.Value, r.Value, r.Version
	case !errors.Is(err, store.ErrNotFound):
		return user, before, err
	default:
		user = User{ID: NewID("usr_"), TenantID: tenant.ID, DirectoryID: a.UserID, CreatedAt: u.stamp()}
		w.add(u.known.Write(guard, 0, directoryUser{user.ID}))
	}
	user.Name, user.LastSignInAt = shown(a.UserName, a.UserID), u.stamp()
	user.Owner, user.Admin = a.Owner, slices.Contains(a.Roles, TenantAdministrator)
	w.add(u.users.Write(user.ID, version, user))
	return user, before, nil
}

// auditEnrolled adds the audit entry of an enrolment, if the user is new or the directory says otherwise than before.
func (u *Users) auditEnrolled(tenant Tenant, before, user User, w *writes) {
	entry := Change{TenantID: tenant.ID, ObjectID: user.ID, ObjectName: user.Name}
	switch {
	case before.ID == "":
		entry.Action = "user.create"
		w.add(u.entry(user.Actor(tenant), entry, nil, user))
	case before.Owner != user.Owner || before.Admin != user.Admin || before.Name != user.Name:
		entry.Action = "user.update"
		w.add(u.entry(user.Actor(tenant), entry, before, user))
	}
}

// shown returns a name of the directory if it can be shown, and else the ID.
func shown(name, id string) string {
	if name, err := fault.Name("", name); err == nil {
		return name
	}
	return id
}
