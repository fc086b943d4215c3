package limit

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/metering"
	"llmhub/store"
)

var errDisk = errors.New("disk trouble")

// fakeLedger keeps events in memory.
type fakeLedger struct {
	metering.Ledger
	mu     sync.Mutex
	loc    *time.Location
	events []store.Event
	seqs   map[uint64]bool
	// before is called ahead of a commit, after behind it; their errors are what Commit returns.
	before, after func() error
	unreadable    bool
	reads         int
}

func (l *fakeLedger) Commit(_ context.Context, b store.Batch) error {
	if l.before != nil {
		if err := l.before(); err != nil {
			return err
		}
	}
	l.mu.Lock()
	if !l.seqs[b.Seq] {
		l.seqs[b.Seq] = true
		l.events = append(l.events, b.Events...)
	}
	l.mu.Unlock()
	if l.after != nil {
		return l.after()
	}
	return nil
}

func (l *fakeLedger) Usage(_ context.Context, q store.UsageQuery) ([]store.Sum, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	if l.unreadable {
		return nil, errDisk
	}
	keys := map[string]bool{}
	for _, k := range q.Keys {
		keys[k] = true
	}
	type group struct {
		key, model string
		day        store.Day
	}
	sums := map[group]*store.Sum{}
	for _, ev := range l.events {
		day := store.DayOf(ev.At, l.loc)
		if !keys[ev.Key] || day < q.From || day >= q.To {
			continue
		}
		g := group{ev.Key, ev.Model, 0}
		if q.ByDay {
			g.day = day
		}
		s := sums[g]
		if s == nil {
			s = &store.Sum{Key: ev.Key, Model: ev.Model, Day: g.day, Month: day.Month()}
			sums[g] = s
		}
		s.Requests++
		s.Tokens.Add(ev.Tokens)
	}
	out := make([]store.Sum, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	return out, nil
}

// world is an engine with a clock of its own.
type world struct {
	*Engine
	ledger  *fakeLedger
	through metering.Ledger
	mu      sync.Mutex
	now     time.Time
	prices  metering.PriceList
	crossed []Crossing
	seq     uint64
	ids     uint64
}

// subOf is the naming of keys: "key_1.2" is the second of subscription "sub_1".
func subOf(key string) string {
	sub, _, ok := strings.Cut(strings.TrimPrefix(key, "key_"), ".")
	if !ok {
		return ""
	}
	return "sub_" + sub
}

func amount(s string) metering.Amount {
	a, err := metering.ParseAmount(s)
	if err != nil {
		panic(err)
	}
	return a
}

func day(s string) store.Day {
	d, err := store.ParseDay(s)
	if err != nil {
		panic(err)
	}
	return d
}

func newWorld() *world {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	w := &world{
		ledger: &fakeLedger{loc: loc, seqs: map[uint64]bool{}},
		now:    time.Date(2026, 11, 10, 12, 0, 0, 0, loc),
		prices: metering.PriceList{
			"flat": {{From: day("2020-01-01"), InputPerMillion: amount("1"), OutputPerMillion: amount("3")}},
			"rising": {
				{From: day("2020-01-01"), InputPerMillion: amount("0.123456789012"), CachedInputPerMillion: amount("0.01"), OutputPerMillion: amount("2.5")},
				{From: day("2026-11-12"), InputPerMillion: amount("0.2"), OutputPerMillion: amount("4")},
			},
		},
	}
	w.Engine = New(Options{
		Ledger: w.ledger, Location: loc, Prices: func() metering.PriceList { return w.prices },
		KeysOf: func(sub string) []string {
			n := strings.TrimPrefix(sub, "sub_")
			return []string{"key_" + n + ".1", "key_" + n + ".2"}
		},
		SubscriptionOf: subOf,
		Crossed:        func(c Crossing) { w.mu.Lock(); w.crossed = append(w.crossed, c); w.mu.Unlock() },
		Now:            w.clock,
	})
	w.through = w.Ledger(w.ledger)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
}

func (w *world) id() store.RequestID {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return store.NewRequestID(1, w.ids)
}

// settle settles a reservation and returns its event.
func (w *world) settle(r *Reservation, key string, t store.Tokens) store.Event {
	ev := store.Event{ID: w.id(), Key: key, Model: r.model, At: w.clock(), Tokens: t}
	r.Settled(ev.ID, t, nil)
	return ev
}

func (w *world) commit(events ...store.Event) error {
	w.mu.Lock()
	w.seq++
	b := store.Batch{Source: 1, Seq: w.seq, Events: events}
	w.mu.Unlock()
	return w.through.Commit(context.Background(), b)
}

func (w *world) mustCommit(t testing.TB, events ...store.Event) {
	t.Helper()
	if err := w.commit(events...); err != nil {
		t.Fatal(err)
	}
}

func (w *world) budget(t testing.TB, scope string) BudgetState {
	t.Helper()
	b, err := w.Budget(t.Context(), Scope{ID: scope})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// admit admits a request in one scope, which must succeed.
func (w *world) admit(t testing.TB, a Ask) *Reservation {
	t.Helper()
	r, refusal := w.Admit(w.clock(), &a)
	if refusal != nil {
		t.Fatalf("refused: %+v", *refusal)
	}
	return r
}

func (w *world) refuse(t testing.TB, a Ask) *Refusal {
	t.Helper()
	r, refusal := w.Admit(w.clock(), &a)
	if refusal == nil {
		t.Fatalf("admitted, holding %d tokens", r.tokens)
	}
	return refusal
}
