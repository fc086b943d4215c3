// Package storetest is the conformance suite that every engine of package store passes. It knows no engine and only
// asks for what the interfaces promise, so that an engine behind a network can run it as well.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"llmhub/store"
)

// Documents runs the suite. open returns an empty store that outlives the test it is given.
func Documents(t *testing.T, open func(t *testing.T) store.Documents) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, store.Documents)
	}{
		{"Get", testGet},
		{"CompareAndSet", testCompareAndSet},
		{"AllOrNothing", testAllOrNothing},
		{"Check", testCheck},
		{"Delete", testDelete},
		{"Limits", testLimits},
		{"Index", testIndex},
		{"Paging", testPaging},
		{"KeysStayApart", testKeysStayApart},
		{"ConcurrentWriters", testConcurrentWriters},
		{"WatchHistory", testWatchHistory},
		{"WatchFollows", testWatchFollows},
		{"WatchEnds", testWatchEnds},
		{"Collection", testCollection},
		{"CancelledContext", testCancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func doc(kind, id string, expect store.Version, n int) store.Write {
	return store.Write{Kind: kind, ID: id, Expect: expect, Body: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func mustPut(t *testing.T, d store.Documents, w ...store.Write) store.Version {
	t.Helper()
	v, err := d.Put(t.Context(), w...)
	if err != nil {
		t.Fatalf("put: %v", err)
	}
	return v
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error is %v, not %v", got, want)
	}
}

// wantDoc insists on the state of a document; n < 0 means absent.
func wantDoc(t *testing.T, d store.Documents, kind, id string, v store.Version, n int) {
	t.Helper()
	got, err := d.Get(t.Context(), kind, id)
	if n < 0 {
		wantErr(t, err, store.ErrNotFound)
		return
	}
	if err != nil {
		t.Fatalf("get %s %s: %v", kind, id, err)
	}
	if got.Kind != kind || got.ID != id || got.Version != v || got.Deleted || numberIn(t, got) != n {
		t.Fatalf("got %s %s at version %d: %s; want version %d, n %d", got.Kind, got.ID, got.Version, got.Body, v, n)
	}
}

func numberIn(t *testing.T, d store.Document) int {
	t.Helper()
	var body struct{ N int }
	if err := json.Unmarshal(d.Body, &body); err != nil {
		t.Fatalf("body of %s %s: %v", d.Kind, d.ID, err)
	}
	return body.N
}

func testGet(t *testing.T, d store.Documents) {
	wantDoc(t, d, "a", "x", 0, -1)
	v := mustPut(t, d, doc("a", "x", 0, 1))
	if v != 1 {
		t.Fatalf("the first commit has version %d", v)
	}
	wantDoc(t, d, "a", "x", v, 1)
	wantDoc(t, d, "b", "x", 0, -1)
	got, err := d.Get(t.Context(), "a", "x")
	if err != nil {
		t.Fatal(err)
	}
	clear(got.Body) // it belongs to the receiver
	wantDoc(t, d, "a", "x", v, 1)
}

func testCompareAndSet(t *testing.T, d store.Documents) {
	_, err := d.Put(t.Context(), doc("a", "x", 7, 1))
	wantErr(t, err, store.ErrConflict)
	v1 := mustPut(t, d, doc("a", "x", 0, 1))
	_, err = d.Put(t.Context(), doc("a", "x", 0, 2))
	wantErr(t, err, store.ErrConflict)
	v2 := mustPut(t, d, doc("a", "x", v1, 3))
	_, err = d.Put(t.Context(), doc("a", "x", v1, 4))
	wantErr(t, err, store.ErrConflict)
	if v2 != v1+1 {
		t.Fatalf("version %d follows %d", v2, v1)
	}
	wantDoc(t, d, "a", "x", v2, 3)
}

func testAllOrNothing(t *testing.T, d store.Documents) {
	v := mustPut(t, d, doc("a", "x", 0, 1), doc("b", "y", 0, 2))
	wantDoc(t, d, "a", "x", v, 1)
	wantDoc(t, d, "b", "y", v, 2)
	w := doc("a", "z", 0, 3)
	w.Index = map[string]string{"i": "v"}
	_, err := d.Put(t.Context(), w, doc("a", "x", v, 4), doc("b", "y", 99, 5))
	wantErr(t, err, store.ErrConflict)
	wantDoc(t, d, "a", "x", v, 1)
	wantDoc(t, d, "a", "z", 0, -1)
	if got := listIDs(t, d, store.ListQuery{Kind: "a", Index: "i", Value: "v"}); len(got) > 0 {
		t.Fatalf("an index entry of a refused put is left: %v", got)
	}
	if v2 := mustPut(t, d, doc("a", "z", 0, 6)); v2 != v+1 {
		t.Fatalf("a refused put has used up a version: %d follows %d", v2, v)
	}
	_, err = d.Put(t.Context(), doc("a", "q", 0, 1), doc("a", "q", 0, 2))
	wantErr(t, err, store.ErrInvalid)
}

func testCheck(t *testing.T, d store.Documents) {
	v1 := mustPut(t, d, doc("a", "x", 0, 1))
	v2 := mustPut(t, d, store.Write{Kind: "a", ID: "x", Expect: v1, Check: true}, doc("a", "y", 0, 2))
	wantDoc(t, d, "a", "x", v1, 1)
	wantDoc(t, d, "a", "y", v2, 2)
	_, err := d.Put(t.Context(), store.Write{Kind: "a", ID: "x", Expect: v2, Check: true}, doc("a", "z", 0, 3))
	wantErr(t, err, store.ErrConflict)
	_, err = d.Put(t.Context(), store.Write{Kind: "a", ID: "x", Check: true}, doc("a", "z", 0, 3))
	wantErr(t, err, store.ErrConflict)
	wantDoc(t, d, "a", "z", 0, -1)
	mustPut(t, d, store.Write{Kind: "a", ID: "absent", Check: true}, doc("a", "z", 0, 3))
}

func testDelete(t *testing.T, d store.Documents) {
	w := doc("a", "x", 0, 1)
	w.Index = map[string]string{"i": "v"}
	v1 := mustPut(t, d, w)
	_, err := d.Put(t.Context(), store.Write{Kind: "a", ID: "x", Expect: v1 + 1, Delete: true})
	wantErr(t, err, store.ErrConflict)
	v2 := mustPut(t, d, store.Write{Kind: "a", ID: "x", Expect: v1, Delete: true})
	wantDoc(t, d, "a", "x", 0, -1)
	for _, q := range []store.ListQuery{{Kind: "a"}, {Kind: "a", Index: "i", Value: "v"}} {
		if got := listIDs(t, d, q); len(got) > 0 {
			t.Fatalf("a deleted document is listed: %v", got)
		}
	}
	_, err = d.Put(t.Context(), doc("a", "x", v2, 2))
	wantErr(t, err, store.ErrConflict)
	v3 := mustPut(t, d, doc("a", "x", 0, 3))
	if v3 != v2+1 {
		t.Fatalf("version %d follows %d", v3, v2)
	}
	wantDoc(t, d, "a", "x", v3, 3)
}

func testLimits(t *testing.T, d store.Documents) {
	body := func(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }
	for _, c := range []struct {
		name string
		w    store.Write
		want error
	}{
		{"no kind", store.Write{ID: "x", Body: body(2)}, store.ErrInvalid},
		{"long kind", store.Write{Kind: strings.Repeat("k", 65), ID: "x", Body: body(2)}, store.ErrInvalid},
		{"no id", store.Write{Kind: "a", Body: body(2)}, store.ErrInvalid},
		{"long id", store.Write{Kind: "a", ID: strings.Repeat("i", 256), Body: body(2)}, store.ErrInvalid},
		{"long value", store.Write{Kind: "a", ID: "x", Body: body(2),
			Index: map[string]string{"i": strings.Repeat("v", 256)}}, store.ErrInvalid},
		{"no index name", store.Write{Kind: "a", ID: "x", Body: body(2), Index: map[string]string{"": "v"}}, store.ErrInvalid},
		{"no JSON", store.Write{Kind: "a", ID: "x", Body: []byte("{")}, store.ErrInvalid},
		{"no body", store.Write{Kind: "a", ID: "x"}, store.ErrInvalid},
		{"large body", store.Write{Kind: "a", ID: "x", Body: body(1<<20 + 1)}, store.ErrTooLarge},
		{"delete without version", store.Write{Kind: "a", ID: "x", Delete: true}, store.ErrInvalid},
	} {
		if _, err := d.Put(t.Context(), doc("a", "before", 0, 1), c.w); !errors.Is(err, c.want) {
			t.Errorf("%s: error is %v, not %v", c.name, err, c.want)
		}
	}
	wantDoc(t, d, "a", "before", 0, -1)
	kind, id := strings.Repeat("k", 64), strings.Repeat("i", 255)
	mustPut(t, d, store.Write{Kind: kind, ID: id, Body: body(1 << 20),
		Index: map[string]string{"i": strings.Repeat("v", 255)}})
	if got, err := d.Get(t.Context(), kind, id); err != nil || len(got.Body) != 1<<20 {
		t.Fatalf("the largest document: %d bytes, %v", len(got.Body), err)
	}
}

func testIndex(t *testing.T, d store.Documents) {
	put := func(id string, expect store.Version, index map[string]string) store.Version {
		w := doc("a", id, expect, 1)
		w.Index = index
		return mustPut(t, d, w)
	}
	v := put("x", 0, map[string]string{"color": "red", "size": "1"})
	put("y", 0, map[string]string{"color": "red"})
	put("z", 0, map[string]string{"color": ""})
	expect := func(index, value string, want ...string) {
		t.Helper()
		if got := listIDs(t, d, store.ListQuery{Kind: "a", Index: index, Value: value}); !slices.Equal(got, want) {
			t.Fatalf("%s=%q lists %v, not %v", index, value, got, want)
		}
	}
	expect("color", "red", "x", "y")
	expect("color", "", "z")
	expect("size", "1", "x")
	put("x", v, map[string]string{"color": "blue", "size": "1"})
	expect("color", "red", "y")
	expect("color", "blue", "x")
	expect("size", "1", "x")
	expect("shape", "round")
}

// listIDs reads all pages.
func listIDs(t *testing.T, d store.Documents, q store.ListQuery) []string {
	t.Helper()
	var ids []string
	for {
		page, next, err := d.List(t.Context(), q)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for _, doc := range page {
			ids = append(ids, doc.ID)
		}
		if next == "" {
			return ids
		}
		if next <= q.After {
			t.Fatalf("cursor %q follows %q", next, q.After)
		}
		q.After = next
	}
}

func testPaging(t *testing.T, d store.Documents) {
	var want []string
	for i := range 23 {
		id := fmt.Sprintf("id-%02d", i)
		w := doc("a", id, 0, i)
		w.Index = map[string]string{"i": "v"}
		mustPut(t, d, w)
		want = append(want, id)
	}
	mustPut(t, d, doc("b", "id-00", 0, 1))
	for _, index := range []string{"", "i"} {
		for _, limit := range []int{0, 1, 7, 22, 23, 24} {
			q := store.ListQuery{Kind: "a", Index: index, Value: "v", Limit: limit}
			if got := listIDs(t, d, q); !slices.Equal(got, want) {
				t.Fatalf("index %q, limit %d: %v", index, limit, got)
			}
			page, next, err := d.List(t.Context(), q)
			if err != nil || limit > 0 && len(page) != min(limit, 23) || (next == "") != (len(page) == 23) {
				t.Fatalf("index %q, limit %d: page of %d, next %q, %v", index, limit, len(page), next, err)
			}
			if i := len(page) - 1; numberIn(t, page[i]) != i || page[i].Version != store.Version(i+1) {
				t.Fatalf("index %q, limit %d: the page ends with %+v", index, limit, page[i])
			}
		}
	}
	got := listIDs(t, d, store.ListQuery{Kind: "a", After: "id-1"})
	if !slices.Equal(got, want[10:]) {
		t.Fatalf("behind an ID that does not exist: %v", got)
	}
}

// testKeysStayApart uses names that collide if they are joined without care.
func testKeysStayApart(t *testing.T, d store.Documents) {
	names := []string{"a", "b", "ab", "a\x00", "a\x00b", "\x00", "a-b", "-", "\x01a", "\xff", "a\xff"}
	n := 0
	for _, kind := range names {
		for _, id := range names {
			w := doc(kind, id, 0, n)
			w.Index = map[string]string{kind: id, id: kind}
			mustPut(t, d, w)
			n++
		}
	}
	n = 0
	ordered := slices.Clone(names)
	slices.Sort(ordered)
	for _, kind := range names {
		if got := listIDs(t, d, store.ListQuery{Kind: kind}); !slices.Equal(got, ordered) {
			t.Fatalf("kind %q lists %q", kind, got)
		}
		for _, id := range names {
			wantDoc(t, d, kind, id, store.Version(n+1), n)
			if got := listIDs(t, d, store.ListQuery{Kind: kind, Index: id, Value: kind}); !slices.Contains(got, id) {
				t.Fatalf("kind %q, index %q lists %q", kind, id, got)
			}
			n++
		}
	}
}

func testConcurrentWriters(t *testing.T, d store.Documents) {
	const writers, rounds = 8, 25
	mustPut(t, d, doc("a", "counter", 0, 0))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				cur, err := d.Get(t.Context(), "a", "counter")
				if err != nil {
					t.Error(err)
					return
				}
				_, err = d.Put(t.Context(), doc("a", "counter", cur.Version, numberIn(t, cur)+1))
				if err == nil {
					done++
				} else if !errors.Is(err, store.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantDoc(t, d, "a", "counter", writers*rounds+1, writers*rounds)
}

// watch follows a store in the background.
type watch struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	news    *sync.Cond
	over    bool
	commits [][]store.Document
	upTo    store.Version
}

func startWatch(t *testing.T, d store.Documents, since store.Version) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{t: t, cancel: cancel, ended: make(chan error, 1)}
	w.news = sync.NewCond(&w.mu)
	go func() {
		err := d.Watch(ctx, since, func(docs []store.Document) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.commits = append(w.commits, docs)
			return nil
		}, func(v store.Version) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.upTo = v
			w.news.Broadcast()
		})
		w.mu.Lock()
		defer w.mu.Unlock()
		w.over = true
		w.news.Broadcast()
		w.ended <- err
	}()
	return w
}

