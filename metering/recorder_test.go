package metering

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"llmhub/store"
)

func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{})
		e := begin(t, r, "key_a")
		time.Sleep(1234567 * time.Microsecond)
		s := Settlement{Provenance: store.FromDrained, Tokens: store.Tokens{Input: 5, CachedInput: 2, Output: 7, Reasoning: 3, Estimated: 1}}
		if err := e.Settle(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		_, commits, _, _ := f.state()
		want := store.Event{
			ID: e.ID(), Key: "key_a", Model: "m", Deployment: "d/m", At: time.Now().UTC().Truncate(time.Millisecond),
			Duration: 1234 * time.Millisecond, Provenance: s.Provenance, Tokens: s.Tokens,
		}
		if len(commits) != 1 || commits[0].Seq != 1 || !reflect.DeepEqual(commits[0].Events, []store.Event{want}) {
			t.Errorf("committed %+v, want %+v", commits, want)
		}
		if r.Live() != 0 {
			t.Errorf("%d entries live", r.Live())
		}
		mustClose(t, r)
	})
}

// The linger ends when everybody alive has joined, by whichever way an entry ends.
func TestLingerEndsWithTheLastLiveEntry(t *testing.T) {
	for name, end := range map[string]func(*Entry){
		"settle": func(e *Entry) { e.SettleLater(usage(1, 1)) },
		"void":   (*Entry).Void,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				r := startRecorder(t, f, RecorderOptions{Linger: time.Hour, ProgressEvery: 24 * time.Hour})
				a, b := begin(t, r, "a"), begin(t, r, "b")
				start := time.Now()
				s := settle(t, a)
				synctest.Wait()
				if s.ended() {
					t.Fatal("committed although another request is live")
				}
				end(b)
				synctest.Wait()
				if !s.ended() || s.err != nil || time.Since(start) != 0 {
					t.Errorf("ended %v with %v after %v", s.ended(), s.err, time.Since(start))
				}
				mustClose(t, r)
			})
		})
	}
}

func TestLingerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{Linger: 3 * time.Millisecond})
		live := begin(t, r, "live")
		start := time.Now()
		if err := begin(t, r, "a").Settle(t.Context(), usage(1, 1)); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 3*time.Millisecond {
			t.Errorf("committed after %v", d)
		}
		live.Void()
		mustClose(t, r)
	})
}

func TestGroupsWhatFinishesDuringACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		hold := make(chan struct{})
		f.holdCommits(hold)
		r := startRecorder(t, f, RecorderOptions{MaxBatch: 40})
		waits := []*settling{settle(t, begin(t, r, "first"))}
		synctest.Wait()
		for i := range 100 {
			waits = append(waits, settle(t, begin(t, r, fmt.Sprint(i))))
		}
		synctest.Wait()
		close(hold)
		for _, s := range waits {
			if <-s.done; s.err != nil {
				t.Error(s.err)
			}
		}
		_, commits, _, _ := f.state()
		var sizes []int
		for _, b := range commits {
			sizes = append(sizes, len(b.Events))
		}
		if !reflect.DeepEqual(sizes, []int{1, 40, 40, 20}) {
			t.Errorf("commits of %v events", sizes)
		}
		mustClose(t, r)
	})
}

// While a batch cannot be committed, everybody is told at once, nothing may begin, and the same batch is tried again.
func TestFailureIsToldAndRetried(t *testing.T) {
	for _, cause := range []error{store.ErrNoSpace, errors.New("of unknown outcome")} {
		t.Run(cause.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.failCommits(cause, cause, cause)
				r := startRecorder(t, f, RecorderOptions{RetryEvery: time.Second})
				live := begin(t, r, "live")
				first := begin(t, r, "a").Settle(t.Context(), usage(1, 2))
				if !errors.Is(first, ErrNotRecorded) || !errors.Is(first, cause) {
					t.Errorf("first: %v", first)
				}
				if _, err := r.Begin(Begun{ID: r.NewID(), Key: "k"}); !errors.Is(err, cause) {
					t.Errorf("begin: %v", err)
				}
				if err := r.Ready(); !errors.Is(err, cause) {
					t.Errorf("ready: %v", err)
				}
				start := time.Now()
				if err := live.Settle(t.Context(), usage(3, 4)); !errors.Is(err, cause) || time.Since(start) != 0 {
					t.Errorf("who comes later is told %v after %v", err, time.Since(start))
				}
				time.Sleep(3 * time.Second)
				synctest.Wait()
				attempts, commits, _, _ := f.state()
				if len(attempts) != 5 || len(commits) != 2 {
					t.Fatalf("%d attempts, %d commits", len(attempts), len(commits))
				}
				for _, b := range attempts[1:4] {
					if !reflect.DeepEqual(b, attempts[0]) {
						t.Errorf("tried %+v, then %+v", attempts[0], b)
					}
				}
				// Whoever comes now is not taken for one of those who were told.
				if err := begin(t, r, "b").Settle(t.Context(), usage(1, 1)); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				mustClose(t, r)
			})
		})
	}
}

