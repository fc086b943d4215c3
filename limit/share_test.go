package limit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"llmhub/metering"
	"llmhub/store"
)

// fakeShares keeps rows in memory. It is for one goroutine at a time but for its engines' own.
type fakeShares struct {
	rows   map[string][]byte
	clock  func() time.Time
	trades int
	// fails is asked how a trade ends: not at all, before anything is stored, or behind it.
	fails func() (before, after error)
}

func (s *fakeShares) Trade(_ context.Context, ids []string, f func(time.Time, []store.ShareRow) error) error {
	if !slices.IsSorted(ids) || len(ids) > store.MaxShareRows {
		return fmt.Errorf("rows %q", ids)
	}
	s.trades++
	rows := make([]store.ShareRow, len(ids))
	for i, id := range ids {
		rows[i] = store.ShareRow{ID: id, Data: s.rows[id]}
	}
	before, after := s.fails()
	if err := f(s.clock(), rows); err != nil {
		return err
	}
	if before != nil {
		return before
	}
	for _, r := range rows {
		if r.Data == nil {
			delete(s.rows, r.ID)
		} else {
			s.rows[r.ID] = r.Data
		}
	}
	return after
}

// replicas are engines that share a ledger and divide what rules allow.
type replicas struct {
	*world
	shares *fakeShares
	live   []*replica
	made   int
}

type replica struct {
	*Engine
	ledger  metering.Ledger
	open    []*opened
	pending []settled
}

func newReplicas(n int) *replicas {
	w := &replicas{world: newWorld()}
	none := func() (error, error) { return nil, nil }
	w.shares = &fakeShares{rows: map[string][]byte{}, clock: func() time.Time { return w.clock().Add(7 * time.Minute) }, fails: none}
	for range n {
		w.join()
	}
	return w
}

func (w *replicas) join() *replica {
	w.made++
	o := w.Engine.opts
	o.Shares, o.Replica = w.shares, fmt.Sprint("replica ", w.made)
	r := &replica{Engine: New(o)}
	r.ledger = r.Ledger(w.world.ledger)
	w.live = append(w.live, r)
	return r
}

func (w *replicas) commitOf(r *replica, n int) error {
	var events []store.Event
	for _, s := range r.pending[:n] {
		events = append(events, s.Event)
	}
	w.seq++
	err := r.ledger.Commit(context.Background(), store.Batch{Source: 1, Seq: w.seq, Events: events})
	if err == nil {
		r.pending = r.pending[n:]
	}
	return err
}

var errTrade = errors.New("network trouble")

// seen is a request that was admitted.
type seen struct {
	at     int64
	scopes []string
}

// shareMachine is what a run of random steps of several replicas knows.
type shareMachine struct {
	*replicas
	rules map[string]*Rules
	seen  []seen
}

// TestSharesMachine takes random steps of three replicas in random order, some of which die and are replaced, while some
// trades fail. What is in the ledger and what living replicas have reserved never come to more than the budget together,
// and no more requests are admitted in any minute, or under way, than may be.
func TestSharesMachine(t *testing.T) { rapid.Check(t, runShareMachine) }

func runShareMachine(t *rapid.T) {
	m := &shareMachine{replicas: newReplicas(3), rules: map[string]*Rules{}}
	for _, id := range []string{"key_1.1", "key_1.2", "sub_1", "sub_1/flat"} {
		m.rules[id] = drawRules(t)
		m.rules[id].InputTokensPerMinute = rapid.SampledFrom([]int64{0, 0, 3000}).Draw(t, "input rate")
	}
	t.Repeat(map[string]func(*rapid.T){
		"admit": m.admitOne, "admit2": m.admitOne, "admit3": m.admitOne,
		"grow": m.growOne, "settle": m.settleOne, "void": m.voidOne, "commit": m.commitSome,
		"pass": m.passTime, "renew": m.renewOne, "die": m.dieOne,
		"": m.check,
	})
}

func (m *shareMachine) any(t *rapid.T) *replica { return rapid.SampledFrom(m.live).Draw(t, "replica") }

func (m *shareMachine) faults(t *rapid.T) {
	kind := rapid.IntRange(0, 7).Draw(t, "fault")
	m.shares.fails = func() (before, after error) {
		switch kind {
		case 0:
			return errTrade, nil
		case 1:
			return nil, errTrade
		}
		return nil, nil
	}
}

