package postgres

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/storetest"
)

// openRetaining opens stores of the suite on new databases. They sweep in the background, too.
func openRetaining(t *testing.T, newURL func() secret.Text) storetest.OpenRetaining {
	location := berlin(t)
	return func(t testing.TB, retention time.Duration) (store.Ledger, func(), func() (store.Ledger, func())) {
		url, o := newURL(), Options{Location: location, noListen: true, Retention: retention}
		s := openTest(t, url, o)
		return s, func() { mustSweep(t, s) }, func() (store.Ledger, func()) {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, url, o)
			return s, func() { mustSweep(t, s) }
		}
	}
}

// mustSweep sweeps, behind others that are at it.
func mustSweep(t testing.TB, s *Store) {
	t.Helper()
	for {
		err := s.sweep(t.Context())
		if err == nil {
			return
		}
		if !errors.Is(err, errPartitionsBusy) {
			t.Fatalf("sweep: %v", err)
		}
	}
}

func TestRetention(t *testing.T) {
	storetest.Retention(t, openRetaining(t, func() secret.Text {
		_, url := newDatabase(t)
		return url
	}), berlin(t))
}

// lines is a log that hands over its lines.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// newLog returns a logger and its lines.
func newLog() (*slog.Logger, lines) {
	l := make(lines, 1000)
	return slog.New(slog.NewTextHandler(l, nil)), l
}

// await returns the first line that has a text.
func (l lines) await(t testing.TB, text string) string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			t.Fatalf("the log does not say %q", text)
		}
	}
}

// months names this month, and how long it is since the middle of the one two before it: with that as the retention the
// latter is kept, and what is before it is not.
func months() (this store.Month, middle time.Duration) {
	now := time.Now()
	this = store.DayOf(now, time.UTC).Month()
	return this, now.Sub((this - 2).First().Date().AddDate(0, 0, 14))
}

// in returns an event of a day of a month.
func in(m store.Month, day int, id store.RequestID) store.Event {
	e := eventOf(id, "k")
	e.At = m.First().Date().AddDate(0, 0, day-1).Add(12 * time.Hour)
	return e
}

func tableOf(m store.Month) string { return m.First().Date().Format(partitionName) }

// partitions returns the names of the attached partitions, in their order.
func partitions(t testing.TB, s *Store) (names []string) {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), "select inhrelid::regclass::text from pg_inherits where inhparent = 'events'::regclass order by 1")
	if err != nil {
		t.Fatal(err)
	}
	if names, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		t.Fatal(err)
	}
	return names
}

func wantPartitions(t testing.TB, s *Store, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := partitions(t, s); !slices.Equal(got, want) {
		t.Fatalf("partitions %v, not %v", got, want)
	}
}

func wantCounted(t testing.TB, s *Store, counted int64, shown int) {
	t.Helper()
	rows, err := s.Usage(t.Context(), store.UsageQuery{Keys: []string{"k"}, From: 0, To: 100_000})
	if err != nil || len(rows) != 1 || rows[0].Requests != counted || rows[0].Quantities.Of(store.UnitImage) != 2*counted {
		t.Fatalf("%+v are counted, not %d; %v", rows, counted, err)
	}
	events, _, err := s.Events(t.Context(), store.EventQuery{Key: "k", Limit: 1000})
	if err != nil || len(events) != shown {
		t.Fatalf("%d single requests are shown, not %d; %v", len(events), shown, err)
	}
}

func mustExec(t testing.TB, s *Store, sql string) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestRetentionTooShort(t *testing.T) {
	for _, d := range []time.Duration{-time.Hour, 1, store.MinRetention - 1} {
		_, err := Open(t.Context(), secret.New("postgres://nowhere.invalid"), Options{Retention: d})
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "at least 24h") {
			t.Errorf("%v: %v", d, err)
		}
	}
}

// The month of what is kept begins and ends in the billing time zone.
func TestKeptFrom(t *testing.T) {
	s := &Store{options: Options{Location: berlin(t), Retention: store.MinRetention}}
	midnight := time.Date(2026, 7, 2, 0, 0, 0, 0, s.options.Location)
	for now, want := range map[time.Time]string{midnight: "2026-07", midnight.Add(-1): "2026-06"} {
		at, month := s.keptFrom(now)
		if month.String() != want || at != now.Add(-store.MinRetention).UnixMilli() {
			t.Errorf("at %v requests are kept from %v on, and months from %v", now, time.UnixMilli(at), month)
		}
	}
}

