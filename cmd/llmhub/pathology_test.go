package main

import (
	"testing"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/proxy/proxytest"
	"llmhub/store"
)

// TestPathologies sends every case of the scripted provider through a real gateway: bytes to the client, tokens to
// the ledger.
func TestPathologies(t *testing.T) {
	cases := proxytest.Pathologies()
	h := startHub(t, nil, func(cfg *config.Config) {
		for _, c := range cases {
			upstream := "cancel"
			switch {
			case c.Drain:
				upstream = "drain"
			case c.ShortIdle:
				upstream = "impatient"
			}
			cfg.Models = append(cfg.Models, model(c.Model, upstream))
		}
	})
	for _, c := range cases {
		h.provider.Script(c.Model, c.Script)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { runCase(t, h, &c) })
	}
	h.idle()
	h.eventually("requests left at the provider", func() bool { return h.provider.Active() == 0 })
	for _, d := range h.server.proxy.Health() {
		if d.InFlight != 0 {
			t.Errorf("%s has %d requests in flight for ever", d.Deployment, d.InFlight)
		}
	}
}

func runCase(t *testing.T, h *hub, c *proxytest.Case) {
	t.Logf("case %s: %s", c.Name, c.About)
	key, keyID := h.key(c.Name)
	player := proxytest.Player{
		BaseURL: h.url + "/v1", Key: key, Client: h.client(), Provider: h.provider,
		Revoke: func() error {
			_, err := h.server.service.DeactivateKey(t.Context(), identity.Administrator(), keyID)
			return err
		},
	}
	seen, err := player.Play(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	h.idle()
	provenance, usage := "", proxytest.Usage{}
	if c.Want.Provenance != "" {
		events := h.settledEvents(keyID, 1)
		if len(events) != 1 {
			t.Fatalf("%d ledger entries, want 1: %+v", len(events), events)
		}
		provenance, usage = events[0].Provenance.String(), usageOf(events[0])
	} else if events := h.settledEvents(keyID, 0); len(events) != 0 {
		t.Fatalf("%d ledger entries, want none: %+v", len(events), events)
	}
	if err := c.CheckUsage(provenance, usage); err != nil {
		t.Error(err)
	}
	if calls := h.provider.Calls(c.Model); c.Want.Calls > 0 && calls != c.Want.Calls {
		t.Errorf("%d calls upstream, want %d", calls, c.Want.Calls)
	}
	sent, _ := h.provider.LastSent(c.Model)
	if err := c.Check(seen.Status, seen.Body, sent); err != nil {
		t.Error(err)
	}
}

func usageOf(e store.Event) proxytest.Usage {
	return proxytest.Usage{Prompt: e.Tokens.Input, Cached: e.Tokens.CachedInput, Output: e.Tokens.Output, Reasoning: e.Tokens.Reasoning}
}
