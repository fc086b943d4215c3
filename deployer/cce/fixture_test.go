package cce_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"llmhub/deployer"
	"llmhub/deployer/cce"
	"llmhub/deployer/cce/ccetest"
	"llmhub/identity"
	"llmhub/identity/iam"
	"llmhub/identity/iam/iamtest"
	"llmhub/secret"
)

// fixture is the simulated cloud of the demo's people, with a source.
type fixture struct {
	*testing.T
	identity  *iamtest.Server
	engine    *ccetest.Server
	directory *iam.Client
	source    *cce.Source
}

// The projects of the customer.
var (
	project = identity.Project{ID: iamtest.ID(iamtest.CustomerDomain, "project", "eu-de"), Name: "eu-de", Enabled: true}
	other   = identity.Project{ID: iamtest.ID(iamtest.CustomerDomain, "project", "eu-de_ai"), Name: "eu-de_ai", Enabled: true}
)

const alpha = "00000000-0000-4000-8000-00000000000a"

// clusters are one in each form of endpoints, and some that cannot be used.
func clusters() []ccetest.Cluster {
	id := func(last string) string { return strings.TrimSuffix(alpha, "a") + last }
	return []ccetest.Cluster{
		{ID: id("d"), ProjectID: project.ID, Name: "delta", Phase: ccetest.Hibernation, Message: "Put to sleep by its owner.", Endpoints: ccetest.Null},
		{ID: id("c"), ProjectID: project.ID, Name: "gamma", Phase: ccetest.Available, Version: "v1.29", Type: "BareMetal", Category: "Turbo", Endpoints: ccetest.Object},
		{ID: alpha, ProjectID: project.ID, Name: "alpha", Phase: ccetest.Available},
		{ID: id("b"), ProjectID: project.ID, Name: "beta", Phase: ccetest.Available, Endpoints: ccetest.Typed, Private: true},
		{ID: id("e"), ProjectID: project.ID, Name: "epsilon", Phase: ccetest.Unavailable, Reason: "NodesDown", Message: "Two nodes\ndo not answer."},
		{ID: id("f"), ProjectID: other.ID, Name: "elsewhere", Phase: ccetest.Available},
	}
}

func start(t *testing.T, kubeconfig []byte, way cce.Way) *fixture {
	t.Helper()
	f := &fixture{T: t}
	var err error
	if f.identity, err = iamtest.Start(iamtest.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.identity.Close)
	if f.engine, err = ccetest.Start(ccetest.Options{Identity: f.identity.URL, Clusters: clusters(), Kubeconfig: kubeconfig}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.engine.Close)
	if f.directory, err = iam.New(iam.Config{URL: f.identity.URL}); err != nil {
		t.Fatal(err)
	}
	f.source = source(t, f.config(way, 0))
	return f
}

// config is that of a source of the simulated engine.
func (f *fixture) config(way cce.Way, timeout time.Duration) cce.Config {
	return cce.Config{URL: f.engine.URL.String(), KubernetesURL: f.engine.KubernetesURL, Access: way, Timeout: timeout, CA: f.engine.CA}
}

func source(t *testing.T, c cce.Config) *cce.Source {
	t.Helper()
	s, err := cce.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// token signs a user of the customer in and returns the token of a project.
func (f *fixture) token(user string, p identity.Project) secret.Text {
	f.Helper()
	a, err := f.directory.SignIn(f.Context(), identity.Credentials{Domain: iamtest.CustomerDomain, User: user, Password: secret.New("demo-" + strings.ReplaceAll(user, ".", "-"))})
	if err != nil {
		f.Fatal(err)
	}
	token, _, err := f.directory.Rescope(f.Context(), a.Token, p.ID)
	if err != nil {
		f.Fatal(err)
	}
	return token
}

// stubbed starts a service of one handler and returns its address.
func stubbed(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// stub returns a source of a service of one handler.
func stub(t *testing.T, way cce.Way, h http.HandlerFunc) *cce.Source {
	t.Helper()
	address := stubbed(t, h)
	return source(t, cce.Config{URL: address, KubernetesURL: address + "/k8s/{cluster_id}", Access: way})
}

// reasoned returns the reason that an error is.
func reasoned(t *testing.T, err error) deployer.Reason {
	t.Helper()
	var r *deployer.Reason
	if !errors.As(err, &r) {
		t.Fatalf("%v is no reason", err)
	}
	return *r
}

// pair returns a certificate of one day and its key in PEM, the certificate vouching for itself.
func pair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "user"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// nowhere returns a kubeconfig of a control plane that nobody runs.
func nowhere(t *testing.T) []byte {
	t.Helper()
	cert, key := pair(t)
	in := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", certificate-authority-data: %s}}]
users: [{name: u, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, in(cert), in(cert), in(key))
}
