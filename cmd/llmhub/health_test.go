package main

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/proxy"
	"llmhub/proxy/proxytest"
)

// healthOf returns how a model's only deployment has answered, once nothing is under way.
func (h *hub) healthOf(t *testing.T, model string) proxy.DeploymentHealth {
	t.Helper()
	h.idle()
	for _, d := range h.server.proxy.Health() {
		if d.Models[0] == model {
			return d
		}
	}
	t.Fatalf("there is no deployment of %s", model)
	return proxy.DeploymentHealth{}
}

// TestHealth asks deployments that answer in every way there is, and looks at what is said of them.
func TestHealth(t *testing.T) {
	const hostile = `{"error":{"message":"h0stile","type":"h0stile","code":"h0stile"}}`
	status := func(code int) proxytest.Script { return proxytest.Script{Status: code, ErrorBody: hostile} }
	cut := func(at proxytest.CutPoint, how proxytest.CutHow) proxytest.Script {
		return proxytest.Script{Words: 8, Cut: proxytest.Cut{At: at, After: 3, How: how}}
	}
	fault := func(after int) proxytest.Script {
		return proxytest.Script{Words: 4, Fault: proxytest.Fault{Body: hostile, After: after}}
	}
	const inAnswer = "upstream_error"
	cases := []struct {
		name         string
		script       proxytest.Script
		stream       bool
		state        proxy.HealthState
		reason       string
		hasFirstByte bool
	}{
		{"whole", proxytest.Script{}, false, proxy.Healthy, "", true},
		{"streamed", proxytest.Script{}, true, proxy.Healthy, "", true},
		{"request at fault", status(400), false, proxy.Healthy, "", false},
		{"model unknown", status(404), false, proxy.Healthy, "", false},
		{"credentials", status(401), false, proxy.Failing, "status 401", false},
		{"too many", status(429), true, proxy.Failing, "status 429", false},
		{"broken", status(500), true, proxy.Failing, "status 500", false},
		{"elsewhere", status(307), false, proxy.Failing, "status 307", false},
		{"reset", cut(proxytest.CutBeforeHeaders, proxytest.CutReset), true, proxy.Failing, "upstream_unavailable", false},
		{"mute", cut(proxytest.CutBeforeHeaders, proxytest.CutStall), false, proxy.Failing, "upstream_timeout", false},
		{"silent", cut(proxytest.CutAfterHeaders, proxytest.CutStall), true, proxy.Failing, "upstream_timeout", false},
		{"stalled", cut(proxytest.CutBetween, proxytest.CutStall), true, proxy.Failing, "upstream_timeout", true},
		{"torn", cut(proxytest.CutMidEvent, proxytest.CutClose), true, proxy.Failing, "upstream_truncated", true},
		{"torn whole", cut(proxytest.CutMidBody, proxytest.CutClose), false, proxy.Failing, "upstream_truncated", true},
		{"unfinished", cut(proxytest.CutBetween, proxytest.CutOrderly), true, proxy.Failing, "upstream_truncated", true},
		{"error at first", fault(-1), true, proxy.Failing, inAnswer, false},
		{"error later", fault(2), true, proxy.Failing, inAnswer, true},
	}
	modelOf := func(name string) string { return "health-" + strings.ReplaceAll(name, " ", "-") }
	h := startHub(t, nil, func(cfg *config.Config) {
		for _, c := range cases {
			cfg.Models = append(cfg.Models, model(modelOf(c.name), "impatient"))
		}
	})
	a := h.account("health")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h.provider.Script(modelOf(c.name), c.script)
			if got := h.healthOf(t, modelOf(c.name)); got.State != proxy.Unknown || got.Upstream != "impatient" {
				t.Errorf("before: %+v", got)
			}
			for range 3 {
				rest(a.ask(t, t.Context(), a.chat(modelOf(c.name), c.stream)).Body)
			}
			got := h.healthOf(t, modelOf(c.name))
			failures := int64(0)
			if c.reason != "" {
				failures = 3
			}
			if got.State != c.state || got.LastReason != c.reason || got.Requests != 3 || got.Failures != failures || got.InFlight != 0 ||
				got.WindowRequests != 3 || got.WindowFailures != failures || got.LastFailure.IsZero() != (failures == 0) ||
				got.LastSuccess.IsZero() != (failures > 0) || (got.FirstByteP50 > 0) != c.hasFirstByte || got.FirstByteP95 < got.FirstByteP50 {
				t.Errorf("got %+v, want %s because of %q", got, c.state, c.reason)
			}
		})
	}
	if text := h.scrape(t); strings.Contains(text, "h0stile") {
		t.Error("a model server's text is in the metrics")
	}
	h.shutDown(t)
}

