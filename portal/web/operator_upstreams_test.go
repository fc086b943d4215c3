package web_test

import (
	"net/http"
	"testing"
	"time"

	"llmhub/portal/gateway"
	"llmhub/portal/web"
)

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
