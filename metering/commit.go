package metering

import (
	"context"
	"errors"
	"time"

	"llmhub/store"
)

// batch is a group of events that share a commit. It is guarded by Recorder.mu until it leaves the queue; what follows
// events stays so.
type batch struct {
	events []store.Event
	// done is closed when those who wait are told: of the commit, or of the first failure. err is set before.
	done chan struct{}
	err  error
	told bool
}

func newBatch() *batch { return &batch{events: make([]store.Event, 0, 16), done: make(chan struct{})} }

// tell tells those who wait for the batch, once. The caller holds Recorder.mu.
func (b *batch) tell(err error) {
	if !b.told {
		b.told, b.err = true, err
		close(b.done)
	}
}

// open returns the batch that the next event joins; the caller holds mu.
func (r *Recorder) open() *batch {
	if n := len(r.queue); n > 0 {
		// Those who join while nothing can be committed are told so; those who come later must not share their batch.
		if last := r.queue[n-1]; len(last.events) < r.opts.MaxBatch && last.told == (r.stuck != nil) {
			return last
		}
	}
	b := newBatch()
	if r.stuck != nil {
		b.tell(notRecorded(r.stuck))
	}
	r.queue = append(r.queue, b)
	return b
}

func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// waitForCompany lets others join the queue, unless everybody alive has joined already.
func (r *Recorder) waitForCompany(linger *time.Timer) {
	if r.nobodyToWaitFor() {
		return
	}
	linger.Reset(r.opts.Linger)
	defer linger.Stop()
	for {
		select {
		case <-linger.C:
			return
		case <-r.stop:
			return
		case <-r.wake:
			if r.nobodyToWaitFor() {
				return
			}
		}
	}
}

func (r *Recorder) nobodyToWaitFor() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live.n == 0 || len(r.queue) == 0 || len(r.queue[0].events) >= r.opts.MaxBatch
}

// commitNext commits the oldest batch of the queue, if there is one. An error ends the recorder.
func (r *Recorder) commitNext(seq *uint64) error {
	r.mu.Lock()
	if len(r.queue) == 0 {
		r.mu.Unlock()
		return nil
	}
	b := r.queue[0]
	r.queue[0] = nil
	r.queue = r.queue[1:]
	r.mu.Unlock()
	unfit, err := r.commit(b, b.events, seq)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		b.tell(notRecorded(err))
		return err
	}
	b.tell(unfit)
	if len(r.queue) > 0 {
		r.signal() // the signal of its first event may have served this batch
	}
	return nil
}

// commit makes events of a batch durable, trying until it is done, the ledger is beyond use, or Close is called. unfit
// says that some of them can never be committed.
func (r *Recorder) commit(b *batch, events []store.Event, seq *uint64) (unfit, err error) {
	closing := false
	for {
		r.writeMarks()
		start := time.Now()
		err = r.ledger.Commit(context.Background(), store.Batch{Source: r.source, Seq: *seq + 1, Events: events})
		took := time.Since(start)
		if err == nil {
			*seq++
			r.setStuck(b, nil)
			r.opts.Observer.Committed(events, took)
			return nil, nil
		}
		r.opts.Observer.CommitFailed(err)
		if errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrTooLarge) {
			return r.commitHalves(b, events, seq, err)
		}
		if first := r.setStuck(b, err); first {
			r.opts.Logger.Error("usage not committed", "events", len(events), "err", err)
		}
		if beyondUse(err) || closing {
			r.abandon(len(events), err)
			return nil, err
		}
		select {
		case <-r.stop:
			closing = true // one attempt more
		case <-time.After(r.opts.RetryEvery):
		}
	}
}

// commitHalves commits in parts what cannot be committed as it is, so that a single event which the ledger does not take
// holds up no other. It has no number of its own then: the parts take the batch's and those behind.
func (r *Recorder) commitHalves(b *batch, events []store.Event, seq *uint64, cause error) (unfit, err error) {
	if len(events) == 1 {
		e := &events[0]
		r.opts.Logger.Error("usage given up: the ledger can never take it", "err", cause, "request", e.ID.String(),
			"key", e.Key, "model", e.Model, "deployment", e.Deployment, "at", e.At, "tokens", e.Tokens, "quantities", e.Quantities)
		unfit = notRecorded(cause)
		r.abandon(1, unfit)
		return unfit, nil
	}
	half := len(events) / 2
	first, err := r.commit(b, events[:half], seq)
	if err != nil {
		r.abandon(len(events)-half, err)
		return nil, err
	}
	second, err := r.commit(b, events[half:], seq)
	return errors.Join(first, second), err
}

// abandon counts events that will never be committed.
func (r *Recorder) abandon(n int, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !errors.Is(why, ErrNotRecorded) {
		why = notRecorded(why)
	}
	r.lose(n, why)
}

// setStuck notes why the batch at hand cannot be committed; nil if it has been. All who wait are told of a failure,
// for this batch or one behind it. It returns whether this is the first failure in a row.
func (r *Recorder) setStuck(at *batch, err error) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = err != nil && r.stuck == nil
	r.stuck = err
	if err != nil {
		at.tell(notRecorded(err))
		for _, b := range r.queue {
			b.tell(notRecorded(err))
		}
	}
	return first
}
