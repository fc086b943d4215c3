package proxy

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmhub/proxy/choice"
	"llmhub/proxy/upstream"
)

func newTestTally(start time.Time) *tally {
	return newTally(start, NewMetrics(prometheus.NewRegistry()).forUpstream("u"))
}

// attempts counts attempts at a tally, one for each letter: s succeeded, r rejected, f failed, a abandoned.
func (t *tally) attempts(now time.Time, letters string) {
	for _, letter := range letters {
		t.inFlight.Add(1)
		o := map[rune]outcome{'s': succeeded, 'r': rejected, 'f': failed, 'a': abandoned}[letter]
		t.end(now, o, "a reason")
	}
}

func TestState(t *testing.T) {
	const (
		four     = "ssss"
		nineteen = four + four + four + four + "sss"
	)
	for _, c := range []struct {
		letters string
		want    HealthState
	}{
		{"", Unknown},
		{"aaaa", Unknown},
		{"s", Healthy},
		{"r", Healthy},
		{"f", Degraded},
		{"sf", Degraded},
		{"ffs", Healthy},
		{"ff", Degraded},
		{"fff", Failing},
		{"ffaf", Failing},
		{"fffr", Healthy},
		{"fffs", Healthy},
		{"f" + nineteen, Degraded},
		{"f" + nineteen + "s", Healthy},
		{"ff" + nineteen, Degraded},
		{"fsfsfsfsfsfsfsfsfs", Healthy},
		{"fsfsfsfsfsfsfsfsfsfs", Failing},
		{"fsfsfsfsfsfsfsfsfsfss", Degraded},
	} {
		start := time.Now()
		tally := newTestTally(start)
		tally.attempts(start, c.letters)
		if got := tally.health(start).State; got != c.want {
			t.Errorf("%q is %s, want %s", c.letters, got, c.want)
		}
		if got := tally.health(start.Add(windowMinutes * time.Minute)).State; got != Unknown {
			t.Errorf("%q is %s when it is past, want unknown", c.letters, got)
		}
	}
}

// TestWindow lets time go by: figures leave the window minute by minute, totals stay.
func TestWindow(t *testing.T) {
	start := time.Now()
	tally := newTestTally(start)
	at := func(minute int) time.Time { return start.Add(time.Duration(minute)*time.Minute + 30*time.Second) }
	for minute := range 25 {
		tally.attempts(at(minute), "sf")
		tally.observe(at(minute), time.Duration(minute+1)*time.Second)
		h := tally.health(at(minute))
		n := int64(min(minute+1, windowMinutes))
		if h.WindowRequests != 2*n || h.WindowFailures != n || h.Requests != 2*int64(minute+1) || h.Failures != int64(minute+1) {
			t.Fatalf("minute %d: %+v", minute, h)
		}
	}
	h := tally.health(at(30))
	if h.WindowRequests != 8 || h.WindowFailures != 4 || h.Requests != 50 || h.InFlight != 0 {
		t.Errorf("five quiet minutes later: %+v", h)
	}
	if h.FirstByteP50 < 21*time.Second || h.FirstByteP50 > 25*time.Second {
		t.Errorf("median of 22 to 25 s is %s", h.FirstByteP50)
	}
	if h.LastReason != "a reason" || !h.LastFailure.Equal(at(24)) || h.LastSuccess.UnixNano() != at(24).UnixNano() {
		t.Errorf("last ones are %+v", h)
	}
	if h := tally.health(at(60)); h.WindowRequests != 0 || h.FirstByteP50 != 0 || h.Requests != 50 {
		t.Errorf("when all is past: %+v", h)
	}
	// A goroutine that took its time before a minute ended and counts behind it must not be lost.
	tally.attempts(at(70), "s")
	tally.attempts(at(60), "s")
	if h := tally.health(at(70)); h.WindowRequests != 2 {
		t.Errorf("a late one is lost: %+v", h)
	}
}

func TestLatencySteps(t *testing.T) {
	for step := range latencySteps {
		from, to := latencyFrom(step), latencyFrom(step+1)
		if latencyStep(from) != step || latencyStep(to-1) != step || to <= from {
			t.Fatalf("step %d goes from %s to %s, which are in steps %d and %d", step, from, to, latencyStep(from), latencyStep(to-1))
		}
	}
	for _, d := range []time.Duration{-1, 0} {
		if latencyStep(d) != 0 {
			t.Errorf("%s is in step %d", d, latencyStep(d))
		}
	}
	if got := latencyStep(1 << 62); got != latencySteps-1 {
		t.Errorf("the longest is in step %d", got)
	}
}

