package local

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"pgregory.net/rapid"

	"llmhub/store"
	"llmhub/store/storetest"
)

const testRetention = 30 * 24 * time.Hour

// trimKeys are keys with the shortest and the longest name, and one whose length is two bytes as a uvarint.
var trimKeys = []string{"a", strings.Repeat("b", store.MaxName), strings.Repeat("c", 128)}

// trimMachine does at random what can happen to a folder with a retention, and compares it with lists of what was
// committed.
type trimMachine struct {
	t   *testing.T
	dir string
	o   Options
	now time.Time
	s   *Store

	src      store.Source
	seq, n   uint64
	events   []store.Event
	orphans  map[store.RequestID]bool
	restored int
}

func (m *trimMachine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *trimMachine) open() {
	m.t.Helper()
	m.s = openTest(m.t, m.dir, m.o)
	var err error
	m.src, err = m.s.NewSource(m.t.Context())
	m.must(err)
	m.seq, m.n = 0, 0
}

// close ends the process; in a crash what is not folded stays so.
func (m *trimMachine) close(crash bool) {
	m.t.Helper()
	m.s.options.foldFault = func() error {
		if crash {
			return errCrash
		}
		return nil
	}
	m.must(m.s.Close())
}

func (m *trimMachine) id() store.RequestID {
	m.n++
	return store.NewRequestID(m.src, m.n)
}

// at returns a time on either side of the retention's edge.
func (m *trimMachine) at(r *rapid.T) time.Time {
	hours := rapid.OneOf(rapid.IntRange(0, 29*24), rapid.IntRange(31*24, 100*24)).Draw(r, "hours ago")
	return m.now.Add(-time.Duration(hours) * time.Hour)
}

// commit writes batches, half of the time with nothing but what is older than the retention, as it is with a log that
// ages: only so do segments become old as a whole.
func (m *trimMachine) commit(r *rapid.T) {
	allOld := rapid.Bool().Draw(r, "old")
	for range rapid.IntRange(1, 5).Draw(r, "batches") {
		m.seq++
		b := store.Batch{Source: m.src, Seq: m.seq}
		for range rapid.IntRange(1, 8).Draw(r, "events") {
			e := store.Event{
				ID: m.id(), Key: rapid.SampledFrom(trimKeys).Draw(r, "key"),
				Model: rapid.SampledFrom([]string{"m", strings.Repeat("n", store.MaxName)}).Draw(r, "model"), Deployment: "up/m", At: m.at(r),
				Provenance: store.FromUpstream, Tokens: store.Tokens{Input: 10, Output: int64(m.n)},
			}
			if allOld && e.At.After(m.now.Add(-testRetention)) {
				e.At = e.At.Add(-testRetention - time.Hour)
			}
			if m.n%2 == 0 {
				e.Quantities = e.Quantities.Plus(store.UnitImage1024, int64(m.n))
			}
			b.Events = append(b.Events, e)
		}
		m.must(m.s.Commit(m.t.Context(), b))
		m.must(m.s.Commit(m.t.Context(), b)) // again, as after an answer that was lost
		m.events = append(m.events, b.Events...)
	}
}

func (m *trimMachine) begin(*rapid.T) {
	id := m.id()
	m.must(m.s.Mark(m.t.Context(), m.src, []store.Mark{{Kind: store.MarkBegun, ID: id, Key: "d", Model: "m", Deployment: "up/m", At: m.now}}))
	m.orphans[id] = true
}

func (m *trimMachine) trim(*rapid.T) { m.must(m.s.trim(m.t.Context(), m.now)) }

// dieTrimming leaves off before the rows are removed that point to what is gone.
func (m *trimMachine) dieTrimming(*rapid.T) {
	m.must(m.s.log.EndSegment(time.Now().Add(time.Minute)))
	first, err := m.s.firstKept(m.t.Context(), m.now)
	m.must(err)
	if begin, _ := m.s.log.First(); first > begin.Segment {
		m.must(m.s.trimTo(m.t.Context(), first))
	}
	m.close(true)
	m.open()
}

func (m *trimMachine) fold(*rapid.T) { m.must(m.s.fold()) }

func (m *trimMachine) restart(r *rapid.T) {
	m.close(rapid.Bool().Draw(r, "crash"))
	m.verify()
	m.open()
}

func (m *trimMachine) verify() {
	m.t.Helper()
	report, err := Verify(m.t.Context(), m.dir, m.o)
	m.must(err)
	if all := report.Events + report.RemovedEvents; all != int64(len(m.events)) || report.OpenMarks != len(m.orphans) {
		m.t.Fatalf("%d events and %d open requests were recorded, verified are %+v", len(m.events), len(m.orphans), report)
	}
}

