package metering

import (
	"errors"
	"reflect"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"llmhub/store"
)

func TestEnsure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{})
		a, b, gone := begin(t, r, "a"), begin(t, r, "b"), begin(t, r, "gone")
		gone.Void()
		a.Delivered(3)
		b.Delivered(1)
		for range 3 {
			if err := a.Ensure(); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Ensure(); err != nil {
			t.Fatal(err)
		}
		_, _, marks, _ := f.state()
		begun := func(e *Entry) store.Mark {
			return store.Mark{Kind: store.MarkBegun, ID: e.id, Key: e.begun.Key, Model: "m", Deployment: "d/m",
				At: e.begun.Arrived.UTC(), RequestBytes: 600}
		}
		want := []store.Mark{begun(a), {Kind: store.MarkProgress, ID: a.id, Deltas: 3},
			begun(b), {Kind: store.MarkProgress, ID: b.id, Deltas: 1}}
		if !reflect.DeepEqual(marks, want) || f.calls != 1 {
			t.Errorf("in %d writes %+v, want %+v", f.calls, marks, want)
		}
		a.Void()
		b.Void()
		mustClose(t, r)
	})
}

func TestEnsureDoesNotWaitForACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		hold := make(chan struct{})
		f.holdCommits(hold)
		r := startRecorder(t, f, RecorderOptions{})
		before := begin(t, r, "before")
		s := settle(t, begin(t, r, "a"))
		time.Sleep(time.Second) // past the linger: the commit is under way
		after := begin(t, r, "after")
		for _, e := range []*Entry{before, after} {
			if err := e.Ensure(); err != nil {
				t.Fatal(err)
			}
		}
		if s.ended() {
			t.Fatal("the commit did not block")
		}
		if _, _, _, open := f.state(); open[before.ID()].ID == 0 || open[after.ID()].ID == 0 {
			t.Errorf("marked %v", open)
		}
		close(hold)
		before.Void()
		after.Void()
		mustClose(t, r)
	})
}

func TestEnsureFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.failMarks(store.ErrNoSpace)
		r := startRecorder(t, f, RecorderOptions{})
		e := begin(t, r, "a")
		if err := e.Ensure(); !errors.Is(err, ErrNotRecorded) || !errors.Is(err, store.ErrNoSpace) {
			t.Errorf("ensure: %v", err)
		}
		if err := e.Ensure(); err != nil {
			t.Errorf("with space again: %v", err)
		}
		e.Void()
		mustClose(t, r)
		if len(f.open) != 0 {
			t.Errorf("open: %v", f.open)
		}
	})
}

// A begun-mark that is written behind the request's event, or behind its void mark, would be found as an orphan.
func TestMarkIsNeverWrittenBehindTheEnd(t *testing.T) {
	for name, end := range map[string]func(*Entry){
		"settle": func(e *Entry) { e.SettleLater(usage(1, 1)) },
		"void":   (*Entry).Void,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			hold := make(chan struct{})
			f.holdMarks(hold)
			r := startRecorder(t, f, RecorderOptions{ProgressEvery: time.Hour})
			e, other := begin(t, r, "e"), begin(t, r, "other")
			other.Delivered(1)
			ensured := make(chan error)
			go func() { ensured <- other.Ensure() }()
			for f.markCalls() == 0 { // the marks of both have been taken then, and not been written
				runtime.Gosched()
			}
			end(e)
			other.SettleLater(usage(1, 1)) // nobody is left to linger for
			for range 10_000 {             // room for a commit that does not wait for the marks
				runtime.Gosched()
			}
			if attempts, _, _, _ := f.state(); len(attempts) != 0 {
				t.Error("committed while a mark of an ended request was on its way")
			}
			close(hold)
			if err := <-ensured; err != nil {
				t.Error(err)
			}
			mustClose(t, r)
			if len(f.open) != 0 {
				t.Errorf("left open: %v", f.open)
			}
		})
	}
}

