package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/proxy"
	"llmhub/proxy/proxytest"
)

// tiers is a model served at places of the scripted provider, each "upstream/model", one tier for each.
func tiers(name string, places ...string) config.Model {
	m := config.Model{Name: name}
	for i, place := range places {
		upstream, model, _ := strings.Cut(place, "/")
		m.Deployments = append(m.Deployments, config.Deployment{Upstream: upstream, Model: model, Weight: 1, Priority: i})
	}
	return m
}

// nowhere is an upstream that nobody listens at.
func nowhere() config.Upstream {
	u := config.DefaultUpstream()
	u.Name, u.BaseURL = "nowhere", &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	return u
}

// asking is a chat completion under way.
type asking struct {
	status int
	text   string
	header http.Header
	err    error
}

// begin asks without waiting for the answer, which comes from the channel.
func (a *account) begin(ctx context.Context, body string) <-chan asking {
	answer := make(chan asking, 1)
	r := a.h.request(ctx, a.text, "/v1/chat/completions", strings.NewReader(body))
	client := a.h.client()
	go func() {
		resp, err := client.Do(r)
		if err != nil {
			answer <- asking{err: err}
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		answer <- asking{resp.StatusCode, string(text), resp.Header, err}
	}()
	return answer
}

// deployment returns the health of one.
func (h *hub) deployment(t *testing.T, name string) proxy.DeploymentHealth {
	t.Helper()
	for _, d := range h.server.proxy.Health() {
		if d.Deployment == name {
			return d
		}
	}
	t.Fatalf("there is no deployment %s", name)
	return proxy.DeploymentHealth{}
}

// TestNextDeployment has the first deployment fail in every way: what may be served elsewhere is, under one entry.
func TestNextDeployment(t *testing.T) {
	cut := func(at proxytest.CutPoint, how proxytest.CutHow) proxytest.Script {
		return proxytest.Script{Words: 8, Cut: proxytest.Cut{At: at, After: 3, How: how}}
	}
	fault := func(body string) proxytest.Script {
		return proxytest.Script{Words: 4, Fault: proxytest.Fault{Body: body, After: -1}}
	}
	cases := []struct {
		name   string
		script proxytest.Script
		stream bool
		status int    // 200 where the second deployment serves it
		reason string // of the retry
	}{
		{"408", proxytest.Script{Status: 408}, false, 200, "408"},
		{"409", proxytest.Script{Status: 409}, false, 200, "409"},
		{"429", proxytest.Script{Status: 429}, true, 200, "429"},
		{"500", proxytest.Script{Status: 500}, false, 200, "5xx"},
		{"503", proxytest.Script{Status: 503}, true, 200, "5xx"},
		{"529", proxytest.Script{Status: 529}, false, 200, "5xx"},
		{"401", proxytest.Script{Status: 401}, false, 200, "auth"},
		{"400", proxytest.Script{Status: 400}, true, 400, ""},
		{"404", proxytest.Script{Status: 404}, false, 404, ""},
		{"422", proxytest.Script{Status: 422}, false, 422, ""},
		{"reset", cut(proxytest.CutBeforeHeaders, proxytest.CutReset), false, 200, "connect"},
		{"no event", cut(proxytest.CutAfterHeaders, proxytest.CutOrderly), true, 200, "truncated"},
		{"cut at once", cut(proxytest.CutAfterHeaders, proxytest.CutClose), true, 200, "truncated"},
		{"torn whole", cut(proxytest.CutMidBody, proxytest.CutClose), false, 200, "truncated"},
		{"error as first event", fault(`{"error":{"message":"no","code":503}}`), true, 200, "5xx"},
		{"fault as first event", fault(`{"error":{"message":"no","code":400}}`), true, 400, ""},
		{"silent", cut(proxytest.CutBeforeHeaders, proxytest.CutStall), false, 504, ""},
		{"silent stream", cut(proxytest.CutAfterHeaders, proxytest.CutStall), true, 504, ""},
		{"torn later", cut(proxytest.CutBetween, proxytest.CutClose), true, 0, ""},
	}
	const good = "cancel/served"
	modelOf := func(name string) string { return "next-" + strings.ReplaceAll(name, " ", "-") }
	h := startHub(t, nil, func(cfg *config.Config) {
		for _, c := range cases {
			cfg.Models = append(cfg.Models, tiers(modelOf(c.name), "impatient/"+modelOf(c.name), good))
		}
	})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h.provider.Script(modelOf(c.name), c.script)
			a := h.account(modelOf(c.name))
			served, retries := h.provider.Calls("served"), 0.0
			if c.reason != "" {
				retries = h.retries(t, c.reason)
			}
			answer := <-a.begin(t.Context(), a.chat(modelOf(c.name), c.stream))
			moved := h.provider.Calls("served") - served
			switch c.status {
			case 200:
				// A connection that turns out to be closed is tried once more by a new one; that is no attempt of its own.
				if answer.status != 200 || answer.err != nil || moved != 1 || h.provider.Calls(modelOf(c.name)) > 2 {
					t.Fatalf("got %+v, %d calls of the second", answer, moved)
				}
				if e := a.settled(t, 1)[0]; e.Deployment != good || e.Model != modelOf(c.name) {
					t.Errorf("recorded %+v", e)
				}
				if got := h.retries(t, c.reason); got != retries+1 {
					t.Errorf("%v retries because of %s, were %v", got, c.reason, retries)
				}
			case 0:
				if answer.err == nil || moved != 0 {
					t.Errorf("an answer that had begun: %+v, %d calls of the second", answer, moved)
				}
				a.settled(t, 1)
			default:
				if answer.status != c.status || moved != 0 {
					t.Errorf("got %+v, %d calls of the second", answer, moved)
				}
				a.settled(t, 0)
			}
		})
	}
	h.shutDown(t)
}

