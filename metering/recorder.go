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

// Observer is told about commits. Its methods are called one at a time, from NewRecorder and then from the recorder's
// goroutine, and must not block.
type Observer interface {
	// Committed reports one durable batch: its events and the time Commit took.
	Committed(events []store.Event, took time.Duration)
	// CommitFailed reports one failed attempt to commit a batch.
	CommitFailed(err error)
}

// RecorderOptions tune a Recorder. The zero value is usable.
type RecorderOptions struct {
	// Linger bounds how long the recorder, when it is free to commit, waits for others to join; 0 means 2 ms.
	Linger time.Duration
	// MaxBatch bounds the events of one commit; 0 means 1,024, and store.MaxBatchEvents is the most.
	MaxBatch int
	// ProgressEvery is the period of progress marks of open streams; 0 means one second.
	ProgressEvery time.Duration
	// RetryEvery is the pause between attempts to commit a batch that failed; 0 means 250 ms.
	RetryEvery time.Duration
	// OrphansEvery is the period of looking for requests whose process has died while this one ran; 0 means only at the
	// start, which suffices where no other process writes to the ledger.
	OrphansEvery time.Duration
	Observer     Observer
	Logger       *slog.Logger
}

func (o *RecorderOptions) setDefaults() {
	if o.Linger == 0 {
		o.Linger = 2 * time.Millisecond
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = 1024
	}
	o.MaxBatch = min(o.MaxBatch, store.MaxBatchEvents)
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

// Recorder commits the usage of finished requests in groups: all that finish within the linger, or while the former
// commit runs, become durable with one sync. Methods may be called concurrently.
//
// A batch that fails is tried again, unchanged, until it succeeds or the ledger is beyond use. Meanwhile those who wait
// are told at once, and no new request may begin. Events are never dropped, but for one that the ledger can never
// take, which is logged.
type Recorder struct {
	ledger Ledger
	source store.Source
	opts   RecorderOptions

	next    atomic.Uint64 // counter of request IDs
	mu      sync.Mutex
	queue   []*batch // to be committed, oldest first; events join the last
	live    entryList
	stuck   error // why the batch at hand cannot be committed
	dead    error // why nothing will be committed any more
	lost    int   // events settled that will never be committed
	lostWhy error // of the first of them
	closing bool

	// markMu is held from taking marks until they are written, so that they are written in the order taken, and that
	// no mark of a request can be written behind its event. It is taken before mu, and never held during a sync.
	markMu     sync.Mutex
	unmarked   []*Entry     // under mu: begun, and no mark written yet; ended ones among them
	voids      []store.Mark // under mu: to be written
	markBuf    []store.Mark // under markMu
	markedBuf  []*Entry     // under markMu
	markedSeen []int64      // under markMu: the deltas in markBuf of each of markedBuf

	wake  chan struct{} // capacity 1
	stop  chan struct{}
	done  chan struct{}
	fatal chan error
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
		wake:  make(chan struct{}, 1),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
		fatal: make(chan error, 1),
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
	err := r.refusal()
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.ledger.Ready()
}

// refusal says why nothing may begin; the caller holds mu.
func (r *Recorder) refusal() error {
	switch {
	case r.stuck != nil:
		return r.stuck
	case r.dead != nil:
		return r.dead
	case r.closing:
		return store.ErrClosed
	}
	return nil
}

// Live returns the number of requests begun and not settled.
func (r *Recorder) Live() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live.n
}

// Close commits what has been settled and stops. The callers must have settled their entries before. It returns an
// error if something settled could not be made durable; where its begun-mark could be written, it is found again as an
// orphan at the next start.
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
		return fmt.Errorf("%d settled requests: %w", r.lost, r.lostWhy)
	}
	return nil
}

// run is the one goroutine that commits. seq is the number of the last batch.
func (r *Recorder) run(seq uint64) {
	defer close(r.done)
	progress := time.NewTicker(r.opts.ProgressEvery)
	defer progress.Stop()
	var orphans <-chan time.Time
	if r.opts.OrphansEvery > 0 {
		t := time.NewTicker(r.opts.OrphansEvery)
		defer t.Stop()
		orphans = t.C
	}
	linger := time.NewTimer(time.Hour)
	linger.Stop()
	defer linger.Stop()
	for {
		var err error
		select {
		case <-r.wake:
			r.waitForCompany(linger)
			err = r.commitNext(&seq)
		case <-progress.C:
			r.markProgress()
		case <-orphans:
			err = r.adoptOrphans(&seq)
		case <-r.stop:
			r.finish(&seq)
			return
		}
		if err != nil {
			r.die(err)
			return
		}
	}
}

// finish commits all that is queued, which nothing joins once the recorder is dead, and the last marks.
func (r *Recorder) finish(seq *uint64) {
	for {
		r.mu.Lock()
		if len(r.queue) == 0 {
			r.dead = notRecorded(store.ErrClosed)
			r.mu.Unlock()
			r.markProgress()
			return
		}
		r.mu.Unlock()
		if err := r.commitNext(seq); err != nil {
			r.die(err)
			return
		}
	}
}

// die ends the recorder: whoever waits or comes later is told that nothing is recorded any more.
func (r *Recorder) die(err error) {
	r.mu.Lock()
	r.dead = notRecorded(err)
	for _, b := range r.queue {
		r.lose(len(b.events), r.dead)
		b.tell(r.dead)
	}
	r.queue = nil
	r.mu.Unlock()
	if beyondUse(err) {
		r.fatal <- err
	}
}

// lose counts events that will never be committed; the caller holds mu.
func (r *Recorder) lose(n int, why error) {
	r.lost += n
	if r.lostWhy == nil {
		r.lostWhy = why
	}
}

// beyondUse says whether the ledger cannot be written by this process any more.
func beyondUse(err error) bool {
	return errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrDamaged)
}

func notRecorded(err error) error { return fmt.Errorf("%w: %w", ErrNotRecorded, err) }
