package proxy

import (
	"strconv"
	"time"

	"llmhub/proxy/choice"
	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
)

// HealthState sums up how a deployment has answered of late.
type HealthState string

// The states of a deployment. They come from what callers' requests met; llmhub sends none of its own to find out.
const (
	// Unknown: nothing has been asked of it in the window.
	Unknown HealthState = "unknown"
	// Healthy: it answers.
	Healthy HealthState = "healthy"
	// Degraded: the last request failed, or at least 5 % of at least 20 in the window did.
	Degraded HealthState = "degraded"
	// Failing: the last three requests failed, or at least half of at least 20 in the window did.
	Failing HealthState = "failing"
)

const (
	judgeable      = 20 // requests in the window from which on shares say something
	degradedShare  = 20 // one in so many
	failingShare   = 2  // one in so many
	failingInARow  = 3
	degradedInARow = 1
)

// DeploymentHealth is how a deployment has answered. A request is one attempt at the deployment, so that a caller's
// request which was sent on to another one counts at both. A failure is a connection that cannot be had, a status of
// 429, 408 or 5xx, one that refuses the gateway's credentials or sends it elsewhere, silence for too long, and an answer
// that breaks off, cannot be understood or turns into an error. A model server that refuses a request as faulty works.
// Requests whose client left, and those which the gateway itself refused or broke off, say nothing about the model
// server and are not counted.
type DeploymentHealth struct {
	// Upstream is the operator's name for the model server, Deployment its name in records: upstream/model.
	Upstream, Deployment string
	// Models are the names under which clients reach it, in the order of the configuration.
	Models []string
	State  HealthState
	// Requests and Failures have ended since the start, or since the upstream's settings last changed.
	Requests, Failures int64
	// InFlight are under way.
	InFlight int64
	// WindowRequests and WindowFailures have ended in the last ten minutes.
	WindowRequests, WindowFailures int64
	// FirstByteP50 and FirstByteP95 say how long the first event of a stream, or the header of a whole answer, took in
	// the last ten minutes; exact to an eighth, or half a millisecond; 0 where there was none.
	FirstByteP50, FirstByteP95 time.Duration
	// LastSuccess and LastFailure are zero where there was none.
	LastSuccess, LastFailure time.Time
	// LastReason says why the last failure was one: "status 503", or the code that callers see, such as upstream_timeout;
	// never in the model server's words.
	LastReason string
	// Weight and Priority are those of the first of the models.
	Weight, Priority int
	// Breaker is closed, open or half-open; BreakerUntil is until when it is open, otherwise zero.
	Breaker      string
	BreakerUntil time.Time
	// Draining says that it takes no new requests, DrainConfigured that its settings have it so, whatever SetDraining says.
	Draining, DrainConfigured bool
	// Queued wait for one of MaxConcurrency slots; 0 means that these have no bound.
	Queued, MaxConcurrency int
}

// Health returns how every deployment in force has answered, in the order of the configuration. It may be called at any
// time; a request that ends meanwhile may be found in some figures and not yet in others.
func (p *Proxy) Health() []DeploymentHealth {
	return p.routes.Load().health(time.Now())
}

func (r *Routes) health(now time.Time) []DeploymentHealth {
	var all []DeploymentHealth
	at := map[*tally]int{}
	for _, name := range r.names {
		for _, d := range r.models[name].Deployments {
			i, found := at[d.tally]
			if !found {
				i = len(all)
				at[d.tally] = i
				h := d.tally.health(now)
				h.Upstream, h.Deployment = d.Client.Name(), d.Name()
				h.state(d, now)
				all = append(all, h)
			}
			all[i].Models = append(all[i].Models, name)
		}
	}
	return all
}

// state adds what decides whether requests are sent there.
func (h *DeploymentHealth) state(d *Deployment, now time.Time) {
	status, settings := d.target.Status(now), d.target.Settings()
	h.Weight, h.Priority = d.Weight, d.Priority
	h.Breaker, h.BreakerUntil = status.Breaker.String(), status.Until
	h.Draining, h.DrainConfigured = status.Draining, settings.Draining
	h.Queued, h.MaxConcurrency = status.Queued, settings.MaxConcurrency
}