func (m *trimMachine) backup(*rapid.T) {
	file, _ := backupTo(m.t, m.s)
	m.close(false)
	m.restored++
	m.dir = filepath.Join(m.t.TempDir(), fmt.Sprint(m.restored))
	_, err := Restore(m.t.Context(), file, m.dir, RestoreOptions{})
	m.must(err)
	m.open()
}

func (m *trimMachine) check(*rapid.T) {
	type group struct {
		key, model string
		day        store.Day
	}
	sums := map[group]store.Sum{}
	used := map[string]time.Time{}
	for i := range m.events {
		e := &m.events[i]
		g := group{e.Key, e.Model, store.DayOf(e.At, m.o.Location)}
		s := sums[g]
		s.Key, s.Model, s.Day, s.Requests = g.key, g.model, g.day, s.Requests+1
		s.Tokens.Add(e.Tokens)
		s.Quantities = s.Quantities.PlusAll(e.Quantities)
		sums[g] = s
		if e.At.After(used[e.Key]) {
			used[e.Key] = e.At
		}
	}
	got, err := m.s.Usage(m.t.Context(), store.UsageQuery{From: 0, To: 40000, ByKey: true, ByModel: true, ByDay: true})
	m.must(err)
	for _, s := range got {
		want := sums[group{s.Key, s.Model, s.Day}]
		if s.Requests != want.Requests || s.Tokens != want.Tokens || !slices.Equal(s.Quantities, want.Quantities) {
			m.t.Fatalf("usage %+v, want %+v", s, want)
		}
	}
	if len(got) != len(sums) {
		m.t.Fatalf("%d sums, want %d", len(got), len(sums))
	}
	last, err := m.s.LastUsed(m.t.Context(), trimKeys)
	m.must(err)
	if !reflect.DeepEqual(last, used) {
		m.t.Fatalf("last used %v, want %v", last, used)
	}
	for _, key := range trimKeys {
		m.checkPages(key)
	}
}