// wait returns what has been delivered once the watch has caught up with a version.
func (w *watch) wait(v store.Version) [][]store.Document {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.upTo < v {
		if w.over {
			w.t.Fatalf("the watch ended at version %d: %v", w.upTo, <-w.ended)
		}
		w.news.Wait()
	}
	return slices.Clone(w.commits)
}

func (w *watch) stop() {
	w.t.Helper()
	w.cancel()
	if err := <-w.ended; !errors.Is(err, context.Canceled) {
		w.t.Errorf("the watch ended with %v", err)
	}
}

// summary writes commits as "version:id=n".
func summary(t *testing.T, commits [][]store.Document) []string {
	t.Helper()
	var out []string
	for _, c := range commits {
		var parts []string
		for _, d := range c {
			s := fmt.Sprintf("%d:%s", d.Version, d.ID)
			if d.Deleted {
				s += " deleted"
			} else {
				s += "=" + strconv.Itoa(numberIn(t, d))
			}
			parts = append(parts, s)
		}
		slices.Sort(parts)
		out = append(out, strings.Join(parts, " "))
	}
	return out
}

func testWatchHistory(t *testing.T, d store.Documents) {
	empty := startWatch(t, d, 0)
	empty.wait(0)
	empty.stop()
	v1 := mustPut(t, d, doc("a", "x", 0, 1), doc("b", "y", 0, 2))
	v2 := mustPut(t, d, doc("a", "z", 0, 3))
	v3 := mustPut(t, d, doc("a", "x", v1, 4))
	v4 := mustPut(t, d, store.Write{Kind: "a", ID: "z", Expect: v2, Delete: true})
	for _, c := range []struct {
		since store.Version
		want  []string
	}{
		{0, []string{"1:y=2", "3:x=4", "4:z deleted"}},
		{v2, []string{"3:x=4", "4:z deleted"}},
		{v3, []string{"4:z deleted"}},
		{v4, nil},
	} {
		w := startWatch(t, d, c.since)
		if got := summary(t, w.wait(v4)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("since %d: %q, not %q", c.since, got, c.want)
		}
		w.stop()
	}
	v5 := mustPut(t, d, doc("a", "z", 0, 5))
	w := startWatch(t, d, 0)
	got := summary(t, w.wait(v5))
	w.stop()
	if got[len(got)-1] != "5:z=5" {
		t.Errorf("created anew: %q", got)
	}
}

