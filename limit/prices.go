package limit

import (
	"reflect"
	"sync"
	"time"

	"llmhub/metering"
	"llmhub/store"
)

// rate is what a token of a model costs. Prices have at most twelve decimals for a million tokens, so that it is exact.
type rate struct {
	known                 bool
	input, cached, output money
	// prices are those of units beside tokens: of the day, and of the next where they may be others.
	prices [2]metering.Price
}

func rateAt(list metering.PriceList, model string, day store.Day) rate {
	p, known := list.At(model, day)
	if !known {
		return rate{}
	}
	of := func(t store.Tokens) money {
		amount, _ := p.Charge(t, nil)
		return moneyOf(amount)
	}
	return rate{
		known: true, input: of(store.Tokens{Input: 1}), cached: of(store.Tokens{Input: 1, CachedInput: 1}), output: of(store.Tokens{Output: 1}),
		prices: [2]metering.Price{p, p},
	}
}

// charge is metering.Price.Charge.
func (r *rate) charge(t store.Tokens) money {
	cached := min(t.CachedInput, t.Input)
	return r.input.times(t.Input - cached).plus(r.cached.times(cached)).plus(r.output.times(t.Output))
}

// chargeAll is charge with what was used beside tokens.
func (r *rate) chargeAll(t store.Tokens, q store.Quantities) money {
	return r.charge(t).plus(r.chargeQuantities(q))
}

func (r *rate) chargeQuantities(q store.Quantities) (most money) {
	if len(q) == 0 {
		return money{}
	}
	for _, p := range r.prices {
		amount, _ := p.Charge(store.Tokens{}, q)
		most = larger(most, moneyOf(amount))
	}
	return most
}

// covers says whether all that may be charged has a price.
func (r *rate) covers(q store.Quantities) bool {
	for _, p := range r.prices {
		if _, complete := p.Charge(store.Tokens{}, q); !complete {
			return false
		}
	}
	return r.known
}

// atMost returns the most that tokens may come to, whatever part of the input is cached.
func (r *rate) atMost(input, output int64) money {
	return larger(r.input, r.cached).times(input).plus(r.output.times(output))
}

// or returns a rate that is no less than either.
func (r rate) or(s rate) rate {
	return rate{r.known && s.known, larger(r.input, s.input), larger(r.cached, s.cached), larger(r.output, s.output), [2]metering.Price{r.prices[0], s.prices[0]}}
}

func larger(m, n money) money {
	if m.less(n) {
		return n
	}
	return m
}

// calendar is what is known of a day in the billing time zone: its prices and its month.
type calendar struct {
	list     metering.PriceList
	edition  uint64 // counts changes of the list
	day      store.Day
	month    store.Month
	from, to int64    // the day, in Unix seconds
	rates    sync.Map // of *dayRates by model
}

// dayRates are those of a model: on the day, and what a request that begins on it may cost when it ends.
type dayRates struct{ today, most rate }

// calendarAt returns the calendar of a time. It is made anew when a day or the list of prices is another one.
func (e *Engine) calendarAt(now time.Time) *calendar {
	list, second := e.opts.Prices(), now.Unix()
	c := e.calendar.Load()
	if c != nil && second >= c.from && second < c.to && sameList(c.list, list) {
		return c
	}
	day := store.DayOf(now, e.opts.Location)
	next := &calendar{list: list, day: day, month: day.Month(), from: e.begins(day), to: e.begins(day + 1)}
	switch { // where clocks are put forward at midnight, begins is in the day before
	case second < next.from || second >= next.to:
		next.from, next.to = second, second+1
	case store.DayOf(time.Unix(next.from, 0), e.opts.Location) != day:
		next.from = second
	}
	if c != nil {
		next.edition = c.edition
		if !sameList(c.list, list) && !reflect.DeepEqual(c.list, list) {
			next.edition++
		}
	}
	if e.calendar.CompareAndSwap(c, next) {
		return next
	}
	return e.calendarAt(now)
}

func (e *Engine) begins(d store.Day) int64 {
	y, m, day := d.Date().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, e.opts.Location).Unix()
}

// sameList says whether two lists are one and the same.
func sameList(a, b metering.PriceList) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

func (c *calendar) ratesOf(model string) *dayRates {
	if r, ok := c.rates.Load(model); ok {
		return r.(*dayRates)
	}
	if len(c.list[model]) == 0 {
		return &noRates // and not kept: callers may make up names
	}
	today := rateAt(c.list, model, c.day)
	r := &dayRates{today, today.or(rateAt(c.list, model, c.day+1))}
	c.rates.Store(model, r)
	return r
}

// noRates are those of a model without prices.
var noRates dayRates

// charge returns what an event costs at the price of its day.
func (c *calendar) charge(ev *store.Event, day store.Day) money {
	r := &c.ratesOf(ev.Model).today
	if day != c.day {
		old := rateAt(c.list, ev.Model, day)
		r = &old
	}
	return r.chargeAll(ev.Tokens, ev.Quantities)
}
