package proxy

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/choice"
	"llmhub/proxy/openai"
)

// maxBackoff bounds the wait before a deployment is asked again that does not say itself when to.
const maxBackoff = 5 * time.Second

// send sends the request to the model's deployments, and to those of the models that it falls back to, until one answers:
// with a whole answer, or the first event of a stream. Nothing has gone to the client yet, so that another one can be
// tried. All attempts are one entry in the ledger.
func (x *exchange) send(ctx *fasthttp.RequestCtx) (refusal *openai.Error) {
	start, waited := time.Now(), x.waitTime
	defer func() { x.upstreamTime += time.Since(start) - (x.waitTime - waited) }()
	line := x.model.line
	if x.pinned != nil {
		line = []*Model{x.pinnedTo}
	}
	began := time.Now()
	for i, m := range line {
		s := sending{x: x, ctx: ctx, model: m, began: began, unfit: x.unfit(m), last: i == len(line)-1}
		if s.unfit.Count() == len(m.Deployments) {
			continue
		}
		if refusal != nil {
			x.p.Metrics.fallbacks.WithLabelValues(x.model.Name).Inc()
			x.p.Logger.Warn("falling back to another model", "request", x.name, "model", x.model.Name, "fallback", m.Name)
		}
		var again bool
		if refusal, again = s.serve(); refusal == nil || !again {
			return refusal
		}
	}
	if refusal == nil {
		return x.notServed()
	}
	return refusal
}

// unfit returns the deployments of a model that cannot serve the request: those of a kind without the endpoint, and all
// but the one that it is pinned to.
func (x *exchange) unfit(m *Model) (unfit choice.Set) {
	for i, d := range m.Deployments {
		if !d.kind().serves(x.endpoint) || x.pinned != nil && x.pinned.target != d.target {
			unfit.Add(i)
		}
	}
	return unfit
}

// sending is a request's way through the deployments of one model.
type sending struct {
	x     *exchange
	ctx   *fasthttp.RequestCtx
	model *Model
	began time.Time  // when the first attempt of the request was made
	unfit choice.Set // those that cannot serve it, or have shown that they will not
	last  bool       // there is no model to fall back to

	attempts int
	repeats  int         // attempts at deployments that had been tried
	due      []time.Time // when each may be asked; nil before the first failure
}

// serve tries the deployments, and says whether another model may do better.
func (s *sending) serve() (refusal *openai.Error, again bool) {
	tried, repeating := s.unfit, false
	var failure trouble
	for {
		if repeating {
			delay, ok := s.delay()
			if !ok {
				return refusal, true
			}
			if unwanted := s.x.pause(delay); unwanted != nil {
				return unwanted, false
			}
		}
		i, slot, unwanted := s.choose(&tried)
		switch {
		case unwanted != nil:
			return unwanted, false
		case i < 0 && refusal == nil:
			return s.unavailable(), true
		case i < 0 && repeating && tried == s.unfit:
			return refusal, true
		case i < 0:
			tried, repeating = s.unfit, true
			continue
		}
		if refusal != nil {
			s.x.retried(failure.reason)
		}
		tried.Add(i)
		if refusal, failure = s.try(i, slot); refusal == nil || !failure.again {
			return refusal, false
		}
		s.note(i, failure)
		if repeating {
			s.repeats++
		}
	}
}

// choose takes a slot of a deployment that has not been tried, waiting for one where that is allowed. It returns -1 if
// there is none.
func (s *sending) choose(tried *choice.Set) (int, choice.Slot, *openai.Error) {
	for {
		p := s.model.group.Pick(time.Now(), rand.Uint64(), tried)
		if p.Ticket == nil {
			return p.Index, p.Slot, nil
		}
		slot, unwanted := s.x.queue(p.Ticket)
		if unwanted != nil || slot.Held() {
			return p.Index, slot, unwanted
		}
		tried.Add(p.Index)
	}
}

// note remembers when a deployment may be asked again.
func (s *sending) note(i int, failure trouble) {
	now := time.Now()
	if s.due == nil {
		s.due = slices.Repeat([]time.Time{now}, len(s.model.Deployments))
	}
	s.due[i] = now.Add(failure.after)
	if !failure.same {
		s.unfit.Add(i)
	}
}

// delay returns how long to wait before a deployment is asked again: the backoff, or until the first of them wants to be
// asked. ok is false if that is not worth waiting for, or there have been attempts enough.
func (s *sending) delay() (d time.Duration, ok bool) {
	retries := &s.model.Retries
	if s.attempts >= retries.Attempts || s.unfit.Count() == len(s.due) {
		return 0, false
	}
	now := time.Now()
	soonest := time.Time{}
	for i, due := range s.due {
		if !s.unfit.Has(i) && (soonest.IsZero() || due.Before(soonest)) {
			soonest = due
		}
	}
	d = jittered(min(retries.Backoff<<min(s.repeats, 16), maxBackoff))
	if wanted := soonest.Sub(now); wanted > d {
		if !s.last && wanted > maxBackoff {
			return 0, false
		}
		d = wanted + d/4 // not all at the same moment
	}
	return d, now.Add(d).Sub(s.began) <= retries.MaxElapsed
}

// jittered returns something from half of d to d.
func jittered(d time.Duration) time.Duration {
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2)
}

// unavailable says why no deployment could even be tried.
func (s *sending) unavailable() *openai.Error {
	for i, d := range s.model.Deployments {
		if !s.unfit.Has(i) && !d.target.Status(s.began).Draining {
			return errUpstreamBusy
		}
	}
	return errDrained
}

// try makes one attempt.
func (s *sending) try(i int, slot choice.Slot) (*openai.Error, trouble) {
	x, d := s.x, s.model.Deployments[i]
	s.attempts++
	again := x.deployment.Load() != nil
	if again || d != x.model.Deployments[0] {
		x.entry.Redirect(d.Name())
	}
	x.deployment.Store(d)
	x.attempt = d.begin(slot)
	if again { // what the attempt before has read is not this one's, be it at another model
		x.meter.Reset()
		x.grown = growth{}
	}
	refusal, failure := x.callOn(s.ctx, d, x.request.Stream && d.AskUsage && !d.rejectsUsage.Load())
	if failure.timedOut {
		failure.again = s.model.Retries.Timeouts
	}
	return refusal, failure
}

// retried counts an attempt that follows a failed one.
func (x *exchange) retried(reason string) {
	x.p.Metrics.retries.WithLabelValues(x.deployment.Load().Client.Name(), reason).Inc()
}