func (h *hub) retries(t *testing.T, reason string) float64 {
	t.Helper()
	if exposition(t, h.url)["llmhub_retries_total"] == nil {
		return 0
	}
	return h.metric(t, "llmhub_retries_total", "upstream=impatient", "reason="+reason)
}

// TestRetries has deployments fail for a while, or for ever.
func TestRetries(t *testing.T) {
	h := startHub(t, nil, func(cfg *config.Config) {
		cfg.Upstreams = append(cfg.Upstreams, nowhere())
		patient := config.Retries{Attempts: 3, Backoff: time.Millisecond, MaxElapsed: 30 * time.Second}
		for _, name := range []string{"always", "later", "much-later"} {
			m := tiers(name, "cancel/"+name)
			m.Retries = patient
			cfg.Models = append(cfg.Models, m)
		}
		both := tiers("both", "nowhere/both", "cancel/always")
		both.Retries = config.Retries{Attempts: 5, Backoff: time.Millisecond, MaxElapsed: time.Minute}
		late := tiers("late", "impatient/late", "cancel/served")
		late.Retries.Timeouts = true
		cfg.Models = append(cfg.Models, both, late)
	})
	limited := func(seconds string) proxytest.Script {
		return proxytest.Script{Status: 429, Header: []proxytest.Header{{Name: "Retry-After", Value: seconds}}}
	}
	a := h.account("retries")
	h.provider.Script("always", proxytest.Script{Status: 503})
	if got := <-a.begin(t.Context(), a.chat("always", true)); got.status != 503 || h.provider.Calls("always") != 3 {
		t.Errorf("always: %+v after %d calls", got, h.provider.Calls("always"))
	}
	if got := <-a.begin(t.Context(), a.chat("both", true)); got.status/100 != 5 || h.provider.Calls("always") < 3+2 {
		t.Errorf("both: %+v after %d calls", got, h.provider.Calls("always")-3)
	}
	a.settled(t, 0)

	h.provider.Script("later", limited("1"))
	start := time.Now()
	answer := a.begin(t.Context(), a.chat("later", true))
	h.eventually("not asked", func() bool { return h.provider.Calls("later") == 1 })
	h.provider.Script("later", proxytest.Script{})
	if got := <-answer; got.status != 200 || h.provider.Calls("later") != 2 || time.Since(start) < time.Second {
		t.Errorf("later: %+v after %d calls and %s", got, h.provider.Calls("later"), time.Since(start))
	} else if !strings.Contains(got.header.Get("Server-Timing"), "queue;dur=") {
		t.Errorf("timing: %s", got.header.Get("Server-Timing"))
	}
	a.settled(t, 1)

	h.provider.Script("much-later", limited("60"))
	if got := <-a.begin(t.Context(), a.chat("much-later", true)); got.status != 429 || got.header.Get("Retry-After") != "60" || h.provider.Calls("much-later") != 1 {
		t.Errorf("much later: %+v after %d calls", got, h.provider.Calls("much-later"))
	}
	if d := h.deployment(t, "cancel/much-later"); d.Breaker != "open" || time.Until(d.BreakerUntil) < 50*time.Second {
		t.Errorf("a server that asks to be left alone: %+v", d)
	}
	if got := h.metric(t, "llmhub_upstream_breaker_state", "deployment=cancel/much-later"); got != 2 {
		t.Errorf("breaker state %v", got)
	}

	h.provider.Script("late", proxytest.Script{Cut: proxytest.Cut{At: proxytest.CutBeforeHeaders, How: proxytest.CutStall}})
	if got := <-a.begin(t.Context(), a.chat("late", false)); got.status != 200 {
		t.Errorf("late: %+v", got)
	}
	a.settled(t, 1)
	h.shutDown(t)
}

