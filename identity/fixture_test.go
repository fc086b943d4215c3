package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
)

// fixture is all of this package on a real store, with a clock and a directory of its own.
type fixture struct {
	t         *testing.T
	store     *local.Store
	audit     *Audit
	tenants   *Tenants
	users     *Users
	profiles  *Profiles
	sessions  *Sessions
	operators *Operators
	throttle  *Throttle
	tokens    *PersonalTokens
	signIn    *SignIn
	directory *directory

	mu    sync.Mutex
	clock time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	d, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	sealer, err := secret.NewSealer(make([]byte, secret.KeyBytes), "session")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: d, audit: NewAudit(d), clock: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	f.tenants = NewTenants(d, f.audit, f.now)
	f.users = NewUsers(d, f.audit, f.tenants, f.now)
	f.profiles = NewProfiles(d, f.audit, f.tenants, f.now)
	f.sessions = NewSessions(d, sealer, SessionOptions{}, f.now)
	f.operators = NewOperators(d, f.audit, f.now)
	f.throttle = NewThrottle(f.now)
	f.tokens = NewPersonalTokens(d, f.audit, f.users, f.tenants, f.now)
	f.directory = &directory{passwords: map[string]string{}, accounts: map[string]Account{}, now: f.now}
	f.signIn = NewSignIn(SignInOptions{
		Directory: f.directory, Tenants: f.tenants, Users: f.users, Sessions: f.sessions, Operators: f.operators,
		Throttle: f.throttle, Audit: f.audit, CustomerRole: TenantAdministrator, Now: f.now,
	})
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

// enrolled returns a user of a domain's tenant, as after a sign-in.
func (f *fixture) enrolled(domain, name string, owner bool, roles ...string) (User, Tenant) {
	f.t.Helper()
	u, tenant, err := f.users.enroll(f.t.Context(), Account{
		UserID: "id-" + name, UserName: name, DomainID: "id-" + domain, DomainName: domain, Owner: owner, Roles: roles,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return u, tenant
}

// actor returns who acts when a user does, with the rights of now.
func (f *fixture) actor(u User) Actor {
	f.t.Helper()
	u, err := f.users.Get(f.t.Context(), u.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	tenant, err := f.tenants.Get(f.t.Context(), u.TenantID)
	if err != nil {
		f.t.Fatal(err)
	}
	return u.Actor(tenant)
}

// actions returns what the audit says of a tenant, or of what belongs to none, in order of the alphabet.
func (f *fixture) actions(tenantID string) []string {
	f.t.Helper()
	list, _, err := f.audit.List(f.t.Context(), AuditQuery{TenantID: tenantID}, "", 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	var actions []string
	for _, c := range list {
		if c.TenantID == tenantID {
			actions = append(actions, c.Action)
		}
	}
	slices.Sort(actions)
	return actions
}

// stored returns all documents as text.
func (f *fixture) stored() string {
	f.t.Helper()
	var all strings.Builder
	for _, kind := range []string{
		TenantKind, kindTenantDomain, kindUser, kindDirectoryUser, kindProfile, kindSession, kindOperator, kindOperatorName,
		kindPersonalToken, kindPersonalTokenTurn, kindAudit,
	} {
		all.WriteString(f.kind(kind))
	}
	return all.String()
}

func isFault(t *testing.T, err error, kind fault.Kind, field string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field || e.Message == "" {
		t.Errorf("got %v, want a fault of kind %d about %q", err, kind, field)
	}
}

// directory is one in memory. Passwords are found by DOMAIN/USER.
type directory struct {
	now func() time.Time

	mu        sync.Mutex
	passwords map[string]string
	accounts  map[string]Account
	signIns   int
	revoked   []string
	down      bool
	// passcode is the answer to a wrong passcode; all but 123456 are.
	passcode error
}

// add makes an account and returns the credentials for it.
func (d *directory) add(domain, user string, a Account) Credentials {
	d.mu.Lock()
	defer d.mu.Unlock()
	a.DomainID, a.DomainName, a.UserID, a.UserName = "id-"+domain, domain, "id-"+user, user
	d.passwords[domain+"/"+user], d.accounts[domain+"/"+user] = "password of "+user, a
	return Credentials{Domain: domain, User: user, Password: secret.New("password of " + user)}
}

func (d *directory) SignIn(_ context.Context, c Credentials) (Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.signIns++
	key := c.Domain + "/" + c.User
	switch {
	case d.down:
		return Account{}, fmt.Errorf("dial: %w", ErrUnavailable)
	case d.passwords[key] == "" || d.passwords[key] != c.Password.Reveal():
		return Account{}, ErrCredentials
	case strings.HasPrefix(c.User, "mfa") && !c.Passcode.IsSet():
		return Account{}, ErrPasscodeNeeded
	case c.Passcode.IsSet() && c.Passcode.Reveal() != "123456":
		return Account{}, d.passcode
	}
	a := d.accounts[key]
	a.Token, a.ExpiresAt = secret.New(fmt.Sprintf("iam-token-%d", d.signIns)), d.now().Add(24*time.Hour)
	return a, nil
}

func (d *directory) Projects(context.Context, secret.Text) ([]Project, error) { return nil, nil }

func (d *directory) Rescope(_ context.Context, t secret.Text, _ string) (secret.Text, time.Time, error) {
	return t, d.now(), nil
}

func (d *directory) Account(context.Context, secret.Text) (Account, error) {
	return Account{}, ErrCredentials
}

func (d *directory) Revoke(ctx context.Context, token secret.Text) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("the call is not bounded in time")
	}
	if d.down {
		return ErrUnavailable
	}
	d.revoked = append(d.revoked, token.Reveal())
	return ctx.Err()
}

// kind returns the documents of a kind as text.
func (f *fixture) kind(kind string) string {
	f.t.Helper()
	docs, _, err := f.store.List(f.t.Context(), store.ListQuery{Kind: kind, Limit: 1000})
	if err != nil {
		f.t.Fatal(err)
	}
	var all strings.Builder
	for _, d := range docs {
		fmt.Fprintln(&all, d.Kind, d.ID, string(d.Body))
	}
	return all.String()
}
