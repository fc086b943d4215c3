package web_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"llmhub/drain"
	"llmhub/identity"
	"llmhub/portal/gateway"
	"llmhub/portal/web"
)

// TestDrainUpstream drains a deployment by a button, and ends that by another one; what the configuration drains has none.
func TestDrainUpstream(t *testing.T) {
	draining := map[string]bool{"two/m": true}
	f := newFixture(t, func(o *web.Options) {
		o.Upstreams = func() []gateway.Upstream {
			return []gateway.Upstream{
				{Deployment: "one/m", State: "healthy", Draining: draining["one/m"]},
				{Deployment: "two/m", State: "healthy", Draining: true, DrainConfigured: true},
			}
		}
		o.DrainUpstream = func(_ context.Context, by identity.Actor, deployment string, on bool) error {
			if _, known := draining[deployment]; !known && deployment != "one/m" {
				return drain.ErrNoDeployment
			}
			draining[deployment] = on
			return by.RequireOperator()
		}
	})
	b := f.operator()
	b.lang = "en"
	const page = "/operator/upstreams"
	b.get(page).wants(t, http.StatusOK, `action="/operator/upstreams/drain"`, `name="deployment" value="one/m"`, "-/operator/upstreams/resume", `-name="deployment" value="two/m"`, "By the configuration")
	if a := b.post(page+"/drain", "deployment", "one/m"); a.status != http.StatusSeeOther || a.location() != page+"?done=upstream-drained" {
		t.Errorf("drained: %d %s", a.status, a.location())
	}
	b.get(page+"?done=upstream-drained").wants(t, http.StatusOK, `action="/operator/upstreams/resume"`, "-/operator/upstreams/drain", "takes no new requests")
	if a := b.post(page+"/resume", "deployment", "one/m"); a.status != http.StatusSeeOther || a.location() != page+"?done=upstream-resumed" || draining["one/m"] {
		t.Errorf("resumed: %d %s, draining: %v", a.status, a.location(), draining)
	}
	b.post(page+"/drain", "deployment", "three/m").wants(t, http.StatusNotFound)
	b.post(page+"/drain").wants(t, http.StatusNotFound)
}

// TestUpstreams shows what decides whether requests are sent to a deployment, in both languages.
func TestUpstreams(t *testing.T) {
	f := newFixture(t, func(o *web.Options) {
		o.Upstreams = func() []gateway.Upstream {
			return []gateway.Upstream{
				{Deployment: "one/m", State: "failing", Breaker: "open", BreakerUntil: time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC), Priority: 2, Weight: 5},
				{Deployment: "two/m", State: "healthy", Breaker: "half-open", Draining: true, InFlight: 4, Queued: 7, MaxConcurrency: 1234, Weight: 1},
			}
		}
	})
	b := f.operator()
	b.lang = "en"
	b.get("/operator/upstreams").wants(t, http.StatusOK, "one/m", "Breaker open", "until", "Tier 2, weight 5", "Draining", "Breaker half-open", "4 / 1,234", "7 waiting", "Tier 0, weight 1")
	b.lang = "de"
	b.get("/operator/upstreams").wants(t, http.StatusOK, "Sicherung offen", "bis", "Stufe 2, Gewicht 5", "Wird geleert", "Sicherung halb offen", "4 / 1.234", "7 warten")
}
