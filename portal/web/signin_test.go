package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestSignInAndOut(t *testing.T) {
	f := newFixture(t)
	b := f.browser()
	before := b.token()
	a := b.post("/login", "domain", "D1", "user", "owner.one", "password", passwordOf("owner.one"))
	if a.status != http.StatusSeeOther || a.location() != "/setup" {
		t.Fatalf("%d to %q", a.status, a.location())
	}
	for _, c := range a.header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "llmhub_session=") && !(strings.Contains(c, "HttpOnly") && strings.Contains(c, "SameSite=Lax") && strings.Contains(c, "path=/")) {
			t.Errorf("cookie %s", c)
		}
	}
	if b.token() == before {
		t.Error("the form token is the same as before signing in")
	}
	if page := b.get("/organization"); page.status != http.StatusOK || !strings.Contains(page.text, "owner.one") {
		t.Errorf("%d %s", page.status, page.text)
	}
	if a := b.post("/logout"); a.status != http.StatusSeeOther {
		t.Errorf("signing out gives %d", a.status)
	}
	if len(f.directory.revoked) != 1 || f.directory.revoked[0] != "canary-iam-token-owner.one" {
		t.Errorf("tokens revoked: %q", f.directory.revoked)
	}
	if page := b.get("/organization"); page.status != http.StatusSeeOther || page.location() != "/login?next=%2Forganization" {
		t.Errorf("after signing out: %d to %q", page.status, page.location())
	}
	if strings.Contains(f.log.String(), "canary") || strings.Contains(f.log.String(), passwordOf("owner.one")) {
		t.Error("a secret is in the log")
	}
}

func TestSignInRefused(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name, domain, user, password string
		down                         bool
		status                       int
		want                         string
	}{
		{"wrong password", "D1", "owner.one", "wrong", false, 401, "are not right"},
		{"guest without the role", "D1", "guest", passwordOf("guest"), false, 403, "role Tenant Administrator"},
		{"directory down", "D1", "owner.one", passwordOf("owner.one"), true, 503, "cannot be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.directory.down = c.down
			defer func() { f.directory.down = false }()
			a := f.browser().post("/login", "domain", c.domain, "user", c.user, "password", c.password)
			if a.status != c.status || !strings.Contains(a.text, c.want) || strings.Contains(a.text, c.password) {
				t.Errorf("%d, want %d with %q", a.status, c.status, c.want)
			}
			if !strings.Contains(a.text, `value="`+c.user+`"`) {
				t.Error("the user name has to be typed again")
			}
		})
	}
}

func TestSignInWithPasscode(t *testing.T) {
	f := newFixture(t)
	b := f.browser()
	step := b.post("/login", "domain", "D1", "user", "mfa.mia", "password", passwordOf("mfa.mia"))
	if step.status != http.StatusUnauthorized || strings.Contains(step.text, passwordOf("mfa.mia")) {
		t.Fatalf("%d %s", step.status, step.text)
	}
	_, rest, ok := strings.Cut(step.text, `name="pending" value="`)
	pending, _, _ := strings.Cut(rest, `"`)
	if !ok || pending == "" {
		t.Fatal("no passcode is asked for")
	}
	if a := f.browser().post("/login", "pending", pending, "passcode", "123456"); a.status != http.StatusUnauthorized {
		t.Errorf("another browser goes on with it: %d", a.status)
	}
	if a := b.post("/login", "pending", pending, "passcode", "123456"); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := b.post("/login", "pending", pending, "passcode", "123456"); a.status == http.StatusSeeOther && a.location() == "/setup" {
		t.Error("a passcode works twice")
	}
}

// A browser keeps the cookie of a session that is over, and must get as far as any other.
func TestSignInWithPasscodeAfterASession(t *testing.T) {
	f := newFixture(t)
	b := f.signIn("D1", "owner.one")
	_, u := f.tenantOf("D1", "owner.one")
	if _, err := f.options.Sessions.EndAll(t.Context(), u.ID, ""); err != nil {
		t.Fatal(err)
	}
	step := b.post("/login", "domain", "D1", "user", "mfa.mia", "password", passwordOf("mfa.mia"))
	_, rest, _ := strings.Cut(step.text, `name="pending" value="`)
	pending, _, _ := strings.Cut(rest, `"`)
	if a := b.post("/login", "pending", pending, "passcode", "123456"); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// The form that sets language and theme comes from pages of any address, those that are none among them.
func TestPreferencesLeadNowhereElse(t *testing.T) {
	b := newFixture(t).browser()
	for back, want := range map[string]string{
		"/%2Fevil.example/":          "/%2Fevil.example/",
		"/%5Cevil.example":           "/%5Cevil.example",
		"/%2F%2Fevil.example?a=b":    "/%2F%2Fevil.example?a=b",
		"/x%0D%0ASet-Cookie:a=b":     "/x%0D%0ASet-Cookie:a=b",
		"//evil.example":             "/catalog",
		"https://evil.example":       "/catalog",
		"/models?done=x&kind=chat":   "/models?kind=chat",
		"/catalog?q=%C3%A9&type=llm": "/catalog?q=%C3%A9&type=llm",
	} {
		if a := b.post("/preferences", "language", "de", "back", back); a.status != http.StatusSeeOther || a.location() != want {
			t.Errorf("%s leads to %d %q", back, a.status, a.location())
		}
	}
}

func TestSignInLeadsNowhereElse(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	for _, next := range []string{"https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "http:/evil.example", "/a\nb"} {
		a := f.browser().post("/login", "domain", "D1", "user", "owner.one", "password", passwordOf("owner.one"), "next", next)
		if a.status != http.StatusSeeOther || a.location() != "/catalog" {
			t.Errorf("next=%q leads to %d %q", next, a.status, a.location())
		}
	}
	a := f.browser().post("/login", "domain", "D1", "user", "owner.one", "password", passwordOf("owner.one"), "next", "/subscriptions?state=active")
	if a.location() != "/subscriptions?state=active" {
		t.Errorf("leads to %q", a.location())
	}
	for path, kept := range map[string]bool{"/catalog?q=" + strings.Repeat("x", 900): true, "/catalog?q=" + strings.Repeat("x", 1000): false} {
		if page := f.browser().get("/login?next=" + url.QueryEscape(path)); strings.Contains(page.text, `name="next" value="`+path+`"`) != kept ||
			strings.Contains(page.text, `name="next" value=""`) == kept {
			t.Errorf("a path of %d bytes is kept whole: %t", len(path), !kept)
		}
	}
}

func TestOperatorChangesPassword(t *testing.T) {
	f := newFixture(t)
	b, elsewhere := f.operator(), f.operator()
	const path, password = "/operator/account/password", "another password of some length"
	for _, c := range []struct{ current, password, repeated, want string }{
		{"wrong", password, password, "current-error"}, {operatorPassword, "short", "short", "password-error"}, {operatorPassword, password, "x", "repeated-error"},
	} {
		b.post(path, "current", c.current, "password", c.password, "repeated", c.repeated).wants(t, http.StatusUnprocessableEntity, c.want)
	}
	elsewhere.get("/operator/account").wants(t, http.StatusOK)
	if a := b.post(path, "current", operatorPassword, "password", password, "repeated", password); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.text)
	}
	b.get("/operator/account").wants(t, http.StatusOK)
	if a := elsewhere.get("/operator/account"); a.status != http.StatusSeeOther {
		t.Errorf("a session of the former password: %d", a.status)
	}
}
