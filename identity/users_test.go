package identity

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
)

func TestRightsOf(t *testing.T) {
	free, given := Tenant{ID: "ten_1"}, Tenant{ID: "ten_1", RightsGiven: true}
	three := []Right{Reports, ManageProfile, Subscribe}
	for _, c := range []struct {
		name   string
		user   User
		tenant Tenant
		want   []Right
	}{
		{"owner", User{TenantID: "ten_1", Owner: true}, free, allRights},
		{"owner, rights given", User{TenantID: "ten_1", Owner: true}, given, allRights},
		{"administrator", User{TenantID: "ten_1", Admin: true}, free, three},
		{"administrator, rights given", User{TenantID: "ten_1", Admin: true}, given, nil},
		{"administrator with a right", User{TenantID: "ten_1", Admin: true, Rights: []Right{Reports}}, given, []Right{Reports}},
		{"user", User{TenantID: "ten_1"}, free, nil},
		{"user with rights", User{TenantID: "ten_1", Rights: []Right{Reports, Subscribe}}, given, []Right{Reports, Subscribe}},
		{"owner of another tenant", User{TenantID: "ten_2", Owner: true}, free, nil},
	} {
		if got := RightsOf(c.user, c.tenant); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	u := User{ID: "usr_1", Name: "Ann", TenantID: "ten_1", Admin: true}
	if a := u.Actor(free); a.Kind != Customer || a.ID != "usr_1" || a.Name != "Ann" || a.TenantID != "ten_1" || !slices.Equal(a.Rights, three) {
		t.Errorf("%+v", a)
	}
}

func TestEnroll(t *testing.T) {
	f := newFixture(t)
	ann, tenant := f.enrolled("OTC-1", "ann", false, TenantAdministrator)
	if tenant.Name != "OTC-1" || tenant.Domain != "OTC-1" || tenant.DomainID != "id-OTC-1" || tenant.State != TenantActive || tenant.RightsGiven {
		t.Errorf("%+v", tenant)
	}
	if !strings.HasPrefix(ann.ID, "usr_") || ann.TenantID != tenant.ID || !ann.Admin || ann.Owner || ann.DirectoryID != "id-ann" || !ann.LastSignInAt.Equal(f.now()) {
		t.Errorf("%+v", ann)
	}
	f.pass(time.Hour)
	again, same := f.enrolled("OTC-1", "ann", true)
	if again.ID != ann.ID || same.ID != tenant.ID || again.Admin || !again.Owner || !again.CreatedAt.Equal(ann.CreatedAt) || !again.LastSignInAt.Equal(f.now()) {
		t.Errorf("%+v, before %+v", again, ann)
	}
	f.enrolled("OTC-1", "ann", true) // nothing new
	bob, _ := f.enrolled("OTC-1", "bob", false)
	namesake, other := f.enrolled("OTC-2", "ann", false)
	if bob.TenantID != tenant.ID || bob.ID == ann.ID || other.ID == tenant.ID || namesake.ID == ann.ID || namesake.TenantID != other.ID {
		t.Errorf("%+v, %+v in %+v", bob, namesake, other)
	}
	if got := f.actions(tenant.ID); !slices.Equal(got, []string{"tenant.create", "user.create", "user.create", "user.update"}) {
		t.Errorf("audited: %v", got)
	}
	odd, oddTenant := f.enrolled("a\u202eb", "\x00", false)
	if odd.Name != "id-\x00" || oddTenant.Name != "id-a\u202eb" {
		t.Errorf("%q in %q", odd.Name, oddTenant.Name)
	}
	for _, a := range []Account{{}, {UserID: "u"}, {DomainID: "d"}, {UserID: "u", DomainID: strings.Repeat("d", 300)}} {
		if _, _, err := f.users.enroll(t.Context(), a); err == nil {
			t.Errorf("%.20v is enrolled", a)
		}
	}
	// IDs that give the same place must not open another domain's tenant.
	if _, _, err := f.users.enroll(t.Context(), Account{DomainID: "x", UserID: "y.z", DomainName: "x", UserName: "y"}); err != nil {
		t.Fatal(err)
	}
	if u, _, err := f.users.enroll(t.Context(), Account{DomainID: "x.y", UserID: "z", DomainName: "x.y", UserName: "z"}); err == nil {
		t.Errorf("%+v", u)
	}
}

// Whoever comes first makes the tenant; all end in the same, and each user is made once.
func TestEnrollAtOnce(t *testing.T) {
	f := newFixture(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids, tenants := map[string]string{}, map[string]bool{}
	for i := range 12 {
		wg.Go(func() {
			name := fmt.Sprint("user", i/2) // each twice
			u, tenant, err := f.users.enroll(t.Context(), Account{UserID: name, UserName: name, DomainID: "d", DomainName: "D"})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			tenants[tenant.ID] = true
			if other := ids[name]; other != "" && other != u.ID {
				t.Errorf("%s is %s and %s", name, other, u.ID)
			}
			ids[name] = u.ID
		})
	}
	wg.Wait()
	list, _, err := f.tenants.List(t.Context(), Administrator(), "", 0)
	if err != nil || len(list) != 1 || len(tenants) != 1 || len(ids) != 6 {
		t.Errorf("%d tenants, %v; %v", len(list), err, tenants)
	}
	users, err := f.users.List(t.Context(), Administrator(), list[0].ID)
	if err != nil || len(users) != 6 {
		t.Errorf("%d users, %v", len(users), err)
	}
}

func TestGive(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.enrolled("OTC-1", "owner", true, TenantAdministrator)
	ann, _ := f.enrolled("OTC-1", "ann", false, TenantAdministrator)
	bob, _ := f.enrolled("OTC-1", "bob", false, TenantAdministrator)
	stranger, _ := f.enrolled("OTC-2", "stranger", true)

	_, err := f.users.Give(t.Context(), f.actor(ann), bob.ID, []Right{Reports})
	isFault(t, err, fault.Forbidden, "")
	_, err = f.users.Give(t.Context(), f.actor(stranger), bob.ID, []Right{Reports})
	isFault(t, err, fault.NotFound, "")
	_, err = f.users.Give(t.Context(), f.actor(owner), "usr_none", nil)
	isFault(t, err, fault.NotFound, "")
	_, err = f.users.Give(t.Context(), f.actor(owner), owner.ID, []Right{Reports})
	isFault(t, err, fault.State, "")
	for _, r := range []Right{ManageRights, "unheard", ""} {
		_, err = f.users.Give(t.Context(), f.actor(owner), bob.ID, []Right{Reports, r})
		isFault(t, err, fault.Invalid, "rights")
	}
	if got, _ := f.tenants.Get(t.Context(), tenant.ID); got.RightsGiven {
		t.Error("refusals have ended the time in which Tenant Administrators have all rights")
	}

	got, err := f.users.Give(t.Context(), f.actor(owner), ann.ID, []Right{Subscribe, Subscribe})
	if err != nil || !slices.Equal(got.Rights, []Right{Reports, Subscribe}) {
		t.Errorf("%+v, %v", got, err)
	}
	if !slices.Equal(f.actor(ann).Rights, []Right{Reports, Subscribe}) || len(f.actor(bob).Rights) != 0 || len(f.actor(owner).Rights) != 4 {
		t.Errorf("ann %v, bob %v, owner %v", f.actor(ann).Rights, f.actor(bob).Rights, f.actor(owner).Rights)
	}
	// They outlast the next sign-in.
	if again, _ := f.enrolled("OTC-1", "ann", false, TenantAdministrator); !slices.Equal(again.Rights, []Right{Reports, Subscribe}) {
		t.Errorf("after a sign-in %v", again.Rights)
	}
	if got, err := f.users.Give(t.Context(), f.actor(owner), ann.ID, nil); err != nil || got.Rights != nil || len(f.actor(ann).Rights) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	changes, _, err := f.audit.List(t.Context(), AuditQuery{Action: "user.rights"}, "", 0)
	if err != nil || len(changes) != 2 || changes[0].ActorID != owner.ID || changes[0].ObjectID != ann.ID || changes[0].TenantID != tenant.ID {
		t.Fatalf("%+v, %v", changes, err)
	}
	if _, err := f.tenants.Suspend(t.Context(), Administrator(), tenant.ID, "unpaid"); err != nil {
		t.Fatal(err)
	}
	_, err = f.users.Give(t.Context(), f.actor(owner), ann.ID, []Right{Reports})
	isFault(t, err, fault.State, "")
}

// Whoever has a right in a tenant sees its users, and nobody else does.
func TestListUsers(t *testing.T) {
	f := newFixture(t)
	ann, tenant := f.enrolled("OTC-1", "ann", false, TenantAdministrator)
	bob, _ := f.enrolled("OTC-1", "bob", false)
	stranger, _ := f.enrolled("OTC-2", "stranger", true)
	list, err := f.users.List(t.Context(), f.actor(ann), tenant.ID)
	if err != nil || len(list) != 2 || list[0].ID == list[1].ID || list[0].TenantID != tenant.ID || list[1].TenantID != tenant.ID {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = f.users.List(t.Context(), f.actor(bob), tenant.ID)
	isFault(t, err, fault.Forbidden, "")
	_, err = f.users.List(t.Context(), f.actor(stranger), tenant.ID)
	isFault(t, err, fault.NotFound, "")
	_, err = f.users.Get(t.Context(), "\x00")
	isFault(t, err, fault.NotFound, "")
}
