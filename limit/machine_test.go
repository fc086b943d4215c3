package limit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"llmhub/store"
)

// machine is what a run of random steps knows beside the engine.
type machine struct {
	*world
	rules    map[string]*Rules
	open     []*opened
	pending  []settled // not in the ledger
	failed   *store.Batch
	ceilings map[string]ceiling
}

type opened struct {
	*Reservation
	key   string
	input int64 // no more than was reserved
	bound int64
}

type settled struct {
	store.Event
	tokens int64
	amount money
}

// ceiling is what a scope may have at most: its budget, or what it had when that was lowered.
type ceiling struct {
	tokens int64
	amount money
}

// TestMachine takes random steps in random order. What is in the ledger and what is reserved never come to more than the
// budget together, the engine's sums are those of the ledger, and nothing stays reserved.
func TestMachine(t *testing.T) { rapid.Check(t, runMachine) }

func runMachine(t *rapid.T) {
	m := &machine{world: newWorld(), rules: map[string]*Rules{}, ceilings: map[string]ceiling{}}
	for _, id := range m.scopeIDs() {
		m.rules[id] = drawRules(t)
		if id == "sub_1/rising" && rapid.Bool().Draw(t, "bare") {
			m.rules[id] = nil // requests know nothing of it
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"admit":  m.admitOne,
		"admit2": m.admitOne,
		"grow":   m.growOne,
		"grow2":  m.growOne,
		"settle": m.settleOne,
		"void":   m.voidOne,
		"commit": m.commitSome,
		"pass":   m.passTime,
		"rules":  m.changeRules,
		"forget": m.forget,
		"":       m.check,
	})
	m.finish(t)
}

func (m *machine) scopeIDs() []string {
	return []string{"key_1.1", "key_1.2", "sub_1", "sub_1/flat", "sub_1/rising"}
}

func drawRules(t *rapid.T) *Rules {
	r := &Rules{}
	if rapid.Bool().Draw(t, "tokens") {
		r.MonthlyTokens = rapid.Int64Range(1, 4000).Draw(t, "monthly tokens")
	}
	if rapid.Bool().Draw(t, "money") {
		r.MonthlyAmount = fmt.Sprintf("0.%04d", rapid.IntRange(1, 99).Draw(t, "monthly amount"))
	}
	if rapid.IntRange(0, 3).Draw(t, "rated") == 0 {
		r.Concurrency, r.RequestsPerMinute, r.OutputTokensPerMinute = 5, 20, 5000
	}
	return r
}

func (m *machine) admitOne(t *rapid.T) {
	key := rapid.SampledFrom([]string{"key_1.1", "key_1.2"}).Draw(t, "key")
	model := rapid.SampledFrom([]string{"flat", "rising"}).Draw(t, "model")
	a := Ask{Model: model, Generates: true, Growing: rapid.Bool().Draw(t, "growing"), InputTokens: rapid.Int64Range(0, 400).Draw(t, "input")}
	for _, id := range []string{key, "sub_1", "sub_1/" + model} {
		if m.rules[id] != nil {
			a.Scopes = append(a.Scopes, Scope{ID: id, Rules: m.rules[id]})
		}
	}
	o := &opened{key: key, input: a.InputTokens}
	if rapid.Bool().Draw(t, "exact") {
		o.input /= 3
		a.Exact = func() int64 { return o.input }
	}
	if rapid.Bool().Draw(t, "bounded") {
		a.OutputTokens = rapid.Int64Range(1, 3000).Draw(t, "bound")
		o.bound = a.OutputTokens
	}
	r, refusal := m.Admit(m.clock(), &a)
	if refusal != nil {
		if refusal.Cause != Beyond {
			t.Fatalf("refused because of %d", refusal.Cause)
		}
		return
	}
	if r.MaxOutput() > 0 {
		o.bound = r.MaxOutput()
	}
	o.Reservation = r
	m.open = append(m.open, o)
}