// Months that are older as a whole are removed, the one that is so in part is kept, and what others have made of the
// table is left alone.
func TestSweepRemovesMonths(t *testing.T) {
	this, middle := months()
	_, url := newDatabase(t)
	log, lines := newLog()
	s := openTest(t, url, Options{noListen: true, noSweep: true, Retention: middle, Logger: log})
	source := newSource(t, s)
	for i, e := range []store.Event{in(this-2, 2, 0), in(this-3, 28, 0), in(this-2, 20, 0), in(this-4, 1, 0), in(this-5, 1, 0), in(this-6, 1, 0)} {
		e.ID = store.NewRequestID(source, uint64(i+1))
		mustCommit(t, s, source, uint64(i+1), e)
	}
	detached, pending := tableOf(this-5), tableOf(this-6)
	mustExec(t, s, "alter table events detach partition "+detached)
	mustExec(t, s, "create table archive partition of events for values in (100)")
	mustExec(t, s, "create table events_2001_01 partition of events for values in (101)")
	leaveDetachPending(t, s, pending)
	mustSweep(t, s)
	wantPartitions(t, s, pending, "archive", "events_2001_01", tableOf(this-2), tableOf(this), tableOf(this+1))
	mustExec(t, s, "select from "+detached)
	for _, m := range []store.Month{this - 4, this - 3} {
		if line := lines.await(t, "single requests of a month removed"); !strings.Contains(line, "month="+m.String()) {
			t.Errorf("%s was to be removed: %s", m, line)
		}
	}
	wantCounted(t, s, 6, 1)
}

// Months that are not shown are not read, either.
func TestOldMonthsAreNotRead(t *testing.T) {
	this, middle := months()
	_, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true, noSweep: true, Retention: middle})
	source := newSource(t, s)
	mustCommit(t, s, source, 1, in(this-3, 1, store.NewRequestID(source, 1)), in(this-2, 1, store.NewRequestID(source, 2)))
	from, month := s.keptFrom(time.Now())
	rows, err := s.pool.Query(t.Context(), "explain "+selectEvents, []byte("k"), int64(math.MaxInt64), from, int32(month), 101)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	plan := strings.Join(lines, "\n")
	if err != nil || strings.Contains(plan, tableOf(this-3)) || !strings.Contains(plan, tableOf(this-2)) || !strings.Contains(plan, tableOf(this)) {
		t.Errorf("%v, plan:\n%s", err, plan)
	}
}

// leaveDetachPending begins to detach a partition and does not end that, as an administrator who loses patience.
func leaveDetachPending(t testing.TB, s *Store, table string) {
	t.Helper()
	reader := readEvents(t, s)
	conn, err := pgx.ConnectConfig(t.Context(), s.pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "set statement_timeout = '200ms'"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "alter table events detach partition "+table+" concurrently"); sqlState(err) != stateQueryCanceled {
		t.Fatalf("detaching is not interrupted: %v", err)
	}
	mustRollback(t, reader)
}

// readEvents begins a transaction that has read the single requests.
func readEvents(t testing.TB, s *Store) pgx.Tx {
	t.Helper()
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select count(*) from events"); err != nil {
		t.Fatal(err)
	}
	return tx
}

func mustRollback(t testing.TB, tx pgx.Tx) {
	t.Helper()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A sweep waits for a long read a moment only, and so do batches that come behind it.
func TestSweepGivesWay(t *testing.T) {
	this, middle := months()
	_, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true, noSweep: true, Retention: middle})
	source := newSource(t, s)
	mustCommit(t, s, source, 1, in(this-4, 1, store.NewRequestID(source, 1)))
	reader := readEvents(t, s)
	swept := make(chan error, 1)
	go func() { swept <- s.sweep(t.Context()) }()
	err, over := awaitSweepLock(t, s, swept)
	mustCommit(t, s, source, 2, eventOf(store.NewRequestID(source, 2), "k")) // while the reader is there
	if !over {
		err = <-swept
	}
	if sqlState(err) != stateLockNotAvailable || !strings.Contains(err.Error(), (this-4).String()) {
		t.Fatalf("a sweep beside a reader: %v", err)
	}
	wantPartitions(t, s, tableOf(this-4), tableOf(this), tableOf(this+1))
	mustRollback(t, reader)
	mustSweep(t, s)
	wantPartitions(t, s, tableOf(this), tableOf(this+1))
	wantCounted(t, s, 2, 1)
}

