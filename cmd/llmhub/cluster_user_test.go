package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam"
	"llmhub/secret"
)

// clusterUser is the owner of a tenant, with clusters.
type clusterUser struct {
	w                      *clusterWorld
	domain, name, password string
	project                string
	clusters               []string

	tenant string
	// token is the personal one, iamToken what clusters are reached with.
	token, iamToken string
	accepted        []map[string]string
	// browser has the session.
	browser *http.Client
}

func newClusterUser(w *clusterWorld, domain string) *clusterUser {
	u := &clusterUser{w: w, domain: domain, name: "ada", password: w.seen.canary("iam-password")}
	u.browser = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableCompression: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return u
}

// settle signs the user in at the portal and at the cloud, and has the tenant's profile approved.
func (u *clusterUser) settle(t *testing.T) {
	t.Helper()
	u.signIn(t)
	me := u.inSession(t, http.MethodGet, "/me", nil)
	u.tenant = me["tenant"].(map[string]any)["id"].(string)
	u.inSession(t, http.MethodPut, "/tenants/"+u.tenant+"/profile", map[string]any{
		"company": planted, "website": "https://www.example.com", "seller_email": "a@example.com", "marketplace_email": "b@example.com",
	})
	profile := u.inSession(t, http.MethodGet, "/tenants/"+u.tenant+"/profile", nil)
	approve := map[string]any{"submitted_at": profile["change"].(map[string]any)["submitted_at"]}
	if a := u.call(t, testToken, "", http.MethodPost, "/tenants/"+u.tenant+"/profile/approve", approve); a.status != http.StatusOK {
		t.Fatalf("approval: %s", a)
	}
	token := u.inSession(t, http.MethodPost, "/personal-tokens", map[string]any{"name": "proof", "expires_at": time.Now().Add(time.Hour)})
	u.token = token["token"].(string)
	u.iamToken = u.newIAMToken(t)
	for _, d := range u.must(t, http.StatusOK, http.MethodGet, "/products/probe", nil)["documents"].([]any) {
		doc := d.(map[string]any)
		u.accepted = append(u.accepted, map[string]string{"document_id": doc["id"].(string), "digest": doc["digest"].(string)})
	}
}

// newIAMToken signs the user in at the identity service.
func (u *clusterUser) newIAMToken(t *testing.T) string {
	t.Helper()
	people, err := iam.New(iam.Config{URL: u.w.iam.URL})
	if err != nil {
		t.Fatal(err)
	}
	a, err := people.SignIn(context.Background(), identity.Credentials{Domain: u.domain, User: u.name, Password: secret.New(u.password)})
	if err != nil {
		t.Fatal(err)
	}
	token := a.Token.Reveal()
	u.w.seen.secret("IAM token", token)
	return token
}

var clusterFormToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// post sends a form of the portal.
func (u *clusterUser) post(t *testing.T, from, to string, fields url.Values) *http.Response {
	t.Helper()
	m := clusterFormToken.FindStringSubmatch(u.page(t, from))
	if m == nil {
		t.Fatalf("%s has no form token", from)
	}
	fields.Set("form_token", m[1])
	resp, err := u.browser.PostForm(u.w.url+to, fields)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	u.w.seen.note("POST "+to, text)
	return resp
}

// signIn begins a session in a browser without cookies.
func (u *clusterUser) signIn(t *testing.T) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u.browser.Jar = jar
	resp := u.post(t, "/login", "/login", url.Values{"domain": {u.domain}, "user": {u.name}, "password": {u.password}})
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-in: status %d", resp.StatusCode)
	}
}

// page returns a page of the portal, as the session sees it.
func (u *clusterUser) page(t *testing.T, path string) string {
	t.Helper()
	resp, err := u.browser.Get(u.w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		t.Errorf("%s: status %d", path, resp.StatusCode)
	}
	u.w.seen.note("GET "+path, text)
	return string(text)
}

// inSession calls the API as the pages' own scripts would.
func (u *clusterUser) inSession(t *testing.T, method, path string, body any) map[string]any {
	t.Helper()
	a := u.send(t, u.browser, "", "", method, path, body)
	if a.status/100 != 2 {
		t.Fatalf("%s %s: %s", method, path, a)
	}
	return a.body
}

// apiAnswer is what the API has answered.
type apiAnswer struct {
	status int
	text   string
	body   map[string]any
}

func (a apiAnswer) String() string { return fmt.Sprintf("status %d: %.1000s", a.status, a.text) }

// code returns the code of an error.
func (a apiAnswer) code() string {
	e, _ := a.body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

// api calls the API as the user, with the tokens.
func (u *clusterUser) api(t *testing.T, method, path string, body any) apiAnswer {
	t.Helper()
	return u.call(t, u.token, u.iamToken, method, path, body)
}

func (u *clusterUser) must(t *testing.T, status int, method, path string, body any) map[string]any {
	t.Helper()
	a := u.api(t, method, path, body)
	if a.status != status {
		t.Fatalf("%s %s: %s", method, path, a)
	}
	return a.body
}

// plainClient keeps no cookies.
var plainClient = &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32}}

func (u *clusterUser) call(t *testing.T, token, iamToken, method, path string, body any) apiAnswer {
	t.Helper()
	return u.send(t, plainClient, token, iamToken, method, path, body)
}

func (u *clusterUser) send(t *testing.T, client *http.Client, token, iamToken, method, path string, body any) apiAnswer {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, u.w.url+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	} else if method != http.MethodGet {
		req.Header.Set("X-CSRF-Token", u.send(t, client, "", "", http.MethodGet, "/me", nil).body["csrf_token"].(string))
		req.Header.Set("Origin", u.w.url)
	}
	if iamToken != "" {
		req.Header.Set("X-Auth-Token", iamToken)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := apiAnswer{status: resp.StatusCode}
	answered, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.text = string(answered)
	_ = json.Unmarshal(answered, &a.body)
	u.w.seen.note(method+" "+path, answered)
	return a
}

// sightings are what llmhub has said to anybody, and what must not be among it.
type sightings struct {
	mu      sync.Mutex
	secrets map[string]string // what they are, by text
	said    map[string][]byte // by where; each different text once
}

// canary returns a new secret.
func (s *sightings) canary(what string) string {
	text := "canary-" + strings.ToLower(rand.Text())
	s.secret(what, text)
	return text
}

func (s *sightings) secret(what, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets == nil {
		s.secrets = map[string]string{}
	}
	s.secrets[text] = what
}

func (s *sightings) note(where string, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said == nil {
		s.said = map[string][]byte{}
	}
	if !bytes.Contains(s.said[where], text) {
		s.said[where] = append(append(s.said[where], '\n'), text...)
	}
}