// checkPages reads the single requests of a key in small pages.
func (m *trimMachine) checkPages(key string) {
	m.t.Helper()
	var want, got []string
	for _, e := range slices.Backward(m.events) {
		if e.Key == key && e.At.After(m.now.Add(-testRetention)) {
			want = append(want, fmt.Sprintf("%+v", e))
		}
	}
	q := store.EventQuery{Key: key, Limit: 3}
	for {
		page, next, err := m.s.Events(m.t.Context(), q)
		m.must(err)
		for _, e := range page {
			got = append(got, fmt.Sprintf("%+v", e))
		}
		if next == "" {
			break
		}
		if q.Cursor = next; len(page) < q.Limit {
			m.t.Fatalf("a page of %d has a next one", len(page))
		}
	}
	if !slices.Equal(got, want) {
		m.t.Fatalf("events of %s:\n%s\nwant:\n%s", key, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

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

// TestRetentionMachine: however commits, folds, trims, crashes, verifications and backups follow one another, sums have all, and pages
// what is not older than the retention.
func TestRetentionMachine(t *testing.T) {
	removed := int64(0)
	rapid.Check(t, func(r *rapid.T) {
		m := &trimMachine{
			t: t, dir: t.TempDir(), now: time.Now().UTC().Truncate(time.Millisecond), orphans: map[store.RequestID]bool{},
			o: Options{Location: berlin(t), Retention: testRetention, foldEvery: -1, trimEvery: -1, SegmentBytes: 600},
		}
		m.open()
		r.Repeat(map[string]func(*rapid.T){
			"": m.check, "commit": m.commit, "commit more": m.commit, "begin": m.begin, "fold": m.fold, "trim": m.trim,
			"die trimming": m.dieTrimming, "restart": m.restart, "backup": m.backup,
		})
		m.trim(r)
		m.check(r)
		m.close(false)
		m.verify()
		report, err := Verify(t.Context(), m.dir, m.o)
		m.must(err)
		removed += report.RemovedEvents
	})
	if removed == 0 {
		t.Error("nothing was ever removed")
	}
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

// baseOf returns an account as a base.
func baseOf(t testing.TB, a *account) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := a.writeBase(&b, func(func(cell, sum) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzBase reads any bytes as a base: a fault is store.ErrDamaged, and what is read is written the same.
func FuzzBase(f *testing.F) {
	a := newAccount(time.UTC)
	f.Add(baseOf(f, a))
	long := strings.Repeat("k", store.MaxName)
	if err := a.add(&frame{source: 1, seq: 1, names: []string{long, "model", "up/model"}, events: []event{
		{id: store.NewRequestID(1, 1), at: noon.UnixMilli(), model: 1, deployment: 2, tokens: store.Tokens{Input: 3, Output: 400},
			quantities: store.Quantities{}.Plus(store.UnitSearch, 7)},
	}, marks: []mark{{kind: store.MarkBegun, id: store.NewRequestID(1, 2), model: 1, deployment: 2, at: noon.UnixMilli()}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(baseOf(f, a))
	f.Fuzz(func(t *testing.T, content []byte) {
		a := newAccount(time.UTC)
		var cells []cell
		err := a.readBase(bytes.NewReader(content), func(c cell, s sum) error {
			cells = append(cells, c)
			a.cells[c] = &s
			return nil
		})
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("%v is no damage", err)
			}
			return
		}
		if !slices.IsSortedFunc(cells, compareCells) {
			t.Fatalf("sums in the order %v", cells)
		}
		again := newAccount(time.UTC)
		err = again.readBase(bytes.NewReader(baseOf(t, a)), func(c cell, s sum) error {
			again.cells[c] = &s
			return nil
		})
		if err != nil || !reflect.DeepEqual(again, a) {
			t.Fatalf("read again: %v\n%+v\n%+v", err, again, a)
		}
	})
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

const trimChild = "LLMHUB_TEST_TRIM"

// TestTrimChild is the process that TestTrimKilled kills: it commits, marks, folds, ends segments and trims all the time,
// and notes in a file how many batches it knows to be committed.
func TestTrimChild(t *testing.T) {
	dir := os.Getenv(trimChild)
	if dir == "" {
		t.Skip("is run by TestTrimKilled")
	}
	o := trimOptions
	o.foldEvery, o.trimEvery = 7*time.Millisecond, 3*time.Millisecond
	s := openTest(t, filepath.Join(dir, "data"), o)
	w := newWriter(t, s)
	acknowledged, err := os.OpenFile(filepath.Join(dir, "acknowledged"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	n := readCount(t, dir)
	for { // until it is killed
		b := w.batch()
		b.Events[0].At = noon.Add(-365 * 24 * time.Hour)
		mark := store.Mark{Kind: store.MarkBegun, ID: store.NewRequestID(w.src, 1<<30+w.n%5), Key: "key-1", Model: "m", Deployment: "up/m", At: noon}
		if err := errors.Join(s.Commit(t.Context(), b), s.Mark(t.Context(), w.src, []store.Mark{mark})); err != nil {
			t.Fatal(err)
		}
		n++
		if _, err := acknowledged.WriteAt(binary.BigEndian.AppendUint64(nil, n), 0); err != nil {
			t.Fatal(err)
		}
		if err := s.log.EndSegment(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
}

func readCount(t *testing.T, dir string) uint64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "acknowledged"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// TestTrimKilled kills a process that does nothing else, always on what the one before has left: what was acknowledged is
// there, once, and the folder is right.
func TestTrimKilled(t *testing.T) {
	const kills = 15
	dir := t.TempDir()
	var report VerifyReport
	for i := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTrimChild$")
		cmd.Env = append(os.Environ(), trimChild+"="+dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		before := readCount(t, dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		gone := make(chan error, 1)
		go func() { gone <- cmd.Wait() }()
		// It has to be at work; from then on any moment will do.
		for deadline := time.Now().Add(time.Minute); readCount(t, dir) < before+10 && time.Now().Before(deadline) && len(gone) == 0; time.Sleep(time.Millisecond) {
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // the random moment
		if err := cmd.Process.Kill(); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		if <-gone; cmd.ProcessState.ExitCode() >= 0 {
			t.Fatalf("it ended by itself: %s", out.String())
		}
		n := int64(readCount(t, dir))
		var err error
		report, err = Verify(t.Context(), filepath.Join(dir, "data"), trimOptions)
		if err != nil {
			t.Fatalf("after kill %d: %v: %+v", i+1, err, report)
		}
		// Each process may have died between a commit and the note of it.
		if got := report.Events + report.RemovedEvents; got < n || got > n+int64(i)+1 {
			t.Fatalf("after kill %d: %d were acknowledged: %+v", i+1, n, report)
		}
	}
	if report.RemovedEvents == 0 {
		t.Error("nothing was removed")
	}
	t.Logf("%+v", report)
}
