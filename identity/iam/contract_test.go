package iam_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam/iamtest"
	"llmhub/secret"
)

const (
	home    = "OTC-EU-DE-00000000001000000001"
	oddHome = `Domäne & Söhne + "1 %2F"`
	seed    = "otc-totp-seed-16"
)

// population is who there is in each service that the contract is checked with.
func population() []iamtest.Domain {
	admin := []string{"te_admin"}
	return []iamtest.Domain{
		{Name: home, Projects: []string{"eu-de", "eu-de_ai"}, Users: []iamtest.User{
			{Name: "alice", Password: "alice's password", Roles: admin},
			{Name: "bob", Password: "bob's password", Roles: []string{"readonly"}},
			{Name: "locked out", Password: "right", Roles: admin},
			{Name: "mfa", Password: "mfa's password", Roles: admin, Seed: seed},
			{Name: "14610 " + home, Password: "owner's password", Roles: []string{"te_admin", "secu_admin"}, Owner: true},
			{Name: `Zoë "O'Neill" <&%2F\> 日本`, Password: `p"ä\<&%/{}日本 `, Roles: admin},
			{Name: strings.Repeat("long.", 50), Password: strings.Repeat("password", 8), Roles: admin},
		}},
		{Name: oddHome, Projects: []string{"eu-nl"}, Users: []iamtest.User{
			{Name: "alice", Password: "another alice's password", Roles: admin},
		}},
	}
}

// world is a directory that knows the population.
type world struct {
	directory identity.Directory
	// endLock makes the time pass that users are locked out for, if anything but waiting does.
	endLock func()
	// now is the service's clock.
	now func() time.Time
}

func byPassword(domain, user, password string) identity.Credentials {
	return identity.Credentials{Domain: domain, User: user, Password: secret.New(password)}
}

func (w world) signIn(t *testing.T, c identity.Credentials) identity.Account {
	t.Helper()
	a, err := w.directory.SignIn(t.Context(), c)
	if err != nil {
		t.Fatalf("%s of %s: %v", c.User, c.Domain, err)
	}
	return a
}

func (w world) alice(t *testing.T) identity.Account {
	t.Helper()
	return w.signIn(t, byPassword(home, "alice", "alice's password"))
}

// contract checks what the directory answers: the same of the simulated service and of a real Keystone.
func contract(t *testing.T, w world) {
	for _, part := range []struct {
		name  string
		check func(*testing.T, world)
	}{
		{"everybody signs in", everybodySignsIn},
		{"wrong credentials", wrongCredentials},
		{"missing role", missingRole},
		{"lock-out and its end", lockOut},
		{"passcode", passcode},
		{"projects", listsProjects},
		{"rescope", rescopes},
		{"rescope refused", rescopeRefused},
		{"account", tellsAccount},
		{"revoke", revokes},
	} {
		t.Run(part.name, func(t *testing.T) { part.check(t, w) })
	}
}

func everybodySignsIn(t *testing.T, w world) {
	ids := map[string]bool{}
	for _, d := range population() {
		for _, u := range d.Users {
			if u.Seed != "" {
				continue
			}
			a := w.signIn(t, byPassword(d.Name, u.Name, u.Password))
			if a.UserName != u.Name || a.DomainName != d.Name || a.UserID == "" || a.DomainID == "" || !a.Token.IsSet() {
				t.Errorf("%s of %s is %+v", u.Name, d.Name, a)
			}
			for _, r := range u.Roles {
				if !slices.Contains(a.Roles, r) {
					t.Errorf("%s has roles %q, not %s", u.Name, a.Roles, r)
				}
			}
			if left := a.ExpiresAt.Sub(w.now()); left < 30*time.Minute || left > 24*time.Hour+time.Minute {
				t.Errorf("the token of %s holds for %v", u.Name, left)
			}
			if ids[a.UserID] {
				t.Errorf("%s of %s has the ID of another user", u.Name, d.Name)
			}
			ids[a.UserID] = true
		}
	}
}

// wrongCredentials wants one answer to all that can be wrong, down to the text.
func wrongCredentials(t *testing.T, w world) {
	texts := map[string]bool{}
	for name, c := range map[string]identity.Credentials{
		"password":         byPassword(home, "alice", "bob's password"),
		"user":             byPassword(home, "nobody", "alice's password"),
		"domain":           byPassword("nowhere", "alice", "alice's password"),
		"other domain":     byPassword(oddHome, "alice", "alice's password"),
		"unasked passcode": {Domain: home, User: "alice", Password: secret.New("alice's password"), Passcode: secret.New("123456")},
	} {
		_, err := w.directory.SignIn(t.Context(), c)
		if !errors.Is(err, identity.ErrCredentials) {
			t.Errorf("wrong %s gives %v", name, err)
			continue
		}
		texts[err.Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("what is wrong can be told from %v", texts)
	}
	w.alice(t)
}

func missingRole(t *testing.T, w world) {
	a := w.signIn(t, byPassword(home, "bob", "bob's password"))
	if slices.Contains(a.Roles, "te_admin") || !slices.Contains(a.Roles, "readonly") {
		t.Errorf("roles are %q", a.Roles)
	}
	if a.Owner {
		t.Error("bob owns the domain")
	}
}

func lockOut(t *testing.T, w world) {
	right := byPassword(home, "locked out", "right")
	for range 5 {
		if _, err := w.directory.SignIn(t.Context(), byPassword(home, "locked out", "wrong")); !errors.Is(err, identity.ErrCredentials) {
			t.Fatal(err)
		}
	}
	if _, err := w.directory.SignIn(t.Context(), right); !errors.Is(err, identity.ErrCredentials) {
		t.Fatalf("the right password gives %v after five wrong ones", err)
	}
	w.alice(t)
	if w.endLock != nil {
		w.endLock()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := w.directory.SignIn(ctx, right)
		if err == nil {
			return
		}
		if !errors.Is(err, identity.ErrCredentials) || ctx.Err() != nil {
			t.Fatalf("the lock-out does not end: %v", err)
		}
	}
}

func passcode(t *testing.T, w world) {
	c := byPassword(home, "mfa", "mfa's password")
	if _, err := w.directory.SignIn(t.Context(), c); !errors.Is(err, identity.ErrPasscodeNeeded) {
		t.Errorf("without a passcode: %v", err)
	}
	if _, err := w.directory.SignIn(t.Context(), byPassword(home, "mfa", "wrong")); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("wrong password without a passcode: %v", err)
	}
	shown := iamtest.Passcode(seed, w.now())
	wrong := c
	wrong.Passcode = secret.New(iamtest.Passcode(seed, w.now().Add(-time.Hour)))
	if _, err := w.directory.SignIn(t.Context(), wrong); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("an old passcode gives %v", err)
	}
	c.Passcode = secret.New(shown)
	if a := w.signIn(t, c); a.UserName != "mfa" || !slices.Contains(a.Roles, "te_admin") {
		t.Errorf("account %+v", a)
	}
}

