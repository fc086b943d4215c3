package metering

import (
	"sort"

	"llmhub/store"
)

// tokensPer is how many tokens a price is for.
const tokensPer = 1_000_000

// Price is what a model costs from a day on, until a later price takes its place. The zero Amount, which is not a parsed
// "0", stands for no price.
type Price struct {
	// From is the first day, in the billing time zone.
	From store.Day
	// InputPerMillion is the price of a million tokens, as are those of the cached part of the input (without one it costs
	// as input does) and of the output.
	InputPerMillion       Amount
	CachedInputPerMillion Amount
	OutputPerMillion      Amount
	// Units are the prices of UnitsPer(unit) of a unit each. Images of a size that has none cost as UnitImage.
	Units map[store.Unit]Amount
}

// UnitsPer returns how many of a unit its price is for: an image, a second of audio, a million characters, a thousand
// searches.
func UnitsPer(u store.Unit) int64 {
	switch u {
	case store.UnitAudioMillisecond:
		return 1000
	case store.UnitCharacter:
		return 1_000_000
	case store.UnitSearch:
		return 1000
	}
	return 1
}

// Charge returns what tokens and quantities cost, and whether all of them have a price; those that have none are left
// out. CachedInput is part of Input, Reasoning of Output.
func (p Price) Charge(t store.Tokens, q store.Quantities) (a Amount, complete bool) {
	cached := min(t.CachedInput, t.Input)
	a = p.InputPerMillion.of(t.Input-cached, tokensPer).
		Add(p.CachedInput().of(cached, tokensPer)).
		Add(p.OutputPerMillion.of(t.Output, tokensPer))
	complete = (t.Input == cached || p.InputPerMillion.IsSet()) && (cached == 0 || p.CachedInput().IsSet()) &&
		(t.Output == 0 || p.OutputPerMillion.IsSet())
	for _, x := range q {
		price := p.Unit(x.Unit)
		if price.IsSet() {
			a = a.Add(price.of(x.N, UnitsPer(x.Unit)))
		} else {
			complete = false
		}
	}
	return a, complete
}

// Unit returns the price of UnitsPer(u) of a unit, the zero Amount if there is none.
func (p Price) Unit(u store.Unit) Amount {
	price, found := p.Units[u]
	if !found && u.ImageSize() != "" {
		return p.Units[store.UnitImage]
	}
	return price
}

// CachedInput returns the price of a million tokens of the cached part of the input.
func (p Price) CachedInput() Amount {
	if !p.CachedInputPerMillion.IsSet() {
		return p.InputPerMillion
	}
	return p.CachedInputPerMillion
}

// PriceList holds the prices of models by name, each in ascending order of From. It is not changed once in use.
type PriceList map[string][]Price

// At returns the price of a model on a day, and whether there is one.
func (l PriceList) At(model string, day store.Day) (Price, bool) { return PriceAt(l[model], day) }

// PriceAt returns which of a model's prices, in ascending order of From, is that of a day, and whether there is one.
func PriceAt(prices []Price, day store.Day) (Price, bool) {
	i := sort.Search(len(prices), func(i int) bool { return prices[i].From > day })
	if i == 0 {
		return Price{}, false
	}
	return prices[i-1], true
}

// Charge returns what tokens and quantities of a model cost on a day, and whether all of them have a price.
func (l PriceList) Charge(model string, day store.Day, t store.Tokens, q store.Quantities) (a Amount, complete bool) {
	price, priced := l.At(model, day)
	a, complete = price.Charge(t, q)
	return a, complete && priced
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
