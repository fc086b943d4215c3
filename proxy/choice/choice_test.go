package choice

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// options are made of settings, one target each.
func group(balance Balance, options ...Option) *Group {
	for i := range options {
		if options[i].Target == nil {
			options[i].Target = NewTarget(Settings{})
		}
	}
	return NewGroup(balance, options)
}

// open returns a target whose breaker is open for so long.
func open(d time.Duration) *Target {
	t := NewTarget(Settings{})
	s, _ := t.acquire(start, false)
	s.Aside(start, d)
	return t
}

// full returns a target whose only slot is taken, with room for so many to wait.
func full(queue int) *Target {
	t := NewTarget(Settings{MaxConcurrency: 1, Queue: queue, QueueTimeout: time.Second})
	t.acquire(start, false)
	return t
}

func busy(n int) *Target {
	t := NewTarget(Settings{})
	for range n {
		t.acquire(start, false)
	}
	return t
}

func TestPick(t *testing.T) {
	draining := func() *Target { return NewTarget(Settings{Draining: true}) }
	for _, c := range []struct {
		name    string
		options []Option
		skip    []int
		want    int
		queued  bool
	}{
		{name: "none", want: -1},
		{name: "the only one", options: []Option{{Weight: 1}}, want: 0},
		{name: "skipped", options: []Option{{Weight: 1}}, skip: []int{0}, want: -1},
		{name: "first tier", options: []Option{{Weight: 1, Priority: 2}, {Weight: 1, Priority: 1}, {Weight: 1, Priority: 3}}, want: 1},
		{name: "next tier", options: []Option{{Weight: 1, Priority: 2}, {Weight: 1, Priority: 1}}, skip: []int{1}, want: 0},
		{name: "least busy", options: []Option{{Weight: 1, Target: busy(2)}, {Weight: 1, Target: busy(1)}}, want: 1},
		{name: "least busy for its weight", options: []Option{{Weight: 1, Target: busy(2)}, {Weight: 4, Target: busy(7)}}, want: 1},
		{name: "more busy for its weight", options: []Option{{Weight: 1, Target: busy(2)}, {Weight: 4, Target: busy(9)}}, want: 0},
		{name: "weight 0 is last", options: []Option{{Weight: 0}, {Weight: 1, Target: busy(9)}}, want: 1},
		{name: "weight 0 where others cannot", options: []Option{{Weight: 0}, {Weight: 1, Target: full(0)}}, want: 0},
		{name: "weight 0 before the next tier", options: []Option{{Weight: 1, Priority: 1}, {Weight: 0}}, want: 1},
		{name: "past an open breaker", options: []Option{{Weight: 1, Target: open(time.Second)}, {Weight: 1, Priority: 1}}, want: 1},
		{name: "all open", options: []Option{{Weight: 1, Target: open(3 * time.Second)}, {Weight: 1, Target: open(time.Second)}, {Weight: 1, Target: open(2 * time.Second)}}, want: 1},
		{name: "open rather than nothing", options: []Option{{Weight: 1, Target: open(time.Second)}, {Weight: 1, Target: full(0)}}, want: 0},
		{name: "draining", options: []Option{{Weight: 1, Target: draining()}}, want: -1},
		{name: "past one that drains", options: []Option{{Weight: 1, Target: draining()}, {Weight: 1, Priority: 1}}, want: 1},
		{name: "full", options: []Option{{Weight: 1, Target: full(0)}}, want: -1},
		{name: "queue", options: []Option{{Weight: 1, Target: full(1)}}, want: 0, queued: true},
		{name: "free rather than queue", options: []Option{{Weight: 1, Target: full(1)}, {Weight: 1, Target: busy(9)}}, want: 1},
		{name: "queue before the next tier", options: []Option{{Weight: 1, Priority: 1}, {Weight: 1, Target: full(1)}}, want: 1, queued: true},
		{name: "queue before an open breaker", options: []Option{{Weight: 1, Target: open(time.Second)}, {Weight: 1, Target: full(1)}}, want: 1, queued: true},
	} {
		var skip Set
		for _, i := range c.skip {
			skip.Add(i)
		}
		p := group(LeastBusy, c.options...).Pick(start, 1, &skip)
		if p.Index != c.want || (p.Ticket != nil) != c.queued || p.Slot.Held() != (c.want >= 0 && !c.queued) {
			t.Errorf("%s: picked %+v, want %d", c.name, p, c.want)
		}
	}
}

func TestSet(t *testing.T) {
	for _, i := range []int{0, 1, 63, 64, MaxOptions - 1} {
		var s Set
		s.Add(i)
		for j := range MaxOptions {
			if s.Has(j) != (i == j) {
				t.Fatalf("set of %d has %d: %v", i, j, s.Has(j))
			}
		}
	}
}

