package metering

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"llmhub/store"
)

// fakeLedger keeps usage in memory, judges the order of what it is given as an engine does, and fails on demand.
type fakeLedger struct {
	mu sync.Mutex
	// commitErrs and markErrs are what the next calls return; nil succeeds.
	commitErrs, markErrs, orphanErrs []error
	// commitHold and markHold, if set, make each call wait for a receive, after it has been counted.
	commitHold, markHold chan struct{}
	// unfit are keys whose events are never accepted.
	unfit map[string]bool
	ready error

	attempts []store.Batch // every call of Commit
	commits  []store.Batch // those that succeeded
	marks    [][]store.Mark
	calls    int // of Mark
	seq      uint64
	open     map[store.RequestID]store.Mark
	events   map[store.RequestID]int
	orphans  []store.Mark
}

func newFake() *fakeLedger {
	return &fakeLedger{open: map[store.RequestID]store.Mark{}, events: map[store.RequestID]int{}, unfit: map[string]bool{}}
}

func (f *fakeLedger) NewSource(context.Context) (store.Source, error) { return 7, nil }

func (f *fakeLedger) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready
}

func (f *fakeLedger) Orphans(context.Context, store.Source) ([]store.Mark, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := next(&f.orphanErrs); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(f.orphans), func(m store.Mark) bool { return f.events[m.ID] > 0 }), nil
}

func next(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

func (f *fakeLedger) Commit(_ context.Context, b store.Batch) error {
	b.Events = slices.Clone(b.Events)
	f.mu.Lock()
	f.attempts = append(f.attempts, b)
	hold := f.commitHold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := next(&f.commitErrs); err != nil {
		return err
	}
	if b.Source != 7 || b.Seq != f.seq+1 || len(b.Events) == 0 || len(b.Events) > store.MaxBatchEvents {
		return fmt.Errorf("batch %d of source %d with %d events behind batch %d: %w", b.Seq, b.Source, len(b.Events), f.seq, store.ErrDamaged)
	}
	for _, e := range b.Events {
		if f.unfit[e.Key] {
			return fmt.Errorf("key %s: %w", e.Key, store.ErrInvalid)
		}
	}
	for _, e := range b.Events {
		f.events[e.ID]++
		delete(f.open, e.ID)
	}
	f.seq = b.Seq
	f.commits = append(f.commits, b)
	return nil
}

func (f *fakeLedger) Mark(_ context.Context, _ store.Source, marks []store.Mark) error {
	f.mu.Lock()
	f.calls++
	hold := f.markHold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := next(&f.markErrs); err != nil {
		return err
	}
	if len(marks) > store.MaxMarks {
		return store.ErrTooLarge
	}
	f.marks = append(f.marks, slices.Clone(marks))
	for _, m := range marks {
		switch open, ok := f.open[m.ID]; {
		case m.Kind == store.MarkBegun:
			m.Deltas = open.Deltas
			f.open[m.ID] = m
		case m.Kind == store.MarkVoid:
			delete(f.open, m.ID)
		case ok:
			open.Deltas = m.Deltas
			f.open[m.ID] = open
		}
	}
	return nil
}

// state returns a copy of what can be looked at while the recorder works.
func (f *fakeLedger) state() (attempts, commits []store.Batch, marks []store.Mark, open map[store.RequestID]store.Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	open = map[store.RequestID]store.Mark{}
	for id, m := range f.open {
		open[id] = m
	}
	return slices.Clone(f.attempts), slices.Clone(f.commits), slices.Concat(f.marks...), open
}

func (f *fakeLedger) failCommits(errs ...error) {
	f.mu.Lock()
	f.commitErrs = errs
	f.mu.Unlock()
}

func (f *fakeLedger) failMarks(errs ...error) {
	f.mu.Lock()
	f.markErrs = errs
	f.mu.Unlock()
}

func (f *fakeLedger) holdCommits(hold chan struct{}) {
	f.mu.Lock()
	f.commitHold = hold
	f.mu.Unlock()
}

func (f *fakeLedger) holdMarks(hold chan struct{}) {
	f.mu.Lock()
	f.markHold = hold
	f.mu.Unlock()
}

func (f *fakeLedger) markCalls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func startRecorder(t *testing.T, l Ledger, o RecorderOptions) *Recorder {
	t.Helper()
	r, err := NewRecorder(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func begin(t *testing.T, r *Recorder, key string) *Entry {
	t.Helper()
	e, err := r.Begin(Begun{ID: r.NewID(), Key: key, Model: "m", Deployment: "d/m", RequestBytes: 600, Arrived: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func usage(in, out int64) Settlement {
	return Settlement{Provenance: store.FromUpstream, Tokens: store.Tokens{Input: in, Output: out}}
}

// settling is a Settle under way.
type settling struct {
	done chan struct{}
	err  error
}

func settle(t *testing.T, e *Entry) *settling {
	s := &settling{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = e.Settle(t.Context(), usage(10, 20))
	}()
	return s
}

func (s *settling) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func mustClose(t *testing.T, r *Recorder) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func kinds(marks []store.Mark, id store.RequestID) (kinds []store.MarkKind) {
	for _, m := range marks {
		if m.ID == id {
			kinds = append(kinds, m.Kind)
		}
	}
	return kinds
}
