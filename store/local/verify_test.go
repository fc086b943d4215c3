package local

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

func openQuiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	o := Options{Location: berlin(t), foldEvery: -1, SegmentBytes: 2048}
	s := openTest(t, dir, o)
	w := newWriter(t, s)
	w.commit(30)
	if err := s.Mark(t.Context(), w.src, []store.Mark{{Kind: store.MarkBegun, ID: store.NewRequestID(w.src, 1000),
		Key: "key-9", Model: "m", Deployment: "up/m", At: noon}}); err != nil {
		t.Fatal(err)
	}
	if err := s.fold(); err != nil {
		t.Fatal(err)
	}
	w.commit(4)
	s.options.foldFault = func() error { return errCrash } // no fold runs, as foldEvery is negative
	mustClose(t, s)
	for range 2 { // it changes nothing
		r, err := Verify(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Frames != 35 || r.Batches != 34 || r.Events != 34 || r.UnfoldedFrames != 4 || r.Keys != 3 || r.OpenMarks != 1 ||
			!r.First.Equal(noon) || !r.Last.Equal(noon) || r.DuplicateBatches+r.DuplicateRequests+r.MoreDifferences != 0 {
			t.Fatalf("%+v", r)
		}
	}
	if n := requests(t, openTest(t, dir, o)); n != 34 {
		t.Errorf("%d requests", n)
	}
}

func TestVerifyFindsDifferences(t *testing.T) {
	row := func(r byte, parts ...uint32) func(*badger.Txn) error {
		return func(txn *badger.Txn) error {
			return txn.Set(rowKey(r, parts...), sum{requests: 1}.encode())
		}
	}
	day := uint32(store.DayOf(noon, berlin(t)))
	month := uint32(store.Day(day).Month())
	for _, c := range []struct {
		name   string
		change func(*badger.Txn) error
		want   string
	}{
		{"day sum", row(rowDay, 0, day, 1), "sum d"},
		{"month sum", row(rowMonth, 0, month, 1), "sum m"},
		{"global sum", row(rowGlobal, day, 1), "sum g"},
		{"total", row(rowTotal, month, 0), "sum t"},
		{"quantities", func(txn *badger.Txn) error {
			s := sum{requests: 3, tokens: store.Tokens{Input: 30, Output: 18}, quantities: store.Quantities{{Unit: store.UnitSearch, N: 1}}}
			return txn.Set(rowKey(rowDay, 0, day, 1), s.encode())
		}, "sum d"},
		{"invented sum", row(rowDay, 0, day+1, 1), "not in the log"},
		{"lost sum", func(txn *badger.Txn) error { return txn.Delete(rowKey(rowTotal, month, 0)) }, "missing in the database"},
		{"last use", func(txn *badger.Txn) error { return txn.Delete(rowKey(rowLast, 0)) }, "last use of key 0"},
		{"index", func(txn *badger.Txn) error { return txn.Delete(framesKey(0, 1)) }, "index of frames of key 0"},
		{"batch", func(txn *badger.Txn) error { return txn.Delete(rowKey(rowSeq, 1)) }, "last batch of source 1"},
		{"name", func(txn *badger.Txn) error { return txn.Delete(rowKey(rowName, 0)) }, "name "},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Location: berlin(t)}
			dir := folder(t, o, 9)
			db, err := openBadger(dir+"/db", openQuiet())
			if err == nil {
				err = errors.Join(db.Update(c.change), db.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			r, err := Verify(t.Context(), dir, o)
			if !errors.Is(err, store.ErrDamaged) || len(r.Differences) == 0 || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("report %+v, %v", r, err)
			}
		})
	}
}

func TestVerifyFindsRepeatedRequests(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	w := newWriter(t, s)
	b := w.batch()
	b.Events = append(b.Events, b.Events[0])
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	r, err := Verify(t.Context(), dir, Options{})
	if !errors.Is(err, store.ErrDamaged) || r.DuplicateRequests != 1 || !strings.Contains(err.Error(), "counted more than once") {
		t.Fatalf("report %+v, %v", r, err)
	}
	if _, err := Verify(t.Context(), t.TempDir(), Options{}); err == nil {
		t.Error("an empty folder is verified")
	}
}