func listsProjects(t *testing.T, w world) {
	found, err := w.directory.Projects(t.Context(), w.alice(t).Token)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range found {
		names = append(names, p.Name)
		if p.ID == "" || !p.Enabled {
			t.Errorf("project %+v", p)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"eu-de", "eu-de_ai"}) {
		t.Errorf("projects are %q", names)
	}
	if _, err := w.directory.Projects(t.Context(), secret.New("no-token")); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("no token gives %v", err)
	}
}

func rescopes(t *testing.T, w world) {
	a := w.alice(t)
	found, err := w.directory.Projects(t.Context(), a.Token)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		token, until, err := w.directory.Rescope(t.Context(), a.Token, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if token.Equal(a.Token) || until.After(a.ExpiresAt.Add(time.Second)) || until.Before(w.now()) {
			t.Errorf("token until %v from one until %v", until, a.ExpiresAt)
		}
		if again, err := w.directory.Projects(t.Context(), token); err != nil || len(again) != len(found) {
			t.Errorf("the project's token lists %v, %v", again, err)
		}
	}
}

func rescopeRefused(t *testing.T, w world) {
	theirs := w.signIn(t, byPassword(oddHome, "alice", "another alice's password"))
	found, err := w.directory.Projects(t.Context(), theirs.Token)
	if err != nil || len(found) != 1 {
		t.Fatalf("projects are %v, %v", found, err)
	}
	mine := w.alice(t).Token
	for name, c := range map[string]struct {
		token   secret.Text
		project string
	}{
		"another tenant's project": {mine, found[0].ID},
		"unknown project":          {mine, "00000000000000000000000000000000"},
		"no project":               {mine, ""},
		"no token":                 {secret.Text{}, found[0].ID},
		"unknown token":            {secret.New("no-token"), found[0].ID},
	} {
		if token, _, err := w.directory.Rescope(t.Context(), c.token, c.project); !errors.Is(err, identity.ErrCredentials) || token.IsSet() {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

// tellsAccount asks whose the tokens of a domain and of a project are, and those that are nobody's.
func tellsAccount(t *testing.T, w world) {
	for _, c := range []identity.Credentials{byPassword(home, "alice", "alice's password"), byPassword(oddHome, "alice", "another alice's password")} {
		a := w.signIn(t, c)
		a.Owner = false
		slices.Sort(a.Roles)
		found, err := w.directory.Projects(t.Context(), a.Token)
		if err != nil {
			t.Fatal(err)
		}
		project, _, err := w.directory.Rescope(t.Context(), a.Token, found[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		for name, token := range map[string]secret.Text{"domain": a.Token, "project": project} {
			got, err := w.directory.Account(t.Context(), token)
			if err != nil {
				t.Fatalf("token of a %s: %v", name, err)
			}
			slices.Sort(got.Roles)
			if got.UserID != a.UserID || got.UserName != a.UserName || got.DomainID != a.DomainID || got.DomainName != a.DomainName ||
				!slices.Equal(got.Roles, a.Roles) || got.Owner || !got.Token.Equal(token) || got.ExpiresAt.After(a.ExpiresAt.Add(time.Second)) {
				t.Errorf("token of a %s is of %+v, not %+v", name, got, a)
			}
		}
		if err := w.directory.Revoke(t.Context(), a.Token); err != nil {
			t.Fatal(err)
		}
		if got, err := w.directory.Account(t.Context(), a.Token); !errors.Is(err, identity.ErrCredentials) || got.UserID != "" {
			t.Errorf("a revoked token is of %+v, %v", got, err)
		}
	}
	for _, text := range []string{"", "no-token", "no\r\ntoken: x", "tökén", strings.Repeat("t", 200<<10)} {
		if got, err := w.directory.Account(t.Context(), secret.New(text)); !errors.Is(err, identity.ErrCredentials) || got.UserID != "" {
			t.Errorf("%.20q is of %+v, %v", text, got, err)
		}
	}
}

func revokes(t *testing.T, w world) {
	one, other := w.alice(t).Token, w.alice(t).Token
	for _, what := range []string{"revoke", "revoke again"} {
		if err := w.directory.Revoke(t.Context(), one); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := w.directory.Projects(t.Context(), one); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("a revoked token gives %v", err)
	}
	if _, err := w.directory.Projects(t.Context(), other); err != nil {
		t.Errorf("the user's other token: %v", err)
	}
	if err := w.directory.Revoke(t.Context(), secret.New("no-token")); err != nil {
		t.Errorf("an unknown token: %v", err)
	}
}
