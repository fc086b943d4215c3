package ccetest_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"llmhub/deployer/cce/ccetest"
)

// A kubeconfig that cannot be used is refused at the start, by a text that repeats nothing of it.
func TestKubeconfigRefused(t *testing.T) {
	const contexts = "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":       {"kind: [CANARY", "not valid YAML"},
		"other types":   {"clusters: CANARY", "not valid YAML"},
		"nothing":       {"kind: Config", "no https server"},
		"no TLS":        {"clusters: [{name: c, cluster: {server: 'http://CANARY'}}]\n" + contexts, "no https server"},
		"no authority":  {"clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority-data: CANARY}}]\n" + contexts, "no certificate-authority-data"},
		"other context": {"clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n" + strings.Replace(contexts, "current-context: x", "current-context: y", 1), "no https server"},
	} {
		s, err := ccetest.Start(ccetest.Options{Identity: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Kubeconfig: []byte(c.text)})
		if err == nil {
			s.Close()
			t.Errorf("%s: starts", name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ccetest.Start(ccetest.Options{}); err == nil {
		t.Error("starts without an identity service")
	}
}

// What is broken off while the identity service is asked about its token has no answer: one that the token does not hold would have a
// deployment wait for somebody to come with another one.
func TestBrokenOffAtTokenCheck(t *testing.T) {
	asked, done := make(chan struct{}), make(chan struct{})
	identity := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-done
	}))
	defer identity.Close()
	defer close(done)
	at, _ := url.Parse(identity.URL)
	s, err := ccetest.Start(ccetest.Options{Identity: at})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	for part, path := range map[ccetest.Part]string{ccetest.Gateway: "/k8s/any/version", ccetest.API: "/api/v3/projects/any/clusters"} {
		result := make(chan error, 1)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL.String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Auth-Token", "any")
		go func() {
			resp, err := client.Do(r)
			if err == nil {
				t.Errorf("%s is answered: %s", path, resp.Status)
				_ = resp.Body.Close()
			}
			result <- err
		}()
		<-asked
		s.Set(part, ccetest.Away)
		<-result
	}
}
