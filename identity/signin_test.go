package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/secret"
)

var office = Origin{Address: "192.0.2.7", Agent: "Browser/1"}

var administrator = Account{Roles: []string{"readonly", TenantAdministrator}}

func TestCustomerSignsIn(t *testing.T) {
	f := newFixture(t)
	c := f.directory.add("OTC-1", "7 ann", administrator)
	c.Domain, c.User = " OTC-1", "7 ann "
	cookie, s, err := f.signIn.Customer(t.Context(), c, office)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.found(cookie.Reveal(), true); got.ID != s.ID || s.Kind != Customer || s.Agent != "Browser/1" {
		t.Errorf("%+v", s)
	}
	if token, err := f.sessions.Token(s); err != nil || token.Reveal() != "iam-token-1" {
		t.Errorf("token %q, %v", token.Reveal(), err)
	}
	who, err := f.signIn.Who(t.Context(), s)
	actor := who.Actor
	if err != nil || actor.Kind != Customer || actor.ID != s.UserID || actor.TenantID != s.TenantID || actor.Name != "7 ann" || len(actor.Rights) != 3 {
		t.Errorf("%+v", actor)
	}
	if tenant, err := f.tenants.Get(t.Context(), s.TenantID); err != nil || tenant.Name != "OTC-1" {
		t.Errorf("%+v, %v", tenant, err)
	}
	entries, _, err := f.audit.List(t.Context(), AuditQuery{Action: "session.begin"}, "", 0)
	if err != nil || len(entries) != 1 || entries[0].ObjectID != s.ID || entries[0].ActorID != actor.ID || entries[0].TenantID != s.TenantID ||
		string(entries[0].After) != `{"address":"192.0.2.7","agent":"Browser/1"}` {
		t.Errorf("%+v, %v", entries, err)
	}
	if all := f.stored(); strings.Contains(all, "iam-token") || strings.Contains(all, cookie.Reveal()) || strings.Contains(all, "password of") {
		t.Errorf("stored: %s", all)
	}

	if err := f.signIn.Out(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	f.found(cookie.Reveal(), false)
	if !slices.Equal(f.directory.revoked, []string{"iam-token-1"}) {
		t.Errorf("revoked: %v", f.directory.revoked)
	}
	if err := f.signIn.Out(t.Context(), s); err != nil || len(f.directory.revoked) != 1 {
		t.Errorf("twice: %v, %v", err, f.directory.revoked)
	}
}

func TestCustomerIsRefused(t *testing.T) {
	f := newFixture(t)
	good := f.directory.add("OTC-1", "ann", administrator)
	guest := f.directory.add("OTC-1", "guest", Account{Roles: []string{"readonly", "te_admin2"}})
	mfa := f.directory.add("OTC-1", "mfa ann", administrator)
	with := func(c Credentials, change func(*Credentials)) Credentials { change(&c); return c }
	for _, c := range []struct {
		name  string
		given Credentials
		want  error
		asked bool // the directory
	}{
		{"wrong password", with(good, func(c *Credentials) { c.Password = secret.New("x") }), ErrCredentials, true},
		{"wrong domain", with(good, func(c *Credentials) { c.Domain = "OTC-2" }), ErrCredentials, true},
		{"wrong user", with(good, func(c *Credentials) { c.User = "bob" }), ErrCredentials, true},
		{"no password", with(good, func(c *Credentials) { c.Password = secret.Text{} }), ErrCredentials, false},
		{"no domain", with(good, func(c *Credentials) { c.Domain = " " }), ErrCredentials, false},
		{"no user", with(good, func(c *Credentials) { c.User = "" }), ErrCredentials, false},
		{"endless password", with(good, func(c *Credentials) { c.Password = secret.New(strings.Repeat("x", 1<<20)) }), ErrCredentials, false},
		{"endless user", with(good, func(c *Credentials) { c.User = strings.Repeat("x", 1<<20) }), ErrCredentials, false},
		{"no role", guest, ErrRoleMissing, true},
		{"no passcode", mfa, ErrPasscodeNeeded, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := f.directory.signIns
			cookie, s, err := f.signIn.Customer(t.Context(), c.given, office)
			if !errors.Is(err, c.want) || cookie.IsSet() || s.ID != "" {
				t.Errorf("%v, %+v", err, s)
			}
			if (f.directory.signIns > asked) != c.asked {
				t.Errorf("the directory was asked %d times", f.directory.signIns-asked)
			}
		})
	}
	if len(f.directory.revoked) != 1 { // that of the guest
		t.Errorf("revoked: %v", f.directory.revoked)
	}
	if all := f.stored(); all != "" {
		t.Errorf("refusals leave %s", all)
	}
	f.directory.down = true
	if _, _, err := f.signIn.Customer(t.Context(), good, office); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without the directory: %v", err)
	}
	f.signIn.Directory = nil
	if _, _, err := f.signIn.Customer(t.Context(), good, office); !errors.Is(err, ErrUnavailable) {
		t.Errorf("with none: %v", err)
	}
}

