package iamtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/identity/iam/iamtest"
)

// The vectors of RFC 6238, appendix B, to six digits.
func TestPasscode(t *testing.T) {
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := iamtest.Passcode("12345678901234567890", time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, not %s", at, got, want)
		}
	}
}

func start(t *testing.T) *iamtest.Server {
	t.Helper()
	s, err := iamtest.Start(iamtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// call makes a request and returns the answer with its body as it is.
func call(t *testing.T, s *iamtest.Server, method, path, token, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL.String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
		r.Header.Set("X-Subject-Token", token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func login(password, scope string) string {
	return fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"jana.weber","password":%q,"domain":{"name":%q}}}}%s}}`,
		password, iamtest.CustomerDomain, scope)
}

// members returns the value at a path of names in a JSON object, as text.
func members(t *testing.T, body string, path ...string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, name := range path {
		o, _ := v.(map[string]any)
		v = o[name]
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// The shapes that OTC documents, of which the client uses only a part.
func TestShapes(t *testing.T) {
	s := start(t)
	resp, body := call(t, s, "POST", "/v3/auth/tokens", "", login("demo-jana-weber", ""))
	token := resp.Header.Get("X-Subject-Token")
	if resp.StatusCode != 201 || len(token) != 4096 || members(t, body, "token", "domain", "name") != `"`+iamtest.CustomerDomain+`"` {
		t.Fatalf("%v: %s", resp.Status, body)
	}
	if roles := members(t, body, "token", "roles"); roles != `[{"id":"0","name":"te_admin"},{"id":"0","name":"secu_admin"}]` {
		t.Error(roles)
	}
	if !strings.Contains(members(t, body, "token", "catalog"), `"type":"identity"`) {
		t.Error("no catalog: " + body)
	}
	user := iamtest.ID(iamtest.CustomerDomain, "user", "jana.weber")
	for path, want := range map[string]string{
		"/v3/auth/tokens?nocatalog=true":  `"user":{"domain":{"id":"` + iamtest.ID(iamtest.CustomerDomain) + `"`,
		"/v3/auth/domains":                `"name":"` + iamtest.CustomerDomain + `"`,
		"/v3/auth/projects":               `"name":"eu-de_ai"`,
		"/v3.0/OS-USER/users/" + user:     `"is_domain_owner":true`,
		"/v3.0/OS-USER/users/other":       `"error_code":"IAM.0003"`,
		"/v3/auth/tokens?nocatalog=false": `"expires_at":"`,
	} {
		_, body := call(t, s, "GET", path, token, "")
		if !strings.Contains(body, want) || strings.Contains(body, "catalog") {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestProjectScope(t *testing.T) {
	s := start(t)
	_, body := call(t, s, "POST", "/v3/auth/tokens", "", login("demo-jana-weber", `,"scope":{"project":{"name":"eu-de_ai"}}`))
	if members(t, body, "token", "project", "name") != `"eu-de_ai"` || members(t, body, "token", "domain") != "null" {
		t.Error(body)
	}
	if c := members(t, body, "token", "catalog"); !strings.Contains(c, "https://cce.eu-de.otc.t-systems.com/api/v3/projects/") {
		t.Error(c)
	}
}

func TestErrorBodies(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v3/auth/tokens", login("wrong", ""), 401},
		{"POST", "/v3/auth/tokens", login("demo-jana-weber", `,"scope":{"domain":{"name":"other"}}`), 401},
		{"POST", "/v3/auth/tokens", `{"auth":{}}`, 400},
		{"POST", "/v3/auth/tokens", `{`, 400},
		{"GET", "/v3/auth/projects", "", 401},
	} {
		resp, body := call(t, s, c.method, c.path, "", c.body)
		if resp.StatusCode != c.status || members(t, body, "error", "code") != fmt.Sprint(c.status) || members(t, body, "error", "title") == "null" {
			t.Errorf("%s %s: %s, %s", c.method, c.body, resp.Status, body)
		}
	}
}

func TestValidate(t *testing.T) {
	s := start(t)
	resp, _ := call(t, s, "POST", "/v3/auth/tokens", "", login("demo-jana-weber", ""))
	token := resp.Header.Get("X-Subject-Token")
	for _, c := range []struct {
		method string
		status int
	}{{"HEAD", 200}, {"DELETE", 204}, {"HEAD", 401}, {"DELETE", 401}} {
		if resp, _ := call(t, s, c.method, "/v3/auth/tokens", token, ""); resp.StatusCode != c.status {
			t.Errorf("%s gives %s, not %d", c.method, resp.Status, c.status)
		}
	}
	if gone := s.Revoked(); len(gone) != 1 || gone[0] != token || s.LiveTokens() != 0 {
		t.Errorf("%d revoked, %d live", len(gone), s.LiveTokens())
	}
}

func TestExpire(t *testing.T) {
	s := start(t)
	resp, _ := call(t, s, "POST", "/v3/auth/tokens", "", login("demo-jana-weber", ""))
	token := resp.Header.Get("X-Subject-Token")
	s.Expire()
	if resp, _ := call(t, s, "GET", "/v3/auth/tokens", token, ""); resp.StatusCode != http.StatusUnauthorized || len(s.Revoked()) != 0 {
		t.Errorf("a token whose time is over gives %s", resp.Status)
	}
}
