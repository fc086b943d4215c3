package local

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/storetest"
)

const testRetention = 30 * 24 * time.Hour

// TestRetention runs the suite with segments of a few frames each.
func TestRetention(t *testing.T) {
	o := Options{Location: berlin(t), trimEvery: -1, SegmentBytes: 300}
	storetest.Retention(t, func(t testing.TB, retention time.Duration) (store.Ledger, func(), func() (store.Ledger, func())) {
		o := o
		o.Retention = retention
		dir := t.TempDir()
		var s *Store
		open := func() (store.Ledger, func()) {
			s = openTest(t, dir, o)
			return s, func() {
				if err := s.trim(t.Context(), time.Now()); err != nil {
					t.Error(err)
				}
			}
		}
		l, sweep := open()
		return l, sweep, func() (store.Ledger, func()) {
			mustClose(t, s)
			return open()
		}
	}, o.Location)
}

// trimmedFolder is a closed folder of which the first 20 of 30 requests have been removed, and a copy of its database as it was
// before they were folded.
func trimmedFolder(t *testing.T, o Options) (dir, olderDB string) {
	t.Helper()
	dir = t.TempDir()
	s := openTest(t, dir, o)
	mustClose(t, s)
	olderDB = t.TempDir()
	if err := os.CopyFS(olderDB, os.DirFS(filepath.Join(dir, "db"))); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, o)
	fill(t, s, append(repeated(noon.Add(-365*24*time.Hour), 20), repeated(time.Now().Add(-time.Hour), 10)...)...)
	if err := s.trim(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	return dir, olderDB
}

var trimOptions = Options{Retention: testRetention, foldEvery: -1, trimEvery: -1, SegmentBytes: 600}

// TestTrimmedRows: nothing points to what is gone, and what is left on the disk is about what is shown.
func TestTrimmedRows(t *testing.T) {
	dir, _ := trimmedFolder(t, trimOptions)
	report, err := Verify(t.Context(), dir, trimOptions)
	if err != nil || report.RemovedEvents < 15 || report.RemovedEvents > 20 || report.Events+report.RemovedEvents != 30 {
		t.Fatalf("%+v, %v", report, err)
	}
	s := openTest(t, dir, trimOptions)
	begin, seq := s.log.First()
	if begin.Segment < 3 || seq != uint64(report.RemovedEvents)+1 {
		t.Fatalf("the log begins at %s with frame %d", begin, seq)
	}
	err = s.db.View(func(txn *badger.Txn) error {
		return eachRow(txn, []byte{rowFrames}, func(k, value []byte) error {
			_, positions, err := decodeFrames(k, value)
			if err == nil && positions[len(positions)-1].Before(begin) {
				err = fmt.Errorf("row %x points to %v only", k, positions)
			}
			return err
		})
	})
	if err != nil {
		t.Error(err)
	}
	for n := range 10 {
		if _, err := os.Stat(filepath.Join(dir, "log", fmt.Sprintf("%08d.log", n))); err == nil && uint32(n) < begin.Segment {
			t.Errorf("segment %d is still there", n)
		}
	}
	// Without a retention what is left is shown whatever its age.
	mustClose(t, s)
	o := trimOptions
	o.Retention = 0
	s = openTest(t, dir, o)
	shown := 0
	for _, key := range []string{"key-0", "key-1", "key-2"} {
		page, _, err := s.Events(t.Context(), store.EventQuery{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		shown += len(page)
	}
	if int64(shown) != report.Events || requests(t, s) != 30 {
		t.Errorf("%d requests are shown of %d; the sums have %d", shown, report.Events, requests(t, s))
	}
}

// TestOlderDatabaseThanBase: sums that lack what has been removed from the log are refused, by opening and by verifying.
func TestOlderDatabaseThanBase(t *testing.T) {
	dir, older := trimmedFolder(t, trimOptions)
	db := filepath.Join(dir, "db")
	if err := cmp.Or(os.RemoveAll(db), os.CopyFS(db, os.DirFS(older))); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, dir, trimOptions, store.ErrDamaged, "restore the folder db/")
	if _, err := Verify(t.Context(), dir, trimOptions); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "restore the folder db/") {
		t.Errorf("%v", err)
	}
}

// TestTrimWaitsForBackup: nothing is removed that a backup is about to copy.
func TestTrimWaitsForBackup(t *testing.T) {
	o := trimOptions
	s := openTest(t, t.TempDir(), o)
	s.copying.RLock()
	if err := s.trim(t.Context(), time.Now()); !errors.Is(err, ErrBackupRuns) {
		t.Errorf("while a backup is taken: %v", err)
	}
	s.copying.RUnlock()
	if err := s.trim(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
}

func TestRetentionIsBounded(t *testing.T) {
	for _, d := range []time.Duration{-1, time.Hour, store.MinRetention - 1} {
		if _, err := Open(t.TempDir(), Options{Retention: d}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", d, err)
		}
	}
}

// fill commits one event for each time, a batch each.
func fill(t *testing.T, s *Store, times ...time.Time) {
	t.Helper()
	w := newWriter(t, s)
	for _, at := range times {
		b := w.batch()
		b.Events[0].At = at.Truncate(time.Millisecond)
		if err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func repeated(at time.Time, n int) []time.Time { return slices.Repeat([]time.Time{at}, n) }

// TestTrimOnAFullDisk: a base is not written into the room that the database needs.
func TestTrimOnAFullDisk(t *testing.T) {
	o := trimOptions
	free := int64(1 << 40)
	o.freeSpace = func(string) (int64, int64, error) { return free, 1 << 40, nil }
	s := openTest(t, t.TempDir(), o)
	fill(t, s, append(repeated(noon.Add(-365*24*time.Hour), 20), repeated(time.Now(), 10)...)...)
	if err := s.fold(); err != nil {
		t.Fatal(err)
	}
	free = reserveBytes - 1
	if err := s.trim(t.Context(), time.Now()); !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("%v", err)
	}
	if begin, _ := s.log.First(); begin.Segment != 1 {
		t.Errorf("the log begins at %s", begin)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "log", "base.new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished base is left: %v", err)
	}
	free = 1 << 40
	if err := s.trim(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if begin, _ := s.log.First(); begin.Segment == 1 {
		t.Error("nothing is removed with room")
	}
}

// TestRequestOfTheFuture: what was settled by a wrong clock keeps what is behind it, and an operator is told.
func TestRequestOfTheFuture(t *testing.T) {
	o := trimOptions
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := openTest(t, t.TempDir(), o)
	fill(t, s, append([]time.Time{time.Now().Add(10 * 365 * 24 * time.Hour)}, repeated(noon.Add(-365*24*time.Hour), 29)...)...)
	if err := s.trim(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if begin, _ := s.log.First(); begin.Segment != 1 || !strings.Contains(log.String(), "settled in the future") {
		t.Errorf("the log begins at %s; said is %q", begin, log.String())
	}
}

// TestFailedSyncWhileTrimming: the process is told to end as soon as the log is beyond use.
func TestFailedSyncWhileTrimming(t *testing.T) {
	o := trimOptions
	failing := false
	o.Faults.Sync = func() error {
		if failing {
			return errors.New("no")
		}
		return nil
	}
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // which fails: the log is not synced any more
	fill(t, s, repeated(noon, 3)...)
	failing = true
	if err := s.trim(t.Context(), time.Now().Add(48*time.Hour)); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("%v", err)
	}
	if err := s.Ready(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("ready: %v", err)
	}
}
