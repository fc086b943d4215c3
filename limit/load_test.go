package limit

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"llmhub/store"
)

// TestLimitsAtFullLoad lets 5,000 requests a second over 1,000 keys run for three minutes of a clock that requests push
// on. No budget is overspent, and no rate in any 60 seconds.
func TestLimitsAtFullLoad(t *testing.T) {
	const keys, perSecond, seconds, life = 1000, 5000, 180, 10_000
	w := newWorld()
	rng := rand.New(rand.NewPCG(1, 2))
	rules := make([]*Rules, keys)
	for i := range rules {
		rules[i] = &Rules{RequestsPerMinute: 60 + int64(i%500), InputTokensPerMinute: 30_000, OutputTokensPerMinute: 20_000}
		switch i % 3 {
		case 0:
			rules[i].MonthlyTokens = 50_000
		case 1:
			rules[i].MonthlyAmount = "0.1"
		}
	}
	type running struct {
		*Reservation
		key   int
		input int64
	}
	type taken struct{ at, input, output int64 } // at in milliseconds
	history := make([][]taken, keys)
	queue := make([]*running, 0, life+1)
	var events []store.Event
	refused := 0
	for n := range perSecond * seconds {
		w.pass(time.Second / perSecond)
		i := rng.IntN(keys)
		a := Ask{Model: "flat", Scopes: []Scope{{fmt.Sprintf("key_%d.1", i), rules[i]}}, Generates: true, Growing: true,
			InputTokens: 400 + rng.Int64N(800), OutputTokens: 200}
		if r, refusal := w.Admit(w.clock(), &a); refusal != nil {
			refused++
		} else {
			queue = append(queue, &running{r, i, a.InputTokens})
		}
		if len(queue) > life || n%97 == 0 && len(queue) > 0 {
			o := queue[0]
			queue = queue[1:]
			out := rng.Int64N(200)
			for !o.Grow(out) && out > 0 {
				out /= 2
			}
			use := store.Tokens{Input: o.input / (1 + rng.Int64N(4)), Output: min(out, max(o.Approved(), 0))}
			events = append(events, w.settle(o.Reservation, fmt.Sprintf("key_%d.1", o.key), use))
			history[o.key] = append(history[o.key], taken{o.second*1000 + 999, use.Input, use.Output})
		}
		if len(events) == 256 {
			w.mustCommit(t, events...)
			events = events[:0:0]
		}
	}
	w.mustCommit(t, events...)
	for i, all := range history {
		var tokens int64
		var cost money
		from := 0
		var sum taken
		for to, h := range all {
			tokens += h.input + h.output
			cost = cost.plus(money{lo: uint64(h.input+3*h.output) * 1e12})
			for sum.at, sum.input, sum.output = sum.at+1, sum.input+h.input, sum.output+h.output; all[from].at <= h.at-60_000; from++ {
				sum.at, sum.input, sum.output = sum.at-1, sum.input-all[from].input, sum.output-all[from].output
			}
			if r := rules[i]; sum.at > r.RequestsPerMinute || sum.input > r.InputTokensPerMinute || sum.output > r.OutputTokensPerMinute {
				t.Fatalf("key %d: %+v within the minute up to its request %d", i, sum, to)
			}
		}
		if b := rules[i].MonthlyTokens; b > 0 && tokens > b {
			t.Errorf("key %d has spent %d of %d tokens", i, tokens, b)
		}
		if b := moneyOf(rules[i].Amount()); !b.isZero() && b.less(cost) {
			t.Errorf("key %d has spent %s", i, cost.amount())
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: the limits were not reached")
	}
	t.Logf("%d of %d refused", refused, perSecond*seconds)
}

// TestAtOnce has many goroutines share scopes, with loads and commits between.
func TestAtOnce(t *testing.T) {
	w := newWorld()
	key := []*Rules{{MonthlyTokens: 60_000, Concurrency: 20}, {MonthlyAmount: "0.08", RequestsPerMinute: 5000}}
	sub := &Rules{MonthlyTokens: 100_000}
	var wg sync.WaitGroup
	commits := make(chan store.Event, 64)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		for ev := range commits {
			if err := w.commit(ev); err != nil {
				t.Error(err)
			}
		}
	}()
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 0))
			for range 300 {
				i := rng.IntN(2)
				id := fmt.Sprintf("key_1.%d", i+1)
				w.pass(time.Millisecond)
				a := Ask{Model: "flat", Scopes: []Scope{{"sub_1", sub}, {id, key[i]}}, Generates: true, Growing: true, InputTokens: rng.Int64N(300)}
				r, refusal := w.Admit(w.clock(), &a)
				if refusal != nil {
					continue
				}
				out := int64(0)
				for range rng.IntN(5) {
					if n := out + rng.Int64N(100); r.Grow(n) {
						out = n
					}
				}
				if rng.IntN(5) == 0 {
					r.Void()
					continue
				}
				commits <- w.settle(r, id, store.Tokens{Input: a.InputTokens, Output: out})
			}
		})
	}
	wg.Wait()
	close(commits)
	<-committed
	for _, id := range []string{"key_1.1", "key_1.2", "sub_1"} {
		if b := w.budget(t, id); b.ReservedTokens != 0 || !b.ReservedAmount.IsZero() {
			t.Errorf("%s: %+v is still reserved", id, b)
		}
	}
	if b := w.budget(t, "key_1.1"); b.SpentTokens > 60_000 {
		t.Errorf("%d tokens spent", b.SpentTokens)
	}
	if b := w.budget(t, "sub_1"); b.SpentTokens > 100_000 || b.SpentTokens < 90_000 {
		t.Errorf("%d tokens spent of the subscription", b.SpentTokens)
	}
	if b := w.budget(t, "key_1.2"); b.SpentAmount.Cmp(amount("0.08")) > 0 {
		t.Errorf("%s spent", b.SpentAmount)
	}
}