func TestLedgerBeyondUse(t *testing.T) {
	for _, cause := range []error{store.ErrClosed, store.ErrDamaged} {
		t.Run(cause.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.failCommits(fmt.Errorf("wrapped: %w", cause))
				r := startRecorder(t, f, RecorderOptions{})
				live := begin(t, r, "live")
				if err := begin(t, r, "a").Settle(t.Context(), usage(1, 1)); !errors.Is(err, cause) {
					t.Errorf("settle: %v", err)
				}
				if err := <-r.Fatal(); !errors.Is(err, cause) {
					t.Errorf("fatal: %v", err)
				}
				if err := live.Settle(t.Context(), usage(1, 1)); !errors.Is(err, ErrNotRecorded) || !errors.Is(err, cause) {
					t.Errorf("settle later: %v", err)
				}
				if _, err := r.Begin(Begun{ID: r.NewID(), Key: "k"}); !errors.Is(err, cause) {
					t.Errorf("begin: %v", err)
				}
				if err := r.Close(); !errors.Is(err, ErrNotRecorded) || !errors.Is(err, cause) {
					t.Errorf("close: %v", err)
				}
				if attempts, _, _, _ := f.state(); len(attempts) != 1 {
					t.Errorf("%d attempts", len(attempts))
				}
			})
		})
	}
}

// One event that the ledger can never take must not hold up the others for ever.
func TestUnfitEventIsGivenUpAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.unfit["bad"] = true
		hold := make(chan struct{})
		f.holdCommits(hold)
		r := startRecorder(t, f, RecorderOptions{})
		begin(t, r, "first").SettleLater(usage(1, 1))
		synctest.Wait()
		var bad *settling
		for i := range 9 {
			key := fmt.Sprint(i)
			if i == 4 {
				key = "bad"
			}
			s := settle(t, begin(t, r, key))
			if i == 4 {
				bad = s
			}
		}
		synctest.Wait()
		close(hold)
		if <-bad.done; !errors.Is(bad.err, ErrNotRecorded) || !errors.Is(bad.err, store.ErrInvalid) {
			t.Errorf("bad: %v", bad.err)
		}
		if err := begin(t, r, "later").Settle(t.Context(), usage(1, 1)); err != nil {
			t.Errorf("later: %v", err)
		}
		if len(f.events) != 10 {
			t.Errorf("%d events committed", len(f.events))
		}
		if err := r.Close(); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("close: %v", err)
		}
	})
}

// What another process leaves behind while this one runs is settled once, in the order of this one's batches, and in spite
// of failures.
func TestOrphansOfOthersAreSettledMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{OrphansEvery: 10 * time.Second})
		begin(t, r, "own").SettleLater(usage(1, 1))
		time.Sleep(time.Second)
		f.mu.Lock()
		for n := range uint64(maxOrphanBatch + 1) {
			f.orphans = append(f.orphans, store.Mark{Kind: store.MarkBegun, ID: store.NewRequestID(3, n+1), Key: "k", At: time.Now(), Deltas: 2})
		}
		f.orphanErrs = []error{errors.New("away")}
		f.mu.Unlock()
		f.failCommits(errors.New("of unknown outcome"))
		time.Sleep(10 * time.Second) // in vain
		synctest.Wait()
		if _, commits, _, _ := f.state(); len(commits) != 1 {
			t.Fatalf("%d commits although orphans could not be had", len(commits))
		}
		time.Sleep(30 * time.Second)
		begin(t, r, "own").SettleLater(usage(1, 1))
		mustClose(t, r)
		_, commits, _, _ := f.state()
		var sizes []int
		for _, b := range commits {
			sizes = append(sizes, len(b.Events))
		}
		if !reflect.DeepEqual(sizes, []int{1, maxOrphanBatch, 1, 1}) {
			t.Errorf("commits of %v events", sizes)
		}
		for id, n := range f.events {
			if n != 1 {
				t.Errorf("%s is counted %d times", id, n)
			}
		}
		if e := commits[1].Events[0]; !e.Recovered || e.Tokens.Output != 2 {
			t.Errorf("settled as %+v", e)
		}
	})
}

func TestCloseCommitsWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startRecorder(t, f, RecorderOptions{Linger: time.Hour, MaxBatch: 3})
		left := begin(t, r, "left")
		for range 10 {
			begin(t, r, "k").SettleLater(usage(1, 1))
		}
		mustClose(t, r)
		if len(f.events) != 10 {
			t.Errorf("%d events", len(f.events))
		}
		if _, err := r.Begin(Begun{ID: r.NewID(), Key: "k"}); !errors.Is(err, store.ErrClosed) {
			t.Errorf("begin: %v", err)
		}
		if err := left.Settle(t.Context(), usage(1, 1)); !errors.Is(err, ErrNotRecorded) || !errors.Is(err, store.ErrClosed) {
			t.Errorf("settle: %v", err)
		}
		if err := r.Close(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("close with an entry settled too late: %v", err)
		}
	})
}

// Close tries a batch that is stuck once more.
func TestCloseWhileStuck(t *testing.T) {
	for _, c := range []struct {
		name   string
		fails  int
		events int
	}{{"space again", 1, 2}, {"still full", 100, 0}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				errs := make([]error, c.fails)
				for i := range errs {
					errs[i] = store.ErrNoSpace
				}
				f.failCommits(errs...)
				r := startRecorder(t, f, RecorderOptions{RetryEvery: time.Hour})
				live := begin(t, r, "b")
				begin(t, r, "a").SettleLater(usage(1, 1))
				time.Sleep(time.Second)
				live.SettleLater(usage(1, 1))
				start := time.Now()
				err := r.Close()
				if (err == nil) != (c.events == 2) || err != nil && !errors.Is(err, store.ErrNoSpace) {
					t.Errorf("close: %v", err)
				}
				if len(f.events) != c.events || time.Since(start) != 0 {
					t.Errorf("%d events after %v", len(f.events), time.Since(start))
				}
				select {
				case err := <-r.Fatal():
					t.Errorf("fatal: %v", err)
				default:
				}
			})
		})
	}
}

func TestContextBoundsOnlyTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		hold := make(chan struct{})
		f.holdCommits(hold)
		r := startRecorder(t, f, RecorderOptions{})
		e := begin(t, r, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Settle(ctx, usage(1, 1)); !errors.Is(err, ErrNotRecorded) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("settle: %v", err)
		}
		close(hold)
		mustClose(t, r)
		if f.events[e.ID()] != 1 {
			t.Error("not committed")
		}
	})
}

func TestEndedTwiceCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		hold := make(chan struct{})
		f.holdCommits(hold)
		r := startRecorder(t, f, RecorderOptions{})
		e, v := begin(t, r, "a"), begin(t, r, "v")
		v.Void()
		if err := v.Settle(t.Context(), usage(1, 1)); err != nil {
			t.Errorf("settle what is void: %v", err)
		}
		first := settle(t, e)
		synctest.Wait()
		second := settle(t, e)
		e.Void()
		e.SettleLater(usage(9, 9))
		synctest.Wait()
		if second.ended() {
			t.Error("the second call did not wait for the record")
		}
		close(hold)
		<-first.done
		<-second.done
		mustClose(t, r)
		if first.err != nil || second.err != nil || len(f.events) != 1 || f.events[e.ID()] != 1 {
			t.Errorf("%v, %v, events %v", first.err, second.err, f.events)
		}
	})
}

func TestBeginRefusesWhatCannotBeRecorded(t *testing.T) {
	f := newFake()
	r := startRecorder(t, f, RecorderOptions{})
	defer mustClose(t, r)
	long := string(make([]byte, 256))
	for name, b := range map[string]Begun{
		"no key": {}, "long key": {Key: long}, "long model": {Key: "k", Model: long}, "negative size": {Key: "k", RequestBytes: -1},
	} {
		if _, err := r.Begin(b); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e, err := r.Begin(Begun{ID: r.NewID(), Key: "k", Deployment: long})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Settle(t.Context(), usage(1, 1)); err != nil {
		t.Fatal(err)
	}
	_, commits, _, _ := f.state()
	if ev := commits[0].Events[0]; len(ev.Deployment) != 255 || ev.Duration < 0 || ev.Duration > time.Minute {
		t.Errorf("recorded %d bytes of deployment, duration %v", len(ev.Deployment), ev.Duration)
	}
	f.mu.Lock()
	f.ready = store.ErrNoSpace
	f.mu.Unlock()
	if _, err := r.Begin(Begun{ID: r.NewID(), Key: "k"}); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("below the floor: %v", err)
	}
}
