package proxy

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// outcome is what became of an attempt at a deployment.
type outcome uint8

const (
	succeeded outcome = iota
	rejected          // the model server found fault with the request
	failed
	abandoned // the client or the gateway broke it off: no judgement
	outcomes
)

var outcomeNames = [outcomes]string{"succeeded", "rejected", "failed", "abandoned"}

// windowMinutes is the length of the sliding window, in buckets of a minute. The one that is being filled is among them.
const windowMinutes = 10

// tally counts how one deployment answers. It takes no locks; all methods may be called concurrently.
type tally struct {
	start    time.Time // what minutes are counted from, by the monotonic clock
	outcomes [outcomes]prometheus.Counter

	requests, failures, inFlight atomic.Int64
	failedInARow                 atomic.Int64
	lastSuccess                  atomic.Int64 // Unix nanoseconds
	lastFailure                  atomic.Pointer[failure]
	ring                         [windowMinutes]atomic.Pointer[bucket]
}

type failure struct {
	at     time.Time
	reason string
}

// bucket is what ended, and began to be answered, in one minute. A bucket is replaced and never emptied, so that
// nothing is lost where minutes meet.
type bucket struct {
	minute             int64
	requests, failures atomic.Int64
	firstByte          [latencySteps]atomic.Uint32
}

func newTally(start time.Time, counters [outcomes]prometheus.Counter) *tally {
	return &tally{start: start, outcomes: counters}
}

func (t *tally) minute(now time.Time) int64 { return int64(now.Sub(t.start) / time.Minute) }

// bucket returns the bucket of a time, or a later one that has taken its place.
func (t *tally) bucket(now time.Time) *bucket {
	minute := t.minute(now)
	place := &t.ring[minute%windowMinutes]
	for {
		b := place.Load()
		if b != nil && b.minute >= minute {
			return b
		}
		if fresh := (&bucket{minute: minute}); place.CompareAndSwap(b, fresh) {
			return fresh
		}
	}
}

// observe notes how long the beginning of an answer took.
func (t *tally) observe(now time.Time, took time.Duration) {
	t.bucket(now).firstByte[latencyStep(took)].Add(1)
}

// end counts an attempt that is over.
func (t *tally) end(now time.Time, o outcome, reason string) {
	t.inFlight.Add(-1)
	t.outcomes[o].Inc()
	if o == abandoned {
		return
	}
	b := t.bucket(now)
	t.requests.Add(1)
	b.requests.Add(1)
	if o == failed {
		t.failures.Add(1)
		b.failures.Add(1)
		t.failedInARow.Add(1)
		t.lastFailure.Store(&failure{now, reason})
		return
	}
	t.lastSuccess.Store(now.UnixNano())
	if t.failedInARow.Load() != 0 {
		t.failedInARow.Store(0)
	}
}

// sums are the figures of the window.
type sums struct {
	requests, failures int64
	firstByte          latencies
}

func (t *tally) window(now time.Time) (s sums) {
	minute := t.minute(now)
	for i := range t.ring {
		b := t.ring[i].Load()
		if b == nil || b.minute <= minute-windowMinutes {
			continue
		}
		s.requests += b.requests.Load()
		s.failures += b.failures.Load()
		for step := range b.firstByte {
			s.firstByte[step] += int64(b.firstByte[step].Load())
		}
	}
	return s
}

// Latencies are counted in steps of a quarter of a power of two, from units of 2^20 ns, about a millisecond, to 18 min.
const (
	latencyUnit  = 20
	latencySteps = 76
)

// latencies are the counts of each step.
type latencies [latencySteps]int64

// latencyStep returns the step that a duration is in; those beyond the last one are in it.
func latencyStep(d time.Duration) int {
	units := uint64(max(0, d)) >> latencyUnit
	if units < 4 {
		return int(units)
	}
	n := bits.Len64(units)
	return min((n-2)*4+int(units>>(n-3)&3), latencySteps-1)
}

// latencyFrom returns where a step begins.
func latencyFrom(step int) time.Duration {
	if step < 4 {
		return time.Duration(step) << latencyUnit
	}
	return time.Duration(4+step%4) << (step/4 - 1 + latencyUnit)
}

// quantile returns the middle of the step that so many per cent of the observations do not go beyond, 0 where there are
// none.
func (l *latencies) quantile(percent int64) time.Duration {
	var all int64
	for _, n := range l {
		all += n
	}
	rank := (all*percent + 99) / 100
	for step, n := range l {
		if rank -= n; n > 0 && rank <= 0 {
			return (latencyFrom(step) + latencyFrom(step+1)) / 2
		}
	}
	return 0
}
