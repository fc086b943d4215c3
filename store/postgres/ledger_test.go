package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/secret"
	"llmhub/store"
)

func newSource(t testing.TB, s *Store) store.Source {
	t.Helper()
	source, err := s.NewSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func eventOf(id store.RequestID, key string) store.Event {
	return store.Event{
		ID: id, Key: key, Model: "m", Deployment: "d/m", At: time.Now().UTC().Truncate(time.Millisecond),
		Provenance: store.FromUpstream, Tokens: store.Tokens{Input: 10, Output: 1}, Quantities: store.Quantities{{Unit: store.UnitImage, N: 2}},
	}
}

func begunMark(id store.RequestID, key string) store.Mark {
	return store.Mark{Kind: store.MarkBegun, ID: id, Key: key, Model: "m", Deployment: "d/m", At: time.Now().UTC().Truncate(time.Millisecond)}
}

func mustCommit(t testing.TB, s *Store, source store.Source, seq uint64, events ...store.Event) {
	t.Helper()
	if err := s.Commit(t.Context(), store.Batch{Source: source, Seq: seq, Events: events}); err != nil {
		t.Fatalf("batch %d of source %d: %v", seq, source, err)
	}
}

func mustMark(t testing.TB, s *Store, source store.Source, marks ...store.Mark) {
	t.Helper()
	if err := s.Mark(t.Context(), source, marks); err != nil {
		t.Fatal(err)
	}
}

// wantRequests insists that so many requests are counted, in the sums by day and by month and one by one.
func wantRequests(t testing.TB, s *Store, key string, want int) {
	t.Helper()
	today := store.DayOf(time.Now(), s.options.Location)
	for _, q := range []store.UsageQuery{
		{Keys: []string{key}, From: today - 2, To: today + 2},
		{Keys: []string{key}, From: (today - 2).Month().First(), To: ((today + 2).Month() + 1).First(), ByMonth: true},
	} {
		rows, err := s.Usage(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n, images := int64(0), int64(0)
		for _, r := range rows {
			n, images = n+r.Requests, images+r.Quantities.Of(store.UnitImage)
		}
		if n != int64(want) || images != 2*int64(want) {
			t.Errorf("%d requests and %d images of %s are in the sums, %d requests happened", n, images, key, want)
		}
	}
	single, _, err := s.Events(t.Context(), store.EventQuery{Key: key, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(single) != want {
		t.Errorf("%d single requests of %s, not %d", len(single), key, want)
	}
}

// wantOrphans waits until a store sees the given requests as orphans.
func wantOrphans(t testing.TB, s *Store, own store.Source, want ...store.RequestID) []store.Mark {
	t.Helper()
	var got []store.Mark
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got, err = s.Orphans(t.Context(), own); err != nil {
			t.Fatal(err)
		}
		if len(got) == len(want) {
			for i, m := range got {
				if m.ID != want[i] {
					t.Fatalf("orphans %v, not %v", got, want)
				}
			}
			return got
		}
	}
	t.Fatalf("orphans %v, not %v", got, want)
	return nil
}

// die ends a store as kill -9 does: nothing is said to the database.
func die(s *Store) {
	s.life.Lock()
	s.closing = true
	s.life.Unlock()
	s.stopNow()
	s.background.Wait()
	s.pool.Close()
}

// short has leases run out soon.
var short = Options{Lease: 600 * time.Millisecond, noListen: true}

// A connection that is cut while a batch commits leaves it open whether it has been committed. It is sent again, and
// counts once: whether the request had not arrived, or only the answer was lost.
func TestAmbiguousCommit(t *testing.T) {
	database, direct := newDatabase(t)
	watcher := openTest(t, direct, Options{noListen: true})
	for _, lost := range []string{"request", "answer"} {
		t.Run(lost, func(t *testing.T) {
			proxy, url := newCutter(t, database)
			s := openTest(t, url, Options{noListen: true})
			source := newSource(t, s)
			key := "key-" + lost
			mustCommit(t, s, source, 1, eventOf(store.NewRequestID(source, 1), key))
			for seq := uint64(2); seq <= 6; seq++ {
				var sent, cut atomic.Bool
				proxy.watch(func(fromServer bool, b []byte) bool {
					if !fromServer && bytes.Contains(b, []byte(key)) {
						sent.Store(true)
						if lost == "request" {
							return cut.Swap(true) // the first time
						}
					}
					// The server answers when it has committed.
					return lost != "answer" || !fromServer || !sent.Load() || cut.Swap(true)
				})
				mustCommit(t, s, source, seq, eventOf(store.NewRequestID(source, seq), key))
				proxy.watch(nil)
				if !cut.Load() {
					t.Fatalf("batch %d was not cut", seq)
				}
				wantRequests(t, watcher, key, int(seq))
			}
		})
	}
}

// The server's process that serves a connection is ended from time to time, while batches are committed.
func TestBackendsAreKilled(t *testing.T) {
	database, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true})
	source := newSource(t, s)
	var killer sync.WaitGroup
	kill := make(chan struct{}, 1)
	killer.Go(func() {
		for range kill {
			if err := server.Exec("postgres", "select pg_terminate_backend(pid) from pg_stat_activity where datname = '"+database+"'"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const batches = 60
	n := uint64(0)
	for seq := range uint64(batches) {
		var events []store.Event
		for range 5 {
			n++
			events = append(events, eventOf(store.NewRequestID(source, n), "k"))
		}
		if seq%4 == 0 {
			kill <- struct{}{} // somewhere in what follows
		}
		mustCommit(t, s, source, seq+1, events...)
	}
	close(kill)
	killer.Wait()
	wantRequests(t, s, "k", 5*batches)
}

// Batches of several stores that have keys in common, in different orders, do not stand in one another's way for good.
func TestConcurrentWritersOfTheSameSums(t *testing.T) {
	_, url := newDatabase(t)
	const writers, batches, keys = 4, 40, 7
	var all sync.WaitGroup
	stores := make([]*Store, writers)
	for w := range stores {
		stores[w] = openTest(t, url, Options{noListen: true})
	}
	for w, s := range stores {
		source := newSource(t, s)
		all.Go(func() {
			n := uint64(0)
			for seq := range uint64(batches) {
				var events []store.Event
				for k := range keys {
					n++
					events = append(events, eventOf(store.NewRequestID(source, n), fmt.Sprint("key-", (k*(w+1))%keys)))
				}
				mustCommit(t, s, source, seq+1, events...)
			}
		})
	}
	all.Wait()
	for k := range keys {
		wantRequests(t, stores[0], fmt.Sprint("key-", k), writers*batches)
	}
}

// What a running store has open is nobody's orphan; what a dead one had is settled by two contenders once.
func TestOrphansOfADeadSource(t *testing.T) {
	_, url := newDatabase(t)
	a, b, dying, running := openTest(t, url, short), openTest(t, url, short), openTest(t, url, short), openTest(t, url, short)
	ownA, ownB := newSource(t, a), newSource(t, b)
	dead, alive := newSource(t, dying), newSource(t, running)
	var want []store.RequestID
	for n := range uint64(20) {
		id := store.NewRequestID(dead, n+1)
		want = append(want, id)
		mustMark(t, dying, dead, begunMark(id, "orphan"))
	}
	mustMark(t, running, alive, begunMark(store.NewRequestID(alive, 1), "alive"))
	wantOrphans(t, a, ownA)
	die(dying)
	orphans := wantOrphans(t, a, ownA, want...)
	wantOrphans(t, b, ownB, want...)
	var both sync.WaitGroup
	for s, own := range map[*Store]store.Source{a: ownA, b: ownB} {
		both.Go(func() {
			for i, m := range orphans {
				mustCommit(t, s, own, uint64(i+1), eventOf(m.ID, "orphan"))
			}
		})
	}
	both.Wait()
	wantRequests(t, a, "orphan", len(want))
	wantOrphans(t, a, ownA)
	mustCommit(t, running, alive, 1, eventOf(store.NewRequestID(alive, 1), "alive"))
	wantRequests(t, b, "alive", 1)
}

// A batch of a source that was taken for dead comes late: what others have settled counts once, and what they have not
// counts, too, whichever comes first.
func TestLateBatchOfASourceThatWasTakenForDead(t *testing.T) {
	_, url := newDatabase(t)
	late, other := openTest(t, url, Options{noListen: true}), openTest(t, url, Options{noListen: true})
	source, own := newSource(t, late), newSource(t, other)
	id := func(n uint64) store.RequestID { return store.NewRequestID(source, n) }
	mustMark(t, late, source, begunMark(id(1), "k"), begunMark(id(2), "k"))
	mustCommit(t, other, own, 1, eventOf(id(1), "k")) // as one who sees the lease run out
	batch := []store.Event{eventOf(id(1), "k"), eventOf(id(2), "k"), eventOf(id(3), "k")}
	batch[0].At = batch[0].At.AddDate(0, -1, 0) // in another partition
	mustCommit(t, late, source, 1, batch...)
	mustCommit(t, late, source, 1, batch...) // acknowledged again
	wantRequests(t, other, "k", 3)
	mustCommit(t, other, own, 2, eventOf(id(2), "k"), eventOf(id(3), "k"))
	wantRequests(t, other, "k", 3)
	mustMark(t, late, source, begunMark(id(3), "k")) // it opens again what is settled ...
	mustCommit(t, other, own, 3, eventOf(id(3), "k"))
	wantRequests(t, other, "k", 3) // ... and that is counted no second time
	mustCommit(t, late, source, 2, eventOf(id(4), "k"))
	wantRequests(t, other, "k", 4)

	// Both at once, again and again.
	for n := uint64(5); n < 35; n++ {
		var both sync.WaitGroup
		both.Go(func() { mustCommit(t, late, source, n-2, eventOf(id(n), "race")) })
		both.Go(func() { mustCommit(t, other, own, n-1, eventOf(id(n), "race")) })
		both.Wait()
	}
	wantRequests(t, other, "race", 30)
}

// The first settlement by another fences the source at the very moment at which it commits itself.
func TestFenceAgainstARunningCommit(t *testing.T) {
	_, url := newDatabase(t)
	other := openTest(t, url, Options{noListen: true})
	own := newSource(t, other)
	late := openTest(t, url, Options{noListen: true})
	const rounds = 30
	for n := range uint64(rounds) {
		source := newSource(t, late) // never fenced before
		id := store.NewRequestID(source, 1)
		mustMark(t, late, source, begunMark(id, "k"))
		var both sync.WaitGroup
		both.Go(func() { mustCommit(t, late, source, 1, eventOf(id, "k")) })
		both.Go(func() { mustCommit(t, other, own, n+1, eventOf(id, "k")) })
		both.Wait()
	}
	wantRequests(t, other, "k", rounds)
}

// While the database was away nobody could renew a lease. When it is back, those whose leases have run out meanwhile
// are given time to renew them.
func TestLeasesAfterAnOutage(t *testing.T) {
	database, url := newDatabase(t)
	proxyA, urlA := newCutter(t, database)
	proxyB, urlB := newCutter(t, database)
	a, b := openTest(t, urlA, short), openTest(t, urlB, short)
	ownA, ownB := newSource(t, a), newSource(t, b)
	id := store.NewRequestID(ownB, 1)
	mustMark(t, b, ownB, begunMark(id, "k"))
	wantOrphans(t, a, ownA)
	proxyA.setAway(true)
	proxyB.setAway(true)
	observer, err := pgx.Connect(t.Context(), url.Reveal()) // a store would renew a lease of its own
	if err != nil {
		t.Fatal(err)
	}
	defer observer.Close(context.Background())
	expired := func() (is bool) {
		if err := observer.QueryRow(t.Context(), "select lease_until < now() from sources where source = $1", int32(ownB)).Scan(&is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	for !expired() {
		time.Sleep(5 * time.Millisecond)
	}
	proxyA.setAway(false)
	back := time.Now()
	wantOrphans(t, a, ownA, id) // A is back, B does not come
	if waited := time.Since(back); waited < short.Lease/2 {
		t.Errorf("a store that had %v to renew its lease is taken for dead", waited)
	}
	proxyB.setAway(false)
}

// A commit goes on through an absence that is shorter than the patience, and fails behind one that is longer; the same
// batch counts once in the end.
func TestPatience(t *testing.T) {
	database, direct := newDatabase(t)
	proxy, url := newCutter(t, database)
	o := Options{noListen: true, Patience: time.Second, Lease: 600 * time.Millisecond}
	s := openTest(t, url, o)
	source := newSource(t, s)
	proxy.setAway(true)
	time.AfterFunc(300*time.Millisecond, func() { proxy.setAway(false) })
	mustCommit(t, s, source, 1, eventOf(store.NewRequestID(source, 1), "k"))
	if err := s.Ready(); err != nil {
		t.Errorf("after a short absence: %v", err)
	}
	proxy.setAway(true)
	batch := store.Batch{Source: source, Seq: 2, Events: []store.Event{eventOf(store.NewRequestID(source, 2), "k")}}
	begun := time.Now()
	err := s.Commit(t.Context(), batch)
	if took := time.Since(begun); err == nil || took < 500*time.Millisecond || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrDamaged) {
		t.Errorf("a commit that cannot be: %v after %v", err, took)
	}
	if strings.Contains(fmt.Sprint(err), "a-secret-of-the-tests") {
		t.Errorf("the error shows the password: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); s.Ready() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the ledger stays ready")
		}
	}
	proxy.setAway(false)
	if err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	wantRequests(t, openTest(t, direct, o), "k", 2)
}

// Somebody holds a lock for too long: the statement ends by the server's time-out, and the same batch is committed later.
func TestLockTimeout(t *testing.T) {
	_, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true, LockTimeout: 100 * time.Millisecond, Patience: 300 * time.Millisecond})
	source := newSource(t, s)
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select from sources for update"); err != nil {
		t.Fatal(err)
	}
	batch := store.Batch{Source: source, Seq: 1, Events: []store.Event{eventOf(store.NewRequestID(source, 1), "k")}}
	if err := s.Commit(t.Context(), batch); sqlState(err) != stateLockNotAvailable {
		t.Errorf("behind a lock: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, s, "k", 1)
}

func TestStatementTimeout(t *testing.T) {
	_, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true, StatementTimeout: 200 * time.Millisecond})
	begun := time.Now()
	err := s.queryRow(t.Context(), "select pg_sleep(60)").Scan(new(any))
	if sqlState(err) != stateQueryCanceled || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	if err := s.queryRow(t.Context(), "select 1").Scan(new(int)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A sum that the database cannot hold is refused as what can never be committed, so that it holds up no other.
func TestSumTooLarge(t *testing.T) {
	_, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true})
	source := newSource(t, s)
	mustCommit(t, s, source, 1, eventOf(store.NewRequestID(source, 1), "k"))
	if _, err := s.pool.Exec(t.Context(), "update month_sums set input = 9223372036854775807"); err != nil {
		t.Fatal(err)
	}
	err := s.Commit(t.Context(), store.Batch{Source: source, Seq: 2, Events: []store.Event{eventOf(store.NewRequestID(source, 2), "k")}})
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("%v", err)
	}
	mustCommit(t, s, source, 2, eventOf(store.NewRequestID(source, 3), "other"))
}

func TestOpenRefuses(t *testing.T) {
	secretURL := func(u string) secret.Text { return secret.New(u) }
	t.Run("URL", func(t *testing.T) {
		for _, u := range []string{"postgres://u:very-secret@h:port/d", "very-secret", "postgres://u:very-secret@%zz/d", "host=h password=very-secret sslmode=maybe"} {
			_, err := Open(t.Context(), secretURL(u), Options{})
			if err == nil || strings.Contains(err.Error(), "very-secret") {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("password", func(t *testing.T) {
		database, _ := newDatabase(t)
		u := strings.Replace(server.URL("127.0.0.1", server.Port(), database), "a-secret-of-the-tests", "very-secret", 1)
		_, err := Open(t.Context(), secretURL(u), Options{})
		if err == nil || strings.Contains(err.Error(), "very-secret") || !strings.Contains(err.Error(), "password authentication failed") {
			t.Errorf("%v", err)
		}
	})
	t.Run("newer schema", func(t *testing.T) {
		_, url := newDatabase(t)
		s := openTest(t, url, Options{})
		if _, err := s.pool.Exec(t.Context(), "insert into schema_migrations (number) values (1000)"); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), "the database has schema 1000 and this program knows") {
			t.Errorf("%v", err)
		}
	})
	t.Run("time zone", func(t *testing.T) {
		_, url := newDatabase(t)
		openTest(t, url, Options{Location: berlin(t)})
		if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), "time zone Europe/Berlin") {
			t.Errorf("%v", err)
		}
	})
	t.Run("synchronous_commit", func(t *testing.T) {
		database, url := newDatabase(t)
		if err := server.Exec(database, "alter database "+database+" set synchronous_commit = off"); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), "synchronous_commit is off") {
			t.Errorf("%v", err)
		}
	})
}

// Processes that start together on an empty database bring it up once.
func TestOpenTogether(t *testing.T) {
	_, url := newDatabase(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { openTest(t, url, Options{Location: time.UTC}) })
	}
	all.Wait()
}
