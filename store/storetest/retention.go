package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"llmhub/store"
)

// OpenRetaining returns an empty ledger that keeps single requests for retention, 0 for ever, and outlives the test.
// sweep does at once what the engine otherwise does from time to time, and fails the test on any error. reopen closes the
// ledger and opens it again on the same data, as after a restart of the process.
type OpenRetaining func(t testing.TB, retention time.Duration) (l store.Ledger, sweep func(), reopen func() (store.Ledger, func()))

// retention is that of the suite. What it is tried with is further from it than a test takes.
const retention = 30 * 24 * time.Hour

// Retention runs the suite of what becomes of old single requests on an engine that counts days in loc.
func Retention(t *testing.T, open OpenRetaining, loc *time.Location) {
	for _, c := range []struct {
		name      string
		retention time.Duration
		run       func(*retaining)
	}{
		{"OldEvents", retention, testOldEvents},
		{"NothingButOldEvents", retention, testNothingButOldEvents},
		{"PageAcrossSweep", retention, testPageAcrossSweep},
		{"LateEvents", retention, testLateEvents},
		{"TheSameBatchAgain", retention, testTheSameBatchAgain},
		{"OldOrphans", retention, testOldOrphans},
		{"ForEver", 0, testOldEvents},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now().UTC().Truncate(time.Millisecond)
			r := &retaining{fixture: &fixture{T: t, loc: loc}, retention: c.retention, now: now}
			var reopen func() (store.Ledger, func())
			r.l, r.sweep, reopen = open(t, c.retention)
			r.reopenLedger = func() (l store.Ledger) {
				l, r.sweep = reopen()
				return l
			}
			r.src = r.source()
			c.run(r)
		})
	}
}

// retaining is a ledger that removes old events, with all that have been committed.
type retaining struct {
	*fixture
	sweep     func()
	retention time.Duration
	now       time.Time
	all       []store.Event
}

// aged returns an event of a time ago.
func (r *retaining) aged(key, model string, age time.Duration) store.Event {
	return r.event(key, model, r.now.Add(-age))
}

// keep commits events and remembers them.
func (r *retaining) keep(events ...store.Event) {
	r.Helper()
	r.commit(events...)
	r.all = append(r.all, events...)
}

// shown returns the events of a key that are to be seen, newest first.
func (r *retaining) shown(key string) (events []store.Event) {
	for _, e := range slices.Backward(r.all) {
		if e.Key == key && (r.retention == 0 || r.now.Sub(e.At) < r.retention) {
			events = append(events, e)
		}
	}
	return events
}

