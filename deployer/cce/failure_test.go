package cce_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"

	"llmhub/deployer"
	"llmhub/deployer/cce"
	"llmhub/secret"
)

// canary is a token, which may be in no error.
const canary = "CANARY-7f3a-gAAAAABn0t1c3-of-a-token-that-is-longer"

const one = `{"metadata":{"name":"alpha","uid":"` + alpha + `"},"spec":{"version":"v1.34"},"status":{"phase":"Available"}}`

// TestRefusals answers all calls alike. The answers repeat the token as a service that quotes requests does.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   deployer.ReasonCode
		detail string
	}{
		{"ended", 401, `{"errorMessage":"Authorization failed.","errorCode":"CCE.01401001"}`, deployer.AccessEnded, "status 401, CCE.01401001: Authorization failed."},
		{"ended, says the gateway before it", 401, `{"error_msg":"Incorrect IAM authentication information","error_code":"APIG.0301"}`, deployer.AccessEnded, "status 401, APIG.0301: Incorrect IAM authentication information"},
		{"denied", 403, `{"errorMessage":"Forbidden.","errorCode":"CCE.01403001"}`, deployer.AccessDenied, "status 403, CCE.01403001: Forbidden."},
		{"gone", 404, `{"errorMessage":"Resource not found.","errorCode":"CCE.01404001"}`, deployer.ClusterGone, "status 404, CCE.01404001: Resource not found."},
		{"too many", 429, ``, deployer.Unreachable, "status 429"},
		{"failure", 503, `down`, deployer.Unreachable, "status 503"},
		{"redirect", 302, ``, deployer.Unreachable, "status 302"},
		{"quotes the token", 401, `{"errorMessage":"token ` + canary + ` is not valid","errorCode":"CCE.01401001"}`, deployer.AccessEnded, "status 401, CCE.01401001"},
		{"quotes a part of it", 500, `{"errorMessage":"cannot read ` + canary[5:25] + `"}`, deployer.Unreachable, "status 500"},
		{"code that is none", 403, `{"errorMessage":"","errorCode":"` + canary + `"}`, deployer.AccessDenied, "status 403"},
		{"other types", 403, `{"errorMessage":["` + canary + `"],"errorCode":"CCE.01403001"}`, deployer.AccessDenied, "status 403, CCE.01403001"},
		{"HTML", 403, `<html>` + canary, deployer.AccessDenied, "status 403"},
		{"control characters", 400, `{"errorMessage":"a\u0000b\u001b[31mc\u202ed\n\te"}`, deployer.Unreachable, "status 400: a b [31mc d e"},
		{"endless", 401, strings.Repeat(canary, 1<<20), deployer.AccessEnded, "status 401"},
		{"no object", 200, `["` + canary + `"]`, deployer.Unreachable, "not that of a container engine"},
		{"nothing", 200, ``, deployer.Unreachable, "not that of a container engine"},
		{"success without content", 204, ``, deployer.Unreachable, "status 204"},
		{"deep", 200, strings.Repeat("[", 1<<20), deployer.Unreachable, "not that of a container engine"},
		{"endless success", 200, `{"items":[],"metadata":"` + strings.Repeat(canary, 1<<20), deployer.Unreachable, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stub(t, cce.Certificate, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Auth-Token") != canary || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("headers %v", r.Header)
				}
				if c.status == http.StatusFound {
					w.Header().Set("Location", "https://elsewhere.invalid/")
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := s.Access(t.Context(), project, alpha, secret.New(canary))
			if got := reasoned(t, err); got.Code != c.want || !strings.HasSuffix(got.Detail, c.detail) && c.detail != "more than" {
				t.Errorf("access: %v", got)
			}
			harmless(t, err)
			found, err := s.Clusters(t.Context(), project, secret.New(canary))
			if c.want == deployer.ClusterGone {
				if len(found) != 0 || err != nil {
					t.Errorf("a project without CCE has %v, %v", found, err)
				}
				return
			}
			if got := reasoned(t, err); got.Code != c.want || len(found) != 0 {
				t.Errorf("clusters: %v", got)
			}
			harmless(t, err)
		})
	}
}

