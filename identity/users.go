package identity

import (
	"context"
	"slices"
	"time"

	"llmhub/fault"
	"llmhub/store"
)

const (
	kindUser          = "user"
	kindDirectoryUser = "directory_user"
)

// User is somebody who has signed in to a tenant.
type User struct {
	ID          string `json:"id"`
	TenantID    string `json:"tenant_id"`
	DirectoryID string `json:"directory_id"`
	Name        string `json:"name"`
	// Owner and Admin are as the directory said at the last sign-in: the one owner of the domain, and whether the user is
	// a Tenant Administrator.
	Owner bool `json:"owner,omitempty"`
	Admin bool `json:"admin,omitempty"`
	// Rights are those that were given; RightsOf says which the user has.
	Rights       []Right   `json:"rights,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	LastSignInAt time.Time `json:"last_sign_in_at"`
}

// givable are the rights that can be given, in the order in which they are kept. The first is part of all others.
var givable = []Right{Reports, ManageProfile, Subscribe}

// RightsOf returns the rights of a user of the tenant: all for the owner; until rights are first given all but giving
// them for Tenant Administrators; and else those that were given.
func RightsOf(u User, t Tenant) []Right {
	switch {
	case u.TenantID != t.ID:
		return nil
	case u.Owner:
		return append(slices.Clone(givable), ManageRights)
	case u.Admin && !t.RightsGiven:
		return slices.Clone(givable)
	}
	return slices.Clone(u.Rights)
}

// Actor returns who acts when the user does.
func (u User) Actor(t Tenant) Actor {
	return Actor{Kind: Customer, ID: u.ID, Name: u.Name, TenantID: u.TenantID, Rights: RightsOf(u, t)}
}

// directoryUser makes sure that a user of the directory is one user here.
type directoryUser struct {
	UserID string `json:"user_id"`
}

// Users keeps the users of tenants. It may be used concurrently.
type Users struct {
	changer
	users   store.Collection[User]
	known   store.Collection[directoryUser]
	tenants *Tenants
}

// NewUsers returns the users kept in d.
func NewUsers(d store.Documents, a *Audit, tenants *Tenants, now func() time.Time) *Users {
	return &Users{
		changer: changer{d, a, now},
		users:   store.NewCollection(d, kindUser, func(u User) map[string]string { return map[string]string{"tenant": u.TenantID} }),
		known:   store.NewCollection[directoryUser](d, kindDirectoryUser, nil),
		tenants: tenants,
	}
}

// Get returns a user, or a fault of kind NotFound.
func (u *Users) Get(ctx context.Context, id string) (User, error) {
	r, err := u.get(ctx, id)
	return r.Value, err
}

func (u *Users) get(ctx context.Context, id string) (store.Record[User], error) {
	r, err := u.users.Get(ctx, id)
	if missing(err) {
		err = noUser()
	}
	return r, err
}

func noUser() *fault.Error { return fault.New(fault.NotFound, "", "there is no such user") }

// List returns all users of a tenant, in order of ID.
func (u *Users) List(ctx context.Context, by Actor, tenantID string) ([]User, error) {
	if err := by.See(tenantID, noTenant()); err != nil {
		return nil, err
	}
	var all []User
	for r, err := range u.users.All(ctx, "tenant", tenantID) {
		if err != nil {
			return nil, err
		}
		all = append(all, r.Value)
	}
	return all, nil
}

// Give sets the rights of a user, which needs ManageRights. An empty list takes all away. Reports is part of every other
// right. From the first call on, no user of the tenant but the owner has rights that were not given.
func (u *Users) Give(ctx context.Context, by Actor, userID string, rights []Right) (User, error) {
	for _, r := range rights {
		if !slices.Contains(givable, r) {
			return User{}, fault.New(fault.Invalid, "rights", "%q is not a right that can be given", string(r))
		}
	}
	var user User
	err := u.change(ctx, func() ([]store.Write, error) {
		r, err := u.get(ctx, userID)
		if err != nil {
			return nil, err
		}
		if err := by.Require(r.Value.TenantID, ManageRights, noUser()); err != nil {
			return nil, err
		}
		if r.Value.Owner {
			return nil, fault.New(fault.State, "", "the tenant's owner has all rights")
		}
		w, err := u.give(ctx, by, &r, rights)
		user = r.Value
		return w, err
	})
	return user, err
}

// give sets the rights in r and returns the writes.
func (u *Users) give(ctx context.Context, by Actor, r *store.Record[User], rights []Right) ([]store.Write, error) {
	tenant, err := u.tenants.get(ctx, r.Value.TenantID)
	if err != nil {
		return nil, err
	}
	if err := tenant.Value.changeableBy(by); err != nil {
		return nil, err
	}
	before := RightsOf(r.Value, tenant.Value)
	r.Value.Rights = nil
	for i, g := range givable {
		if slices.Contains(rights, g) || i == 0 && len(rights) > 0 {
			r.Value.Rights = append(r.Value.Rights, g)
		}
	}
	tenant.Value.RightsGiven = true
	var w writes
	w.add(u.users.Write(r.Value.ID, r.Version, r.Value))
	w.add(u.tenants.tenants.Write(tenant.ID, tenant.Version, tenant.Value))
	w.add(u.entry(by, Change{
		TenantID: tenant.ID, Action: "user.rights", ObjectID: r.Value.ID, ObjectName: r.Value.Name,
	}, before, r.Value.Rights))
	return w.all()
}