// TestFallback serves a request by another model's deployment: charged once, under the name that was asked for.
func TestFallback(t *testing.T) {
	h := startHub(t, nil, func(cfg *config.Config) {
		asked, spare := tiers("asked", "cancel/bad"), tiers("spare", "cancel/worse")
		asked.Fallbacks, spare.Fallbacks = []string{"spare"}, []string{"last"}
		cfg.Models = append(cfg.Models, asked, spare, tiers("last", "cancel/good"))
	})
	h.provider.Script("bad", proxytest.Script{Status: 500})
	h.provider.Script("worse", proxytest.Script{Status: 429, Header: []proxytest.Header{{Name: "Retry-After", Value: "20"}}})
	a := h.account("fallback")
	a.text, a.id = h.limitedKey("one model", "asked")
	if got := <-a.begin(t.Context(), a.chat("asked", true)); got.status != 200 || got.err != nil {
		t.Fatalf("got %+v", got)
	}
	if e := a.settled(t, 1)[0]; e.Model != "asked" || e.Deployment != "cancel/good" {
		t.Errorf("recorded %+v", e)
	}
	if got := h.metric(t, "llmhub_fallbacks_total", "model=asked"); got != 2 {
		t.Errorf("%v fall-backs counted", got)
	}
	h.provider.Script("bad", proxytest.Script{Status: 400})
	if got := <-a.begin(t.Context(), a.chat("asked", true)); got.status != 400 {
		t.Errorf("a faulty request: %+v", got)
	}
	a.settled(t, 0)
	h.shutDown(t)
}

// TestBreaker leaves a deployment alone that fails, until one request has found it well.
func TestBreaker(t *testing.T) {
	h := startHub(t, nil, func(cfg *config.Config) {
		m := tiers("m", "cancel/first", "cancel/second")
		m.Deployments[0].Breaker = config.Breaker{Failures: 2, Window: time.Minute, Open: 300 * time.Millisecond}
		cfg.Models = append(cfg.Models, m)
	})
	a := h.account("breaker")
	ask := func(calls int) {
		t.Helper()
		if got := <-a.begin(t.Context(), a.chat("m", true)); got.status != 200 || h.provider.Calls("first") != calls {
			t.Errorf("got %+v, %d calls of the first, want %d", got, h.provider.Calls("first"), calls)
		}
		h.idle()
	}
	h.provider.Script("first", proxytest.Script{Status: 500})
	ask(1)
	ask(2)
	if d := h.deployment(t, "cancel/first"); d.Breaker != "open" || d.BreakerUntil.IsZero() {
		t.Fatalf("after two failures: %+v", d)
	}
	// A reload keeps the state.
	if err := h.server.route(h.server.cfg); err != nil {
		t.Fatal(err)
	}
	h.provider.Script("first", proxytest.Script{})
	h.provider.Script("second", proxytest.Script{Status: 500})
	if got := <-a.begin(t.Context(), a.chat("m", true)); got.status != 200 || h.provider.Calls("second") != 3 {
		t.Errorf("with the rest failing: %+v, %d calls of the second", got, h.provider.Calls("second"))
	}
	h.idle()
	if d := h.deployment(t, "cancel/first"); d.Breaker != "closed" {
		t.Errorf("after a success: %+v", d)
	}
	a.settled(t, 3)
	h.shutDown(t)
}

