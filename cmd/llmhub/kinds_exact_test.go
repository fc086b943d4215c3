package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"llmhub/config"
	"llmhub/proxy/proxytest"
	"llmhub/secret"
)

// TestKindsExact has the scripted provider speak each kind's API, and the ledger agree with its own counts to the token,
// what is read from caches and written into them included.
func TestKindsExact(t *testing.T) {
	h := startHub(t, nil, func(cfg *config.Config) {
		base := *cfg.Upstreams[0].BaseURL
		origin := &url.URL{Scheme: base.Scheme, Host: base.Host}
		for _, k := range []struct {
			name, kind, version string
			base                *url.URL
		}{
			{"claude", config.KindAnthropic, "2023-06-01", &base},
			{"azure", config.KindAzure, "", origin},
			{"azure-classic", config.KindAzure, "2024-10-21", origin},
		} {
			u := config.DefaultUpstream()
			u.Name, u.Kind, u.APIVersion, u.BaseURL, u.Auth, u.APIKey = k.name, k.kind, k.version, k.base, config.AuthKey, secret.New("k")
			cfg.Upstreams = append(cfg.Upstreams, u)
			m := config.DefaultModel()
			m.Name, m.Deployments = k.name, []config.Deployment{at(k.name, k.name)}
			cfg.Models = append(cfg.Models, m)
		}
	})
	for _, model := range []string{"claude", "azure", "azure-classic"} {
		h.provider.Script(model, proxytest.Script{Words: 12, PromptTokens: 900, CachedTokens: 500, CacheWriteTokens: 300})
		a := h.account(model)
		for _, stream := range []bool{false, true} {
			status, text := h.page(t, a.text, http.MethodPost, "/v1/chat/completions", a.chat(model, stream))
			if status != http.StatusOK || stream != strings.HasSuffix(text, "data: [DONE]\n\n") || stream == strings.Contains(text, `"usage"`) {
				t.Errorf("%s, stream %v: %d %s", model, stream, status, text)
			}
			a.wantExact(t, 1)
		}
	}
}
