package postgres

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"llmhub/store"
)

// follow watches a store and sends the versions up to which it has caught up.
func follow(t *testing.T, s *Store) (caughtUp <-chan store.Version, docs func() []store.Document) {
	t.Helper()
	versions := make(chan store.Version, 1000)
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var seen []store.Document
	var done sync.WaitGroup
	done.Go(func() {
		_ = s.Watch(ctx, 0, func(d []store.Document) error {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, d...)
			return nil
		}, func(v store.Version) { versions <- v })
	})
	t.Cleanup(func() { stop(); done.Wait() })
	return versions, func() []store.Document {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

func waitFor(t *testing.T, versions <-chan store.Version, want store.Version) time.Duration {
	t.Helper()
	begun := time.Now()
	for {
		select {
		case v := <-versions:
			if v >= want {
				return time.Since(begun)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("version %d does not come", want)
		}
	}
}

func mustPut(t *testing.T, s *Store, id string, expect store.Version) store.Version {
	t.Helper()
	v, err := s.Put(t.Context(), store.Write{Kind: "k", ID: id, Expect: expect, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Two stores on one database see each other's changes: by the hint long before the next look, and by the look where
// there is no hint.
func TestTwoStoresWatchEachOther(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"hint", Options{pollEvery: time.Hour}},
		{"look", Options{pollEvery: 50 * time.Millisecond, noListen: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, url := newDatabase(t)
			a, b := openTest(t, url, c.o), openTest(t, url, c.o)
			seenByA, _ := follow(t, a)
			seenByB, docs := follow(t, b)
			for n := range 10 {
				v := mustPut(t, a, fmt.Sprint("a", n), 0)
				waitFor(t, seenByB, v)
				v = mustPut(t, b, fmt.Sprint("b", n), 0)
				waitFor(t, seenByA, v)
				waitFor(t, seenByB, v)
			}
			if got := docs(); len(got) != 20 {
				t.Errorf("%d documents delivered", len(got))
			}
		})
	}
}

// A watch waits while the database is away, and misses nothing.
func TestWatchOutlivesAnAbsence(t *testing.T) {
	database, direct := newDatabase(t)
	proxy, url := newCutter(t, database)
	s := openTest(t, url, Options{pollEvery: 20 * time.Millisecond})
	other := openTest(t, direct, Options{noListen: true})
	versions, docs := follow(t, s)
	waitFor(t, versions, mustPut(t, other, "first", 0))
	proxy.setAway(true)
	var last store.Version
	for n := range 5 {
		last = mustPut(t, other, fmt.Sprint(n), 0)
	}
	if _, err := s.Get(t.Context(), "k", "first"); err == nil {
		t.Fatal("the database is not away")
	}
	proxy.setAway(false)
	waitFor(t, versions, last)
	if got := docs(); len(got) != 6 {
		t.Errorf("%d documents delivered", len(got))
	}
}

// Deleted documents are told of until they are buried; after that their version stays taken.
func TestBury(t *testing.T) {
	_, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true})
	v := mustPut(t, s, "x", 0)
	v, err := s.Put(t.Context(), store.Write{Kind: "k", ID: "x", Expect: v, Delete: true})
	if err != nil {
		t.Fatal(err)
	}
	left := func() (n int) {
		if err := s.bury(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.queryRow(t.Context(), "select count(*)::int from documents").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := left(); n != 1 {
		t.Fatalf("%d documents right after the deletion", n)
	}
	if _, err := s.pool.Exec(t.Context(), "update documents set deleted_at = deleted_at - interval '25 hours'"); err != nil {
		t.Fatal(err)
	}
	if n := left(); n != 0 {
		t.Fatalf("%d documents a day later", n)
	}
	versions, _ := follow(t, s)
	waitFor(t, versions, v)
	if next := mustPut(t, s, "x", 0); next != v+1 {
		t.Errorf("version %d follows %d", next, v)
	}
}

// A server that was started anew leaves dead connections in the pool. No call shows that.
func TestDeadConnectionsInThePool(t *testing.T) {
	database, url := newDatabase(t)
	s := openTest(t, url, Options{noListen: true, pollEvery: time.Hour})
	var version store.Version
	for n := range 6 {
		var busy sync.WaitGroup
		for range 5 {
			busy.Go(func() {
				if err := s.queryRow(t.Context(), "select 1").Scan(new(int)); err != nil {
					t.Error(err)
				}
			})
		}
		busy.Wait()
		if err := server.Exec("postgres", "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '"+database+"'"); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			version = mustPut(t, s, "x", version)
		} else if _, err := s.Get(t.Context(), "k", "x"); err != nil {
			t.Fatal(err)
		}
	}
}
