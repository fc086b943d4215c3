package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"llmhub/deployer"
)

// pair returns a certificate and its key in PEM and base64, as kubeconfigs have them.
func pair(t *testing.T, notAfter time.Time) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: notAfter}
	c, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, b []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return text("CERTIFICATE", c), text("PRIVATE KEY", der)
}

func kubeconfig(cluster, user string) string {
	return fmt.Sprintf(`{"kind": "Config", "apiVersion": "v1", "preferences": {}, "current-context": "internal",
 "contexts": [{"name": "other", "context": {"cluster": "x", "user": "y"}}, {"name": "internal", "context": {"cluster": "internalCluster", "user": "user"}}],
 "clusters": [{"name": "x", "cluster": {"server": "https://192.0.2.9"}}, {"name": "internalCluster", "cluster": %s}],
 "users": [{"name": "y", "user": {"token": "other"}}, {"name": "user", "user": %s}]}`, cluster, user)
}

func TestParseKubeconfig(t *testing.T) {
	end := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	cert, key := pair(t, end)
	a, err := ParseKubeconfig([]byte(kubeconfig(`{"server": "https://192.0.2.1:5443", "certificate-authority-data": "`+cert+`", "tls-server-name": "kubernetes"}`,
		`{"client-certificate-data": "`+cert+`", "client-key-data": "`+key+`", "token": "unused"}`)))
	if err != nil || a.Server != "https://192.0.2.1:5443" || a.ServerName != "kubernetes" || len(a.CA) == 0 || len(a.ClientCert) == 0 ||
		!a.ClientKey.IsSet() || a.Token.IsSet() || !a.ExpiresAt.Equal(end) {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = ParseKubeconfig([]byte(kubeconfig(`{server: https://192.0.2.1/path, insecure-skip-tls-verify: true}`, `{token: canary}`)))
	if err != nil || !a.Insecure || a.Token.Reveal() != "canary" || !a.ExpiresAt.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := (Opener{}).Open(a); err != nil {
		t.Error(err)
	}
}

func TestParseKubeconfigRefuses(t *testing.T) {
	cert, key := pair(t, time.Now().Add(time.Hour))
	_, otherKey := pair(t, time.Now().Add(time.Hour))
	server, token := `{"server": "https://192.0.2.1"}`, `{"token": "canary"}`
	for want, text := range map[string]string{
		"1024 KiB":                       strings.Repeat("#", maxKubeconfigBytes+1),
		"aliases":                        bomb(9),
		"not YAML":                       "a: b: canary",
		"must be one YAML document":      "",
		"not have the form":              `{"clusters": "canary"}`,
		"no current-context":             `{"kind": "Config"}`,
		`no context "internal"`:          `{"current-context": "internal"}`,
		`no cluster "a"`:                 `{"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "a", "user": "b"}}]}`,
		`no user "b"`:                    `{"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "a", "user": "b"}}], "clusters": [{"name": "a", "cluster": {}}]}`,
		"exec would run":                 kubeconfig(server, `{"exec": {"command": "canary", "apiVersion": "client.authentication.k8s.io/v1"}}`),
		"auth-provider":                  kubeconfig(server, `{"auth-provider": {"name": "canary"}}`),
		"client-key name files":          kubeconfig(server, `{"client-certificate": "/canary", "client-key": "/canary"}`),
		"tokenFile":                      kubeconfig(server, `{"tokenFile": "/canary"}`),
		"username":                       kubeconfig(server, `{"username": "u", "password": "canary"}`),
		"somebody else":                  kubeconfig(server, `{"token": "canary", "as": "admin"}`),
		"certificate-authority names":    kubeconfig(`{"server": "https://192.0.2.1", "certificate-authority": "/canary"}`, token),
		"proxy-url":                      kubeconfig(`{"server": "https://192.0.2.1", "proxy-url": "http://canary"}`, token),
		"begin with https://":            kubeconfig(`{"server": "http://canary"}`, token),
		"URL with a host":                kubeconfig(`{"server": "canary"}`, token),
		"must not have a user":           kubeconfig(`{"server": "https://u:canary@192.0.2.1"}`, token),
		"neither a token":                kubeconfig(server, `{}`),
		"only of use together":           kubeconfig(server, `{"client-certificate-data": "`+cert+`"}`),
		"do not belong together":         kubeconfig(server, `{"client-certificate-data": "`+cert+`", "client-key-data": "`+otherKey+`"}`),
		"holds no certificate":           kubeconfig(`{"server": "https://192.0.2.1", "certificate-authority-data": "`+key+`"}`, token),
		"a second document follows with": "{}\n...\n{}",
	} {
		a, err := ParseKubeconfig([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %+v, %v", want, a, err)
		}
	}
	if _, err := (Opener{}).Open(deployer.Access{ExpiresAt: time.Now().Add(-time.Second)}); code(err) != deployer.AccessEnded {
		t.Error(err)
	}
	if _, err := (Opener{}).Open(deployer.Access{Server: "https://192.0.2.1"}); code(err) != deployer.Unreachable {
		t.Error(err)
	}
}
