package local

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"testing"
	"time"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// TestUsageDuringFolds has readers ask all the time while several sources commit and folds run: no answer may lack
// what was committed before the question, nor have more than what was sent before the answer.
func TestUsageDuringFolds(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{foldEvery: 100 * time.Microsecond})
	const sources, batches = 3, 200
	var mu sync.Mutex
	sent, committed := int64(0), int64(0)
	look := func() (int64, int64) {
		mu.Lock()
		defer mu.Unlock()
		return sent, committed
	}
	var writers, readers sync.WaitGroup
	for range sources {
		w := newWriter(t, s)
		writers.Go(func() {
			for range batches {
				mu.Lock()
				sent++
				mu.Unlock()
				if err := s.Commit(t.Context(), w.batch()); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				committed++
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	for _, q := range []store.UsageQuery{{From: 0, To: 40000}, {From: 0, To: 40000, ByKey: true, ByModel: true}} {
		readers.Go(func() {
			for {
				_, least := look()
				rows, err := s.Usage(t.Context(), q)
				most, _ := look()
				n := int64(0)
				for _, r := range rows {
					n += r.Requests
				}
				if err != nil || n < least || n > most {
					t.Errorf("%d requests, of %d committed before and %d sent: %v", n, least, most, err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if n := requests(t, s); n != sources*batches {
		t.Errorf("%d requests", n)
	}
}

// TestFoldInParts makes more than one transaction of Badger takes, has the process end after each of them, and
// insists that every part counts once.
func TestFoldInParts(t *testing.T) {
	dir := t.TempDir()
	allowed := 0
	o := Options{foldEvery: -1, foldFault: func() error {
		if allowed--; allowed < 0 {
			return errCrash
		}
		return nil
	}}
	s := openTest(t, dir, o)
	const batches, each = 4, 1000
	newWriter(t, s).commitWide(batches, each)
	parts := len(s.ledger.pending)
	if parts < 3 {
		t.Fatalf("%d deltas; the test needs several", parts)
	}
	for range parts {
		if n := requests(t, s); n != batches*each {
			t.Fatalf("%d requests", n)
		}
		if lag := s.Stats().FoldLagBatches; lag == 0 {
			t.Fatal("nothing is left to fold")
		}
		allowed = 1 // the fold at the end gets as far as one delta
		mustClose(t, s)
		allowed = 0
		s = openTest(t, dir, o)
	}
	if lag := s.Stats().FoldLagBatches; lag != 0 {
		t.Fatalf("%d batches are left to fold", lag)
	}
	// More than recovery keeps in memory at once.
	newWriter(t, s).commitWide(2*foldDuringRecovery, each)
	mustClose(t, s)
	allowed = 1 << 30
	s = openTest(t, dir, o)
	if lag := s.Stats().FoldLagBatches; lag > foldDuringRecovery {
		t.Fatalf("%d batches are left to fold", lag)
	}
	mustClose(t, s)
	r, err := Verify(t.Context(), dir, Options{})
	if err != nil || r.Events != (batches+2*foldDuringRecovery)*each || r.UnfoldedFrames != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// commitWide commits batches in which every event is of another key.
func (w *writer) commitWide(batches, each int) {
	w.t.Helper()
	for range batches {
		b := w.batch()
		b.Events = nil
		for i := range each {
			n := int(b.Seq)*each + i
			b.Events = append(b.Events, store.Event{
				ID: store.NewRequestID(w.src, uint64(n)), Key: fmt.Sprintf("key-%d-%d", w.src, n), Model: "m", Deployment: "d",
				At: noon, Provenance: store.FromUpstream, Tokens: store.Tokens{Output: 1},
			})
		}
		if err := w.s.Commit(w.t.Context(), b); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestFoldSyncsMarks insists that the log is synced before its marks are folded; a power cut could otherwise leave the
// log shorter than the sums say.
func TestFoldSyncsMarks(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{foldEvery: -1})
	w := newWriter(t, s)
	if err := s.Mark(t.Context(), w.src, []store.Mark{{Kind: store.MarkVoid, ID: store.NewRequestID(w.src, 1)}}); err != nil {
		t.Fatal(err)
	}
	if s.log.SyncedSeq() != 0 {
		t.Fatal("a mark is synced by itself")
	}
	if err := s.fold(); err != nil {
		t.Fatal(err)
	}
	if s.log.SyncedSeq() != 1 {
		t.Fatal("a mark is folded before it is synced")
	}
}

// TestFoldAgain has a fold report a failure although it was written.
func TestFoldAgain(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{foldEvery: -1})
	newWriter(t, s).commit(5)
	d := s.ledger.seal()[0]
	for range 2 {
		if err := s.foldDelta(d); err != nil {
			t.Fatal(err)
		}
		if n := requests(t, s); n != 5 {
			t.Fatalf("%d requests", n)
		}
	}
	if err := s.fold(); err != nil || s.Stats().FoldLagBatches != 0 {
		t.Fatal(err, s.Stats())
	}
}

// TestLimitsFitTransaction insists that what counts as one fold fits into a transaction of Badger.
func TestLimitsFitTransaction(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	if n := s.db.MaxBatchCount(); n <= maxTxnRows || n/2 < maxFoldRows {
		t.Errorf("a transaction takes %d rows", n)
	}
	if n := s.db.MaxBatchSize(); n < maxTxnBytes+1000 {
		t.Errorf("a transaction takes %d bytes", n)
	}
	full := sum{requests: math.MaxInt64, tokens: store.Tokens{Input: math.MaxInt64, CachedInput: math.MaxInt64,
		Output: math.MaxInt64, Reasoning: math.MaxInt64, Estimated: math.MaxInt64}}
	for _, u := range store.Units() {
		full.quantities = full.quantities.Plus(u, math.MaxInt64)
	}
	const perRow = 12 // what Badger adds to a row
	if n := 4 * (len(rowKey(rowDay, 0, 0, 0)) + len(full.encode()) + perRow); n > cellBytes {
		t.Errorf("the sums of a cell take %d bytes", n)
	}
	largest := frame{events: make([]event, store.MaxBatchEvents), names: make([]string, 3*store.MaxBatchEvents), nameBytes: maxNameBytes}
	if rows, bytes := largest.sizeOf(store.MaxBatchEvents, store.MaxBatchEvents); rows > maxTxnRows || bytes > maxTxnBytes {
		t.Errorf("the largest batch takes %d rows and %d bytes", rows, bytes)
	}
}

// TestPutOfTheLargest insists that a put is refused as a whole when it exceeds a transaction.
func TestPutOfTheLargest(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	body := make([]byte, store.MaxBody-100) // larger ones are kept outside of the transaction
	for i := range body {
		body[i] = '7'
	}
	var writes []store.Write
	for i := range 4 {
		writes = append(writes, store.Write{Kind: "a", ID: fmt.Sprint(i), Body: body})
	}
	if _, err := s.Put(t.Context(), writes...); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("four megabytes at once: %v", err)
	}
	page, _, err := s.List(t.Context(), store.ListQuery{Kind: "a"})
	if len(page) > 0 || err != nil {
		t.Fatalf("%d documents are left, %v", len(page), err)
	}
	if v, err := s.Put(t.Context(), writes[:2]...); v != 1 || err != nil {
		t.Fatal(v, err)
	}
}

func TestPositions(t *testing.T) {
	want := []usagelog.Position{{Segment: 1, Offset: 24}, {Segment: 1, Offset: 90}, {Segment: 3, Offset: 24},
		{Segment: 3, Offset: 1 << 39}, {Segment: 1 << 31, Offset: 0}}
	got, ok := decodePositions(appendPositions(nil, want), nil)
	if !ok || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, %v", got, ok)
	}
}

// FuzzPayload reads arbitrary payloads: what is accepted reads the same after it is written again.
func FuzzPayload(f *testing.F) {
	sample := frame{source: 3, seq: 9, firstName: 2, names: []string{"k", "m"},
		marks: []mark{{kind: store.MarkBegun, id: store.NewRequestID(3, 7), key: 2, model: 3, at: 1e12, requestBytes: 5},
			{kind: store.MarkProgress, id: store.NewRequestID(1, 7), deltas: 4}, {kind: store.MarkVoid, id: store.NewRequestID(3, 1)}},
		events: []event{{id: store.NewRequestID(3, 8), key: 2, model: 3, at: 1e12, duration: 9, provenance: store.FromPartial,
			recovered: true, tokens: store.Tokens{Input: 1, CachedInput: 2, Output: 3, Reasoning: 4, Estimated: 5},
			quantities: store.Quantities{{Unit: store.UnitImage512, N: 3}, {Unit: store.UnitSearch, N: store.MaxQuantity}}}}}
	f.Add(sample.encode(nil))
	sample.seq, sample.events = 0, nil
	f.Add(sample.encode(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, second frame
		if first.decode(b) != nil {
			return
		}
		if err := second.decode(first.encode(nil)); err != nil {
			t.Fatal(err)
		}
		if first.source != second.source || first.seq != second.seq || len(first.names) != len(second.names) ||
			!reflect.DeepEqual(first.marks, second.marks) || !reflect.DeepEqual(first.events, second.events) {
			t.Fatalf("%+v became %+v", first, second)
		}
	})
}