// TestDrain takes a deployment out by a reload, while it is at work.
func TestDrain(t *testing.T) {
	h := startHub(t, nil, func(cfg *config.Config) {
		cfg.Models = append(cfg.Models, tiers("m", "cancel/"+modelPaused, "cancel/second"))
	})
	h.provider.Script(modelPaused, proxytest.Script{Words: 200, Pace: 5 * time.Millisecond})
	a := h.account("drain")
	running := a.ask(t, t.Context(), a.chat("m", true))
	readUntil(t, running.Body, events(2))
	drain := func(i int) {
		cfg := *h.server.cfg
		cfg.Models = slices.Clone(cfg.Models)
		m := &cfg.Models[0]
		m.Deployments = slices.Clone(m.Deployments)
		for j := range i + 1 {
			m.Deployments[j].Drain = true
		}
		if err := h.server.route(&cfg); err != nil {
			t.Fatal(err)
		}
	}
	drain(0)
	if d := h.deployment(t, "cancel/"+modelPaused); !d.Draining || d.InFlight != 1 {
		t.Errorf("draining: %+v", d)
	}
	if got := <-a.begin(t.Context(), a.chat("m", false)); got.status != 200 || h.provider.Calls("second") != 1 {
		t.Errorf("elsewhere: %+v", got)
	}
	if text := rest(running.Body); !strings.Contains(text, "[DONE]") {
		t.Errorf("what ran has not ended well: %.200q", text)
	}
	drain(1)
	if got := <-a.begin(t.Context(), a.chat("m", false)); got.status != 503 || !strings.Contains(got.text, "upstream_drained") {
		t.Errorf("all draining: %+v", got)
	}
	a.settled(t, 2)
	h.shutDown(t)
}

// queueHub has a model with one slot that is taken, and room for one to wait.
func queueHub(t *testing.T, places ...string) (h *hub, a *account, leave func()) {
	h = startHub(t, nil, func(cfg *config.Config) {
		m := tiers("m", append([]string{"cancel/" + modelPaused}, places...)...)
		m.Deployments[0].Bounds = config.Bounds{MaxConcurrency: 1, Queue: 1, QueueTimeout: time.Minute}
		cfg.Models = append(cfg.Models, m)
	})
	h.provider.Script(modelPaused, proxytest.Script{Words: 8, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 3, How: proxytest.CutStall}})
	a = h.account("queue")
	ctx, cancel := context.WithCancel(t.Context())
	readUntil(t, a.ask(t, ctx, a.chat("m", true)).Body, events(2))
	h.provider.Script(modelPaused, proxytest.Script{})
	return h, a, cancel
}

func (h *hub) queued(n int) {
	h.eventually("not so many wait", func() bool { return h.server.proxy.Health()[0].Queued == n })
}

// TestQueue has a request wait for a slot, and the next one sent away.
func TestQueue(t *testing.T) {
	h, a, leave := queueHub(t)
	waiting := a.begin(t.Context(), a.chat("m", true))
	h.queued(1)
	if got := h.metric(t, "llmhub_upstream_queued", "deployment=cancel/"+modelPaused); got != 1 {
		t.Errorf("%v queued", got)
	}
	if got := <-a.begin(t.Context(), a.chat("m", true)); got.status != 503 || !strings.Contains(got.text, "upstream_busy") || got.header.Get("Retry-After") == "" {
		t.Errorf("with a full queue: %+v", got)
	}
	leave()
	if got := <-waiting; got.status != 200 || !strings.Contains(got.text, "[DONE]") {
		t.Errorf("after a slot was free: %+v", got)
	}
	a.settled(t, 2)
	h.wantNoSlots(t)
	h.shutDown(t)
}

// TestQueueOverflows sends what finds the queue full to the next tier.
func TestQueueOverflows(t *testing.T) {
	h, a, leave := queueHub(t, "cancel/second")
	waiting := a.begin(t.Context(), a.chat("m", true))
	h.queued(1)
	if got := <-a.begin(t.Context(), a.chat("m", true)); got.status != 200 || h.provider.Calls("second") != 1 {
		t.Errorf("with a full queue: %+v", got)
	}
	leave()
	<-waiting
	h.wantNoSlots(t)
	h.shutDown(t)
}

