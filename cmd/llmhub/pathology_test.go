package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/config"
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
	if n := h.provider.Active(); n != 0 {
		t.Errorf("%d requests left at the provider", n)
	}
}

func runCase(t *testing.T, h *hub, c *proxytest.Case) {
	t.Logf("case %s: %s", c.Name, c.About)
	key, keyID := h.key(c.Name)
	status, header, body := play(t, h, c, key, keyID)
	if got := header.Get("Retry-After"); c.Want.RetryAfter != "" && got != c.Want.RetryAfter {
		t.Errorf("Retry-After %q, want %q", got, c.Want.RetryAfter)
	}
	var usage proxytest.Usage
	provenance := ""
	if c.Want.Provenance != "" {
		events := h.settledEvents(keyID, 1)
		if len(events) != 1 {
			t.Fatalf("%d ledger entries, want 1: %+v", len(events), events)
		}
		provenance, usage = events[0].Provenance.String(), usageOf(events[0])
	} else {
		h.idle()
		if events := h.settledEvents(keyID, 0); len(events) != 0 {
			t.Fatalf("%d ledger entries, want none: %+v", len(events), events)
		}
	}
	if err := c.CheckUsage(provenance, usage); err != nil {
		t.Error(err)
	}
	sent, calls := lastSent(h, c.Model)
	if c.Want.Calls > 0 && calls != c.Want.Calls {
		t.Errorf("%d calls upstream, want %d", calls, c.Want.Calls)
	}
	if err := c.Check(status, body, sent); err != nil {
		t.Error(err)
	}
}

func usageOf(e store.Event) proxytest.Usage {
	return proxytest.Usage{Prompt: e.Tokens.Input, Cached: e.Tokens.CachedInput, Output: e.Tokens.Output, Reasoning: e.Tokens.Reasoning}
}

// lastSent returns what was sent to the last request for a model, and how many there were.
func lastSent(h *hub, model string) (sent proxytest.Sent, calls int) {
	for _, r := range h.provider.Requests() {
		if r.Model == model {
			sent, _ = h.provider.Sent(r.ID)
			calls++
		}
	}
	return sent, calls
}

// play sends a case's request, reads as much as the case says, and returns what was seen.
func play(t *testing.T, h *hub, c *proxytest.Case, key, keyID string) (int, http.Header, []byte) {
	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	defer leave()
	if c.Leave == proxytest.LeaveWaiting {
		go func() {
			for ctx.Err() == nil {
				if _, calls := lastSent(h, c.Model); calls > 0 {
					leave()
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	resp, err := h.client().Do(h.request(ctx, key, "/v1"+c.Path, strings.NewReader(c.Body)))
	if err != nil {
		if c.Leave == proxytest.LeaveWaiting {
			return 0, http.Header{}, nil
		}
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body []byte
	buf := make([]byte, 64<<10)
	revoked := false
	for {
		n, err := resp.Body.Read(buf)
		body = append(body, buf[:n]...)
		events := bytes.Count(body, []byte("\n\n"))
		switch {
		case err == io.EOF:
			return resp.StatusCode, resp.Header, body
		case err != nil:
			switch c.Want.Bytes {
			case proxytest.ThenError, proxytest.SomeThenError, proxytest.Whatever:
			default:
				t.Errorf("the answer was cut: %v", err)
			}
			return resp.StatusCode, resp.Header, body
		case c.Leave == proxytest.LeaveAfter && events >= c.LeaveEvents,
			c.Leave == proxytest.LeaveAtEnd && bytes.Contains(body, []byte("[DONE]\n\n")):
			return resp.StatusCode, resp.Header, body
		case c.Revoke && events >= c.LeaveEvents && !revoked:
			revoked = true
			if _, err := h.server.service.DeactivateKey(t.Context(), keyID); err != nil {
				t.Fatal(err)
			}
		}
	}
}
