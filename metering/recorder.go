package metering

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"llmhub/store"
)

// ErrNotRecorded says that an entry is not durable yet. The recorder keeps it and tries on; what waited for it must
// not be shown as finished.
var ErrNotRecorded = errors.New("usage could not be recorded")

// Ledger is what the recorder needs of a store.Ledger.
type Ledger interface {
	NewSource(ctx context.Context) (store.Source, error)
	Commit(ctx context.Context, b store.Batch) error
	Mark(ctx context.Context, source store.Source, marks []store.Mark) error
	Orphans(ctx context.Context, own store.Source) ([]store.Mark, error)
	Ready() error
}

// Observer is told about commits. Its methods are called from the recorder's goroutine and must not block.
type Observer interface {
	// Committed reports one durable batch: its events and the time Commit took.
	Committed(events []store.Event, took time.Duration)
	// CommitFailed reports one failed attempt to commit a batch.
	CommitFailed(err error)
}

// RecorderOptions tune a Recorder. The zero value is usable.
type RecorderOptions struct {
	// Linger bounds how long a finished request waits for others to share its commit; 0 means 2 ms.
	Linger time.Duration
	// MaxBatch bounds the events of one commit; 0 means 1,024.
	MaxBatch int
	// ProgressEvery is the period of progress marks of open streams; 0 means one second.
	ProgressEvery time.Duration
	// RetryEvery is the pause between attempts to commit a batch that failed; 0 means 250 ms.
	RetryEvery time.Duration
	Observer   Observer
	Logger     *slog.Logger
}