func (h *hub) wantNoSlots(t *testing.T) {
	t.Helper()
	h.idle()
	// A slot is given back right behind the settlement.
	h.eventually("slots left behind", func() bool {
		return !slices.ContainsFunc(h.server.proxy.Health(), func(d proxy.DeploymentHealth) bool { return d.InFlight != 0 || d.Queued != 0 })
	})
	h.eventually("calls left upstream", func() bool { return h.provider.Active() == 0 })
}

// TestWaitingEnds ends requests that wait for a slot, or to be tried again: nothing of them is left.
func TestWaitingEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(t *testing.T, h *hub, a *account, leave func())
		want string
	}{
		{"client leaves", func(_ *testing.T, _ *hub, _ *account, leave func()) { leave() }, "context canceled"},
		{"key revoked", func(t *testing.T, h *hub, a *account, _ func()) {
			if _, err := h.server.service.DeactivateKey(t.Context(), identity.Administrator(), a.id); err != nil {
				t.Fatal(err)
			}
		}, "key_deactivated"},
		{"shutdown", func(_ *testing.T, h *hub, _ *account, _ func()) { h.stop() }, "shutting_down"},
	} {
		for _, queued := range []bool{true, false} {
			t.Run(c.name+map[bool]string{true: " in the queue", false: " between attempts"}[queued], func(t *testing.T) {
				h, _, free := queueHub(t)
				a := h.account("waits")
				if !queued {
					free()
					h.idle()
					cfg := *h.server.cfg
					cfg.Models = slices.Clone(cfg.Models)
					cfg.Models[0].Retries = config.Retries{Attempts: 3, Backoff: time.Hour, MaxElapsed: time.Hour}
					if err := h.server.route(&cfg); err != nil {
						t.Fatal(err)
					}
					h.provider.Script(modelPaused, proxytest.Script{Status: 429, Header: []proxytest.Header{{Name: "Retry-After", Value: "600"}}})
				}
				calls := h.provider.Calls(modelPaused)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				answer := a.begin(ctx, a.chat("m", true))
				if queued {
					h.queued(1)
				} else {
					h.eventually("not tried", func() bool {
						d := h.server.proxy.Health()[0]
						return h.provider.Calls(modelPaused) == calls+1 && d.InFlight == 0 && d.Breaker == "open"
					})
				}
				c.end(t, h, a, leave)
				got := <-answer
				if text := got.text; got.err != nil && !strings.Contains(got.err.Error(), c.want) || got.err == nil && !strings.Contains(text, c.want) {
					t.Errorf("got %+v, want %s", got, c.want)
				}
				h.eventually("it waits on", func() bool { return h.server.proxy.Health()[0].Queued == 0 })
				free()
				h.wantNoSlots(t)
				if c.name != "shutdown" {
					a.settled(t, 0)
				}
				h.shutDown(t)
			})
		}
	}
}

// TestFallbackForgetsWhatFailed charges nothing that an attempt at the model asked for has said, where it failed behind it.
func TestFallbackForgetsWhatFailed(t *testing.T) {
	other := startOther(t)
	h := startHub(t, nil, func(cfg *config.Config) {
		cfg.Upstreams = append(cfg.Upstreams, other.upstream("anthropic", config.KindAnthropic, "/v1"))
		asked := tiers("asked", "anthropic/claude-there")
		asked.Fallbacks = []string{"spare"}
		cfg.Models = append(cfg.Models, asked, tiers("spare", "cancel/good"))
	})
	other.say(200, "text/event-stream", messageStart+"event: error\ndata: "+messageError+"\n\n")
	h.provider.Script("good", proxytest.Script{Words: 3, Usage: proxytest.UsageNever})
	a := h.account("fallback")
	if got := <-a.begin(t.Context(), a.chat("spare", true)); got.status != 200 || got.err != nil {
		t.Fatalf("got %+v", got)
	}
	want := a.settled(t, 1)[0].Tokens
	if got := <-a.begin(t.Context(), a.chat("asked", true)); got.status != 200 || got.err != nil {
		t.Fatalf("got %+v", got)
	}
	if e := a.settled(t, 1)[0]; e.Tokens != want || e.Deployment != "cancel/good" {
		t.Errorf("recorded %+v, want %+v", e, want)
	}
	h.shutDown(t)
}