// awaitSweepLock waits until a sweep waits for its lock, or is over.
func awaitSweepLock(t testing.TB, s *Store, swept <-chan error) (err error, over bool) {
	t.Helper()
	for waits := false; !waits; {
		select {
		case err := <-swept:
			return err, true
		default:
		}
		err := s.pool.QueryRow(t.Context(), `select exists (select from pg_locks
			where relation = 'events'::regclass and mode = 'AccessExclusiveLock' and not granted)`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
	}
	return nil, false
}

// A store sweeps when it has been opened, and again a little later where somebody was in the way.
func TestSweepInTheBackground(t *testing.T) {
	this, middle := months()
	_, url := newDatabase(t)
	before := openTest(t, url, Options{noListen: true})
	source := newSource(t, before)
	mustCommit(t, before, source, 1, in(this-4, 1, store.NewRequestID(source, 1)), in(this, 1, store.NewRequestID(source, 2)))
	wantCounted(t, before, 2, 2)
	reader := readEvents(t, before)
	log, lines := newLog()
	s := openTest(t, url, Options{noListen: true, Retention: middle, Logger: log, sweepPause: time.Millisecond})
	for range 2 {
		lines.await(t, "removed later")
	}
	mustRollback(t, reader)
	lines.await(t, "single requests of a month removed")
	wantPartitions(t, s, tableOf(this), tableOf(this+1))
	wantCounted(t, s, 2, 1)
}

// Of stores that sweep at once, each month is removed by one.
func TestSweepTogether(t *testing.T) {
	this, middle := months()
	_, url := newDatabase(t)
	log, lines := newLog()
	o := Options{noListen: true, noSweep: true, Retention: middle, Logger: log}
	stores := []*Store{openTest(t, url, o), openTest(t, url, o)}
	source := newSource(t, stores[0])
	const old = 6
	for n := range uint64(old) {
		mustCommit(t, stores[0], source, n+1, in(this-3-store.Month(n), 1, store.NewRequestID(source, n+1)))
	}
	var both sync.WaitGroup
	for _, s := range stores {
		both.Go(func() { mustSweep(t, s) })
	}
	both.Wait()
	wantPartitions(t, stores[0], tableOf(this), tableOf(this+1))
	for range old { // once each: no line is left
		lines.await(t, "single requests of a month removed")
	}
	select {
	case line := <-lines:
		t.Errorf("removed again: %s", line)
	default:
	}
	wantCounted(t, stores[1], old, 0)
}

// A store that knows a partition which another one has removed makes it again for an event that comes late, of its own or
// of a request that another source began. The next sweep removes it.
func TestLateEventOfARemovedMonth(t *testing.T) {
	this, middle := months()
	_, url := newDatabase(t)
	o := Options{noListen: true, noSweep: true, Retention: middle}
	a, b := openTest(t, url, o), openTest(t, url, o)
	sourceA, sourceB := newSource(t, a), newSource(t, b)
	mustCommit(t, a, sourceA, 1, in(this-4, 1, store.NewRequestID(sourceA, 1)))
	mustCommit(t, b, sourceB, 1, in(this-4, 2, store.NewRequestID(sourceB, 1)))
	orphan := begunMark(store.NewRequestID(sourceA, 2), "k")
	mustMark(t, a, sourceA, orphan)
	for i, late := range []store.RequestID{store.NewRequestID(sourceB, 2), orphan.ID} {
		mustSweep(t, a)
		wantPartitions(t, a, tableOf(this), tableOf(this+1))
		if a.months[this-4] || !b.months[this-4] {
			t.Fatal("the one who removed a month is to forget it, the other one not to know that")
		}
		mustCommit(t, b, sourceB, uint64(i+2), in(this-4, 3, late))
		mustCommit(t, b, sourceB, uint64(i+2), in(this-4, 3, late)) // acknowledged again
		wantPartitions(t, a, tableOf(this-4), tableOf(this), tableOf(this+1))
		wantCounted(t, a, int64(i+3), 0)
	}
	mustCommit(t, a, sourceA, 2, in(this-4, 3, orphan.ID)) // who began it is late, too
	mustSweep(t, b)
	wantPartitions(t, b, tableOf(this), tableOf(this+1))
	wantCounted(t, b, 4, 0)
}

// While data are moved into the database nothing is removed or left out.
func TestNoSweepWhileImporting(t *testing.T) {
	this, middle := months()
	_, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true, Retention: middle, Importing: true})
	if finished, err := s.BeginImport(t.Context(), `{}`, []store.Source{7}); finished || err != nil {
		t.Fatal(finished, err)
	}
	mustCommit(t, s, 7, 1, in(this-4, 1, store.NewRequestID(7, 1)))
	mustSweep(t, s)
	wantCounted(t, s, 1, 1)
	if n, err := s.ImportedEvents(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
}
