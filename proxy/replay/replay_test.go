package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var bounds = Bounds{Bytes: 1000, AnswerBytes: 600, Keys: 4, Age: 24 * time.Hour}

func join(t testing.TB, c *Cache, key string, wantLead bool) *Recording {
	t.Helper()
	r, leads, err := c.Join(key, Print{1}, time.Now())
	if err != nil || leads != wantLead {
		t.Fatalf("join %s: leads %v, %v", key, leads, err)
	}
	return r
}

// readAll reads a recording to its end.
func readAll(ctx context.Context, r *Recording) (Head, string, error) {
	rd := r.NewReader()
	head, err := rd.Head(ctx)
	if err != nil {
		return head, "", err
	}
	var out bytes.Buffer
	for p := make([]byte, 7); ; {
		n, err := rd.Read(ctx, p)
		out.Write(p[:n])
		if err == io.EOF {
			return head, out.String(), nil
		}
		if err != nil {
			return head, out.String(), err
		}
	}
}

func TestFollowersReadWhatTheLeaderWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(bounds)
		leader := join(t, c, "k", true)
		results := make(chan string, 3)
		for range 3 {
			go func() {
				head, body, err := readAll(t.Context(), join(t, c, "k", false))
				results <- strconv.Itoa(head.Status) + head.RequestID + body + errText(err)
			}()
		}
		synctest.Wait()
		leader.Begin(Head{Status: 200, RequestID: "req-1"})
		for i := range 20 {
			leader.Write([]byte("part" + strconv.Itoa(i)))
			synctest.Wait()
		}
		leader.Finish()
		leader.Fail() // too late
		var want bytes.Buffer
		want.WriteString("200req-1")
		for i := range 20 {
			want.WriteString("part" + strconv.Itoa(i))
		}
		for range 3 {
			if got := <-results; got != want.String() {
				t.Errorf("got %q", got)
			}
		}
		if _, body, err := readAll(t.Context(), join(t, c, "k", false)); "200req-1"+body != want.String() || err != nil {
			t.Errorf("behind the end: %q, %v", body, err)
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return " " + err.Error()
}

func TestKeyOfAnotherRequest(t *testing.T) {
	c := NewCache(bounds)
	join(t, c, "k", true)
	if _, _, err := c.Join("k", Print{2}, time.Now()); err != ErrMismatch {
		t.Errorf("got %v", err)
	}
	join(t, c, "other", true)
}

func TestFailureIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(bounds)
		leader := join(t, c, "k", true)
		follower := join(t, c, "k", false).NewReader()
		waiting := make(chan error)
		go func() { _, err := follower.Head(t.Context()); waiting <- err }()
		synctest.Wait()
		leader.Fail()
		if err := <-waiting; err != ErrUnfinished {
			t.Errorf("a waiting follower got %v", err)
		}
		again := join(t, c, "k", true)
		again.Begin(Head{Status: 200})
		again.Write([]byte("some"))
		rd := join(t, c, "k", false).NewReader()
		if _, err := rd.Head(t.Context()); err != nil {
			t.Error(err)
		}
		again.Fail()
		p := make([]byte, 10)
		if n, err := rd.Read(t.Context(), p); n != 4 || err != nil {
			t.Errorf("what was written: %d, %v", n, err)
		}
		if _, err := rd.Read(t.Context(), p); err != ErrUnfinished {
			t.Errorf("then %v", err)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	c := NewCache(bounds)
	r := join(t, c, "k", true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.NewReader().Head(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("head: %v", err)
	}
	r.Begin(Head{Status: 200})
	if _, err := r.NewReader().Read(ctx, make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(bounds)
		old := join(t, c, "finished", true)
		old.Begin(Head{Status: 200})
		old.Write([]byte("x"))
		old.Finish()
		rd := join(t, c, "finished", false).NewReader()
		if _, err := rd.Head(t.Context()); err != nil {
			t.Error(err)
		}
		join(t, c, "running", true)
		time.Sleep(bounds.Age)
		join(t, c, "finished", true)
		join(t, c, "running", false)
		if n, err := rd.Read(t.Context(), make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("who had begun to read gets %d, %v", n, err)
		}
	})
}