func (m *shareMachine) admitOne(t *rapid.T) {
	m.faults(t)
	r := m.any(t)
	key := rapid.SampledFrom([]string{"key_1.1", "key_1.2"}).Draw(t, "key")
	a := Ask{Model: rapid.SampledFrom([]string{"flat", "rising"}).Draw(t, "model"), Generates: true,
		Growing: rapid.Bool().Draw(t, "growing"), InputTokens: rapid.Int64Range(0, 400).Draw(t, "input")}
	var ids []string
	for _, id := range []string{key, "sub_1", "sub_1/" + a.Model} {
		if m.rules[id] != nil && !m.rules[id].IsZero() {
			a.Scopes = append(a.Scopes, Scope{ID: id, Rules: m.rules[id]})
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		t.Skip("nothing is limited")
	}
	o := &opened{key: key, input: a.InputTokens}
	if rapid.Bool().Draw(t, "bounded") {
		a.OutputTokens = rapid.Int64Range(1, 3000).Draw(t, "bound")
		o.bound = a.OutputTokens
	}
	admitted, _ := r.Admit(m.clock(), &a)
	if admitted == nil {
		return
	}
	if admitted.MaxOutput() > 0 {
		o.bound = admitted.MaxOutput()
	}
	o.Reservation = admitted
	r.open = append(r.open, o)
	m.seen = append(m.seen, seen{m.clock().Unix(), ids})
}

func (m *shareMachine) pick(t *rapid.T) (*replica, *opened) {
	r := m.any(t)
	if len(r.open) == 0 {
		t.Skip("nothing open")
	}
	i := rapid.IntRange(0, len(r.open)-1).Draw(t, "which")
	o := r.open[i]
	r.open = append(r.open[:i:i], r.open[i+1:]...)
	return r, o
}

func (m *shareMachine) growOne(t *rapid.T) {
	m.faults(t)
	r, o := m.pick(t)
	r.open = append(r.open, o)
	if !o.growing {
		t.Skip("comes whole")
	}
	o.Grow(o.Approved() + rapid.Int64Range(0, 700).Draw(t, "more"))
}

func (m *shareMachine) settleOne(t *rapid.T) {
	r, o := m.pick(t)
	most := o.Approved()
	if !o.growing {
		most = max(o.bound, o.granted)
	}
	ev := m.settle(o.Reservation, o.key, store.Tokens{
		Input: rapid.Int64Range(0, o.input).Draw(t, "used input"), Output: rapid.Int64Range(0, most).Draw(t, "used output"),
	})
	r.pending = append(r.pending, settled{ev, o.tokens, o.amount})
}

func (m *shareMachine) voidOne(t *rapid.T) { _, o := m.pick(t); o.Void() }

func (m *shareMachine) commitSome(t *rapid.T) {
	r := m.any(t)
	if len(r.pending) == 0 {
		t.Skip("nothing to commit")
	}
	if err := m.commitOf(r, rapid.IntRange(1, len(r.pending)).Draw(t, "events")); err != nil {
		t.Fatal(err)
	}
}

// passTime passes so little at once that every replica renews its leases before they end.
func (m *shareMachine) passTime(t *rapid.T) {
	m.shares.fails = func() (error, error) { return nil, nil }
	for range rapid.IntRange(1, 9).Draw(t, "times") {
		m.pass(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
		for _, r := range m.live {
			if err := r.Renew(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (m *shareMachine) renewOne(t *rapid.T) {
	m.faults(t)
	_ = m.any(t).Renew() // what fails is tried again
}

// dieOne has a replica die: what it had under way and had not committed is lost to the others.
func (m *shareMachine) dieOne(t *rapid.T) {
	i := rapid.IntRange(0, len(m.live)-1).Draw(t, "which")
	m.live = slices.Delete(m.live, i, i+1)
	m.join()
}

func (m *shareMachine) check(t *rapid.T) {
	now := m.clock().Unix()
	for id, rules := range m.rules {
		total, active := ceiling{}, int64(0)
		cal := m.calendarAt(m.clock())
		for _, ev := range m.world.ledger.events {
			if concerns(ev, id) {
				total = ceiling{total.tokens + ev.Tokens.Total(), total.amount.plus(cal.charge(&ev, store.DayOf(ev.At, m.opts.Location)))}
			}
		}
		for _, r := range m.live {
			for _, o := range r.open {
				if concerns(store.Event{Key: o.key, Model: o.model}, id) {
					total = ceiling{total.tokens + o.tokens, total.amount.plus(o.amount)}
					active++
				}
			}
			for _, s := range r.pending {
				if concerns(s.Event, id) {
					total = ceiling{total.tokens + s.tokens, total.amount.plus(s.amount)}
				}
			}
		}
		if b := rules.MonthlyTokens; b > 0 && total.tokens > b {
			t.Fatalf("%s: %d tokens settled and reserved, of %d; %s", id, total.tokens, b, m.shares.rows[id])
		}
		if b := moneyOf(rules.Amount()); rules.MonthlyAmount != "" && b.less(total.amount) {
			t.Fatalf("%s: %s settled and reserved, of %s; %s", id, total.amount.amount(), b.amount(), m.shares.rows[id])
		}
		if n := rules.Concurrency; n > 0 && active > n {
			t.Fatalf("%s: %d requests under way, of %d", id, active, n)
		}
		recent := int64(0)
		for _, s := range m.seen {
			if slices.Contains(s.scopes, id) && now-s.at < windowSeconds {
				recent++
			}
		}
		if n := rules.RequestsPerMinute; n > 0 && recent > n {
			t.Fatalf("%s: %d requests in a minute, of %d", id, recent, n)
		}
	}
}

// TestSharesChangeHands: what one replica has taken and does not use, another one can use up, and nothing is lost on the way.
func TestSharesChangeHands(t *testing.T) {
	w := newReplicas(3)
	rules := &Rules{MonthlyTokens: 100_000, RequestsPerMinute: 100, Concurrency: 30}
	ask := func() *Ask {
		return &Ask{Model: "flat", Scopes: []Scope{{"key_1.1", rules}}, Generates: true, InputTokens: 100, OutputTokens: 100}
	}
	for _, r := range w.live[:2] {
		first, refusal := r.Admit(w.clock(), ask())
		if refusal != nil {
			t.Fatalf("%+v", *refusal)
		}
		first.Void()
	}
	for range 40 {
		w.pass(renewEvery)
		for _, r := range w.live {
			if err := r.Renew(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(w.shares.rows); n != 0 {
		t.Errorf("%d rows are left of shares that nobody uses: %s", n, slices.Collect(maps.Values(w.shares.rows)))
	}
	last, admitted := w.live[2], 0
	for range 101 {
		r, refusal := last.Admit(w.clock(), ask())
		if refusal != nil {
			if refusal.Rule != RuleRequests || refusal.Limit != "100" || refusal.RetryAfter <= 0 {
				t.Fatalf("after %d: %+v", admitted, *refusal)
			}
			continue
		}
		admitted++
		last.pending = append(last.pending, settled{Event: w.settle(r, "key_1.1", store.Tokens{Input: 100, Output: 100})})
		if err := w.commitOf(last, 1); err != nil {
			t.Fatal(err)
		}
	}
	if admitted != 100 {
		t.Errorf("one replica alone admits %d of 100 requests", admitted)
	}
	if w.shares.trades > 40*3+60 {
		t.Errorf("%d trades", w.shares.trades)
	}
}

// TestSharesOfTheDead: a replica that dies keeps its share of rates for a minute behind its lease, and of budgets until its
// requests have been settled by others.
func TestSharesOfTheDead(t *testing.T) {
	w := newReplicas(2)
	rules := &Rules{MonthlyTokens: 1000, Concurrency: 2}
	ask := Ask{Model: "flat", Scopes: []Scope{{"key_1.1", rules}}, Generates: true, InputTokens: 500, OutputTokens: 400}
	for _, r := range w.live[:1] {
		if _, refusal := r.Admit(w.clock(), &ask); refusal != nil {
			t.Fatalf("%+v", *refusal)
		}
	}
	w.live = w.live[1:]
	refused := func() *Refusal {
		r, refusal := w.live[0].Admit(w.clock(), &ask)
		if refusal == nil {
			r.Void()
		}
		return refusal
	}
	if f := refused(); f == nil || f.Rule != RuleTokens || f.RetryAfter <= 0 {
		t.Errorf("right behind its death: %+v", f)
	}
	w.pass(leaseSeconds*time.Second + slots*time.Second)
	if f := refused(); f == nil || f.Rule != RuleTokens {
		t.Errorf("a minute behind its lease: %+v", f)
	}
	w.pass(orphanSeconds * time.Second)
	if f := refused(); f != nil {
		t.Errorf("behind that: %+v", *f)
	}
}

// TestSharesAreGivenBack: a replica that ends in good order leaves nothing that others must wait for.
func TestSharesAreGivenBack(t *testing.T) {
	w := newReplicas(1)
	ask := Ask{Model: "flat", Scopes: []Scope{{"key_1.1", &Rules{MonthlyTokens: 1_000_000, MonthlyAmount: "5"}}}, Generates: true, InputTokens: 500, OutputTokens: 400}
	r, refusal := w.live[0].Admit(w.clock(), &ask)
	if refusal != nil {
		t.Fatalf("%+v", *refusal)
	}
	r.Void()
	if len(w.shares.rows) != 1 {
		t.Fatalf("%d rows", len(w.shares.rows))
	}
	if err := w.live[0].GiveBack(); err != nil || len(w.shares.rows) != 0 {
		t.Errorf("%v; left: %s", err, w.shares.rows)
	}
}

// TestSharesThatCannotBeTraded: without the others, a replica admits what its share allows as long as its lease lasts.
func TestSharesThatCannotBeTraded(t *testing.T) {
	w := newReplicas(1)
	rules := &Rules{RequestsPerMinute: 100}
	ask := Ask{Model: "flat", Scopes: []Scope{{"key_1.1", rules}}}
	admit := func() *Refusal { _, refusal := w.live[0].Admit(w.clock(), &ask); return refusal }
	if f := admit(); f != nil {
		t.Fatalf("%+v", *f)
	}
	w.shares.fails = func() (error, error) { return errTrade, nil }
	n := 0
	for admit() == nil {
		n++
	}
	if n == 0 || n >= 99 {
		t.Errorf("%d requests without a trade", n)
	}
	w.shares.fails = func() (error, error) { return nil, nil }
	if f := admit(); f != nil {
		t.Errorf("with trades again: %+v", *f)
	}
	w.shares.fails = func() (error, error) { return errTrade, nil }
	w.pass(leaseSeconds * time.Second)
	if f := admit(); f == nil || f.RetryAfter <= 0 {
		t.Errorf("behind its lease: %+v", f)
	}
}

// TestSharesAreUsedUp: replicas that take turns use all of a budget, and nothing beyond it.
func TestSharesAreUsedUp(t *testing.T) {
	w := newReplicas(2)
	rules := &Rules{MonthlyTokens: 100_000, MonthlyAmount: "1.00"}
	ask := Ask{Model: "flat", Scopes: []Scope{{"key_1.1", rules}}, Generates: true, InputTokens: 60, OutputTokens: 40}
	for refusals := 0; refusals < 4; {
		for _, r := range w.live {
			admitted, refusal := r.Admit(w.clock(), &ask)
			if refusal != nil {
				refusals++
				continue
			}
			refusals = 0
			r.pending = append(r.pending, settled{Event: w.settle(admitted, "key_1.1", store.Tokens{Input: 60, Output: 40})})
			if err := w.commitOf(r, 1); err != nil {
				t.Fatal(err)
			}
		}
		if refusals > 0 {
			w.pass(renewEvery)
			for _, r := range w.live {
				if err := r.Renew(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if b := w.budget(t, "key_1.1"); b.SpentTokens != 100_000 {
		t.Errorf("%d tokens of 100,000 are spent", b.SpentTokens)
	}
	if n := len(w.world.ledger.events); w.shares.trades > n/2 {
		t.Errorf("%d trades for %d requests", w.shares.trades, n)
	}
}

// TestSharesOfRatesOfTheDead: what a dead replica admitted last counts for a minute.
func TestSharesOfRatesOfTheDead(t *testing.T) {
	w := newReplicas(2)
	ask := Ask{Model: "flat", Scopes: []Scope{{"key_1.1", &Rules{RequestsPerMinute: 4}}}}
	admit := func(r *replica) (n int) {
		for range 5 {
			if _, refusal := r.Admit(w.clock(), &ask); refusal == nil {
				n++
			}
		}
		return n
	}
	if n := admit(w.live[0]); n != 4 {
		t.Fatalf("%d of 4 admitted", n)
	}
	for range 29 {
		w.pass(2 * time.Second)
		if n := admit(w.live[1]); n != 0 {
			t.Fatalf("%d admitted within a minute by another one", n)
		}
	}
	w.pass(leaseSeconds*time.Second + 4*time.Second)
	if n := admit(w.live[1]); n != 4 {
		t.Errorf("%d of 4 admitted behind the lease of the dead and a minute", n)
	}
}

// TestSharesThatAreNotTold: what a trade has stored without saying so is given back.
func TestSharesThatAreNotTold(t *testing.T) {
	w := newReplicas(1)
	ask := Ask{Model: "flat", Scopes: []Scope{{"key_1.1", &Rules{RequestsPerMinute: 100}}}}
	w.shares.fails = func() (error, error) { return nil, errTrade }
	if r, _ := w.live[0].Admit(w.clock(), &ask); r != nil || len(w.shares.rows) != 1 {
		t.Fatalf("admitted %v, rows %s", r != nil, w.shares.rows)
	}
	w.shares.fails = func() (error, error) { return nil, nil }
	if err := w.live[0].Renew(); err != nil || len(w.shares.rows) != 0 {
		t.Errorf("%v; left behind: %s", err, w.shares.rows)
	}
}
