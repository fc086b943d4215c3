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
	h := startHub(t, nil, func(cfg *config.Config) { cfg.Models = caseModels(cases) })
	for _, c := range cases {
		h.provider.Script(c.Model, c.Script)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { runCase(t, h, &c) })
	}
	h.wantNoSlots(t)
}

// caseModels returns a model for each case, at the upstream that it asks for.
func caseModels(cases []proxytest.Case) []config.Model {
	models := make([]config.Model, len(cases))
	for i, c := range cases {
		upstream := "cancel"
		switch {
		case c.Drain:
			upstream = "drain"
		case c.ShortIdle:
			upstream = "impatient"
		}
		models[i] = model(c.Model, upstream)
	}
	return models
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
