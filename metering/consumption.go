package metering

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"llmhub/store"
)

// GroupBy says what the bars of a chart are stacked by.
type GroupBy string

// What bars can be stacked by.
const (
	ByKey   GroupBy = "key"
	ByModel GroupBy = "model"
)

// maxDayBars is the longest range, in days, whose bars are days; of longer ones they are months.
const maxDayBars = 93

// ConsumptionQuery asks for the consumption of some keys.
type ConsumptionQuery struct {
	// Keys are IDs of keys, in the same order each time, which lets a Cache find its answers. nil means all keys: a day
	// of each key is read then, so that Tenants is what serves operators.
	Keys []string
	// From and To are a half-open range of days in the billing time zone.
	From, To store.Day
	GroupBy  GroupBy
	// Top is how many series the chart has beside the one of all others.
	Top int
	// Today is the current day in the billing time zone.
	Today store.Day
}

// Figures are sums and what they cost.
type Figures struct {
	Requests   int64
	Tokens     store.Tokens
	Quantities store.Quantities
	// Amount is the charge of what has a price.
	Amount Amount
	// Priced says that all of it has a price.
	Priced bool
}

// EstimatedPermille returns how much of the tokens was not reported by a model server, in permille.
func (f Figures) EstimatedPermille() int { return permille(f.Tokens.Estimated, f.Tokens.Total()) }

func (f *Figures) add(s store.Sum, amount Amount, priced bool) {
	f.Requests += s.Requests
	f.Tokens.Add(s.Tokens)
	f.Quantities = f.Quantities.PlusAll(s.Quantities)
	f.Amount = f.Amount.Add(amount)
	f.Priced = f.Priced && priced
}

// compare orders by tokens, then by amounts, most first.
func (f Figures) compare(g Figures) int {
	return cmp.Or(cmp.Compare(g.Tokens.Total(), f.Tokens.Total()), g.Amount.Cmp(f.Amount))
}

// Share is the part of one key or model.
type Share struct {
	// Name is the ID of the key, or the name of the model.
	Name string
	Figures
	// Permille is the part of all tokens, rounded.
	Permille int
}

// Series are the parts of a chart's bars that belong together.
type Series struct {
	// Name is the ID of a key or the name of a model; empty for that of all others.
	Name   string
	Others bool
	// Tokens holds one count for each of Consumption.Bars.
	Tokens []int64
}

// Consumption is what keys have used in a range of days.
type Consumption struct {
	Total Figures
	// Before is for comparison: the same days of the month before, as far as the range has come; for a range in several
	// months, as many days just before it. It is empty if BeforeFrom is BeforeTo: the range has not begun yet.
	Before               Figures
	BeforeFrom, BeforeTo store.Day
	// Bars are the first days of the chart's bars, which are months if Monthly is set, else days.
	Bars    []store.Day
	Monthly bool
	// Series come in order of their tokens, most first, and that of all others at the end, if there are any.
	Series []Series
	// Keys and Models have what was used, in order of tokens, then of amounts, most first.
	Keys, Models []Share
}

// Consume returns the consumption of keys. It calls l from two goroutines. What was used each day is charged at that day's prices, and amounts are added
// exactly. Days that are over are asked for apart from the current one, so that a Cache in l can answer for them.
func Consume(ctx context.Context, l Usage, prices PriceList, q ConsumptionQuery) (Consumption, error) {
	c := &consumer{ctx: ctx, usage: l, prices: prices, q: q, keys: map[string]*Figures{}, models: map[string]*Figures{}}
	c.out.Total.Priced, c.out.Before.Priced = true, true
	// What the range is compared with is read beside the range itself: for many keys both are long reads.
	before := make(chan error, 1)
	go func() { before <- c.readBefore() }()
	if err := errors.Join(c.readRange(), <-before); err != nil {
		return Consumption{}, err
	}
	return c.out, nil
}

// readRange reads all but what the range is compared with.
func (c *consumer) readRange() error {
	for _, step := range []func() error{c.readOver, c.readOn} {
		if err := step(); err != nil {
			return err
		}
	}
	total := c.out.Total.Tokens.Total()
	c.out.Keys, c.out.Models = shares(c.keys, total), shares(c.models, total)
	return c.chart()
}

// consumer gathers a Consumption. readBefore and readRange go on at the same time and write to different fields.
type consumer struct {
	ctx          context.Context
	usage        Usage
	prices       PriceList
	q            ConsumptionQuery
	out          Consumption
	keys, models map[string]*Figures
	// recent holds the sums from the current day on, by key, model and day.
	recent []store.Sum
}

// over returns where the days that are over end.
func (c *consumer) over() store.Day { return min(max(c.q.From, c.q.Today), c.q.To) }

// readOver adds what was used on days that are over, by key and model.
func (c *consumer) readOver() error {
	for _, s := range spans(c.q.From, c.over(), c.prices) {
		sums, err := c.usage.Usage(c.ctx, store.UsageQuery{Keys: c.q.Keys, From: s.from, To: s.to, ByKey: true, ByModel: true})
		if err != nil {
			return err
		}
		for _, sum := range sums {
			c.add(sum, s.from)
		}
	}
	return nil
}

// readOn adds what is used since the current day began.
func (c *consumer) readOn() (err error) {
	if c.over() == c.q.To {
		return nil
	}
	c.recent, err = c.usage.Usage(c.ctx, store.UsageQuery{
		Keys: c.q.Keys, From: c.over(), To: c.q.To, ByKey: true, ByModel: true, ByDay: true,
	})
	for _, sum := range c.recent {
		c.add(sum, sum.Day)
	}
	return err
}

// add adds a sum of a key and model, at the prices of a day.
func (c *consumer) add(s store.Sum, day store.Day) {
	amount, priced := c.prices.Charge(s.Model, day, s.Tokens, s.Quantities)
	c.out.Total.add(s, amount, priced)
	for _, row := range []*Figures{figures(c.keys, s.Key), figures(c.models, s.Model)} {
		row.add(s, amount, priced)
	}
}

func figures(m map[string]*Figures, name string) *Figures {
	f := m[name]
	if f == nil {
		f = &Figures{Priced: true}
		m[name] = f
	}
	return f
}

// readBefore adds up what the range is compared with.
func (c *consumer) readBefore() error {
	c.out.BeforeFrom, c.out.BeforeTo = before(c.q.From, c.q.To, c.q.Today)
	for _, s := range spans(c.out.BeforeFrom, c.out.BeforeTo, c.prices) {
		sums, err := c.usage.Usage(c.ctx, store.UsageQuery{Keys: c.q.Keys, From: s.from, To: s.to, ByModel: true})
		if err != nil {
			return err
		}
		for _, sum := range sums {
			amount, priced := c.prices.Charge(sum.Model, s.from, sum.Tokens, sum.Quantities)
			c.out.Before.add(sum, amount, priced)
		}
	}
	return nil
}

// shares returns the rows in order of tokens, then of amounts, most first, then of names.
func shares(m map[string]*Figures, total int64) []Share {
	rows := make([]Share, 0, len(m))
	for name, f := range m {
		rows = append(rows, Share{Name: name, Figures: *f, Permille: permille(f.Tokens.Total(), total)})
	}
	slices.SortFunc(rows, func(a, b Share) int {
		return cmp.Or(a.Figures.compare(b.Figures), strings.Compare(a.Name, b.Name))
	})
	return rows
}

// permille returns the part of a whole, rounded; 0 of nothing.
func permille(part, whole int64) int {
	if whole <= 0 {
		return 0
	}
	return int(float64(part)/float64(whole)*1000 + 0.5)
}