func (o *RecorderOptions) setDefaults() {
	if o.Linger == 0 {
		o.Linger = 2 * time.Millisecond
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = 1024
	}
	if o.ProgressEvery == 0 {
		o.ProgressEvery = time.Second
	}
	if o.RetryEvery == 0 {
		o.RetryEvery = 250 * time.Millisecond
	}
	if o.Observer == nil {
		o.Observer = noObserver{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

type noObserver struct{}

func (noObserver) Committed([]store.Event, time.Duration) {}
func (noObserver) CommitFailed(error)                     {}

// batch is a group of events that share a commit. done is closed when the first attempt has ended, with err set.
type batch struct {
	events []store.Event
	done   chan struct{}
	err    error
}

func newBatch(capacity int) *batch {
	return &batch{events: make([]store.Event, 0, capacity), done: make(chan struct{})}
}

// Recorder commits the usage of finished requests in groups: all that finish within the linger, or while the former
// commit runs, become durable with one sync. Methods may be called concurrently.
//
// A batch that fails is tried again, unchanged, until it succeeds or the ledger is beyond use; those who wait for it
// are told at the first failure, and no new request may begin meanwhile. Events are never dropped.
type Recorder struct {
	ledger Ledger
	source store.Source
	opts   RecorderOptions

	next     atomic.Uint64 // counter of request IDs
	mu       sync.Mutex
	pending  *batch
	unmarked []*Entry     // begun, and no mark written yet; ended ones among them
	notes    []store.Mark // void marks to write
	live     entryList
	stuck    error // why the current batch cannot be committed
	dead     error // why nothing will be committed any more
	lost     int   // events settled and not committed when the recorder died
	closing  bool

	markMu sync.Mutex    // held while marks are written outside a commit
	wake   chan struct{} // capacity 1
	stop   chan struct{}
	done   chan struct{}
	fatal  chan error
}

// NewRecorder settles what dead processes left behind and starts a recorder. Close must be called.
func NewRecorder(ctx context.Context, l Ledger, o RecorderOptions) (*Recorder, error) {
	o.setDefaults()
	source, err := l.NewSource(ctx)
	if err != nil {
		return nil, fmt.Errorf("take a source number: %w", err)
	}
	r := &Recorder{
		ledger: l, source: source, opts: o,
		pending: newBatch(16),
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		fatal:   make(chan error, 1),
	}
	r.live.init()
	seq, err := r.settleOrphans(ctx)
	if err != nil {
		return nil, err
	}
	go r.run(seq)
	return r, nil
}

// Fatal delivers the error after which the process must end: the ledger is beyond use.
func (r *Recorder) Fatal() <-chan error { return r.fatal }

// Ready returns nil while new requests may begin.
func (r *Recorder) Ready() error {
	r.mu.Lock()
	stuck := r.stuck
	r.mu.Unlock()
	if stuck != nil {
		return stuck
	}
	return r.ledger.Ready()
}

// Live returns the number of requests begun and not settled.
func (r *Recorder) Live() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live.n
}

// Close commits what has been settled and stops. The callers must have settled their entries before. It returns an
// error if something settled could not be made durable; that is then found again as an orphan at the next start.
func (r *Recorder) Close() error {
	r.mu.Lock()
	if !r.closing {
		r.closing = true
		close(r.stop)
	}
	r.mu.Unlock()
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost > 0 {
		return fmt.Errorf("%w: %d settled requests: %w", ErrNotRecorded, r.lost, r.stuck)
	}
	return nil
}

// run is the one goroutine that commits.
func (r *Recorder) run(seq uint64) {
	defer close(r.done)
	progress := time.NewTicker(r.opts.ProgressEvery)
	defer progress.Stop()
	linger := time.NewTimer(time.Hour)
	linger.Stop()
	defer linger.Stop()
	for {
		select {
		case <-r.wake:
			r.waitForCompany(linger)
			if !r.commitPending(&seq) {
				return
			}
		case <-progress.C:
			r.markProgress()
		case <-r.stop:
			if r.commitPending(&seq) {
				r.die(nil, store.ErrClosed)
			}
			return
		}
	}
}

// waitForCompany lets others join the pending batch, unless everybody alive has joined already.
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
	return r.live.n == 0 || len(r.pending.events) >= r.opts.MaxBatch
}

// commitPending commits the pending batch, if there is one, and reports whether the recorder can go on.
func (r *Recorder) commitPending(seq *uint64) bool {
	r.mu.Lock()
	b := r.pending
	if len(b.events) == 0 {
		r.mu.Unlock()
		return true
	}
	r.pending = newBatch(len(b.events))
	r.mu.Unlock()
	if err := r.commit(b, *seq+1); err != nil {
		r.die(b, err)
		return false
	}
	*seq++
	return true
}

// die ends the recorder: whoever waits or comes later is told that nothing is recorded any more. b is the batch that
// was not committed, if any.
func (r *Recorder) die(b *batch, err error) {
	r.mu.Lock()
	if b != nil {
		r.lost += len(b.events)
	}
	r.lost += len(r.pending.events)
	r.dead = notRecorded(err)
	r.pending.err = r.dead
	close(r.pending.done)
	r.mu.Unlock()
	if b != nil && beyondUse(err) {
		r.fatal <- err
	}
}

// beyondUse says whether the ledger cannot be written by this process any more.
func beyondUse(err error) bool {
	return errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrDamaged)
}

func notRecorded(err error) error { return fmt.Errorf("%w: %w", ErrNotRecorded, err) }

// commit makes one batch durable, trying until it is done, the ledger is beyond use, or Close is called.
func (r *Recorder) commit(b *batch, seq uint64) error {
	told := false
	for {
		start := time.Now()
		err := r.commitOnce(b, seq)
		if err == nil {
			r.setStuck(nil)
			if !told {
				close(b.done)
			}
			r.opts.Observer.Committed(b.events, time.Since(start))
			return nil
		}
		r.setStuck(err)
		r.opts.Observer.CommitFailed(err)
		if !told {
			r.opts.Logger.Error("usage not committed", "events", len(b.events), "err", err)
			told = true
			b.err = notRecorded(err)
			close(b.done)
		}
		if beyondUse(err) {
			return err
		}
		select {
		case <-r.stop:
			return err
		case <-time.After(r.opts.RetryEvery):
		}
	}
}

func (r *Recorder) setStuck(err error) {
	r.mu.Lock()
	r.stuck = err
	r.mu.Unlock()
}

// commitOnce writes the marks that wait and the events in one go.
func (r *Recorder) commitOnce(b *batch, seq uint64) error {
	entries, marks := r.takeMarks()
	err := r.ledger.Commit(context.Background(), store.Batch{Source: r.source, Seq: seq, Events: b.events, Marks: marks})
	r.marked(entries, marks, err)
	return err
}
