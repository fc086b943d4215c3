package cce_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"llmhub/deployer"
	"llmhub/deployer/cce"
	"llmhub/deployer/cce/ccetest"
	"llmhub/secret"
)

// onCluster starts the simulated cloud in front of the control plane of LLMHUB_TEST_KUBECONFIG.
func onCluster(t *testing.T, way cce.Way) *fixture {
	t.Helper()
	path := os.Getenv("LLMHUB_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("test-cluster.sh runs this with a real Kubernetes control plane")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, text, way)
}

// client returns a client that knows the cluster of an access.
func client(t *testing.T, a deployer.Access) *http.Client {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: a.Insecure}
	if len(a.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(a.CA)
	}
	if len(a.ClientCert) > 0 {
		pair, err := tls.X509KeyPair(a.ClientCert, []byte(a.ClientKey.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// open returns a function that makes requests with an access.
func open(t *testing.T, a deployer.Access) func(method, path, body string) (*http.Response, error) {
	t.Helper()
	c := client(t, a)
	return func(method, path, body string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), method, a.Server+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if a.Token.IsSet() {
			r.Header.Set("Authorization", "Bearer "+a.Token.Reveal())
		}
		return c.Do(r)
	}
}

// answerTo returns status and body of an answer.
func answerTo(t *testing.T, resp *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (f *fixture) access(user string) deployer.Access {
	f.Helper()
	a, err := f.source.Access(f.Context(), project, alpha, f.token(user, project))
	if err != nil {
		f.Fatal(err)
	}
	return a
}

// Both ways lead to the control plane, for all that Kubernetes clients ask: lists, changes, and other content.
func TestClusterBothWays(t *testing.T) {
	for _, way := range []cce.Way{cce.Gateway, cce.Certificate} {
		ask := open(t, onCluster(t, way).access("jana.weber"))
		get := func(path string) (int, string) {
			resp, err := ask(http.MethodGet, path, "")
			return answerTo(t, resp, err)
		}
		if status, text := get("/version"); status != 200 || !strings.Contains(text, "gitVersion") {
			t.Errorf("%s: %d %s", way, status, text)
		}
		if status, text := get("/api/v1/namespaces?limit=500"); status != 200 || !strings.Contains(text, `"kube-system"`) {
			t.Errorf("%s: %d %.200s", way, status, text)
		}
		if status, text := get("/apis/storage.k8s.io/v1/storageclasses"); status != 200 || !strings.Contains(text, "csi-disk") {
			t.Errorf("%s: %d %.200s", way, status, text)
		}
		if status, text := get("/api/v1/namespaces/none-such"); status != 404 || !strings.Contains(text, `"NotFound"`) {
			t.Errorf("%s: %d %s", way, status, text)
		}
	}
}

// Who is no administrator acts as itself, whatever it claims, and is refused in Kubernetes' own words.
func TestClusterOwnRights(t *testing.T) {
	f := onCluster(t, cce.Gateway)
	a := f.access("tom.klein")
	r, err := http.NewRequest(http.MethodGet, a.Server+"/api/v1/namespaces", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", a.Token.Reveal())
	r.Header.Set("Impersonate-User", "system:admin")
	r.Header.Set("Impersonate-Group", "system:masters")
	resp, err := client(t, a).Do(r)
	if status, text := answerTo(t, resp, err); status != 403 || !strings.Contains(text, `User \"tom.klein\" cannot list`) {
		t.Errorf("%d %s", status, text)
	}
}

// Every other way in is closed.
func TestClusterRefused(t *testing.T) {
	f := onCluster(t, cce.Gateway)
	a := f.access("jana.weber")
	for name, c := range map[string]struct {
		server string
		token  secret.Text
		status int
	}{
		"no token":                 {a.Server, secret.Text{}, 401},
		"unknown token":            {a.Server, secret.New("no-token"), 401},
		"token of another project": {a.Server, f.token("jana.weber", other), 403},
		"unknown cluster":          {strings.Replace(a.Server, alpha, "none", 1), a.Token, 404},
		"hibernating cluster":      {strings.TrimSuffix(a.Server, "a") + "d", a.Token, 503},
	} {
		resp, err := open(t, deployer.Access{Server: c.server, Token: c.token, CA: a.CA})(http.MethodGet, "/version", "")
		if status, text := answerTo(t, resp, err); status != c.status {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// Watches go through event by event, and end in the middle when the token's time ends or the gateway goes away.
func TestClusterWatch(t *testing.T) {
	f := onCluster(t, cce.Gateway)
	ask := open(t, f.access("jana.weber"))
	namespace := "cce-" + strings.ToLower(rand.Text()[:10])
	resp, err := ask(http.MethodPost, "/api/v1/namespaces", `{"metadata":{"name":"`+namespace+`"}}`)
	if status, text := answerTo(t, resp, err); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	defer func() {
		f.engine.Set(ccetest.Gateway, ccetest.Well)
		resp, err := open(t, f.access("jana.weber"))(http.MethodDelete, "/api/v1/namespaces/"+namespace, "")
		if status, text := answerTo(t, resp, err); status != 200 {
			t.Errorf("%d %s", status, text)
		}
	}()
	for i, end := range []func(){f.engine.Expire, func() { f.engine.Set(ccetest.Gateway, ccetest.Away) }} {
		if i > 0 {
			ask = open(t, f.access("jana.weber"))
		}
		watch, err := ask(http.MethodGet, "/api/v1/namespaces/"+namespace+"/configmaps?watch=1", "")
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Body.Close()
		events := bufio.NewReader(watch.Body)
		for n := range 3 {
			name := fmt.Sprint("of-the-watch-", i, "-", n)
			resp, err := ask(http.MethodPost, "/api/v1/namespaces/"+namespace+"/configmaps", `{"metadata":{"name":"`+name+`"}}`)
			if status, text := answerTo(t, resp, err); status != 201 {
				t.Fatalf("%d %s", status, text)
			}
			awaitEvent(t, events, name)
		}
		end()
		if _, err := io.Copy(io.Discard, events); err == nil {
			t.Error("the watch ends as if there were nothing more to tell")
		}
		resp, err := ask(http.MethodGet, "/version", "")
		if i == 0 {
			if status, text := answerTo(t, resp, err); status != 401 {
				t.Errorf("after the end of the token: %d %s", status, text)
			}
		} else if err == nil {
			t.Errorf("a gateway that is away answers %s", resp.Status)
		}
	}
}

// awaitEvent reads the watch up to an object. It waits for as long as the test may take.
func awaitEvent(t *testing.T, events *bufio.Reader, name string) {
	t.Helper()
	for {
		line, err := events.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Object struct{ Metadata struct{ Name string } }
		}
		if json.Unmarshal(bytes.TrimSpace(line), &e) == nil && e.Object.Metadata.Name == name {
			return
		}
	}
}

// Nothing of the simulation stays behind with a client that has left.
func TestClusterSlowGateway(t *testing.T) {
	f := onCluster(t, cce.Gateway)
	ask := open(t, f.access("jana.weber"))
	f.engine.Set(ccetest.Gateway, ccetest.Slow)
	got := make(chan error, 1)
	go func() {
		resp, err := ask(http.MethodGet, "/version", "")
		if err == nil {
			_ = resp.Body.Close()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("a slow gateway answers at once: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	f.engine.Close()
	if err := <-got; err == nil {
		t.Error("a gateway that has been closed answers")
	}
}
