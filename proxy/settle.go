package proxy

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"llmhub/metering"
	"llmhub/proxy/openai"
	"llmhub/store"
)

// commitWait bounds the wait for a record to be durable. It is kept and committed even when the wait is over.
const commitWait = 10 * time.Second

// estimateWait bounds the counting of texts.
const estimateWait = 10 * time.Second

// bytesPerToken is the rule of thumb for text that is too much to be kept.
const bytesPerToken = 4

// maxCappedChoices keeps the product with max_tokens, at most 1e12, from overflowing. No model server makes as many.
const maxCappedChoices = 1 << 20

// settleFinished records an answer that the model server finished, and waits until the record is durable. Nothing
// that looks finished may leave before.
func (x *exchange) settleFinished() error {
	if x.policy() == Drain {
		x.look(time.Now()) // a short answer may be over before the watcher looks
	}
	s, reported := x.settlement()
	switch {
	case !reported:
		s.Provenance = store.FromEstimate
	case x.gone():
		s.Provenance = store.FromDrained
	default:
		s.Provenance = store.FromUpstream
	}
	x.charge(&s)
	start := time.Now()
	err := x.entry.Settle(x.p.commits.from(start), s)
	x.commitTime = time.Since(start)
	x.p.Metrics.settled(x, s)
	return err
}

// waits gives out contexts that end commitWait later, or up to a second after that. Those who ask within a second get the
// same one, which spares each request a timer.
type waits struct{ last atomic.Pointer[wait] }

type wait struct {
	context.Context
	stop  context.CancelFunc
	begun time.Time
}

func (w *waits) from(now time.Time) context.Context {
	last := w.last.Load()
	if last != nil && now.Sub(last.begun) < time.Second {
		return last
	}
	ctx, stop := context.WithTimeout(context.Background(), commitWait+time.Second)
	next := &wait{ctx, stop, now}
	if !w.last.CompareAndSwap(last, next) {
		stop()
		return w.from(now)
	}
	return next
}

// close ends the last wait; those before end by themselves.
func (w *waits) close() {
	if last := w.last.Load(); last != nil {
		last.stop()
	}
}

// settleDrained records an answer that was read on to its end after the client had left.
func (x *exchange) settleDrained() {
	s, reported := x.settlement()
	s.Provenance = store.FromDrained
	if !reported {
		s.Provenance = store.FromEstimate
	}
	x.settleLater(s)
}

// settlePartial records what was delivered of an answer that was broken off.
func (x *exchange) settlePartial() {
	if x.ended {
		return
	}
	s, reported := x.settlement()
	s.Provenance = x.partialProvenance(reported)
	x.settleLater(s)
}

// partialProvenance says where the counts of an answer that was broken off come from: from the model server only where it had
// come to its end. What it has reported is also its last word where it broke the connection off itself.
func (x *exchange) partialProvenance(reported bool) store.Provenance {
	last := x.meter.Over() || x.meter.Finished() && x.failure == errTruncated
	if reported && last && !x.faulty {
		return store.FromUpstream
	}
	return store.FromPartial
}

// settlement returns what is to be recorded, but for where it is from; reported says whether the model server said all of it.
func (x *exchange) settlement() (s metering.Settlement, reported bool) {
	s.Tokens, reported = x.tokens()
	s.Quantities = x.quantities()
	x.ended = true
	return s, reported
}

// settleLater records the request without waiting until that is durable.
func (x *exchange) settleLater(s metering.Settlement) {
	x.charge(&s)
	x.entry.SettleLater(s)
	x.p.Metrics.settled(x, s)
}

// settleRefused ends a request that is answered with an error. Where the client left while the model server was at
// work, the request is recorded, with nothing to charge unless the server has said what it used.
func (x *exchange) settleRefused(e *openai.Error) {
	if x.ended {
		x.leave() // a panic behind the settlement has not
		return
	}
	if e == errClientLeft && x.atWork {
		x.settlePartial()
		x.leave()
		return
	}
	x.void()
}

// tokens returns what the answer used so far: what the model server reported, and estimates for a side that it did
// not report. reported says whether it reported all that is to be counted.
func (x *exchange) tokens() (t store.Tokens, reported bool) {
	u, ok := x.meter.Usage()
	input, output := x.meter.Reported()
	if ok {
		t = store.Tokens{Input: u.Input, CachedInput: u.CachedInput, Output: u.Output, Reasoning: u.Reasoning}
	}
	if input && (output || !x.endpoint.generates) || !ok && !x.delivered() {
		return t, ok
	}
	if !ok && len(x.quantities()) > 0 {
		// Billed by other units, which are known unless they were read from the file that was sent.
		return t, x.request.Units.AudioMilliseconds == 0 || x.meter.Units().AudioMilliseconds > 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), estimateWait)
	defer cancel()
	if !input {
		t.Input = x.estimateInput(ctx)
		t.Estimated += t.Input
	}
	if !output && x.endpoint.generates {
		t.Output = x.estimateOutput(ctx)
		t.Estimated += t.Output
	}
	return t, false
}

func (x *exchange) estimateInput(ctx context.Context) int64 {
	var prompt openai.Prompt
	prompt.Gather(x.body)
	return x.p.Estimator.Count(ctx, slices.Collect(prompt.Texts())...) + prompt.Framing()
}

func (x *exchange) estimateOutput(ctx context.Context) int64 {
	var n int64
	for text := range x.meter.Texts() {
		n += x.p.Estimator.Count(ctx, text.Bytes)
	}
	n += (x.meter.Unkept() + bytesPerToken - 1) / bytesPerToken
	if x.request.MaxTokens > 0 && x.request.N <= maxCappedChoices {
		n = min(n, x.request.MaxTokens*x.request.N)
	}
	return n
}

// quantities returns what the answer used beside tokens.
func (x *exchange) quantities() store.Quantities {
	if x.endpoint.units == nil || !x.delivered() {
		return nil
	}
	_, tokens := x.meter.Usage()
	return x.endpoint.units(x.request.Units, x.meter.Units(), tokens)
}

// delivered says whether the model server has answered with content.
func (x *exchange) delivered() bool { return x.answered || x.meter.Deltas() > 0 }