// pick takes one of the open requests out.
func (m *machine) pick(t *rapid.T) *opened {
	if len(m.open) == 0 {
		t.Skip("nothing open")
	}
	i := rapid.IntRange(0, len(m.open)-1).Draw(t, "which")
	o := m.open[i]
	m.open = append(m.open[:i:i], m.open[i+1:]...)
	return o
}

func (m *machine) growOne(t *rapid.T) {
	o := m.pick(t)
	m.open = append(m.open, o)
	if !o.growing {
		t.Skip("comes whole")
	}
	before := o.Approved()
	n := before + rapid.Int64Range(0, 700).Draw(t, "more")
	switch {
	case o.Grow(n):
	case o.Recount(before + (n-before)/4):
	case o.Approved() > n:
		t.Fatalf("approved of %d", o.Approved())
	}
}

func (m *machine) settleOne(t *rapid.T) { m.end(t, m.pick(t)) }

func (m *machine) end(t *rapid.T, o *opened) {
	most := o.Approved()
	if !o.growing {
		most = max(o.bound, o.granted)
	}
	use := store.Tokens{Input: rapid.Int64Range(0, o.input).Draw(t, "used input"), Output: rapid.Int64Range(0, most).Draw(t, "used output")}
	use.CachedInput = rapid.Int64Range(0, use.Input).Draw(t, "cached")
	held, heldAmount := o.tokens, o.amount
	ev := m.settle(o.Reservation, o.key, use)
	if o.tokens > held || heldAmount.less(o.amount) {
		t.Fatalf("settled %+v beyond the %d tokens reserved, of %d bound", use, held, o.bound)
	}
	m.pending = append(m.pending, settled{ev, o.tokens, o.amount})
}

func (m *machine) voidOne(t *rapid.T) { m.pick(t).Void() }

// commitSome commits the oldest events, or the batch that has failed, as a recorder does.
func (m *machine) commitSome(t *rapid.T) {
	if m.failed == nil {
		if len(m.pending) == 0 {
			t.Skip("nothing to commit")
		}
		m.seq++
		m.failed = &store.Batch{Source: 1, Seq: m.seq}
		for _, s := range m.pending[:rapid.IntRange(1, len(m.pending)).Draw(t, "events")] {
			m.failed.Events = append(m.failed.Events, s.Event)
		}
	}
	fails := func() error { return errDisk }
	m.ledger.before, m.ledger.after = nil, nil
	switch rapid.IntRange(0, 5).Draw(t, "outcome") {
	case 0:
		m.ledger.before = fails
	case 1:
		m.ledger.after = fails // it is in the ledger all the same
	}
	if m.through.Commit(t.Context(), *m.failed) == nil {
		m.pending = m.pending[len(m.failed.Events):]
		m.failed = nil
	}
}

func (m *machine) passTime(t *rapid.T) {
	if d := rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, 2 * time.Minute, 11 * time.Hour}).Draw(t, "time"); d < time.Hour {
		m.pass(d)
		return
	}
	// Nothing is under way for days.
	for len(m.open) > 0 {
		m.end(t, m.pick(t))
	}
	m.pass(time.Duration(rapid.IntRange(12, 24*12).Draw(t, "hours")) * time.Hour)
}

func (m *machine) changeRules(t *rapid.T) {
	id := rapid.SampledFrom(m.scopeIDs()).Draw(t, "scope")
	if m.rules[id] == nil {
		t.Skip("without rules")
	}
	m.rules[id] = drawRules(t)
	if _, err := m.Budget(t.Context(), Scope{ID: id, Rules: m.rules[id]}); err != nil {
		t.Fatal(err)
	}
}

// forget has the engine let go of what is not in use.
func (m *machine) forget(*rapid.T) {
	m.pass(2 * time.Minute)
	for i := range m.scopes {
		m.scopes[i].sweep(m.clock().Unix())
	}
}

// committedIn is what the ledger has of a scope in the current month.
func (m *machine) committedIn(id string) (c ceiling) {
	cal := m.calendarAt(m.clock())
	for _, ev := range m.ledger.events {
		d := store.DayOf(ev.At, m.opts.Location)
		if d.Month() == cal.month && concerns(ev, id) {
			c = ceiling{c.tokens + ev.Tokens.Total(), c.amount.plus(cal.charge(&ev, d))}
		}
	}
	return c
}