func TestCustomerRoleIsASetting(t *testing.T) {
	f := newFixture(t)
	guest := f.directory.add("OTC-1", "guest", Account{})
	for role, want := range map[string]error{"": nil, "readonly": ErrRoleMissing} {
		f.signIn.CustomerRole = role
		if _, _, err := f.signIn.Customer(t.Context(), guest, office); !errors.Is(err, want) {
			t.Errorf("role %q: %v", role, err)
		}
	}
}

// What is tried too often is refused before the directory is asked; outages and passcodes do not count.
func TestCustomerIsThrottled(t *testing.T) {
	f := newFixture(t)
	good := f.directory.add("OTC-1", "mfa ann", administrator)
	f.directory.down = true
	for range 2 * freeFailures {
		if _, _, err := f.signIn.Customer(t.Context(), good, office); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
	}
	f.directory.down = false
	for range 2 * freeFailures {
		if _, _, err := f.signIn.Customer(t.Context(), good, office); !errors.Is(err, ErrPasscodeNeeded) {
			t.Fatal(err)
		}
	}
	bad := good
	bad.Password = secret.New("guess")
	for i := range freeFailures {
		if i%2 == 0 { // letters of either case are one account
			bad.User, bad.Domain = strings.ToUpper(good.User), strings.ToLower(good.Domain)
		}
		if _, _, err := f.signIn.Customer(t.Context(), bad, office); !errors.Is(err, ErrCredentials) {
			t.Fatal(err)
		}
	}
	asked := f.directory.signIns
	good.Passcode = secret.New("123456")
	_, _, err := f.signIn.Customer(t.Context(), good, office)
	if waits(t, err) != time.Second || f.directory.signIns != asked {
		t.Errorf("%v, and the directory was asked", err)
	}
	f.pass(time.Second)
	if _, _, err := f.signIn.Customer(t.Context(), good, office); err != nil {
		t.Error(err)
	}
}

// A suspended tenant's users sign in, and read.
func TestSuspendedTenantSignsIn(t *testing.T) {
	f := newFixture(t)
	c := f.directory.add("OTC-1", "ann", Account{Owner: true, Roles: administrator.Roles})
	_, s, err := f.signIn.Customer(t.Context(), c, office)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.tenants.Suspend(t.Context(), Administrator(), s.TenantID, "unpaid"); err != nil {
		t.Fatal(err)
	}
	_, s, err = f.signIn.Customer(t.Context(), c, office)
	if err != nil {
		t.Fatal(err)
	}
	actor := f.actor(User{ID: s.UserID})
	if _, err := f.profiles.Get(t.Context(), actor, s.TenantID); err != nil {
		t.Error(err)
	}
	_, err = f.profiles.Submit(t.Context(), actor, s.TenantID, goodProfile)
	isFault(t, err, fault.State, "")
}

