package metering

import (
	"context"
	"slices"

	"llmhub/store"
)

// maxMarks bounds the marks of one write. It leaves room for an entry's second one.
const maxMarks = 512

// mark has the entry's begun-mark written with the next write of marks; the caller holds mu.
func (r *Recorder) mark(e *Entry) {
	if !e.waiting {
		e.waiting = true
		r.unmarked = append(r.unmarked, e)
	}
}

// takeMarks puts what waits to be written, up to a limit, into markBuf: the begun-marks of live entries that have
// none, with what they have delivered, and void marks. The caller holds markMu.
func (r *Recorder) takeMarks() {
	r.markBuf, r.markedBuf, r.markedSeen = r.markBuf[:0], r.markedBuf[:0], r.markedSeen[:0]
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := 0
	for taken < len(r.unmarked) && len(r.markBuf) < maxMarks {
		e := r.unmarked[taken]
		taken++
		e.waiting = false
		if e.ended {
			continue
		}
		e.tried = true
		r.markBuf = append(r.markBuf, e.begunMark())
		deltas := e.deltas.Load()
		if deltas > 0 {
			r.markBuf = append(r.markBuf, e.progressMark(deltas))
		}
		r.markedBuf, r.markedSeen = append(r.markedBuf, e), append(r.markedSeen, deltas)
	}
	r.unmarked = slices.Delete(r.unmarked, 0, taken)
	n := min(len(r.voids), max(0, maxMarks-len(r.markBuf)))
	r.markBuf = append(r.markBuf, r.voids[:n]...)
	r.voids = slices.Delete(r.voids, 0, n)
}

func (e *Entry) begunMark() store.Mark {
	return store.Mark{
		Kind: store.MarkBegun, ID: e.id, Key: e.begun.Key, Model: e.begun.Model, Deployment: e.begun.Deployment,
		At: e.begun.Arrived.UTC(), RequestBytes: e.begun.RequestBytes,
	}
}

func (e *Entry) progressMark(deltas int64) store.Mark {
	return store.Mark{Kind: store.MarkProgress, ID: e.id, Deltas: deltas}
}

// marked notes the outcome of writing what takeMarks gave; after a failure it waits to be written again.
func (r *Recorder) marked(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.markedBuf {
		switch {
		case err == nil:
			e.noted = r.markedSeen[i]
			e.ensured.Store(!e.waiting && e.noted > 0) // not if it is to be marked anew
		case !e.ended:
			r.mark(e)
		}
	}
	if err == nil {
		return
	}
	for _, m := range r.markBuf {
		if m.Kind == store.MarkVoid {
			r.voids = append(r.voids, m)
		}
	}
}

// flushMarks writes what waits, unsynced. The caller holds markMu.
func (r *Recorder) flushMarks() error {
	for {
		r.takeMarks()
		if len(r.markBuf) == 0 {
			return nil
		}
		err := r.ledger.Mark(context.Background(), r.source, r.markBuf)
		r.marked(err)
		clear(r.markedBuf) // lets go of the entries
		if err != nil {
			return notRecorded(err)
		}
	}
}

// writeMarks writes what waits before a commit. When it returns, no begun-mark of an entry that had ended before is on
// its way any more: such a mark behind the entry's event would make it an orphan, settled twice.
func (r *Recorder) writeMarks() {
	r.markMu.Lock()
	defer r.markMu.Unlock()
	if err := r.flushMarks(); err != nil {
		r.opts.Logger.Warn("marks of requests in flight not written", "err", err)
	}
}

// markProgress writes the marks that wait and how much each open stream has delivered.
func (r *Recorder) markProgress() {
	r.writeMarks()
	r.markMu.Lock()
	defer r.markMu.Unlock()
	entries, marks := r.progress()
	for len(marks) > 0 {
		n := min(len(marks), maxMarks)
		if err := r.ledger.Mark(context.Background(), r.source, marks[:n]); err != nil {
			r.opts.Logger.Warn("progress of requests in flight not written", "err", err)
			return
		}
		r.mu.Lock()
		for i, e := range entries[:n] {
			e.noted = marks[i].Deltas
		}
		r.mu.Unlock()
		entries, marks = entries[n:], marks[n:]
	}
}

// progress returns the live entries that have delivered more than has been noted, with a mark of each.
func (r *Recorder) progress() (entries []*Entry, marks []store.Mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := r.live.head.next; e != &r.live.head; e = e.next {
		if n := e.deltas.Load(); n != e.noted && e.ensured.Load() {
			entries, marks = append(entries, e), append(marks, e.progressMark(n))
		}
	}
	return entries, marks
}
