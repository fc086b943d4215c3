package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"llmhub/store"
)

// allEvents reads all pages.
func (f *fixture) allEvents(key string, limit int) []store.Event {
	f.Helper()
	var all []store.Event
	q := store.EventQuery{Key: key, Limit: limit}
	for {
		page, next, err := f.l.Events(f.Context(), q)
		if err != nil {
			f.Fatalf("events: %v", err)
		}
		if limit > 0 && len(page) > limit || next != "" && len(page) == 0 {
			f.Fatalf("a page of %d with limit %d, next %q", len(page), limit, next)
		}
		for i := range page {
			page[i].At = page[i].At.UTC()
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		if len(all) > 100_000 {
			f.Fatal("the pages do not end")
		}
		q.Cursor = next
	}
}

func testEvents(f *fixture) {
	want := map[string][]store.Event{}
	provenances := []store.Provenance{store.FromUpstream, store.FromDrained, store.FromPartial, store.FromEstimate}
	for i := range 40 {
		if i == 15 || i == 30 {
			f.reopen()
		}
		var events []store.Event
		for j := range i % 4 {
			key := fmt.Sprintf("key-%d", (i+j)%2)
			e := f.event(key, fmt.Sprintf("model-%d", j), noon.Add(time.Duration(i)*time.Minute))
			e.Provenance, e.Recovered = provenances[i%4], i%7 == 0
			events = append(events, e)
			want[key] = append(want[key], e)
		}
		f.commit(events...)
	}
	for key, events := range want {
		slices.Reverse(events)
		for _, limit := range []int{0, 1, 2, 7, 1000, 5000} {
			if got := f.allEvents(key, limit); !reflect.DeepEqual(got, events) {
				f.Fatalf("%s, limit %d:\n got %+v\nwant %+v", key, limit, got, events)
			}
		}
	}
}

// testEventsCursor insists that new events and a restart do not shift a page.
func testEventsCursor(f *fixture) {
	var ids []store.RequestID
	for range 10 {
		a, b := f.event("k", "m", noon), f.event("k", "m", noon)
		f.commit(a, b)
		ids = append(ids, a.ID, b.ID)
	}
	slices.Reverse(ids)
	page, next, err := f.l.Events(f.Context(), store.EventQuery{Key: "k", Limit: 5})
	if err != nil || len(page) != 5 || next == "" {
		f.Fatalf("page of %d, %q, %v", len(page), next, err)
	}
	f.commit(f.event("k", "m", noon))
	f.l = f.reopenLedger()
	rest, next, err := f.l.Events(f.Context(), store.EventQuery{Key: "k", Limit: 100, Cursor: next})
	if err != nil || next != "" {
		f.Fatalf("next %q, %v", next, err)
	}
	var got []store.RequestID
	for _, e := range append(page, rest...) {
		got = append(got, e.ID)
	}
	if !slices.Equal(got, ids) {
		f.Fatalf("got %v, want %v", got, ids)
	}
	for _, cursor := range []string{"x", "!!!", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA////"} {
		_, _, err := f.l.Events(f.Context(), store.EventQuery{Key: "k", Cursor: cursor})
		wantErr(f.T, err, store.ErrInvalid)
	}
}

func (f *fixture) begun(key string, at time.Time) store.Mark {
	return store.Mark{Kind: store.MarkBegun, ID: f.id(), Key: key, Model: "m", Deployment: "up/m", At: at, RequestBytes: 77}
}

func (f *fixture) mark(marks ...store.Mark) {
	f.Helper()
	if err := f.l.Mark(f.Context(), f.src, marks); err != nil {
		f.Fatalf("mark: %v", err)
	}
}

func (f *fixture) wantOrphans(own store.Source, want ...store.Mark) {
	f.Helper()
	got, err := f.l.Orphans(f.Context(), own)
	if err != nil {
		f.Fatalf("orphans: %v", err)
	}
	for i := range got {
		got[i].At = got[i].At.UTC()
	}
	slices.SortFunc(got, func(a, b store.Mark) int { return int(int64(a.ID) - int64(b.ID)) })
	slices.SortFunc(want, func(a, b store.Mark) int { return int(int64(a.ID) - int64(b.ID)) })
	if !slices.Equal(got, want) {
		f.Fatalf("orphans:\n got %+v\nwant %+v", got, want)
	}
}

// testOrphans follows requests through all they can meet, with a restart at every point.
func testOrphans(f *fixture) {
	settled, void, left := f.begun("k1", noon), f.begun("k2", noon), f.begun("k3", noon.Add(time.Minute))
	inBatch := f.begun("k4", noon)
	quick := f.begun("k5", noon)
	f.mark(settled, void, left)
	f.mark(inBatch, quick)
	f.commitBatch(store.Batch{Events: []store.Event{f.eventOf(quick)}})
	f.mark(store.Mark{Kind: store.MarkProgress, ID: left.ID, Deltas: 5}, left) // marks may be repeated
	f.mark(store.Mark{Kind: store.MarkProgress, ID: left.ID, Deltas: 9}, store.Mark{Kind: store.MarkVoid, ID: void.ID})
	f.commit(f.eventOf(settled))
	f.wantOrphans(f.src)
	f.mark(store.Mark{Kind: store.MarkProgress, ID: settled.ID, Deltas: 5}, store.Mark{Kind: store.MarkVoid, ID: f.id()})
	left.Deltas = 9
	for range 2 {
		f.reopen()
		f.wantOrphans(f.src, left, inBatch)
	}
	e := f.eventOf(left)
	e.Recovered = true
	f.commit(e)
	f.wantOrphans(f.src, inBatch)
	f.reopen()
	f.wantOrphans(f.src, inBatch)
	f.mark(store.Mark{Kind: store.MarkVoid, ID: inBatch.ID})
	f.wantOrphans(f.src)
	f.reopen()
	f.wantOrphans(f.src)
	if n := f.total(); n != 3 {
		f.Fatalf("%d requests are counted, not 3", n)
	}
}

func (f *fixture) eventOf(m store.Mark) store.Event {
	e := f.event(m.Key, m.Model, m.At)
	e.ID = m.ID
	return e
}

func testOrphansOfTheRunning(f *fixture) {
	m := f.begun("k", noon)
	f.mark(m)
	f.wantOrphans(f.src)
	f.l = f.reopenLedger()
	f.wantOrphans(f.src) // one's own are never orphans
	own := f.source()
	f.wantOrphans(own, m)
}

func testLastUsed(f *fixture) {
	f.commit(f.event("k1", "m", noon), f.event("k2", "m", noon.Add(time.Hour)))
	f.commit(f.event("k1", "m", noon.Add(time.Minute)), f.event("k2", "m", noon))
	check := func() {
		f.Helper()
		got, err := f.l.LastUsed(f.Context(), []string{"k1", "k2", "k3"})
		if err != nil {
			f.Fatal(err)
		}
		want := map[string]time.Time{"k1": noon.Add(time.Minute), "k2": noon.Add(time.Hour)}
		if len(got) != 2 || !got["k1"].Equal(want["k1"]) || !got["k2"].Equal(want["k2"]) {
			f.Fatalf("got %v, want %v", got, want)
		}
	}
	check()
	f.reopen()
	check()
	f.commit(f.event("k1", "m", noon)) // an older time does not go back
	check()
	f.reopen()
	check()
}