// TestWeightsHold draws often: shares are as the weights say, within a hundredth, and nobody is left out.
func TestWeightsHold(t *testing.T) {
	const draws = 100_000
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		balance Balance
		weights []int
		keep    bool // slots are kept, so that load is what decides
	}{
		{Weighted, []int{1, 2, 7}, false},
		{Weighted, []int{1, 2, 7}, true},
		{LeastBusy, []int{1, 2, 7}, false},
		{LeastBusy, []int{1, 2, 7}, true},
		{LeastBusy, []int{1, 1}, true},
	} {
		var options []Option
		sum := 0
		for _, w := range c.weights {
			options = append(options, Option{Weight: w})
			sum += w
		}
		g := group(c.balance, options...)
		got := make([]int, len(options))
		for range draws {
			p := g.Pick(start, random.Uint64(), &Set{})
			got[p.Index]++
			if !c.keep {
				p.Slot.Release(start, Good)
			}
		}
		for i, w := range c.weights {
			if want := draws * w / sum; got[i] < want-draws/100 || got[i] > want+draws/100 {
				t.Errorf("%s, weights %v, kept %v: %v", c.balance, c.weights, c.keep, got)
			}
		}
	}
}

// TestBreaker plays attempts, each a letter at the time so many seconds later: g good, b bad, u unjudged, a the answer
// begins, s asks to be left alone for 5 s. Upper case forces an attempt. A dot lets a second go by.
func TestBreaker(t *testing.T) {
	settings := Settings{Breaker: Breaker{Failures: 3, Window: 30 * time.Second, Open: 10 * time.Second}}
	dots := func(n int) string { return strings.Repeat(".", n) }
	for _, c := range []struct {
		name, play string
		want       State
	}{
		{"untouched", "", Closed},
		{"two failures", "bb", Closed},
		{"three failures", "bbb", Open},
		{"interrupted", "bbgb", Closed},
		{"none between", "bubub", Open},
		{"long ago", "bb" + dots(31) + "b", Closed},
		{"not long ago", "b" + dots(29) + "b" + dots(29) + "b", Open},
		{"still open", "bbb" + dots(9), Open},
		{"due", "bbb" + dots(10), HalfOpen},
		{"passed", "bbb" + dots(10) + "g", Closed},
		{"failed", "bbb" + dots(10) + "b", Open},
		{"failed, due", "bbb" + dots(10) + "b" + dots(10), HalfOpen},
		{"no verdict", "bbb" + dots(10) + "u", HalfOpen},
		{"after no verdict", "bbb" + dots(10) + "ug", Closed},
		{"answer begun", "bbb" + dots(10) + "a", Closed},
		{"starts anew", "bbb" + dots(10) + "gbb", Closed},
		{"forced", "bbbG", Closed},
		{"forced in vain", "bbbB" + dots(10), HalfOpen},
		{"half of twenty", strings.Repeat("gb", 10), Open},
		{"half of eighteen", strings.Repeat("gb", 9), Closed},
		{"under half", strings.Repeat("ggb", 30), Closed},
		{"half, over a minute", strings.Repeat("gb"+dots(4), 30), Closed},
		{"asked for", "s", Open},
		{"asked for, due", "s" + dots(5), HalfOpen},
		{"asked for, forced", "sG", Closed},
	} {
		target, now := NewTarget(settings), start
		for _, letter := range c.play {
			if letter == '.' {
				now = now.Add(time.Second)
				continue
			}
			forced := letter < 'a'
			s, ok := target.acquire(now, forced)
			if !ok {
				t.Fatalf("%s: an attempt is not let through at %s", c.name, now.Sub(start))
			}
			switch letter {
			case 'g', 'G':
				s.Release(now, Good)
			case 'b', 'B':
				s.Release(now, Bad)
			case 's':
				s.Aside(now, 5*time.Second)
			case 'a':
				s.Answered()
				s.Release(now, Unjudged)
			default:
				s.Release(now, Unjudged)
			}
		}
		if got := target.Status(now); got.Breaker != c.want || got.InFlight != 0 || got.Until.IsZero() == (c.want == Open) {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
}

// TestAttemptsFromBefore end after the breaker has opened and closed again; they say nothing any more.
func TestAttemptsFromBefore(t *testing.T) {
	target := NewTarget(Settings{Breaker: Breaker{Failures: 1, Window: time.Minute, Open: time.Second}})
	var old [4]Slot
	for i := range old {
		old[i], _ = target.acquire(start, false)
	}
	old[0].Release(start, Bad)
	old[1].Release(start, Good)
	if s := target.Status(start); s.Breaker != Open {
		t.Fatalf("a success from before has changed it: %+v", s)
	}
	now := start.Add(time.Second)
	old[2].Release(now, Bad)
	trial, ok := target.acquire(now, false)
	if _, second := target.acquire(now, false); !ok || second {
		t.Fatalf("first trial %v, second %v", ok, second)
	}
	trial.Release(now, Good)
	old[3].Release(now, Bad)
	if s := target.Status(now); s.Breaker != Closed || s.InFlight != 0 {
		t.Errorf("a failure from before has changed it: %+v", s)
	}
}

func TestAsideIsBounded(t *testing.T) {
	target := NewTarget(Settings{})
	s, _ := target.acquire(start, false)
	s.Aside(start, time.Hour)
	if got := target.Status(start).Until; !got.Equal(start.Add(MaxAside)) {
		t.Errorf("until %s", got)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{1, 3, 10, 100} {
		b.Run(map[int]string{1: "1", 3: "3", 10: "10", 100: "100"}[n], func(b *testing.B) {
			options := make([]Option, n)
			for i := range options {
				options[i].Weight = 1 + i%3
			}
			g := group(LeastBusy, options...)
			var skip Set
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				p := g.Pick(now, rand.Uint64(), &skip)
				p.Slot.Release(now, Good)
			}
		})
	}
}