// health returns the figures, without names.
func (t *tally) health(now time.Time) DeploymentHealth {
	w := t.window(now)
	h := DeploymentHealth{
		Requests: t.requests.Load(), Failures: t.failures.Load(), InFlight: t.inFlight.Load(),
		WindowRequests: w.requests, WindowFailures: w.failures,
		FirstByteP50: w.firstByte.quantile(50), FirstByteP95: w.firstByte.quantile(95),
	}
	if ns := t.lastSuccess.Load(); ns != 0 {
		h.LastSuccess = time.Unix(0, ns)
	}
	if f := t.lastFailure.Load(); f != nil {
		h.LastFailure, h.LastReason = f.at, f.reason
	}
	h.State = stateOf(w.requests, w.failures, t.failedInARow.Load())
	return h
}

func stateOf(requests, failures, inARow int64) HealthState {
	shares := requests >= judgeable
	switch {
	case requests == 0:
		return Unknown
	case inARow >= failingInARow, shares && failures*failingShare >= requests:
		return Failing
	case inARow >= degradedInARow, shares && failures*degradedShare >= requests:
		return Degraded
	}
	return Healthy
}

// keepStates gives every deployment its tally and its target: those of the routes before, where client and model are the
// same.
func (r *Routes) keepStates(before *Routes, m *Metrics, now time.Time) {
	type place struct {
		client *upstream.Client
		model  string
	}
	states := map[place]*Deployment{}
	for _, model := range before.models {
		for _, d := range model.Deployments {
			states[place{d.Client, d.Model}] = d
		}
	}
	for _, name := range r.names {
		model := r.models[name]
		options := make([]choice.Option, len(model.Deployments))
		for i, d := range model.Deployments {
			d.name = d.Name()
			if old := states[place{d.Client, d.Model}]; old != nil {
				d.tally, d.target = old.tally, old.target
				d.target.Configure(d.Bounds)
			} else {
				d.tally, d.target = newTally(now, m.forUpstream(d.Client.Name())), choice.NewTarget(d.Bounds)
				states[place{d.Client, d.Model}] = d
			}
			options[i] = choice.Option{Target: d.target, Weight: d.Weight, Priority: d.Priority}
		}
		model.group = choice.NewGroup(model.Balance, options)
	}
}

// attempted is an attempt at a deployment that has not been judged yet. The zero value is none.
type attempted struct {
	tally *tally
	slot  choice.Slot
	began time.Time
}

// begin begins an attempt in a slot, which it gives back when it ends.
func (d *Deployment) begin(slot choice.Slot) attempted {
	d.tally.inFlight.Add(1)
	return attempted{d.tally, slot, time.Now()}
}

// answered notes when the answer began to come.
func (a *attempted) answered(at time.Time) {
	if a.tally != nil {
		a.tally.observe(at, at.Sub(a.began))
		a.slot.Answered()
	}
}

// errorInAnswer is the reason for a failure that came with a status of success, which callers see under this code.
const errorInAnswer = "upstream_error"

// verdicts are what the outcomes say to a deployment's breaker.
var verdicts = [outcomes]choice.Verdict{succeeded: choice.Good, rejected: choice.Good, failed: choice.Bad, abandoned: choice.Unjudged}

// end judges the attempt. Only the first call counts.
func (a *attempted) end(o outcome, reason string) {
	if a.tally != nil {
		now := time.Now()
		a.tally.end(now, o, reason)
		a.tally = nil
		a.slot.Release(now, verdicts[o])
	}
}

// endStatus judges an attempt that was answered with a status other than success. A server that says when it takes
// requests again is left alone until then.
func (a *attempted) endStatus(status int, after time.Duration) {
	o := failed
	if status >= 400 && status < 500 {
		o = rejected
		switch status {
		case 401, 402, 403, 407, 408, 429:
			o = failed
		}
	}
	if status == 429 && after > 0 {
		a.slot.Aside(time.Now(), after)
	}
	a.end(o, "status "+strconv.Itoa(status))
}

// endError judges an attempt that the gateway answers, or breaks off, with an error. One that is not the gateway's own
// was in the answer of the model server.
func (a *attempted) endError(e *openai.Error) {
	switch {
	case e == errTruncated, e == errStalled, e == errUpstream, e == errBadAnswer:
		a.end(failed, e.Code)
	case isOwn(e):
		a.end(abandoned, "")
	case e.Status >= 500, e.Status == 429:
		a.end(failed, errorInAnswer)
	default:
		a.end(rejected, "")
	}
}