func TestCrossings(t *testing.T) {
	w := newWorld()
	rules := &Rules{MonthlyTokens: 100}
	a := Ask{Model: "flat", Scopes: []Scope{{"key_1.1", rules}}, InputTokens: 30}
	percents := func() (all []int) {
		for _, c := range w.crossed {
			all = append(all, c.Percent)
		}
		return all
	}
	for i, want := range []string{"[]", "[50]", "[50 80]"} {
		w.mustCommit(t, w.settle(w.admit(t, a), "key_1.1", store.Tokens{Input: 30}))
		if got := fmt.Sprint(percents()); got != want {
			t.Errorf("behind %d requests: %s, want %s", i+1, got, want)
		}
	}
	if f := w.refuse(t, a); f.Rule != RuleTokens || f.RetryAfter != 0 || f.Limit != "100" {
		t.Errorf("refused with %+v", f)
	}
	w.pass(21 * 24 * time.Hour)
	w.mustCommit(t, w.settle(w.admit(t, a), "key_1.1", store.Tokens{Input: 30}))
	if b := w.budget(t, "key_1.1"); b.SpentTokens != 30 {
		t.Errorf("%d spent in the new month", b.SpentTokens)
	}
}

func TestUnreadBudgetRefuses(t *testing.T) {
	w := newWorld()
	a := Ask{Model: "flat", Scopes: []Scope{{"key_1.1", &Rules{MonthlyTokens: 100}}}, InputTokens: 30}
	w.ledger.unreadable = true
	if f := w.refuse(t, a); f.Cause != NotRead {
		t.Errorf("refused with %+v", f)
	}
	w.ledger.unreadable = false
	w.admit(t, a).Void()
	a.Scopes[0].Rules, a.Model = &Rules{MonthlyAmount: "1"}, "nameless"
	if f := w.refuse(t, a); f.Cause != NoPrice {
		t.Errorf("refused with %+v", f)
	}
}

// TestWholeAnswers has answers that come whole and give no bound: none is given to the model server that it would refuse.
func TestWholeAnswers(t *testing.T) {
	const much = 100_000_000
	for _, c := range []struct{ budget, model, choices, held, most int64 }{
		{much, 0, 1, wholeBound, wholeBound},
		{much, 0, 2, wholeBound, wholeBound},
		{much, 4096, 1, 4096, 0},
		{much, 4096, 3, 3 * 4096, 0},
		{much, 128_000, 1, 128_000, 0},
		{640_000, 128_000, 1, 10_000, 10_000},
		{5000, 4096, 1, 4096, 0},
		{5000, 0, 1, 5000, 5000},
		{300, 4096, 1, 300, 300},
		{0, 4096, 1, 0, 0},
	} {
		w := newWorld()
		rules := &Rules{MonthlyTokens: c.budget, RequestsPerMinute: 10}
		r := w.admit(t, Ask{Model: "flat", Generates: true, Choices: c.choices, MostOutput: c.model, Scopes: []Scope{{"key_1.1", rules}}})
		if r.granted != c.held || r.MaxOutput() != c.most {
			t.Errorf("%+v: %d held, bound to %d", c, r.granted, r.MaxOutput())
		}
	}
}