func TestQuantile(t *testing.T) {
	var none latencies
	if got := none.quantile(50); got != 0 {
		t.Errorf("median of nothing is %s", got)
	}
	var l latencies
	for ms := 1; ms <= 1000; ms++ {
		l[latencyStep(time.Duration(ms)*time.Millisecond)]++
	}
	for percent, want := range map[int64]time.Duration{1: 10 * time.Millisecond, 50: 500 * time.Millisecond, 95: 950 * time.Millisecond, 100: time.Second} {
		if got := l.quantile(percent); (got - want).Abs() > want/8+time.Millisecond/2 {
			t.Errorf("%d %% are within %s, want about %s", percent, got, want)
		}
	}
	var one latencies
	one[latencyStep(3*time.Second)]++
	if p50, p95 := one.quantile(50), one.quantile(95); p50 != p95 || (p50-3*time.Second).Abs() > 3*time.Second/8 {
		t.Errorf("quantiles of 3 s alone are %s and %s", p50, p95)
	}
}

// TestConcurrentTally loses nothing, also where minutes meet.
func TestConcurrentTally(t *testing.T) {
	const workers, each = 8, 1000
	start := time.Now()
	tally := newTestTally(start)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range each {
				now := start.Add(time.Duration(i) * 500 * time.Millisecond) // 1000 of them are less than the window
				tally.observe(now, time.Millisecond)
				tally.attempts(now, "sf")
				if i%100 == 0 {
					tally.health(now)
				}
			}
		})
	}
	wg.Wait()
	h := tally.health(start.Add(each * 500 * time.Millisecond))
	if h.Requests != 2*workers*each || h.WindowRequests != h.Requests || h.WindowFailures != h.Requests/2 || h.InFlight != 0 {
		t.Errorf("%+v", h)
	}
}

// TestSetRoutesKeepsTallies changes the routes: what stayed the same goes on, what changed begins anew.
func TestSetRoutesKeepsTallies(t *testing.T) {
	client := func(name string) *upstream.Client {
		c, err := upstream.New(upstream.Config{Name: name, BaseURL: "http://127.0.0.1:1/v1"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	routes := func(a, b *upstream.Client) *Routes {
		return NewRoutes([]*Model{
			{Name: "first", Deployments: []*Deployment{{Client: a, Model: "x"}, {Client: b, Model: "x"}}},
			{Name: "alias", Deployments: []*Deployment{{Client: a, Model: "x"}, {Client: a, Model: "y"}}},
		})
	}
	p := &Proxy{Options: Options{Metrics: NewMetrics(prometheus.NewRegistry())}}
	p.routes.Store(NewRoutes(nil))
	if got := p.Health(); len(got) != 0 {
		t.Errorf("no routes are %+v", got)
	}
	a, b := client("a"), client("b")
	p.SetRoutes(routes(a, b))
	for _, d := range p.routes.Load().models["first"].Deployments {
		under := d.begin(choice.Slot{})
		ended := d.begin(choice.Slot{})
		ended.end(failed, "a reason")
		ended.end(succeeded, "") // the second judgement is none
		defer under.end(succeeded, "")
	}
	p.SetRoutes(routes(a, client("b")))
	got := p.Health()
	want := []DeploymentHealth{
		{Deployment: "a/x", Upstream: "a", Models: []string{"first", "alias"}, State: Degraded, Requests: 1, Failures: 1, InFlight: 1},
		{Deployment: "b/x", Upstream: "b", Models: []string{"first"}, State: Unknown},
		{Deployment: "a/y", Upstream: "a", Models: []string{"alias"}, State: Unknown},
	}
	if len(got) != len(want) {
		t.Fatalf("%d deployments, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Deployment != w.Deployment || g.Upstream != w.Upstream || !slices.Equal(g.Models, w.Models) || g.State != w.State ||
			g.Requests != w.Requests || g.Failures != w.Failures || g.InFlight != w.InFlight {
			t.Errorf("deployment %d is %+v, want %+v", i, g, w)
		}
	}
}

// BenchmarkTally is what a request costs in counting.
func BenchmarkTally(b *testing.B) {
	d := &Deployment{tally: newTestTally(time.Now())}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a := d.begin(choice.Slot{})
			a.answered(a.began.Add(time.Millisecond))
			a.end(succeeded, "")
		}
	})
}