func (r *retaining) keys() (keys []string) {
	for _, e := range r.all {
		if !slices.Contains(keys, e.Key) {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// check insists that the young events are shown, on pages of all sizes, and that all count.
func (r *retaining) check(when string) {
	r.Helper()
	for _, key := range r.keys() {
		want := r.shown(key)
		for _, limit := range []int{1, 2, 3, 0} {
			r.checkPages(when, key, limit, want)
		}
	}
	r.checkSums(when)
}

// checkPages insists that every page is full but the last, which is not empty.
func (r *retaining) checkPages(when, key string, limit int, want []store.Event) {
	r.Helper()
	if got := r.allEvents(key, limit); len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		r.Fatalf("%s: events of %s, limit %d:\n got %+v\nwant %+v", when, key, limit, got, want)
	}
	q := store.EventQuery{Key: key, Limit: limit}
	for left := len(want); ; {
		page, next, err := r.l.Events(r.Context(), q)
		if err != nil {
			r.Fatalf("%s: events: %v", when, err)
		}
		size := min(left, store.PageSize(limit))
		left -= size
		if len(page) != size || (next == "") != (left == 0) {
			r.Fatalf("%s: a page of %d events of %s, limit %d, with %d behind it, next %q", when, len(page), key, limit, left, next)
		}
		if next == "" {
			return
		}
		q.Cursor = next
	}
}

// checkSums compares sums and times of last use with those of all events.
func (r *retaining) checkSums(when string) {
	r.Helper()
	today := store.DayOf(r.now, r.loc)
	from, to := today-1000, today+2
	for _, q := range []store.UsageQuery{
		{From: from, To: to, ByKey: true, ByModel: true, ByDay: true},
		{From: from.Month().First(), To: (to.Month() + 1).First(), ByMonth: true},
		{From: from.Month().First(), To: (to.Month() + 1).First(), ByKey: true, ByModel: true, ByMonth: true},
	} {
		if got, want := r.usage(q), naive(r.all, q, r.loc); !sameSums(got, want) {
			r.Fatalf("%s: %+v:\n got %+v\nwant %+v", when, q, got, want)
		}
	}
	want := map[string]time.Time{}
	for _, e := range r.all {
		if e.At.After(want[e.Key]) {
			want[e.Key] = e.At
		}
	}
	used, err := r.l.LastUsed(r.Context(), r.keys())
	if err != nil {
		r.Fatalf("%s: last used: %v", when, err)
	}
	for key, at := range used {
		used[key] = at.UTC()
	}
	if !reflect.DeepEqual(used, want) {
		r.Fatalf("%s: last used:\n got %v\nwant %v", when, used, want)
	}
}

// checkThroughout checks before and after a sweep, a second one and a restart.
func (r *retaining) checkThroughout() {
	r.Helper()
	r.check("before the sweep")
	for range 2 {
		r.sweep()
		r.check("after the sweep")
	}
	r.reopen()
	r.check("after a restart")
	r.sweep()
	r.check("after a restart and a sweep")
}

// fill commits old events first, as they are in a ledger that has grown old, and then events on both sides of the
// retention, old ones behind young ones and among them.
func (r *retaining) fill() {
	r.Helper()
	const ancient = 100 * 24 * time.Hour
	for i := range 24 {
		r.keep(r.aged(fmt.Sprintf("key-%d", i%3), "model-0", ancient-time.Duration(i)*time.Hour))
	}
	ages := []time.Duration{0, ancient, retention - time.Hour, retention + time.Hour}
	for i := range 24 {
		var events []store.Event
		for j := range 1 + i%3 {
			n := i + j
			events = append(events, r.aged(fmt.Sprintf("key-%d", n%3), fmt.Sprintf("model-%d", n%2), ages[(i+j/2)%len(ages)]))
		}
		r.keep(events...)
	}
	r.keep(r.aged("key-0", "model-0", ancient), r.aged("key-1", "model-0", ancient+time.Hour))
	r.keep(r.aged("key-2", "model-1", 2*ancient))
}

func testOldEvents(r *retaining) {
	r.fill()
	r.checkThroughout()
	r.fill()
	r.checkThroughout()
}

func testNothingButOldEvents(r *retaining) {
	r.keep(r.aged("k", "m", retention+time.Hour), r.aged("k", "m", 2*retention))
	r.keep(r.aged("k", "n", 3*retention))
	r.checkThroughout()
}

// testPageAcrossSweep goes on behind a page that was read before the sweep.
func testPageAcrossSweep(r *retaining) {
	r.fill()
	want := r.shown("key-0")
	page, next, err := r.l.Events(r.Context(), store.EventQuery{Key: "key-0", Limit: 1})
	if err != nil || len(page) != 1 || next == "" {
		r.Fatalf("page of %d, %q, %v", len(page), next, err)
	}
	r.sweep()
	rest, next, err := r.l.Events(r.Context(), store.EventQuery{Key: "key-0", Limit: len(want) - 1, Cursor: next})
	if err != nil || next != "" || len(rest) != len(want)-1 {
		r.Fatalf("the rest is a page of %d, not %d, %q, %v", len(rest), len(want)-1, next, err)
	}
	for i, e := range append(page, rest...) {
		if e.ID != want[i].ID {
			r.Fatalf("event %d is %v, not %v", i, e.ID, want[i].ID)
		}
	}
}

// testLateEvents commits events of times that have been swept already: they count, and are not shown.
func testLateEvents(r *retaining) {
	r.fill()
	for range 2 {
		r.sweep()
		r.keep(r.aged("key-0", "model-0", 100*24*time.Hour), r.aged("key-0", "model-1", 0), r.aged("late", "model-0", 200*24*time.Hour))
		r.check("after late events")
	}
	r.reopen()
	r.keep(r.aged("key-1", "model-0", 100*24*time.Hour))
	r.checkThroughout()
}

func testTheSameBatchAgain(r *retaining) {
	old := store.Batch{Source: r.src, Seq: r.seq + 1, Events: []store.Event{r.aged("k", "m", 4*retention), r.aged("k", "m", 2*retention)}}
	r.keep(old.Events...)
	r.fill()
	mixed := store.Batch{Source: r.src, Seq: r.seq + 1, Events: []store.Event{r.aged("k", "m", 2*retention), r.aged("k", "m", time.Minute)}}
	r.keep(mixed.Events...)
	again := func(when string) {
		r.Helper()
		for _, b := range []store.Batch{old, mixed, old} {
			if err := r.l.Commit(r.Context(), b); err != nil {
				r.Fatalf("batch %d again %s: %v", b.Seq, when, err)
			}
		}
		r.check("after the same batches again " + when)
	}
	again("before the sweep")
	r.sweep()
	again("after the sweep")
	r.l = r.reopenLedger() // and the source goes on
	again("after a restart")
	r.keep(r.aged("k", "m", 2*retention), r.aged("k", "m", 0))
	r.checkThroughout()
}

// testOldOrphans has requests that began long ago, and whose process died, settled behind a sweep.
func testOldOrphans(r *retaining) {
	const age = 200 * 24 * time.Hour
	now, then, left := r.begun("now", r.now.Add(-age)), r.begun("then", r.now.Add(-age)), r.begun("left", r.now.Add(-age))
	r.mark(now, then, left)
	r.fill()
	r.reopen()
	r.sweep()
	r.wantOrphans(r.src, now, then, left)
	r.reopen()
	r.wantOrphans(r.src, now, then, left)
	settledNow, settledThen := r.eventOf(now), r.eventOf(then)
	settledNow.At, settledNow.Recovered = r.now, true
	settledThen.Recovered = true
	r.keep(settledNow, settledThen)
	r.wantOrphans(r.src, left)
	r.checkThroughout()
	r.wantOrphans(r.src, left)
}
