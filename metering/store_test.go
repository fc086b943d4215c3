package metering

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"llmhub/store"
	"llmhub/store/local"
)

func openStore(t *testing.T, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// watchedLedger notes what a real ledger has made durable, and fails the commits behind the first `only`, if positive.
type watchedLedger struct {
	Ledger
	only int

	mu     sync.Mutex
	seqs   []uint64
	events map[store.RequestID]int
}

var errKilled = errors.New("killed")

func (w *watchedLedger) Commit(ctx context.Context, b store.Batch) error {
	w.mu.Lock()
	killed := w.only > 0 && len(w.seqs) >= w.only
	w.mu.Unlock()
	if killed {
		return errKilled
	}
	if err := w.Ledger.Commit(ctx, b); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seqs = append(w.seqs, b.Seq)
	for _, e := range b.Events {
		w.events[e.ID]++
	}
	return nil
}

func (w *watchedLedger) durable(id store.RequestID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[id] == 1
}

func requests(t *testing.T, s *local.Store) int64 {
	t.Helper()
	today := store.DayOf(time.Now(), time.UTC)
	rows, err := s.Usage(t.Context(), store.UsageQuery{From: today - 1, To: today + 2})
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, r := range rows {
		n += r.Requests
	}
	return n
}

func TestConcurrentSettle(t *testing.T) {
	const workers, each = 64, 30
	s := openStore(t, t.TempDir())
	defer s.Close()
	w := &watchedLedger{Ledger: s, events: map[store.RequestID]int{}}
	r := startRecorder(t, w, RecorderOptions{ProgressEvery: time.Millisecond})
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range each {
				e, err := r.Begin(Begun{ID: r.NewID(), Key: "key_a", Model: "m"})
				if err != nil {
					t.Error(err)
					return
				}
				switch i % 3 {
				case 0:
					e.Delivered(1)
					if err := e.Ensure(); err != nil {
						t.Error(err)
					}
				case 1:
					e.Void()
					continue
				}
				if err := e.Settle(t.Context(), usage(1, 1)); err != nil || !w.durable(e.ID()) {
					t.Errorf("Settle gives %v, durable: %v", err, w.durable(e.ID()))
				}
			}
		})
	}
	wg.Wait()
	mustClose(t, r)
	for i, seq := range w.seqs {
		if seq != uint64(i+1) {
			t.Fatalf("batches %v", w.seqs)
		}
	}
	const want = workers * each * 2 / 3
	if n := requests(t, s); n != want || len(w.events) != want {
		t.Errorf("%d requests in the sums, %d durable, want %d", n, len(w.events), want)
	}
	if len(w.seqs) >= want/2 {
		t.Errorf("%d commits for %d events: not grouped", len(w.seqs), want)
	}
	if orphans, err := s.Orphans(t.Context(), 0); err != nil || len(orphans) != 0 {
		t.Errorf("orphans %v, %v", orphans, err)
	}
}

// Whoever is settled without an error while the recorder is being closed is durable; the others are told.
func TestCloseUnderLoad(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer s.Close()
	w := &watchedLedger{Ledger: s, events: map[store.RequestID]int{}}
	r := startRecorder(t, w, RecorderOptions{})
	var wg sync.WaitGroup
	running := make(chan struct{}, 16)
	for range 16 {
		wg.Go(func() {
			for first := true; ; first = false {
				e, err := r.Begin(Begun{ID: r.NewID(), Key: "key_a", Model: "m"})
				if err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Error(err)
					}
					return
				}
				err = e.Settle(t.Context(), usage(1, 1))
				if (err == nil) != w.durable(e.ID()) || err != nil && !errors.Is(err, ErrNotRecorded) {
					t.Errorf("Settle gives %v, durable: %v", err, w.durable(e.ID()))
				}
				if first {
					running <- struct{}{}
				}
			}
		})
	}
	for range 16 {
		<-running
	}
	closed := r.Close()
	wg.Wait()
	if again := r.Close(); closed != nil && again == nil {
		t.Errorf("close: %v, then %v", closed, again)
	}
	if n := requests(t, s); n != int64(len(w.events)) {
		t.Errorf("%d requests in the sums, %d durable", n, len(w.events))
	}
}

// What a dead process had begun is settled exactly once, however often its successors die while they settle it.
func TestOrphansAreSettledOnce(t *testing.T) {
	const begun = 2*maxOrphanBatch + 10
	dir := t.TempDir()
	s := openStore(t, dir)
	dead := startRecorder(t, s, RecorderOptions{})
	for range begun {
		begin(t, dead, "key_a").Delivered(3)
	}
	begin(t, dead, "key_a").Void()
	mustClose(t, dead) // writes the marks; what is live is left as a kill would leave it
	for _, only := range []int{1, 1} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir)
		w := &watchedLedger{Ledger: s, only: only, events: map[store.RequestID]int{}}
		if _, err := NewRecorder(t.Context(), w, RecorderOptions{}); !errors.Is(err, errKilled) {
			t.Fatalf("start: %v", err)
		}
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir)
		mustClose(t, startRecorder(t, s, RecorderOptions{}))
		if n := requests(t, s); n != begun {
			t.Errorf("%d requests, want %d", n, begun)
		}
	}
	defer s.Close()
	page, _, err := s.Events(t.Context(), store.EventQuery{Key: "key_a", Limit: 1})
	if err != nil || len(page) != 1 {
		t.Fatal(page, err)
	}
	want := store.Tokens{Input: 600 / bytesPerToken, Output: 3, Estimated: 600/bytesPerToken + 3}
	if e := page[0]; !e.Recovered || e.Provenance != store.FromPartial || e.Tokens != want {
		t.Errorf("settled as %+v", e)
	}
}