// testWatchFollows has watchers follow concurrent writers and insists that none of them misses a last state, sees
// versions go back, or sees a commit in parts.
func testWatchFollows(t *testing.T, d store.Documents) {
	const writers, rounds, watchers = 4, 50, 3
	var watches []*watch
	for range watchers {
		watches = append(watches, startWatch(t, d, 0))
	}
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			var v store.Version
			var err error
			left, right := fmt.Sprintf("left-%d", n), fmt.Sprintf("right-%d", n)
			for i := range rounds {
				if v, err = d.Put(t.Context(), doc("a", left, v, i), doc("a", right, v, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, w := range watches {
		commits := w.wait(writers * rounds)
		w.stop()
		last := map[string]int{}
		var version store.Version
		for _, c := range commits {
			if len(c) != 2 || c[0].Version != c[1].Version || c[0].Version <= version {
				t.Fatalf("behind version %d came %q", version, summary(t, [][]store.Document{c}))
			}
			version = c[0].Version
			for _, doc := range c {
				last[doc.ID] = numberIn(t, doc)
			}
		}
		for n := range writers {
			if l, r := last[fmt.Sprintf("left-%d", n)], last[fmt.Sprintf("right-%d", n)]; l != rounds-1 || r != rounds-1 {
				t.Fatalf("writer %d ended at %d, the watch saw %d and %d", n, rounds-1, l, r)
			}
		}
	}
}

func testWatchEnds(t *testing.T, d store.Documents) {
	v := mustPut(t, d, doc("a", "x", 0, 1))
	broken := errors.New("broken")
	err := d.Watch(t.Context(), 0, func([]store.Document) error { return broken }, nil)
	wantErr(t, err, broken)
	// The store can be used from within.
	err = d.Watch(t.Context(), 0, func(docs []store.Document) error {
		if docs[0].Version == v {
			_, err := d.Put(t.Context(), doc("a", "y", 0, 2))
			return err
		}
		wantDoc(t, d, "a", "y", v+1, 2)
		return broken
	}, nil)
	wantErr(t, err, broken)
}

func testCancelled(t *testing.T, d store.Documents) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Put(ctx, doc("a", "x", 0, 1))
	wantErr(t, err, context.Canceled)
	_, err = d.Get(ctx, "a", "x")
	wantErr(t, err, context.Canceled)
	_, _, err = d.List(ctx, store.ListQuery{Kind: "a"})
	wantErr(t, err, context.Canceled)
	wantErr(t, d.Watch(ctx, 0, func([]store.Document) error { return nil }, nil), context.Canceled)
	wantDoc(t, d, "a", "x", 0, -1)
}
