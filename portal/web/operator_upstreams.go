package web

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/portal/gateway"
)

// upstreamsPage is how the model servers are doing.
type upstreamsPage struct {
	Rows []upstreamRow
	// Models are those that are served, with their prices.
	Models priceTable
}

type upstreamRow struct {
	Upstream, Deployment, Models, State, Class string
	Requests, Failures, InFlight               int64
	WindowRequests, WindowFailures             string
	Median, Slow                               string
	LastSuccess, LastFailure                   time.Time
	LastReason                                 string
	// Choice says which requests it is sent; Slots how many it may have.
	Choice, Slots string
	Draining      bool
	// Change is what can be done: drain, resume, or nothing where the configuration drains.
	Change string
	// Breaker is empty while it is closed.
	Breaker      string
	BreakerUntil time.Time
	Queued       int
}

var upstreamsTemplate = newPage[upstreamsPage]("operator-upstreams")

func (w *Web) showUpstreams(v *visit) error {
	p := upstreamsPage{Models: w.modelPrices(v, nil)}
	for _, u := range w.Upstreams() {
		p.Rows = append(p.Rows, v.upstreamRow(u))
	}
	return upstreamsTemplate.render(v, fiber.StatusOK, frame{Title: v.t("upstreams.title"), Current: "/operator/upstreams"}, p)
}

func (v *visit) upstreamRow(u gateway.Upstream) upstreamRow {
	r := upstreamRow{
		Upstream: u.Upstream, Deployment: u.Deployment, Models: strings.Join(u.Models, ", "), State: v.t("upstreams.state." + u.State),
		Requests: u.Requests, Failures: u.Failures, InFlight: u.InFlight, LastSuccess: u.LastSuccess, LastFailure: u.LastFailure,
		LastReason: u.LastReason, WindowRequests: unknown, WindowFailures: unknown, Median: unknown, Slow: unknown,
	}
	r.Choice = v.t("upstreams.choice", "Priority", u.Priority, "Weight", u.Weight)
	switch {
	case !u.Draining:
		r.Change = "drain"
	case !u.DrainConfigured:
		r.Change = "resume"
	}
	r.Draining, r.Queued, r.BreakerUntil = u.Draining, u.Queued, u.BreakerUntil
	if u.Breaker != "" && u.Breaker != "closed" {
		r.Breaker = v.t("upstreams.breaker." + u.Breaker)
	}
	if u.MaxConcurrency > 0 {
		r.Slots = v.loc.Number(int64(u.MaxConcurrency))
	}
	r.Class = map[string]string{"healthy": "good", "degraded": "warn", "failing": "bad"}[u.State]
	if r.Class == "" {
		r.Class = "off"
	}
	if u.WindowRequests > 0 {
		r.WindowRequests = v.loc.Number(u.WindowRequests)
		r.WindowFailures = v.loc.Permille(u.WindowFailures * 1000 / u.WindowRequests)
	}
	if u.FirstByteMedian > 0 {
		r.Median, r.Slow = v.milliseconds(u.FirstByteMedian), v.milliseconds(u.FirstByteSlow)
	}
	return r
}

func (w *Web) drainUpstream(v *visit) error  { return w.setDraining(v, true, "upstream-drained") }
func (w *Web) resumeUpstream(v *visit) error { return w.setDraining(v, false, "upstream-resumed") }

func (w *Web) setDraining(v *visit, draining bool, done string) error {
	if err := w.DrainUpstream(v.ctx, v.Actor, v.value("deployment"), draining); err != nil {
		return err
	}
	return v.redirect("/operator/upstreams?done=" + done)
}

func (v *visit) milliseconds(d time.Duration) string {
	return v.loc.Number(d.Milliseconds()) + " ms"
}
