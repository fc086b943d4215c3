package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// writer commits events of one source.
type writer struct {
	t   testing.TB
	s   *Store
	src store.Source
	n   uint64
}

func newWriter(t testing.TB, s *Store) *writer {
	t.Helper()
	src, err := s.NewSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &writer{t: t, s: s, src: src}
}

// batch returns the next batch, of one event; every other one has quantities.
func (w *writer) batch() store.Batch {
	w.n++
	var q store.Quantities
	if w.n%2 == 0 {
		q = q.Plus(store.UnitImage1024, 1).Plus(store.UnitAudioMillisecond, int64(w.n))
	}
	return store.Batch{Source: w.src, Seq: w.n, Events: []store.Event{{
		ID: store.NewRequestID(w.src, w.n), Key: fmt.Sprintf("key-%d", w.n%3), Model: "m", Deployment: "up/m", At: noon,
		Provenance: store.FromUpstream, Tokens: store.Tokens{Input: 10, Output: int64(w.n)}, Quantities: q,
	}}}
}

func (w *writer) commit(count int) {
	w.t.Helper()
	for range count {
		if err := w.s.Commit(w.t.Context(), w.batch()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func requests(t testing.TB, s *Store) int64 {
	t.Helper()
	rows, err := s.Usage(t.Context(), store.UsageQuery{From: 0, To: 40000})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return 0
	}
	return rows[0].Requests
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// folder makes a data folder with some content, closed.
func folder(t testing.TB, o Options, batches int) string {
	t.Helper()
	dir := t.TempDir()
	s := openTest(t, dir, o)
	if _, err := s.Put(t.Context(), store.Write{Kind: "a", ID: "x", Body: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	newWriter(t, s).commit(batches)
	mustClose(t, s)
	return dir
}

func wantOpenError(t *testing.T, dir string, o Options, kind error, text string) {
	t.Helper()
	s, err := Open(dir, o)
	if err == nil {
		_ = s.Close()
		t.Fatal("the folder is opened")
	}
	if kind != nil && !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Fatalf("error is %q, want kind %v and %q", err, kind, text)
	}
}

func TestFolderIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	openTest(t, dir, Options{})
	for _, name := range []string{"", "log", "db"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, Options{})
	wantOpenError(t, dir, Options{}, nil, "use")
	if _, err := Verify(t.Context(), dir, Options{}); err == nil {
		t.Error("a folder in use is verified")
	}
}

func TestTimeZoneIsKept(t *testing.T) {
	dir := folder(t, Options{Location: berlin(t)}, 1)
	wantOpenError(t, dir, Options{}, nil, "time zone Europe/Berlin")
	openTest(t, dir, Options{Location: berlin(t)})
}

// TestEmptyDatabaseFiles checks that Badger refuses such files by itself, so that their removal is needed.
func TestEmptyDatabaseFiles(t *testing.T) {
	dir := folder(t, Options{}, 3)
	db := filepath.Join(dir, "db")
	empty := func() {
		for _, name := range []string{"00099.mem", "000099.vlog"} {
			if err := os.WriteFile(filepath.Join(db, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	empty()
	if b, err := badger.Open(badgerOptions(db, openQuiet())); err == nil {
		t.Error("Badger opens empty files by now; removing them is not needed any more")
		_ = b.Close()
	}
	empty()
	s := openTest(t, dir, Options{})
	if n := requests(t, s); n != 3 {
		t.Errorf("%d requests", n)
	}
	if _, err := s.Get(t.Context(), "a", "x"); err != nil {
		t.Error(err)
	}
}

func TestMissingParts(t *testing.T) {
	dir := folder(t, Options{}, 3)
	if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, dir, Options{}, store.ErrDamaged, "the usage log ends with frame 0, but 3 are contained in the sums")
	dir = folder(t, Options{}, 3)
	if err := os.RemoveAll(filepath.Join(dir, "db")); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, dir, Options{}, store.ErrDamaged, "the database is empty, but the usage log holds 3 frames")
}

func TestMissingName(t *testing.T) {
	dir := folder(t, Options{}, 3)
	db, err := openBadger(filepath.Join(dir, "db"), openQuiet())
	if err == nil {
		err = errors.Join(db.Update(func(txn *badger.Txn) error { return txn.Delete(rowKey(rowName, 0)) }), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, dir, Options{}, store.ErrDamaged, "holds 0 of 5 names")
}

// TestFlippedByteInTable flips bytes in the blocks of a table and in its index. (At a few places of the last block Badger
// ends the process with a trace instead.)
func TestFlippedByteInTable(t *testing.T) {
	for _, place := range []float64{0.02, 0.1, 0.3, 0.5, 0.995} {
		dir := t.TempDir()
		s := openTest(t, dir, Options{})
		for i := range 60 {
			body := fmt.Appendf(nil, "%q", strings.Repeat(fmt.Sprint(i), 500))
			if _, err := s.Put(t.Context(), store.Write{Kind: "a", ID: fmt.Sprint(i), Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, s)
		tables, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
		if err != nil || len(tables) == 0 {
			t.Fatal(tables, err)
		}
		b, err := os.ReadFile(tables[0])
		if err != nil {
			t.Fatal(err)
		}
		b[int(place*float64(len(b)))] ^= 4
		if err := os.WriteFile(tables[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		wantOpenError(t, dir, Options{}, store.ErrDamaged, "open database")
	}
}

func TestFlippedByteInLog(t *testing.T) {
	dir := folder(t, Options{foldFault: func() error { return errCrash }, foldEvery: -1}, 9)
	files, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 4
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, dir, Options{}, store.ErrDamaged, "restore")
	if _, err := Verify(t.Context(), dir, Options{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("verify: %v", err)
	}
}

// TestLogThatDoesNotFollow has frames that are whole but cannot have been written in this order.
func TestLogThatDoesNotFollow(t *testing.T) {
	first := frame{source: 1, seq: 1, names: []string{"k"}, events: []event{{id: store.NewRequestID(1, 1), at: 1e12,
		provenance: store.FromUpstream}}}
	for _, c := range []struct {
		name   string
		change func(*frame)
		want   string
	}{
		{"repeated batch", func(f *frame) { f.names = nil }, "stands behind batch 1"},
		{"missing batch", func(f *frame) { f.seq, f.names = 3, nil }, "stands behind batch 1"},
		{"names again", func(f *frame) { f.seq = 2 }, "defines name 0 where name 1 belongs"},
		{"undefined name", func(f *frame) { f.seq, f.names, f.firstName = 2, nil, 0; f.events[0].model = 1 }, "undefined name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t, Options{}, 0)
			l, err := usagelog.Open(filepath.Join(dir, "log"), usagelog.Options{})
			if err != nil {
				t.Fatal(err)
			}
			second := first
			second.events = slices.Clone(first.events)
			c.change(&second)
			for _, f := range []frame{first, second} {
				if _, err := l.Append(f.encode(nil), true); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(t.Context(), dir, Options{}); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("verify: %v", err)
			}
			wantOpenError(t, dir, Options{}, store.ErrDamaged, c.want)
		})
	}
}

func TestFailedSync(t *testing.T) {
	failing := false
	s, err := Open(t.TempDir(), Options{foldEvery: -1, Faults: usagelog.Faults{Sync: func() error {
		if failing {
			return syscall.EIO
		}
		return nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(t, s)
	w.commit(1)
	failing = true
	b := w.batch()
	for range 3 { // sent again, it is not taken for done
		if err := s.Commit(t.Context(), b); !errors.Is(err, store.ErrClosed) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("commit: %v", err)
		}
		failing = false
	}
	if err := s.Ready(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("ready: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Logf("close: %v", err)
	}
}

func TestFullLog(t *testing.T) {
	full := false
	s := openTest(t, t.TempDir(), Options{Faults: usagelog.Faults{Write: func(n int) (int, error) {
		if full {
			return n / 2, syscall.ENOSPC
		}
		return 0, nil
	}}})
	w := newWriter(t, s)
	w.commit(1)
	full = true
	b := w.batch()
	b.Events[0].Key = "a new name" // its number must not stay behind
	for range 3 {
		if err := s.Commit(t.Context(), b); !errors.Is(err, store.ErrNoSpace) {
			t.Fatalf("commit: %v", err)
		}
		if err := s.Ready(); !errors.Is(err, store.ErrNoSpace) {
			t.Fatalf("ready: %v", err)
		}
	}
	if n := requests(t, s); n != 1 {
		t.Fatalf("%d requests", n)
	}
	full = false
	other := newWriter(t, s)
	other.commit(1)
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(); err != nil {
		t.Fatal(err)
	}
	rows, err := s.Usage(t.Context(), store.UsageQuery{Keys: []string{"a new name"}, From: 0, To: 40000})
	if err != nil || len(rows) != 1 || rows[0].Tokens.Output != 2 || requests(t, s) != 3 {
		t.Fatalf("%+v, %v, %d requests", rows, err, requests(t, s))
	}
}

// TestLowSpace has a disk that fills: commits go on as long as the log can grow, nothing is written to the database,
// and sums stay right.
func TestLowSpace(t *testing.T) {
	free := int64(1 << 40)
	dir := t.TempDir()
	o := Options{FloorBytes: 1 << 30, foldEvery: -1,
		freeSpace: func(string) (int64, int64, error) { return free, 1 << 41, nil }}
	s := openTest(t, dir, o)
	w := newWriter(t, s)
	w.commit(2)
	free = 1 << 29
	s.lookForSpace()
	if err := s.Ready(); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("ready below the floor: %v", err)
	}
	if err := s.fold(); err != nil {
		t.Errorf("fold above the reserve: %v", err)
	}
	w.commit(2)
	free = 1 << 20
	if err := s.fold(); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("fold below the reserve: %v", err)
	}
	if _, err := s.Put(t.Context(), store.Write{Kind: "a", ID: "x", Body: []byte("1")}); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("put below the reserve: %v", err)
	}
	if _, err := s.NewSource(t.Context()); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("new source below the reserve: %v", err)
	}
	if n := requests(t, s); n != 4 {
		t.Errorf("%d requests", n)
	}
	mustClose(t, s)
	if _, err := os.Stat(filepath.Join(dir, "db", ballastName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is kept: %v", err)
	}
	wantOpenError(t, dir, o, store.ErrNoSpace, "MiB free")
	free = 1 << 40
	s = openTest(t, dir, o)
	if n := requests(t, s); n != 4 {
		t.Errorf("%d requests after the disk was cleared", n)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
}

// TestFullDisk fills a real small disk to the last byte.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(dir, Options{foldEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(t, s)
	w.commit(100)
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := fill.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
	var b store.Batch
	committed := int64(100)
	for {
		b = w.batch()
		if err = s.Commit(t.Context(), b); err != nil {
			break
		}
		committed++
	}
	if !errors.Is(err, store.ErrNoSpace) || !errors.Is(s.Ready(), store.ErrNoSpace) {
		t.Fatalf("commit: %v, ready: %v", err, s.Ready())
	}
	if n := requests(t, s); n != committed {
		t.Fatalf("%d requests, %d were committed", n, committed)
	}
	mustClose(t, s)
	if err := errors.Join(fill.Close(), os.Remove(fill.Name())); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), b); err != nil {
		t.Error(err)
	}
	if n := requests(t, s); n != committed+1 {
		t.Errorf("%d requests, %d were committed", n, committed+1)
	}
	mustClose(t, s)
}

func TestClosed(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	w := newWriter(t, s)
	ended := make(chan error, 1)
	caughtUp := make(chan store.Version, 1)
	go func() {
		ended <- s.Watch(t.Context(), 0, func([]store.Document) error { return nil }, func(v store.Version) { caughtUp <- v })
	}()
	<-caughtUp
	mustClose(t, s)
	mustClose(t, s)
	_, putErr := s.Put(t.Context(), store.Write{Kind: "a", ID: "x", Body: []byte("1")})
	_, usageErr := s.Usage(t.Context(), store.UsageQuery{To: 1})
	for _, err := range []error{<-ended, putErr, usageErr, s.Commit(t.Context(), w.batch())} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("error is %v", err)
		}
	}
}
