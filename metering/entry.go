package metering

import (
	"context"
	"sync/atomic"
	"time"

	"llmhub/store"
)

// Begun describes a request that is about to be sent on.
type Begun struct {
	// ID is from Recorder.NewID.
	ID         store.RequestID
	Key        string
	Model      string
	Deployment string
	// RequestBytes is the size of the request's body.
	RequestBytes int64
	// Arrived is when the request came in.
	Arrived time.Time
}

// Settlement is how a request ended.
type Settlement struct {
	Provenance store.Provenance
	Tokens     store.Tokens
}

// Entry is one request in flight. Exactly one of Settle and Void ends it; further calls are ignored. Methods may be
// called from different goroutines, one after the other.
type Entry struct {
	r          *Recorder
	id         store.RequestID
	begun      Begun
	deltas     atomic.Int64
	reported   int64     // deltas in the last progress mark; the recorder's goroutine only
	mark       markState // under r.mu
	ended      bool      // under r.mu
	prev, next *Entry
}

// markState says how far an entry's begun-mark has got.
type markState uint8

const (
	markWaits     markState = iota // in Recorder.unmarked
	markInCommit                   // on its way with a batch
	markIsWritten                  // outlives the process
)

// entryList is a list of the live entries, guarded by Recorder.mu.
type entryList struct {
	head Entry
	n    int
}

func (l *entryList) init() { l.head.prev, l.head.next = &l.head, &l.head }

func (l *entryList) add(e *Entry) {
	e.prev, e.next = l.head.prev, &l.head
	e.prev.next, l.head.prev = e, e
	l.n++
}

func (l *entryList) remove(e *Entry) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	l.n--
}

// Begin opens an entry. Its begun-mark is written together with others, at the latest by Ensure. The error is that of
// Ready: nothing may begin that could not be recorded.
func (r *Recorder) Begin(b Begun) (*Entry, error) {
	if err := r.ledger.Ready(); err != nil {
		return nil, err
	}
	e := &Entry{r: r, id: b.ID, begun: b}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck != nil {
		return nil, r.stuck
	}
	if r.closing {
		return nil, store.ErrClosed
	}
	r.unmarked = append(r.unmarked, e)
	r.live.add(e)
	return e, nil
}

// NewID returns an ID for a request; whether it is ever begun does not matter.
func (r *Recorder) NewID() store.RequestID { return store.NewRequestID(r.source, r.next.Add(1)) }

// ID returns the request's ID.
func (e *Entry) ID() store.RequestID { return e.id }

// Redirect changes the deployment, when the request is tried at another one. It must be called before Ensure.
func (e *Entry) Redirect(deployment string) {
	e.r.mu.Lock()
	e.begun.Deployment = deployment
	e.r.mu.Unlock()
}

// Delivered counts n more events with content that are handed to the client.
func (e *Entry) Delivered(n int64) { e.deltas.Add(n) }

// Ensure returns when the request's begun-mark outlives the process. It is called before the first byte of a streamed
// answer leaves, and costs one write for all marks that wait.
func (e *Entry) Ensure() error {
	r := e.r
	// The lock makes those who come at the same time wait for one write of all their marks.
	r.markMu.Lock()
	defer r.markMu.Unlock()
	r.mu.Lock()
	switch e.mark {
	case markIsWritten:
		r.mu.Unlock()
		return nil
	case markInCommit:
		// The commit's sync takes longer than a write; a mark may stand twice.
		r.unmarked = append(r.unmarked, e)
	}
	r.mu.Unlock()
	return r.flushMarks()
}

// Settle records the request and waits until the record is durable. ctx bounds the wait only: the record is kept and
// committed in any case. The error wraps ErrNotRecorded.
func (e *Entry) Settle(ctx context.Context, s Settlement) error {
	b := e.r.enqueue(e, s)
	if b == nil {
		return nil
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return notRecorded(ctx.Err())
	}
}

// SettleLater records the request without waiting for the commit.
func (e *Entry) SettleLater(s Settlement) { e.r.enqueue(e, s) }

// enqueue adds the entry's event to the pending batch, or returns nil if the entry has ended before.
func (r *Recorder) enqueue(e *Entry, s Settlement) *batch {
	now := time.Now()
	ev := store.Event{
		ID: e.id, Key: e.begun.Key, Model: e.begun.Model, Deployment: e.begun.Deployment,
		At: now.UTC().Truncate(time.Millisecond), Duration: now.Sub(e.begun.Arrived).Truncate(time.Millisecond),
		Provenance: s.Provenance, Tokens: s.Tokens,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.ended {
		return nil
	}
	r.end(e)
	b := r.pending
	if r.dead != nil {
		r.lost++
		return b
	}
	b.events = append(b.events, ev)
	// The recorder is woken for the first of a batch, and again when nobody is left to wait for.
	if len(b.events) == 1 || r.live.n == 0 || len(b.events) >= r.opts.MaxBatch {
		r.signal()
	}
	return b
}

func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// end takes the entry out of the live ones; the caller holds r.mu.
func (r *Recorder) end(e *Entry) {
	e.ended = true
	r.live.remove(e)
}

// Void ends the request without a record: nothing was delivered and nothing is charged.
func (e *Entry) Void() {
	r := e.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.ended {
		return
	}
	r.end(e)
	if e.mark != markWaits {
		r.notes = append(r.notes, store.Mark{Kind: store.MarkVoid, ID: e.id})
	}
	// Those who linger need not wait for this one.
	if r.live.n == 0 && len(r.pending.events) > 0 {
		r.signal()
	}
}