func TestRoom(t *testing.T) {
	c := NewCache(bounds)
	answer := func(key string, size int) {
		r := join(t, c, key, true)
		r.Begin(Head{Status: 200})
		r.Write(make([]byte, size))
		r.Finish()
	}
	answer("large", 601)
	if _, _, err := c.Join("large", Print{1}, time.Now()); err != ErrGone {
		t.Errorf("an answer that is too large: %v", err)
	}
	answer("a", 500)
	rd := join(t, c, "a", false).NewReader()
	if _, err := rd.Head(t.Context()); err != nil {
		t.Error(err)
	}
	answer("b", 500)
	answer("c", 10)
	if _, _, err := c.Join("a", Print{1}, time.Now()); err != ErrGone {
		t.Errorf("the oldest made room: %v", err)
	}
	if n, err := rd.Read(t.Context(), make([]byte, 1000)); n != 500 || err != nil {
		t.Errorf("who had begun to read gets %d, %v", n, err)
	}
	if _, body, err := readAll(t.Context(), join(t, c, "b", false)); len(body) != 500 || err != nil {
		t.Errorf("b: %d, %v", len(body), err)
	}
	answer("d", 10) // the fifth key
	join(t, c, "large", true)
	if c.bytes != 520 {
		t.Errorf("%d bytes are counted", c.bytes)
	}
}

func TestFollowerOfAnAnswerThatGrowsTooLarge(t *testing.T) {
	c := NewCache(bounds)
	r := join(t, c, "k", true)
	r.Begin(Head{Status: 200})
	r.Write(make([]byte, 600))
	rd := r.NewReader()
	r.Write([]byte("x"))
	if _, err := rd.Read(t.Context(), make([]byte, 1)); err != ErrGone {
		t.Errorf("got %v", err)
	}
	if _, _, err := c.Join("k", Print{1}, time.Now()); err != ErrGone {
		t.Errorf("while it runs: %v", err)
	}
	r.Finish()
	if _, _, err := c.Join("k", Print{1}, time.Now()); err != ErrGone {
		t.Errorf("behind its end: %v", err)
	}
}

// TestBoundsHold does anything in any order.
func TestBoundsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewCache(Bounds{Bytes: 50, AnswerBytes: 30, Keys: 3, Age: time.Hour})
		now := time.Unix(0, 0)
		var leading []*Recording
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "key")
				if r, leads, err := c.Join(key, Print{}, now); err == nil && leads {
					r.Begin(Head{Status: 200})
					leading = append(leading, r)
					// What runs is never forgotten; what has ended makes room for the new one.
					if n := len(c.byKey); n > max(3, len(leading)) {
						t.Fatalf("%d keys are remembered, %d run", n, len(leading))
					}
				}
			},
			"write": func(t *rapid.T) {
				if len(leading) > 0 {
					rapid.SampledFrom(leading).Draw(t, "r").Write(make([]byte, rapid.IntRange(0, 20).Draw(t, "n")))
				}
			},
			"end": func(t *rapid.T) {
				if len(leading) == 0 {
					return
				}
				i := rapid.IntRange(0, len(leading)-1).Draw(t, "i")
				if rapid.Bool().Draw(t, "finish") {
					leading[i].Finish()
				} else {
					leading[i].Fail()
				}
				leading = append(leading[:i], leading[i+1:]...)
			},
			"wait": func(t *rapid.T) { now = now.Add(25 * time.Minute) },
			"": func(t *rapid.T) {
				sum := 0
				for _, r := range c.byKey {
					sum += r.size
				}
				if sum != c.bytes || sum > 50 || len(c.byKey) != c.order.Len() {
					t.Fatalf("%d bytes, counted as %d; %d keys, %d in order", sum, c.bytes, len(c.byKey), c.order.Len())
				}
			},
		})
	})
}

func TestConcurrentUse(t *testing.T) {
	c := NewCache(bounds)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				r, leads, err := c.Join(strconv.Itoa(n%3), Print{}, time.Now())
				switch {
				case err != nil:
				case leads:
					r.Begin(Head{Status: 200})
					for range 5 {
						r.Write([]byte("0123456789"))
					}
					if (i+n)%3 == 0 {
						r.Fail()
					} else {
						r.Finish()
					}
				default:
					if _, body, err := readAll(t.Context(), r); err == nil && len(body) != 50 {
						t.Errorf("a whole answer of %d bytes", len(body))
					}
				}
			}
		})
	}
	wg.Wait()
}
