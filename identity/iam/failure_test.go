package iam_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"llmhub/identity"
	"llmhub/identity/iam"
	"llmhub/secret"
)

// stub starts a service of one handler, and returns a client of it.
func stub(t *testing.T, h http.HandlerFunc) *iam.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL + "/v3/")
	if err != nil {
		t.Fatal(err)
	}
	c, err := iam.New(iam.Config{URL: u})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const tokenBody = `{"token":{"methods":["password"],"expires_at":"2037-11-09T01:42:57.527363Z","issued_at":"2015-11-09T01:42:57.527363Z",
	"user":{"id":"u1","name":"alice","domain":{"id":"d1","name":"home"}},"domain":{"id":"d1","name":"home"},"roles":[{"id":"0","name":"te_admin"}]}}`

// canary is in everything that a stub answers, and may be in no error.
const canary = "CANARY-7f3a"

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  int
		receipt string
		body    string
		want    error
		detail  string
	}{
		{"IAM's form", 401, "", `{"error":{"message":"` + canary + `","code":401,"title":"Unauthorized"}}`, identity.ErrCredentials, "status 401"},
		{"OTC's form", 401, "", `{"error_msg":"` + canary + `","error_code":"IAM.0011"}`, identity.ErrCredentials, "status 401, IAM.0011"},
		{"code within Keystone's form", 403, "", `{"error":{"message":"` + canary + `","code":"IAM.0003"}}`, identity.ErrCredentials, "status 403, IAM.0003"},
		{"code that is none", 400, "", `{"error_msg":"","error_code":"` + canary + `"}`, identity.ErrCredentials, "status 400"},
		{"receipt", 401, canary, `{"error":{"message":"","code":401,"title":"Unauthorized"}}`, identity.ErrPasscodeNeeded, ""},
		{"IAM names the factor", 401, "", `{"error":{"message":"MFA is required","code":401,"title":"Unauthorized"}}`, identity.ErrPasscodeNeeded, ""},
		{"OTC names the factor", 401, "", `{"error_msg":"The verification code is missing","error_code":"IAM.0104"}`, identity.ErrPasscodeNeeded, ""},
		{"no JSON", 401, "", "<html>" + canary, identity.ErrCredentials, "status 401"},
		{"forms of other types", 401, "", `{"error":"` + canary + `","error_code":7}`, identity.ErrCredentials, "status 401"},
		{"failure", 500, "", canary, identity.ErrUnavailable, "status 500"},
		{"receipt with a failure", 503, canary, canary, identity.ErrUnavailable, "status 503"},
		{"endless", 401, "", strings.Repeat(canary, 1<<20), identity.ErrCredentials, "status 401"},
		{"success without content", 204, "", "", identity.ErrUnavailable, "status 204"},
		{"nothing", 201, "", "", identity.ErrUnavailable, "closed"},
		{"no token", 201, "", tokenBody, identity.ErrUnavailable, "not that of an identity service"},
		{"no object", 201, "", `["` + canary + `"]`, identity.ErrUnavailable, "cannot be read"},
		{"endless success", 201, "", `{"token":"` + strings.Repeat(canary, 1<<20), identity.ErrUnavailable, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			client := stub(t, func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				if c.receipt != "" {
					w.Header().Set("Openstack-Auth-Receipt", c.receipt)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := client.SignIn(t.Context(), byPassword("home", "alice", canary))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.detail) {
				t.Errorf("%v", err)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
				t.Errorf("the error holds what was sent or answered: %v", err)
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// A receipt for a password that came with a passcode asks for something else, which nobody can give here.
func TestReceiptForPasscode(t *testing.T) {
	client := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Openstack-Auth-Receipt", "r")
		w.WriteHeader(http.StatusUnauthorized)
	})
	c := byPassword("home", "alice", "pw")
	c.Passcode = secret.New("123456")
	if _, err := client.SignIn(t.Context(), c); !errors.Is(err, identity.ErrCredentials) {
		t.Error(err)
	}
}

// A redirect would carry the password, or the token, to where nobody has said.
func TestRedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	elsewhere := func(http.ResponseWriter, *http.Request) { followed.Store(true) }
	other := httptest.NewServer(http.HandlerFunc(elsewhere))
	defer other.Close()
	for i, status := range []int{301, 302, 307, 308} {
		target := []string{other.URL + "/elsewhere", "/elsewhere"}[i%2]
		client := stub(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				elsewhere(w, r)
			}
			http.Redirect(w, r, target, status)
		})
		if _, err := client.SignIn(t.Context(), byPassword("home", "alice", "pw")); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("sign-in: %v", err)
		}
		if _, err := client.Projects(t.Context(), secret.New("token")); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("projects: %v", err)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// Without knowing whether the user owns the domain nobody is signed in, and the token does not stay behind.
func TestOwnerUnknown(t *testing.T) {
	var revoked atomic.Value
	for status, want := range map[int]error{404: nil, 403: nil, 401: nil, 500: identity.ErrUnavailable, 429: identity.ErrUnavailable} {
		revoked.Store("")
		client := stub(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				w.Header().Set("X-Subject-Token", "token")
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write([]byte(tokenBody))
			case r.Method == http.MethodDelete:
				revoked.Store(r.Header.Get("X-Subject-Token"))
				w.WriteHeader(http.StatusNoContent)
			default:
				w.WriteHeader(status)
			}
		})
		a, err := client.SignIn(t.Context(), byPassword("home", "alice", "pw"))
		if !errors.Is(err, want) || a.Owner || a.Token.IsSet() != (want == nil) {
			t.Errorf("status %d gives %+v, %v", status, a, err)
		}
		if (revoked.Load() == "token") != (want != nil) {
			t.Errorf("status %d: revoked %q", status, revoked.Load())
		}
	}
}