func TestSignInAtOnce(t *testing.T) {
	f := newFixture(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	tenants := map[string]bool{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		c := f.directory.add("OTC-1", name, administrator)
		wg.Go(func() {
			_, s, err := f.signIn.Customer(t.Context(), c, office)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			tenants[s.TenantID] = true
		})
	}
	wg.Wait()
	if list, _, err := f.tenants.List(t.Context(), Administrator(), "", 0); err != nil || len(list) != 1 || len(tenants) != 1 {
		t.Errorf("%d tenants, %v; sessions of %v", len(list), err, tenants)
	}
}

// Sessions that end otherwise than by signing out have their tokens revoked as well.
func TestTokensAreRevoked(t *testing.T) {
	f := newFixture(t)
	c := f.directory.add("OTC-1", "ann", administrator)
	var last Session
	for range maxSessions + 1 {
		_, s, err := f.signIn.Customer(t.Context(), c, office)
		if err != nil {
			t.Fatal(err)
		}
		last = s
		f.pass(time.Second)
	}
	if !slices.Equal(f.directory.revoked, []string{"iam-token-1"}) {
		t.Errorf("the one that made room: %v", f.directory.revoked)
	}
	if n, err := f.signIn.OutAll(t.Context(), last.UserID, last.ID); err != nil || n != maxSessions-1 || len(f.directory.revoked) != maxSessions {
		t.Errorf("%d ended, %v, revoked %v", n, err, f.directory.revoked)
	}
	f.pass(time.Hour)
	if err := f.signIn.Sweep(t.Context()); err != nil || len(f.directory.revoked) != maxSessions+1 {
		t.Errorf("%v, revoked %v", err, f.directory.revoked)
	}
	// A directory that is away, and a caller who has gone, do not keep anybody signed in.
	_, s, err := f.signIn.Customer(t.Context(), c, office)
	if err != nil {
		t.Fatal(err)
	}
	f.directory.down = true
	if err := f.signIn.Out(t.Context(), s); err != nil {
		t.Error(err)
	}
	if all, err := f.sessions.Of(t.Context(), s.UserID); err != nil || len(all) != 0 {
		t.Errorf("%d sessions, %v", len(all), err)
	}
	f.directory.down = false
	gone, leave := context.WithCancel(t.Context())
	leave()
	f.signIn.revoke(gone, secret.New("late"))
	if !slices.Contains(f.directory.revoked, "late") {
		t.Error("a token is not revoked since the caller has gone")
	}
}

func TestOperatorSignsIn(t *testing.T) {
	f := newFixture(t)
	account := f.operator("jo")
	cookie, s, err := f.signIn.Operator(t.Context(), "JO", goodPassword, office)
	if err != nil || s.Kind != Operator || s.UserID != account.ID || s.TenantID != "" {
		t.Fatalf("%+v, %v", s, err)
	}
	f.found(cookie.Reveal(), true)
	if who, err := f.signIn.Who(t.Context(), s); err != nil || who.Actor.Kind != Operator || who.Account.ID != account.ID {
		t.Errorf("%+v, %v", who, err)
	}
	if !account.Holds(s) || f.operator("mo").Holds(s) || account.Holds(Session{Kind: Customer, UserID: account.ID, CreatedAt: f.now()}) {
		t.Error("whose session it is")
	}
	if got := f.actions(""); !slices.Equal(got, []string{"operator.create", "operator.create", "session.begin"}) {
		t.Errorf("audited: %v", got)
	}
	for range freeFailures {
		if _, _, err := f.signIn.Operator(t.Context(), "jo", secret.New("wrong password"), office); !errors.Is(err, ErrCredentials) {
			t.Fatal(err)
		}
	}
	if _, _, err := f.signIn.Operator(t.Context(), " Jo ", goodPassword, office); waits(t, err) == 0 {
		t.Error("the throttle does not hold for operators")
	}
	f.pass(time.Minute)
	account, err = f.operators.SetPassword(t.Context(), account.Actor(), account.ID, secret.New("another long password"))
	if err != nil || account.Holds(s) {
		t.Errorf("with another password the session holds, or %v", err)
	}
	_, err = f.signIn.Who(t.Context(), s)
	isFault(t, err, fault.NotFound, "")
	_, s, err = f.signIn.Operator(t.Context(), "jo", secret.New("another long password"), office)
	if err != nil || !account.Holds(s) {
		t.Errorf("the new session does not hold, or %v", err)
	}
	account, err = f.operators.Disable(t.Context(), Administrator(), account.ID)
	if err != nil || account.Holds(s) {
		t.Errorf("the session of a disabled account holds, or %v", err)
	}
	if err := f.signIn.Out(t.Context(), s); err != nil || len(f.directory.revoked) != 0 {
		t.Errorf("%v, revoked %v", err, f.directory.revoked)
	}
}

// Passcodes cannot be guessed faster than passwords.
func TestPasscodesAreThrottled(t *testing.T) {
	for _, answer := range []error{ErrCredentials, ErrPasscodeNeeded} {
		f := newFixture(t)
		c := f.directory.add("OTC-1", "mfa ann", administrator)
		c.Passcode = secret.New("000000")
		f.directory.passcode = answer
		for range freeFailures {
			if _, _, err := f.signIn.Customer(t.Context(), c, office); !errors.Is(err, answer) {
				t.Fatal(err)
			}
		}
		if _, _, err := f.signIn.Customer(t.Context(), c, office); waits(t, err) == 0 {
			t.Errorf("a directory that answers %q lets passcodes be guessed", answer)
		}
	}
}

func TestOperatorChangesPassword(t *testing.T) {
	f := newFixture(t)
	a := f.operator("ada")
	_, before, err := f.signIn.Operator(t.Context(), "ada", goodPassword, office)
	if err != nil {
		t.Fatal(err)
	}
	newPassword, short := secret.New("a new password of some length"), secret.New("short")
	for name, c := range map[string]struct{ current, password secret.Text }{"wrong": {short, newPassword}, "too short": {goodPassword, short}} {
		if _, _, err := f.signIn.ChangePassword(t.Context(), a, c.current, c.password, office); err == nil {
			t.Errorf("%s is taken", name)
		}
		if live, err := f.sessions.Of(t.Context(), a.ID); err != nil || len(live) != 1 || live[0].ID != before.ID {
			t.Errorf("%s leaves the sessions %+v, %v", name, live, err)
		}
	}
	f.pass(time.Second)
	_, after, err := f.signIn.ChangePassword(t.Context(), a, goodPassword, newPassword, office)
	if err != nil {
		t.Fatal(err)
	}
	if live, err := f.sessions.Of(t.Context(), a.ID); err != nil || len(live) != 1 || live[0].ID != after.ID {
		t.Errorf("sessions %+v, %v", live, err)
	}
	if _, err := f.signIn.Who(t.Context(), after); err != nil {
		t.Errorf("the new session: %v", err)
	}
	if _, err := f.signIn.Who(t.Context(), before); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		t.Errorf("the former session: %v", err)
	}
	if _, _, err := f.signIn.Operator(t.Context(), "ada", goodPassword, office); !errors.Is(err, ErrCredentials) {
		t.Errorf("the former password: %v", err)
	}
}

// TestPasswordSetDuringSignIn: who signs in while the password is set may have given the former one.
func TestPasswordSetDuringSignIn(t *testing.T) {
	f := newFixture(t)
	a := f.operator("ada")
	f.signIn.Now = func() time.Time {
		began := f.now()
		f.pass(time.Second)
		if _, err := f.operators.SetPassword(t.Context(), Administrator(), a.ID, goodPassword); err != nil {
			t.Error(err)
		}
		return began
	}
	_, s, err := f.signIn.Operator(t.Context(), "ada", goodPassword, office)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.signIn.Who(t.Context(), s); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		t.Errorf("the session holds: %v", err)
	}
}
