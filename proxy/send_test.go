package proxy

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmhub/proxy/choice"
	"llmhub/proxy/upstream"
)

// TestDelay says how long is waited before a deployment is asked again.
func TestDelay(t *testing.T) {
	retries := Retries{Attempts: 4, Backoff: 100 * time.Millisecond, MaxElapsed: 30 * time.Second}
	after := func(d time.Duration) trouble { return trouble{again: true, same: true, after: d} }
	for _, c := range []struct {
		name     string
		failures []trouble // of deployments 0, 1, …
		of       int       // deployments
		attempts int
		repeats  int
		fallback bool
		gone     time.Duration // since the first attempt
		low      time.Duration
		high     time.Duration // 0 where it is not worth waiting
	}{
		{name: "backoff", failures: []trouble{after(0)}, of: 1, low: 50 * time.Millisecond, high: 100 * time.Millisecond},
		{name: "doubled", failures: []trouble{after(0)}, of: 1, repeats: 2, low: 200 * time.Millisecond, high: 400 * time.Millisecond},
		{name: "bounded", failures: []trouble{after(0)}, of: 1, repeats: 60, low: maxBackoff / 2, high: maxBackoff},
		{name: "enough", failures: []trouble{after(0)}, of: 1, attempts: 4},
		{name: "as it asks", failures: []trouble{after(3 * time.Second)}, of: 1, low: 3 * time.Second, high: 3025 * time.Millisecond},
		{name: "the first to be due", failures: []trouble{after(9 * time.Second), after(3 * time.Second)}, of: 2, low: 3 * time.Second, high: 3025 * time.Millisecond},
		{name: "another may be asked", failures: []trouble{after(9 * time.Second), after(0)}, of: 2, low: 50 * time.Millisecond, high: 100 * time.Millisecond},
		{name: "another was full", failures: []trouble{after(9 * time.Second)}, of: 2, low: 50 * time.Millisecond, high: 100 * time.Millisecond},
		{name: "another never", failures: []trouble{after(9 * time.Second), {again: true}}, of: 2, low: 9 * time.Second, high: 9025 * time.Millisecond},
		{name: "none ever", failures: []trouble{{again: true}}, of: 1},
		{name: "too late", failures: []trouble{after(31 * time.Second)}, of: 1},
		{name: "too late by now", failures: []trouble{after(9 * time.Second)}, of: 1, gone: 25 * time.Second},
		{name: "rather fall back", failures: []trouble{after(9 * time.Second)}, of: 1, fallback: true},
		{name: "before falling back", failures: []trouble{after(2 * time.Second)}, of: 1, fallback: true, low: 2 * time.Second, high: 2025 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := sending{model: &Model{Retries: retries, Deployments: make([]*Deployment, c.of)}, began: time.Now().Add(-c.gone), last: !c.fallback}
			for i, failure := range c.failures {
				s.note(i, failure)
			}
			s.attempts, s.repeats = c.attempts, c.repeats
			d, ok := s.delay()
			if ok != (c.high > 0) || ok && (d < c.low || d > c.high) {
				t.Errorf("%s: %s, %v", c.name, d, ok)
			}
		})
	}
}

// TestLine follows fall-backs, each model once.
func TestLine(t *testing.T) {
	r := NewRoutes([]*Model{
		{Name: "a", Fallbacks: []string{"b", "c"}}, {Name: "b", Fallbacks: []string{"d"}}, {Name: "c", Fallbacks: []string{"a", "none"}}, {Name: "d"},
	})
	for name, want := range map[string]string{"a": "abdc", "b": "bd", "c": "cabd", "d": "d"} {
		got := ""
		for _, m := range r.models[name].line {
			got += m.Name
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestStatesOutliveAReload keeps slots and what was drained by hand, and takes the new bounds.
func TestStatesOutliveAReload(t *testing.T) {
	client, err := upstream.New(upstream.Config{Name: "u", BaseURL: "http://127.0.0.1:1/v1"})
	if err != nil {
		t.Fatal(err)
	}
	routes := func(bounds choice.Settings) *Routes {
		return NewRoutes([]*Model{{Name: "m", Deployments: []*Deployment{{Client: client, Model: "m", Bounds: bounds}}}})
	}
	p := New(Options{Metrics: NewMetrics(prometheus.NewRegistry())})
	defer p.Close()
	p.SetRoutes(routes(choice.Settings{MaxConcurrency: 1}))
	d := p.routes.Load().models["m"].Deployments[0]
	picked := p.routes.Load().models["m"].group.Pick(time.Now(), 0, &choice.Set{})
	p.SetDraining("u/x", true)
	if p.Health()[0].Draining {
		t.Error("the wrong deployment drains")
	}
	p.SetDraining("u/m", true)
	p.SetRoutes(routes(choice.Settings{MaxConcurrency: 2}))
	h := p.Health()[0]
	if h.MaxConcurrency != 2 || !h.Draining || p.routes.Load().models["m"].Deployments[0] == d {
		t.Errorf("after a reload: %+v", h)
	}
	p.SetDraining("u/m", false)
	if p.Health()[0].Draining {
		t.Error("it drains still")
	}
	if n := p.routes.Load().models["m"].Deployments[0].target.Status(time.Now()).InFlight; n != 1 {
		t.Errorf("%d in flight", n)
	}
	picked.Slot.Release(time.Now(), choice.Good)
}
