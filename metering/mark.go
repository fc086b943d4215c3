package metering

import (
	"context"

	"llmhub/store"
)

// takeMarks collects what waits to be written: the begun-marks of live entries that have none, and notes.
func (r *Recorder) takeMarks() ([]*Entry, []store.Mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.unmarked) == 0 && len(r.notes) == 0 {
		return nil, nil
	}
	entries := r.unmarked
	r.unmarked = nil
	marks := make([]store.Mark, 0, len(entries)+len(r.notes))
	taken := entries[:0]
	for _, e := range entries {
		if e.ended {
			continue
		}
		e.mark = markInCommit
		taken = append(taken, e)
		marks = append(marks, e.begunMark())
	}
	marks = append(marks, r.notes...)
	r.notes = nil
	return taken, marks
}

func (e *Entry) begunMark() store.Mark {
	return store.Mark{
		Kind: store.MarkBegun, ID: e.id, Key: e.begun.Key, Model: e.begun.Model, Deployment: e.begun.Deployment,
		At: e.begun.Arrived.UTC(), RequestBytes: e.begun.RequestBytes,
	}
}

// marked notes the outcome of writing what takeMarks gave; after a failure it waits to be written again.
func (r *Recorder) marked(entries []*Entry, marks []store.Mark, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		for _, e := range entries {
			e.mark = markIsWritten
		}
		return
	}
	for _, e := range entries {
		if e.mark == markInCommit {
			e.mark = markWaits
			r.unmarked = append(r.unmarked, e)
		}
	}
	for _, m := range marks {
		if m.Kind == store.MarkVoid {
			r.notes = append(r.notes, m)
		}
	}
}

// flushMarks writes what waits, in one write and unsynced. The caller holds markMu.
func (r *Recorder) flushMarks() error {
	entries, marks := r.takeMarks()
	if len(marks) == 0 {
		return nil
	}
	err := r.ledger.Mark(context.Background(), r.source, marks)
	r.marked(entries, marks, err)
	if err != nil {
		return notRecorded(err)
	}
	return nil
}

// markProgress writes the begun-marks that wait and how much each open stream has delivered.
func (r *Recorder) markProgress() {
	r.markMu.Lock()
	defer r.markMu.Unlock()
	r.mu.Lock()
	for e := r.live.head.next; e != &r.live.head; e = e.next {
		if n := e.deltas.Load(); n != e.reported {
			e.reported = n
			r.notes = append(r.notes, store.Mark{Kind: store.MarkProgress, ID: e.id, Deltas: n})
		}
	}
	r.mu.Unlock()
	if err := r.flushMarks(); err != nil {
		r.opts.Logger.Warn("marks of requests in flight not written", "err", err)
	}
}
