package main

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"llmhub/config"
	"llmhub/secret"
)

// TestReloadSaysWhatTakesARestart reads configurations again: one that is the same but for where its certificates are
// in memory, and others with a change each.
func TestReloadSaysWhatTakesARestart(t *testing.T) {
	authority := httptest.NewTLSServer(nil)
	defer authority.Close()
	dir := t.TempDir()
	read := func() *config.Config {
		cfg := config.Default()
		cfg.Data, cfg.FreeSpaceFloorBytes, cfg.Admin.Token = dir, 0, secret.New("test-admin-token")
		cfg.IAM.RootCAs = x509.NewCertPool()
		cfg.IAM.RootCAs.AddCert(authority.Certificate())
		u := config.DefaultUpstream()
		u.Name, u.BaseURL = "local", &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
		cfg.Upstreams = []config.Upstream{u}
		cfg.Models = []config.Model{model("m", "local")}
		return &cfg
	}
	var log bytes.Buffer
	s, err := newServer(t.Context(), read(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, c := range []struct {
		setting string
		change  func(*config.Config)
	}{
		{"", func(*config.Config) {}},
		{"", func(cfg *config.Config) { cfg.Models = append(cfg.Models, model("n", "local")) }},
		{"portal", func(cfg *config.Config) { cfg.Portal.Name = "Elsewhere" }},
		{"iam", func(cfg *config.Config) { cfg.IAM.RootCAs = nil }},
		{"iam", func(cfg *config.Config) { cfg.IAM.CustomerRole = "" }},
		{"cce", func(cfg *config.Config) { cfg.CCE.CA = []byte("another") }},
		{"clusters", func(cfg *config.Config) { cfg.Clusters = []config.Cluster{{Name: "lab"}} }},
		{"limits", func(cfg *config.Config) { cfg.Limits.Requests = 7 }},
	} {
		log.Reset()
		cfg := read()
		c.change(cfg)
		if err := s.reload(cfg); err != nil {
			t.Fatal(err)
		}
		want := 1
		if c.setting == "" {
			want = 0
		}
		if got := strings.Count(log.String(), "takes a restart"); got != want || c.setting != "" && !strings.Contains(log.String(), "setting="+c.setting+"\n") {
			t.Errorf("change of %q:\n%s", c.setting, log.String())
		}
	}
}

// TestStartWarnsOfABrandThatIsHardToRead starts with texts on buttons that are too pale in one theme.
func TestStartWarnsOfABrandThatIsHardToRead(t *testing.T) {
	cfg := config.Default()
	cfg.Data, cfg.FreeSpaceFloorBytes, cfg.Admin.Token = t.TempDir(), 0, secret.New("test-admin-token")
	cfg.Portal.BrandCSS = []byte(":root { --brand: light-dark(#777, #55c5cc); --on-brand: light-dark(#fff, #06262a); }")
	var log bytes.Buffer
	s, err := newServer(t.Context(), &cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "contrast of 4.47 in the light theme") {
		t.Errorf("log: %s", got)
	}
}
