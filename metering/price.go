package metering

import (
	"sort"

	"llmhub/store"
)

// Price is what a model costs from a day on, until a later price takes its place. Amounts are for a million tokens.
type Price struct {
	// From is the first day, in the billing time zone.
	From            store.Day
	InputPerMillion Amount
	// CachedInputPerMillion is the price of the cached part of the input. The zero Amount, which is not a parsed "0",
	// stands for InputPerMillion.
	CachedInputPerMillion Amount
	OutputPerMillion      Amount
}

// Charge returns what the tokens cost. CachedInput is part of Input, Reasoning of Output.
func (p Price) Charge(t store.Tokens) Amount {
	cached := min(t.CachedInput, t.Input)
	return p.InputPerMillion.forTokens(t.Input - cached).
		Add(p.CachedInput().forTokens(cached)).
		Add(p.OutputPerMillion.forTokens(t.Output))
}

// CachedInput returns the price of a million tokens of the cached part of the input.
func (p Price) CachedInput() Amount {
	if p.CachedInputPerMillion.units == nil {
		return p.InputPerMillion
	}
	return p.CachedInputPerMillion
}

// PriceList holds the prices of models by name, each in ascending order of From. It is not changed once in use.
type PriceList map[string][]Price

// At returns the price of a model on a day, and whether there is one.
func (l PriceList) At(model string, day store.Day) (Price, bool) {
	prices := l[model]
	i := sort.Search(len(prices), func(i int) bool { return prices[i].From > day })
	if i == 0 {
		return Price{}, false
	}
	return prices[i-1], true
}

// changesWithin says whether any price begins on a day of the range that is not the first of a month.
func (l PriceList) changesWithin(from, to store.Day) bool {
	for _, prices := range l {
		for _, p := range prices {
			if p.From >= from && p.From < to && p.From != p.From.Month().First() {
				return true
			}
		}
	}
	return false
}
