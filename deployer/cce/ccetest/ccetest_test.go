package ccetest_test

import (
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
