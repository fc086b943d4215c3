package config_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"llmhub/config"
)

// certificate is one of a test server's, as a PEM file holds it.
func certificate(t *testing.T) []byte {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// TestUpstreamEqual reads the same file again and again with one change each.
func TestUpstreamEqual(t *testing.T) {
	const upstream = `  - {name: local, base_url: "https://h/v1", api_key: {env: UPSTREAM_KEY}, ca_file: ca.pem}`
	text := strings.Replace(minimal, `  - {name: local, base_url: "http://127.0.0.1:9100/v1/"}`, upstream, 1)
	ca := certificate(t)
	read := func(text string) config.Upstream {
		t.Helper()
		path := write(t, text)
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "ca.pem"), ca, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.LoadEnv(path, env)
		if err != nil {
			t.Fatal(err)
		}
		return c.Upstreams[0]
	}
	first := read(text)
	if first.RootCAs == nil || !first.Equal(read(text)) {
		t.Error("the same file read twice gives different upstreams")
	}
	for _, change := range [][2]string{
		{"https://h/v1", "https://h/v2"}, {"UPSTREAM_KEY", "SHORT"}, {", ca_file: ca.pem", ""}, {"name: local,", "name: local, headers: {X-Title: hub},"}, {"name: local,", "name: local, kind: azure,"},
		{"ca_file:", "on_disconnect: drain, ca_file:"},
	} {
		if first.Equal(read(strings.Replace(text, change[0], change[1], 1))) {
			t.Errorf("%s for %s makes no difference", change[1], change[0])
		}
	}
}

// TestUpstreamKinds reads one upstream of each kind.
func TestUpstreamKinds(t *testing.T) {
	const local = `  - {name: local, base_url: "http://127.0.0.1:9100/v1/"}`
	for _, c := range []struct {
		settings, version string
		auth              config.Auth
	}{
		{"kind: openai", "", config.AuthBearer},
		{"kind: azure", "", config.AuthKey},
		{"kind: azure, api_version: 2024-10-21, auth: bearer", "2024-10-21", config.AuthBearer},
		{"kind: anthropic", "2023-06-01", config.AuthKey},
		{"kind: anthropic, api_version: 2027-01-01", "2027-01-01", config.AuthKey},
	} {
		line := `  - {name: local, base_url: "https://h/v1", headers: {X-Title: my hub, X-Key: {env: UPSTREAM_KEY}}, ` + c.settings + "}"
		got, err := config.LoadEnv(write(t, strings.Replace(minimal, local, line, 1)), env)
		if err != nil {
			t.Errorf("%s: %v", c.settings, err)
			continue
		}
		u := got.Upstreams[0]
		if u.APIVersion != c.version || u.Auth != c.auth || len(u.Headers) != 2 || u.Headers[0].Name != "X-Key" ||
			u.Headers[0].Value.Reveal() != "upstream-secret" || u.Headers[1].Value.Reveal() != "my hub" {
			t.Errorf("%s: %+v", c.settings, u)
		}
	}
}
