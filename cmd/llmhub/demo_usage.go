package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"llmhub/store"
)

// demoTotals is what has been written of each model.
type demoTotals map[string]store.Sum

func (t demoTotals) add(e store.Event) {
	s := t[e.Model]
	s.Requests++
	s.Tokens.Add(e.Tokens)
	s.Quantities = s.Quantities.PlusAll(e.Quantities)
	t[e.Model] = s
}

// use writes what the plan's keys have used on all days up to now, day by day as it would have come, and returns the sums.
func (plan demoPlan) use(ctx context.Context, ledger store.Ledger, now time.Time, p *progress) (demoTotals, error) {
	source, err := ledger.NewSource(ctx)
	if err != nil {
		return nil, err
	}
	random, totals := rand.New(rand.NewPCG(1, 2)), demoTotals{}
	b := &usageBatches{ctx: ctx, ledger: ledger, source: source}
	first := plan.customers[0].joined.UTC().Truncate(24 * time.Hour)
	var events []store.Event
	for day := first; !day.After(now); day = day.AddDate(0, 0, 1) {
		events = events[:0]
		for i := range plan.customers {
			for j := range plan.customers[i].keys {
				events = plan.customers[i].keys[j].use(random, day, now, events)
			}
		}
		slices.SortFunc(events, func(a, b store.Event) int { return a.At.Compare(b.At) })
		for _, e := range events {
			totals.add(e)
		}
		b.add(events...)
		if b.err != nil {
			return nil, b.err
		}
		p.step("days of usage", int(day.Sub(first).Hours()/24)+1, int(now.Sub(first).Hours()/24)+1)
	}
	return totals, b.flush()
}

// use appends the requests of the key on one day, none of them before it was made, after its end or later than now.
func (k *demoKey) use(random *rand.Rand, midnight, now time.Time, events []store.Event) []store.Event {
	day := int(midnight.Unix() / 86400)
	if k.every == 0 || (day+k.phase)%k.every != 0 || midnight.After(k.until) || midnight.AddDate(0, 0, 1).Before(k.made) {
		return events
	}
	amount := float64(k.perDay) * (0.75 + random.Float64()/2)
	if d := midnight.Weekday(); d == time.Saturday || d == time.Sunday {
		if !k.weekends {
			return events
		}
		amount *= 0.4
	}
	end := now
	if k.until.Before(now) {
		end = k.until
	}
	for i := range k.requests {
		at := midnight.Add(time.Duration(6+i*12/k.requests)*time.Hour + time.Duration(random.IntN(3600))*time.Second)
		total := int64(math.Round(amount / float64(k.requests) * (0.5 + random.Float64())))
		if at.Before(k.made) || at.After(end) {
			continue
		}
		t := store.Tokens{Input: total * 85 / 100, Output: total * 15 / 100}
		t.CachedInput = t.Input / 4
		e := store.Event{
			Key: k.id, Model: k.model, Deployment: "built-in/" + k.model, At: at, Duration: time.Duration(800+random.IntN(4000)) * time.Millisecond,
			Provenance: store.FromUpstream, Tokens: t,
		}
		if k.perRequest > 0 {
			e.Quantities = e.Quantities.Plus(k.unit, 1+random.Int64N(k.perRequest))
		}
		events = append(events, e)
	}
	return events
}

// usageBatches commits events in batches as large as the ledger takes.
type usageBatches struct {
	ctx    context.Context
	ledger store.Ledger
	source store.Source
	seq    uint64
	next   uint64
	events []store.Event
	err    error
}

func (b *usageBatches) add(events ...store.Event) {
	for _, e := range events {
		b.next++
		e.ID = store.NewRequestID(b.source, b.next)
		if b.events = append(b.events, e); len(b.events) == store.MaxBatchEvents {
			b.commit()
		}
	}
}

func (b *usageBatches) commit() {
	if b.err != nil || len(b.events) == 0 {
		return
	}
	b.seq++
	b.err = b.ledger.Commit(b.ctx, store.Batch{Source: b.source, Seq: b.seq, Events: b.events})
	b.events = b.events[:0]
}

// flush commits what is left and returns the first error.
func (b *usageBatches) flush() error {
	b.commit()
	return b.err
}
