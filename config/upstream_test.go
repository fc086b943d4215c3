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
		{"https://h/v1", "https://h/v2"}, {"UPSTREAM_KEY", "SHORT"}, {", ca_file: ca.pem", ""}, {"ca_file:", "on_disconnect: drain, ca_file:"},
	} {
		if first.Equal(read(strings.Replace(text, change[0], change[1], 1))) {
			t.Errorf("%s for %s makes no difference", change[1], change[0])
		}
	}
}