// A token of another scope than the one asked for is not taken: it would be that of another tenant, or of another project.
func TestOtherScope(t *testing.T) {
	client := stub(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("X-Subject-Token", "token")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(strings.Replace(tokenBody, `"domain":{"id":"d1","name":"home"},"roles"`, `"domain":{"id":"d2","name":"home"},"roles"`, 1)))
	})
	if _, err := client.SignIn(t.Context(), byPassword("home", "alice", "pw")); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("sign-in: %v", err)
	}
	if _, _, err := client.Rescope(t.Context(), secret.New("token"), "p1"); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("rescope: %v", err)
	}
}

// Pages are followed to their end, at the configured host, whatever host the links name.
func TestPages(t *testing.T) {
	page := func(w http.ResponseWriter, id, next string) {
		w.Header().Set("Content-Type", "application/json;charset=utf8")
		_, _ = fmt.Fprintf(w, `{"projects":[{"id":%q,"name":%q,"enabled":true}],"links":{"next":%s,"previous":null,"self":"x"}}`, id, id, next)
	}
	client := stub(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Auth-Token") != "token" || r.URL.Path != "/v3/auth/projects":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Query().Get("page") == "":
			page(w, "one", `"https://elsewhere.invalid/v3/auth/projects?page=2"`)
		case r.URL.Query().Get("page") == "2":
			page(w, "two", `"/v3/auth/projects?page=3"`)
		default:
			page(w, "three", "null")
		}
	})
	found, err := client.Projects(t.Context(), secret.New("token"))
	if err != nil || len(found) != 3 || found[2] != (identity.Project{ID: "three", Name: "three", Enabled: true}) {
		t.Errorf("%v, %v", found, err)
	}
	var asked atomic.Int32
	endless := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		page(w, "again", `"/v3/auth/projects?page=1"`)
	})
	if _, err := endless.Projects(t.Context(), secret.New("token")); !errors.Is(err, identity.ErrUnavailable) || asked.Load() > 60 {
		t.Errorf("%d pages, %v", asked.Load(), err)
	}
}

func TestCertificate(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	known.AddCert(s.Certificate())
	for name, c := range map[string]struct {
		roots *x509.CertPool
		want  error
	}{"known": {known, identity.ErrCredentials}, "unknown": {nil, identity.ErrUnavailable}} {
		client, err := iam.New(iam.Config{URL: u, RootCAs: c.roots})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.SignIn(t.Context(), byPassword("home", "alice", "pw")); !errors.Is(err, c.want) {
			t.Errorf("%s authority: %v", name, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for address, good := range map[string]bool{
		"https://iam.eu-de.otc.t-systems.com/v3": true, "https://iam.example": true, "https://iam.example/identity/v3/": true,
		"http://127.0.0.1:5000/v3": true, "http://[::1]:5000": true, "http://localhost:5000": true,
		"http://iam.example/v3": false, "http://10.0.0.1": false, "https:///v3": false, "ftp://127.0.0.1": false, "iam.example": false,
		"https://user:pw@iam.example": false, "https://iam.example/?a=b": false, "https://iam.example/#a": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := iam.New(iam.Config{URL: u}); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := iam.New(iam.Config{}); err == nil {
		t.Error("no address is accepted")
	}
}

// Whose a token is must be told as a whole, by a service that knows it, for the domain of its user.
func TestAccountRefused(t *testing.T) {
	other := strings.Replace(tokenBody, `"domain":{"id":"d1","name":"home"},"roles"`, `"project":{"id":"p1","name":"eu-de","domain":{"id":"d2","name":"away"}},"roles"`, 1)
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   error
		detail string
	}{
		{"ended", 401, `{"error":{"message":"` + canary + `","code":401,"title":"Unauthorized"}}`, identity.ErrCredentials, "status 401"},
		{"unknown", 404, `{"error":{"message":"` + canary + `","code":404,"title":"Not Found"}}`, identity.ErrCredentials, "status 404"},
		{"another domain", 200, strings.Replace(tokenBody, `"domain":{"id":"d1","name":"home"},"roles"`, `"domain":{"id":"d2","name":"away"},"roles"`, 1), identity.ErrCredentials, "the user's domain"},
		{"another domain's project", 200, other, identity.ErrCredentials, "the user's domain"},
		{"nobody", 200, `{"token":{"expires_at":"2037-11-09T01:42:57.527363Z"}}`, identity.ErrUnavailable, "not that of an identity service"},
		{"no end", 200, `{"token":{"user":{"id":"u1","domain":{"id":"d1"}}}}`, identity.ErrUnavailable, "not that of an identity service"},
		{"wrong types", 200, `{"token":{"user":["` + canary + `"]}}`, identity.ErrUnavailable, "cannot be read"},
		{"HTML", 200, "<html>" + canary, identity.ErrUnavailable, "cannot be read"},
		{"endless", 200, `{"token":"` + strings.Repeat(canary, 1<<20), identity.ErrUnavailable, "more than"},
		{"failure", 503, canary, identity.ErrUnavailable, "status 503"},
	} {
		client := stub(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Auth-Token") != canary || r.Header.Get("X-Subject-Token") != canary {
				t.Errorf("%s: the token is not sent", c.name)
			}
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		a, err := client.Account(t.Context(), secret.New(canary))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.detail) || a.UserID != "" {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
			t.Errorf("%s: the error holds what was sent or answered: %v", c.name, err)
		}
	}
}