// TestHealthBlamesNoServer ends requests for reasons that are none of the model server's.
func TestHealthBlamesNoServer(t *testing.T) {
	for _, upstream := range []string{"cancel", "drain"} {
		t.Run(upstream, func(t *testing.T) {
			h := startHub(t, []string{}, func(cfg *config.Config) {
				cfg.Models = append(cfg.Models, model(modelPaused, upstream), model(modelMute, upstream))
				cfg.Stream.DrainTimeout = 100 * time.Millisecond
			})
			stall := proxytest.Cut{At: proxytest.CutBetween, After: 3, How: proxytest.CutStall}
			h.provider.Script(modelPaused, proxytest.Script{Words: 8, Cut: stall})
			stall.At = proxytest.CutBeforeHeaders
			h.provider.Script(modelMute, proxytest.Script{Cut: stall})
			a := h.account("leaver")

			ctx, leave := context.WithCancel(t.Context())
			readUntil(t, a.ask(t, ctx, a.chat(modelPaused, true)).Body, events(2))
			h.eventually("the stream is not in flight", func() bool { return h.server.proxy.Health()[0].InFlight == 1 })
			leave()
			h.wantNoBlame(t, modelPaused)

			ctx, leave = context.WithCancel(t.Context())
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = h.client().Do(h.request(ctx, a.text, "/v1/chat/completions", strings.NewReader(a.chat(modelMute, false))))
			}()
			h.eventually("the request is not in flight", func() bool { return h.server.proxy.Health()[1].InFlight == 1 })
			leave()
			<-gone
			h.wantNoBlame(t, modelMute)
			if got := h.metric(t, "llmhub_upstream_requests_total", "upstream="+upstream, "outcome=abandoned"); got != 2 {
				t.Errorf("%v abandoned, want 2", got)
			}
			h.shutDown(t)
		})
	}
}

// wantNoBlame insists that nothing is counted of a model's deployment, once nothing is under way.
func (h *hub) wantNoBlame(t *testing.T, model string) {
	t.Helper()
	if got := h.healthOf(t, model); got.State != proxy.Unknown || got.Requests != 0 || got.Failures != 0 || got.InFlight != 0 {
		t.Errorf("got %+v, want nothing known", got)
	}
}

// TestHealthOfFallback counts a request at every deployment that it was tried at, and at none that is at its bound.
func TestHealthOfFallback(t *testing.T) {
	h := startHub(t, nil, func(cfg *config.Config) {
		nowhere := config.DefaultUpstream()
		nowhere.Name, nowhere.BaseURL = "nowhere", &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
		full := cfg.Upstreams[0]
		full.Name, full.MaxConnections = "full", 1
		cfg.Upstreams = append(cfg.Upstreams, nowhere, full)
		cfg.Models = append(cfg.Models,
			config.Model{Name: "m", Deployments: []config.Deployment{{Upstream: "nowhere", Model: "m"}, {Upstream: "cancel", Model: "m", Priority: 1}}},
			config.Model{Name: modelPaused, Deployments: []config.Deployment{{Upstream: "full", Model: modelPaused}}})
	})
	a := h.account("fallback")
	rest(a.ask(t, t.Context(), a.chat("m", true)).Body)
	h.idle()
	health := h.server.proxy.Health()
	first, second := health[0], health[1]
	if first.Deployment != "nowhere/m" || first.State != proxy.Degraded || first.LastReason != "upstream_unavailable" || first.Requests != 1 {
		t.Errorf("the first is %+v", first)
	}
	if second.Deployment != "cancel/m" || second.State != proxy.Healthy || second.Requests != 1 {
		t.Errorf("the second is %+v", second)
	}

	h.provider.Script(modelPaused, proxytest.Script{Words: 8, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 3, How: proxytest.CutStall}})
	ctx, leave := context.WithCancel(t.Context())
	readUntil(t, a.ask(t, ctx, a.chat(modelPaused, true)).Body, events(2))
	if status, text := h.page(t, a.text, "POST", "/v1/chat/completions", a.chat(modelPaused, true)); status != 503 || !strings.Contains(text, "upstream_busy") {
		t.Errorf("at the bound: %d %s", status, text)
	}
	leave()
	h.wantNoBlame(t, modelPaused)
	h.shutDown(t)
}
