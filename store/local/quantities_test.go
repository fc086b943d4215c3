package local

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

// TestReadsFoldersWithoutUnits opens a data folder of the time before units were kept: 20 events of it are folded, ten
// and a mark are not.
func TestReadsFoldersWithoutUnits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	unpack(t, "testdata/before-units.tar.gz", dir)
	o := Options{Location: berlin(t), foldEvery: -1}
	r, err := Verify(t.Context(), dir, o)
	if err != nil || r.Events != 30 || r.UnfoldedFrames != 3 || r.OpenMarks != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	var want []store.Event
	for n := int64(30); n > 0; n-- {
		want = append(want, store.Event{
			ID: store.NewRequestID(1, uint64(n)), Key: fmt.Sprintf("key-%d", n%3), Model: fmt.Sprintf("model-%d", n%2),
			Deployment: "up/m", At: noon.Add(time.Duration(n) * 5 * time.Hour), Duration: time.Duration(n) * time.Second,
			Provenance: store.Provenance(1 + n%4), Recovered: n%5 == 0,
			Tokens: store.Tokens{Input: 100 + n, CachedInput: n % 3, Output: 10 * n, Reasoning: n % 2, Estimated: n % 5},
		})
	}
	s := openTest(t, dir, o)
	for round := range 2 {
		for i := range 3 {
			key := fmt.Sprintf("key-%d", i)
			got, _, err := s.Events(t.Context(), store.EventQuery{Key: key})
			of := slices.DeleteFunc(slices.Clone(want), func(e store.Event) bool { return e.Key != key })
			if err != nil || !reflect.DeepEqual(got, of) {
				t.Fatalf("events of %s in round %d:\n got %+v\nwant %+v\n%v", key, round, got, of, err)
			}
		}
		checkSums(t, s, want, nil)
		if err := s.fold(); err != nil {
			t.Fatal(err)
		}
	}
	// What is added now is added to the old rows.
	w := newWriter(t, s)
	b := w.batch()
	b.Events[0].Key, b.Events[0].Model = "key-0", "model-0"
	b.Events[0].Quantities = store.Quantities{{Unit: store.UnitImage1024, N: 2}, {Unit: store.UnitCharacter, N: 400}}
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want = append(want, b.Events[0])
	for range 2 {
		checkSums(t, s, want, b.Events[0].Quantities)
		if err := s.fold(); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, s)
	if r, err := Verify(t.Context(), dir, o); err != nil || r.Events != 31 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// checkSums compares the total of all events.
func checkSums(t *testing.T, s *Store, events []store.Event, q store.Quantities) {
	t.Helper()
	total := store.Sum{Quantities: q}
	for _, e := range events {
		total.Requests++
		total.Tokens.Add(e.Tokens)
	}
	for _, ask := range []store.UsageQuery{{To: 40000}, {To: 40000, Keys: []string{"key-0", "key-1", "key-2"}}} {
		if rows, err := s.Usage(t.Context(), ask); err != nil || !reflect.DeepEqual(rows, []store.Sum{total}) {
			t.Fatalf("%+v:\n got %+v\nwant %+v\n%v", ask, rows, total, err)
		}
	}
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "..", h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestQuantitiesCostNothingWhereThereAreNone insists that events and sums without quantities take no byte more than
// before there were any, and that those with some read back.
func TestQuantitiesCostNothingWhereThereAreNone(t *testing.T) {
	f := frame{source: 1, seq: 1, events: []event{{id: store.NewRequestID(1, 1), provenance: store.FromUpstream,
		tokens: store.Tokens{Input: 1, Output: 2}}}}
	const fixed = 6 // type, source, seq, names, marks, events
	if n := len(f.encode(nil)) - fixed; n != 9 {
		t.Errorf("the smallest event takes %d bytes", n)
	}
	if n := len(sum{requests: 1}.encode()); n != 6 {
		t.Errorf("the smallest sum takes %d bytes", n)
	}
	var q store.Quantities
	for i, u := range store.Units() {
		q = q.Plus(u, int64(1)<<(2*i))
	}
	f.events[0].quantities = q
	var back frame
	if err := back.decode(f.encode(nil)); err != nil || !reflect.DeepEqual(back.events, f.events) {
		t.Errorf("%+v, %v", back.events, err)
	}
	s := sum{requests: 1, quantities: q}
	if got, err := decodeSum([]byte("k"), s.encode()); err != nil || !got.equal(s) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestFaultyQuantities has bytes that no version has written, or only a later one: they are damage, in an event as in a sum.
func TestFaultyQuantities(t *testing.T) {
	unknown := byte(store.Units()[len(store.Units())-1]) + 1
	for name, q := range map[string][]byte{
		"no unit":          {0, 1},
		"none of a unit":   {1, 0},
		"the same twice":   {1, 1, 0, 1},
		"an unknown unit":  {unknown, 1},
		"beyond all units": {1, 1, 255, 1, 1},
		"a wrapping unit":  {1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 1},
		"cut off":          {1, 0x80},
		"no number":        {1},
		"more than counts": {1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := decodeSum([]byte("k"), append(sum{requests: 1}.encode(), q...)); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("sum %+v, %v", s, err)
			}
			count := byte(max(1, len(q)/2))
			b := frame{source: 1, seq: 1, events: []event{{id: store.NewRequestID(1, 1), provenance: store.FromUpstream}}}.bytesWith(count, q)
			var f frame
			if err := f.decode(b); !errors.Is(err, errPayload) {
				t.Errorf("event %+v, %v", f.events, err)
			}
		})
	}
	for _, count := range []byte{0, store.MaxQuantities + 1} {
		b := frame{source: 1, seq: 1, events: []event{{id: store.NewRequestID(1, 1), provenance: store.FromUpstream}}}.bytesWith(count, slices.Repeat([]byte{1, 1}, int(count)))
		var f frame
		if err := f.decode(b); !errors.Is(err, errPayload) {
			t.Errorf("%d quantities: %+v, %v", count, f.events, err)
		}
	}
}

// bytesWith returns the payload of a frame of one event with so many quantities in these bytes.
func (f frame) bytesWith(count byte, quantities []byte) []byte {
	const flags = 6 // behind type, source, seq, names, marks, events
	b := f.encode(nil)
	b[flags] |= flagQuantities
	return append(append(b, count), quantities...)
}

// TestUnknownUnitIsDamage has the database and the log of a folder hold a unit that this program does not know.
func TestUnknownUnitIsDamage(t *testing.T) {
	o := Options{Location: berlin(t)}
	dir := folder(t, o, 9)
	db, err := openBadger(dir+"/db", openQuiet())
	if err != nil {
		t.Fatal(err)
	}
	row := rowKey(rowGlobal, uint32(store.DayOf(noon, o.Location)), 1)
	err = db.Update(func(txn *badger.Txn) error { return txn.Set(row, append(sum{requests: 9}.encode(), 200, 1, 1)) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), dir, o); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("verified: %v", err)
	}
	s := openTest(t, dir, o)
	if rows, err := s.Usage(t.Context(), store.UsageQuery{To: 40000}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%+v, %v", rows, err)
	}
	if _, err := s.log.Append(frame{source: 1, seq: 10, events: []event{{id: store.NewRequestID(1, 10),
		provenance: store.FromUpstream, at: noon.UnixMilli()}}}.bytesWith(1, []byte{100, 1}), true); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	wantOpenError(t, dir, o, store.ErrDamaged, "this version of llmhub")
}