func TestVoidMarks(t *testing.T) {
	for _, c := range []struct {
		name string
		fail error // of the first write of marks
		mark bool  // whether the begun-mark is attempted
		want []store.MarkKind
	}{
		{"never marked", nil, false, nil},
		{"marked", nil, true, []store.MarkKind{store.MarkBegun, store.MarkVoid}},
		{"perhaps marked", errors.New("of unknown outcome"), true, []store.MarkKind{store.MarkVoid}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.failMarks(c.fail)
				r := startRecorder(t, f, RecorderOptions{})
				e := begin(t, r, "a")
				if c.mark {
					if err := e.Ensure(); !errors.Is(err, c.fail) {
						t.Fatal(err)
					}
				}
				e.Void()
				mustClose(t, r)
				_, _, marks, _ := f.state()
				if got := kinds(marks, e.ID()); !reflect.DeepEqual(got, c.want) {
					t.Errorf("marks %v, want %v", got, c.want)
				}
			})
		})
	}
}

// A void mark that could not be written is written later.
func TestVoidMarkIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{})
		e := begin(t, r, "a")
		if err := e.Ensure(); err != nil {
			t.Fatal(err)
		}
		f.failMarks(store.ErrNoSpace)
		e.Void()
		time.Sleep(2500 * time.Millisecond)
		if _, _, _, open := f.state(); len(open) != 0 {
			t.Errorf("still open: %v", open)
		}
		mustClose(t, r)
	})
}

func TestRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{})
		e := begin(t, r, "a")
		if err := begin(t, r, "b").Ensure(); err != nil { // writes the mark of a, too
			t.Fatal(err)
		}
		e.Redirect("second/m")
		if err := e.Ensure(); err != nil {
			t.Fatal(err)
		}
		if _, _, _, open := f.state(); open[e.ID()].Deployment != "second/m" {
			t.Errorf("marked %+v", open[e.ID()])
		}
		if err := e.Settle(t.Context(), usage(1, 1)); err != nil {
			t.Fatal(err)
		}
		if _, commits, _, _ := f.state(); commits[0].Events[0].Deployment != "second/m" {
			t.Errorf("committed %+v", commits[0].Events[0])
		}
		mustClose(t, r)
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{})
		e, silent := begin(t, r, "a"), begin(t, r, "silent")
		deltas := func() int64 {
			_, _, _, open := f.state()
			return open[e.ID()].Deltas
		}
		e.Delivered(1)
		if err := e.Ensure(); err != nil {
			t.Fatal(err)
		}
		e.Delivered(4)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := deltas(); n != 5 {
			t.Errorf("after a second %d", n)
		}
		calls := f.markCalls()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := f.markCalls(); n != calls {
			t.Errorf("%d writes although nothing was delivered", n-calls)
		}
		f.failMarks(store.ErrNoSpace)
		e.Delivered(2)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := deltas(); n != 7 {
			t.Errorf("after a failed write %d", n)
		}
		e.Delivered(1)
		mustClose(t, r) // like a stop that the streams outlive
		if n := deltas(); n != 8 {
			t.Errorf("after Close %d", n)
		}
		_, _, marks, _ := f.state()
		if got := kinds(marks, silent.ID()); !reflect.DeepEqual(got, []store.MarkKind{store.MarkBegun}) {
			t.Errorf("marks of the silent one: %v", got)
		}
	})
}

// However many requests are live, no write has more marks than the ledger takes.
func TestManyMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{})
		entries := make([]*Entry, 3*store.MaxMarks)
		for i := range entries {
			entries[i] = begin(t, r, "k")
			entries[i].Delivered(1)
		}
		if err := entries[len(entries)-1].Ensure(); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			e.Delivered(1)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		_, _, _, open := f.state()
		for _, e := range entries {
			if open[e.ID()].Deltas != 2 {
				t.Fatalf("%s has %d", e.ID(), open[e.ID()].Deltas)
			}
			e.Void()
		}
		mustClose(t, r)
		if len(f.open) != 0 {
			t.Errorf("%d left open", len(f.open))
		}
	})
}