func concerns(ev store.Event, id string) bool {
	return id == ev.Key || id == subOf(ev.Key) || id == subOf(ev.Key)+"/"+ev.Model
}

func (m *machine) check(t *rapid.T) {
	written := map[store.RequestID]bool{}
	for _, ev := range m.ledger.events {
		written[ev.ID] = true
	}
	for _, id := range m.scopeIDs() {
		spent := m.committedIn(id)
		total, reserved := spent, ceiling{}
		for _, o := range m.open {
			if m.rules[id] != nil && concerns(store.Event{Key: o.key, Model: o.model}, id) {
				total = ceiling{total.tokens + o.tokens, total.amount.plus(o.amount)}
				reserved = ceiling{reserved.tokens + o.tokens, reserved.amount.plus(o.amount)}
			}
		}
		for _, s := range m.pending {
			if m.rules[id] == nil || !concerns(s.Event, id) {
				continue
			}
			reserved = ceiling{reserved.tokens + s.tokens, reserved.amount.plus(s.amount)}
			if !written[s.ID] {
				total = ceiling{total.tokens + s.tokens, total.amount.plus(s.amount)}
			}
		}
		if m.rules[id] != nil {
			m.checkCeiling(t, id, total)
		}
		b, err := m.Budget(t.Context(), Scope{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if b.ReservedTokens != reserved.tokens || moneyOf(b.ReservedAmount) != reserved.amount {
			t.Fatalf("%s: %d tokens and %s reserved, want %d and %s", id, b.ReservedTokens, b.ReservedAmount, reserved.tokens, reserved.amount.amount())
		}
		if m.failed == nil && (b.SpentTokens != spent.tokens || moneyOf(b.SpentAmount) != spent.amount) {
			t.Fatalf("%s: %d tokens and %s spent, want %d and %s", id, b.SpentTokens, b.SpentAmount, spent.tokens, spent.amount.amount())
		}
	}
}

func (m *machine) checkCeiling(t *rapid.T, id string, total ceiling) {
	most, ok := m.ceilings[id]
	rules := m.rules[id]
	if !ok {
		most = ceiling{rules.MonthlyTokens, moneyOf(rules.Amount())}
	}
	next := total
	if rules.MonthlyTokens > 0 {
		next.tokens = max(total.tokens, rules.MonthlyTokens)
		if total.tokens > max(most.tokens, rules.MonthlyTokens) {
			t.Fatalf("%s: %d tokens settled and reserved, of %d", id, total.tokens, most.tokens)
		}
	}
	if b := moneyOf(rules.Amount()); rules.MonthlyAmount != "" {
		next.amount = larger(total.amount, b)
		if larger(most.amount, b).less(total.amount) {
			t.Fatalf("%s: %s settled and reserved, of %s", id, total.amount.amount(), most.amount.amount())
		}
	}
	m.ceilings[id] = next
}

// finish ends all that is under way; nothing stays reserved.
func (m *machine) finish(t *rapid.T) {
	for _, o := range m.open {
		o.Void()
	}
	m.open, m.ledger.before, m.ledger.after = nil, nil, nil
	for m.failed != nil || len(m.pending) > 0 {
		if m.failed == nil {
			m.seq++
			m.failed = &store.Batch{Source: 1, Seq: m.seq}
			for _, s := range m.pending {
				m.failed.Events = append(m.failed.Events, s.Event)
			}
		}
		if err := m.through.Commit(t.Context(), *m.failed); err != nil {
			t.Fatal(err)
		}
		m.pending = m.pending[len(m.failed.Events):]
		m.failed = nil
	}
	m.check(t)
	m.pass(10 * time.Minute)
	for i := range m.scopes {
		m.scopes[i].sweep(m.clock().Unix())
		if n := len(m.scopes[i].byID); n > 0 {
			t.Fatalf("%d scopes are still held", n)
		}
	}
	for i := range m.ends {
		if len(m.ends[i].byID) > 0 {
			t.Fatal("a reservation waits for ever")
		}
	}
}