// harmless checks that an error repeats nothing of the token and is a short line.
func harmless(t *testing.T, err error) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	for i := range len(canary) - 12 {
		if strings.Contains(text, canary[i:i+12]) {
			t.Fatalf("the error holds the token: %v", err)
		}
	}
	if len(err.Error()) > 1000 || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%d bytes: %q", len(err.Error()), err)
	}
}

// TestClustersThatAreNone answers lists that no container engine gives.
func TestClustersThatAreNone(t *testing.T) {
	for name, items := range map[string]string{
		"no list":       `{"a":1}`,
		"texts":         `["` + alpha + `"]`,
		"no ID":         `[{"metadata":{"name":"a"}}]`,
		"host in an ID": `[{"metadata":{"name":"a","uid":"evil.example/"}}]`,
		"number":        `[{"metadata":{"name":7,"uid":"a"}}]`,
		"one of two":    `[` + one + `,{"metadata":{"uid":"A"}}]`,
		"too many":      `[` + strings.Repeat(one+",", 1000) + one + `]`,
		"many nothings": `[` + strings.Repeat("{},", 1<<19) + `{}]`,
	} {
		s := stub(t, cce.Gateway, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, `{"items":%s}`, items) })
		found, err := s.Clusters(t.Context(), project, secret.New(canary))
		if got := reasoned(t, err); got.Code != deployer.Unreachable || len(found) != 0 {
			t.Errorf("%s: %d clusters, %v", name, len(found), got)
		}
	}
}

// What a cluster is called is shown, and so is what the service says of its state.
func TestTextsAreCleaned(t *testing.T) {
	s := stub(t, cce.Gateway, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"items":[{"metadata":{"name":"a\u0007\nb %s","uid":"%s"},"status":{"phase":"Er\u0000ror","message":"%s"}},{"metadata":{"uid":"nameless"}}]}`,
			strings.Repeat("n", 500), alpha, strings.Repeat("m ", 5000))
	})
	found, err := s.Clusters(t.Context(), project, secret.New(canary))
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	c := found[0]
	if !strings.HasPrefix(c.Name, "a b nnn") || len([]rune(c.Name)) != 128 || c.Phase != "Er ror" || len([]rune(c.Message)) != 300 || c.Available {
		t.Errorf("%+v", c)
	}
	if found[1].Name != "nameless" || found[1].Available {
		t.Errorf("%+v", found[1])
	}
}

// Another cluster than the one asked about is not taken.
func TestOtherCluster(t *testing.T) {
	s := stub(t, cce.Gateway, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(one)) })
	if _, err := s.Access(t.Context(), project, "another", secret.New(canary)); reasoned(t, err).Code != deployer.Unreachable {
		t.Error(err)
	}
}

// A redirect would carry the token to where nobody has said.
func TestRedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	other := stubbed(t, func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	for _, status := range []int{301, 302, 307, 308} {
		s := stub(t, cce.Certificate, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, status) })
		if _, err := s.Access(t.Context(), project, alpha, secret.New(canary)); reasoned(t, err).Code != deployer.Unreachable {
			t.Error(err)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// A proxy of the environment is not asked: it would see which clusters there are.
func TestNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", stubbed(t, func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
	s := source(t, cce.Config{URL: "http://localhost:1", KubernetesURL: "http://localhost:1/{cluster_id}"})
	if _, err := s.Clusters(t.Context(), project, secret.New(canary)); reasoned(t, err).Code != deployer.Unreachable {
		t.Error(err)
	}
}

func TestCallerLeaves(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := stub(t, cce.Gateway, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	_, err := s.Clusters(ctx, project, secret.New(canary))
	if got := reasoned(t, err); got.Code != deployer.Unreachable || got.Detail != "context canceled" {
		t.Error(got)
	}
}

func TestAuthorities(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(one)) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that does not know the authority
	s.StartTLS()
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	config := cce.Config{URL: s.URL, KubernetesURL: s.URL + "/{cluster_id}"}
	_, err := source(t, config).Access(t.Context(), project, alpha, secret.New(canary))
	if got := reasoned(t, err); got.Code != deployer.Unreachable || !strings.Contains(got.Detail, "certificate") {
		t.Errorf("unknown authority: %v", got)
	}
	config.CA = ca
	a, err := source(t, config).Access(t.Context(), project, alpha, secret.New(canary))
	if err != nil || string(a.CA) != string(ca) {
		t.Errorf("known authority: %+v, %v", a, err)
	}
}
