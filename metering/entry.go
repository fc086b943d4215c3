package metering

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"llmhub/store"
)

// maxNameBytes is the longest name that the ledger takes.
const maxNameBytes = 255

// Begun describes a request that is about to be sent on.
type Begun struct {
	// ID is from Recorder.NewID.
	ID store.RequestID
	// Key has 1 to 255 bytes, Model at most as many; of Deployment as many are kept.
	Key        string
	Model      string
	Deployment string
	// RequestBytes is the size of the request's body.
	RequestBytes int64
	// Arrived is when the request came in; zero means now.
	Arrived time.Time
}

// Settlement is how a request ended.
type Settlement struct {
	Provenance store.Provenance
	Tokens     store.Tokens
	// Quantities are what was used beside tokens.
	Quantities store.Quantities
}

// Entry is one request in flight. The first call of Settle, SettleLater or Void ends it; further ones change nothing.
// Methods may be called from different goroutines, one after the other.
type Entry struct {
	r       *Recorder
	id      store.RequestID
	begun   Begun        // Deployment under r.mu
	ensured atomic.Bool  // the begun-mark outlives the process, and that something has been delivered
	deltas  atomic.Int64 // delivered so far
	noted   int64        // under r.mu: deltas in the last progress mark written
	waiting bool         // under r.mu: in r.unmarked
	tried   bool         // under r.mu: a begun-mark may have been written
	ended   bool         // under r.mu
	batch   *batch       // under r.mu: which holds the event; nil before the end, and after Void
	prev    *Entry       // under r.mu, like next
	next    *Entry
}

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
// Ready, or wraps store.ErrInvalid: nothing may begin that could not be recorded.
func (r *Recorder) Begin(b Begun) (*Entry, error) {
	if b.Key == "" || len(b.Key) > maxNameBytes || len(b.Model) > maxNameBytes || b.RequestBytes < 0 {
		return nil, fmt.Errorf("%w: a request of key %.300q for model %.300q", store.ErrInvalid, b.Key, b.Model)
	}
	if b.Arrived.IsZero() {
		b.Arrived = time.Now()
	}
	b.Deployment = shorten(b.Deployment)
	if err := r.ledger.Ready(); err != nil {
		return nil, err
	}
	e := &Entry{r: r, id: b.ID, begun: b}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refusal(); err != nil {
		return nil, err
	}
	r.mark(e)
	r.live.add(e)
	return e, nil
}

func shorten(name string) string { return name[:min(len(name), maxNameBytes)] }

// NewID returns an ID for a request; whether it is ever begun does not matter.
func (r *Recorder) NewID() store.RequestID { return store.NewRequestID(r.source, r.next.Add(1)) }

// ID returns the request's ID.
func (e *Entry) ID() store.RequestID { return e.id }

// Redirect changes the deployment, when the request is tried at another one. It must be called before Ensure. A
// begun-mark that has been written meanwhile is written anew.
func (e *Entry) Redirect(deployment string) {
	e.r.mu.Lock()
	defer e.r.mu.Unlock()
	e.begun.Deployment = shorten(deployment)
	if !e.ended {
		e.ensured.Store(false)
		e.r.mark(e)
	}
}

// Delivered counts n more events with content that are handed to the client.
func (e *Entry) Delivered(n int64) { e.deltas.Add(n) }

// Ensure returns when the request's begun-mark, and that anything is delivered if it is, outlive the process. It is
// called before each part of a streamed answer leaves, behind Delivered; the first call costs one write for all marks
// that wait, the others nothing. It does not wait for a sync in progress. The error wraps ErrNotRecorded.
func (e *Entry) Ensure() error {
	if e.ensured.Load() {
		return nil
	}
	// A begun-mark that a commit has taken along before anything was delivered does not say that anything is.
	e.r.mu.Lock()
	if !e.ended {
		e.r.mark(e)
	}
	e.r.mu.Unlock()
	// The lock makes those who come at the same time wait for one write of all their marks.
	e.r.markMu.Lock()
	defer e.r.markMu.Unlock()
	if e.ensured.Load() {
		return nil
	}
	if err := e.r.flushMarks(); err != nil && !e.ensured.Load() {
		return err
	}
	return nil
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
	}
	select {
	case <-b.done:
		return b.err
	default:
		return notRecorded(ctx.Err())
	}
}

// SettleLater records the request without waiting for the commit.
func (e *Entry) SettleLater(s Settlement) { e.r.enqueue(e, s) }

// enqueue adds the entry's event to the queue. It returns the batch that holds it, nil if the entry is void.
func (r *Recorder) enqueue(e *Entry, s Settlement) *batch {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.ended {
		return e.batch
	}
	r.end(e)
	if r.dead != nil {
		r.lose(1, r.dead)
		e.batch = newBatch()
		e.batch.tell(r.dead)
		return e.batch
	}
	b := r.open()
	e.batch = b
	b.events = append(b.events, store.Event{
		ID: e.id, Key: e.begun.Key, Model: e.begun.Model, Deployment: e.begun.Deployment,
		At: now.UTC().Truncate(time.Millisecond), Duration: max(0, now.Sub(e.begun.Arrived)).Truncate(time.Millisecond),
		Provenance: s.Provenance, Tokens: s.Tokens, Quantities: s.Quantities,
	})
	// The recorder is woken for the first of a batch, and again when nobody is left to wait for.
	if n := len(b.events); n == 1 || n >= r.opts.MaxBatch || r.live.n == 0 {
		r.signal()
	}
	return b
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
	if e.tried {
		r.voids = append(r.voids, store.Mark{Kind: store.MarkVoid, ID: e.id})
	}
	// Those who linger need not wait for this one.
	if r.live.n == 0 && len(r.queue) > 0 {
		r.signal()
	}
}
