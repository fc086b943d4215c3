package portal_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/identity"
	"llmhub/secret"
)

// directory stands for IAM: it lets everyone in. Users called owner own their domain, those called guest are no
// Tenant Administrators.
type directory struct{}

func (directory) SignIn(_ context.Context, c identity.Credentials) (identity.Account, error) {
	roles := []string{"te_admin"}
	if strings.HasPrefix(c.User, "guest") {
		roles = nil
	}
	return identity.Account{
		UserID: "id-" + c.User, UserName: c.User, DomainID: "id-" + c.Domain, DomainName: c.Domain, Roles: roles,
		Owner: strings.HasPrefix(c.User, "owner"), Token: secret.New("canary-iam-token"), ExpiresAt: time.Now().Add(24 * time.Hour),
	}, nil
}

func (directory) Projects(context.Context, secret.Text) ([]identity.Project, error) { return nil, nil }

func (directory) Rescope(context.Context, secret.Text, string) (secret.Text, time.Time, error) {
	return secret.Text{}, time.Time{}, errors.New("not here")
}

func (directory) Account(context.Context, secret.Text) (identity.Account, error) {
	return identity.Account{}, errors.New("not here")
}

func (directory) Revoke(context.Context, secret.Text) error { return nil }

// person is somebody who asks: the headers that say who.
type person struct {
	f      *fixture
	header []string
}

// do asks as this person.
func (p person) do(method, path, body string) answer {
	p.f.t.Helper()
	return p.f.do(method, path, body, p.header...)
}

// must asks for what has to succeed and decodes the answer.
func (p person) must(status int, method, path, body string) map[string]any {
	p.f.t.Helper()
	a := p.do(method, path, body)
	if a.status != status {
		p.f.t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.text)
	}
	var v map[string]any
	a.into(p.f.t, &v)
	return v
}

// customer signs in to a domain and returns who asks with the session's cookie and form token, and the tenant's ID.
func (f *fixture) customer(domain, user string) (person, string) {
	f.t.Helper()
	cookie, session, err := f.signIn.Customer(f.t.Context(), identity.Credentials{Domain: domain, User: user, Password: secret.New("any")}, identity.Origin{})
	if err != nil {
		f.t.Fatal(err)
	}
	return f.withSession(cookie), session.TenantID
}

// operator makes an account and signs in with it.
func (f *fixture) operator(name string) person {
	f.t.Helper()
	password := secret.New("a password of some length")
	if _, err := f.options.Operators.Create(f.t.Context(), identity.Administrator(), name, password); err != nil {
		f.t.Fatal(err)
	}
	cookie, _, err := f.signIn.Operator(f.t.Context(), name, password, identity.Origin{})
	if err != nil {
		f.t.Fatal(err)
	}
	return f.withSession(cookie)
}

func (f *fixture) withSession(cookie secret.Text) person {
	f.t.Helper()
	p := person{f, []string{"Authorization", "", "Cookie", "llmhub_session=" + cookie.Reveal()}}
	token, ok := p.must(http.StatusOK, http.MethodGet, "/me", "")["csrf_token"].(string)
	if !ok {
		f.t.Fatal("no token for the session's forms")
	}
	p.header = append(p.header, "X-CSRF-Token", token)
	return p
}

// byToken returns the same person with a personal token.
func (p person) byToken() person {
	p.f.t.Helper()
	expires := p.f.now.AddDate(0, 0, 30).Format(time.RFC3339)
	made := p.must(http.StatusCreated, http.MethodPost, "/personal-tokens", `{"name":"`+identity.NewID("test ")+`","expires_at":"`+expires+`"}`)
	return person{p.f, []string{"Authorization", "Bearer " + made["token"].(string)}}
}

const profileData = `{"company":"Example GmbH","website":"https://www.example.com","seller_email":"team@example.com","marketplace_email":"buy@example.com"}`

// approve submits the tenant's profile and approves it.
func (f *fixture) approve(p person, tenant string) {
	f.t.Helper()
	v := p.must(http.StatusOK, http.MethodPut, "/tenants/"+tenant+"/profile", profileData)
	at := v["change"].(map[string]any)["submitted_at"].(string)
	f.must(http.StatusOK, http.MethodPost, "/tenants/"+tenant+"/profile/approve", `{"submitted_at":"`+at+`"}`)
}

// hubConsents is the body that subscribes to the LLM Hub with all its documents accepted, as the API shows them.
func (f *fixture) hubConsents() string {
	f.t.Helper()
	product := f.must(http.StatusOK, http.MethodGet, "/products/llm-hub", "")
	var accepted []string
	for _, d := range product["documents"].([]any) {
		doc := d.(map[string]any)
		if doc["consent"] == true {
			accepted = append(accepted, `{"document_id":"`+doc["id"].(string)+`","digest":"`+doc["digest"].(string)+`"}`)
		}
	}
	if len(accepted) == 0 {
		f.t.Fatal("the product needs no consent")
	}
	return `{"product_id":"llm-hub","accepted":[` + strings.Join(accepted, ",") + `]}`
}

// hasDetail insists that a fault has a detail about a field.
func (a answer) hasDetail(t *testing.T, field string) {
	t.Helper()
	var body struct {
		Error struct {
			Details []struct{ Field, Message string }
		}
	}
	a.into(t, &body)
	for _, d := range body.Error.Details {
		if d.Field == field && d.Message != "" {
			return
		}
	}
	t.Errorf("no detail about %q in %s", field, a.text)
}
