package config

import (
	"regexp"

	"llmhub/metering"
	"llmhub/store"
	"llmhub/yamldoc"
)

const maxPrices = 1000

var priceForm = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?$`)

func (d *decoder) prices(into *[]metering.Price) reader {
	return func(list node) {
		d.Sequence(list, maxPrices, func(_ int, n node) {
			p, ok := d.priceOfDay(n)
			if prices := *into; ok && len(prices) > 0 && p.From <= prices[len(prices)-1].From {
				d.Fault(n.Named("from"), "must be later than the date of the price before it, %s", prices[len(prices)-1].From)
			}
			*into = append(*into, p)
		})
	}
}

// priceOfDay reads what a model costs from a day on, and returns whether that has one. A model that is billed by other
// units needs no prices of tokens.
func (d *decoder) priceOfDay(n node) (p metering.Price, dated bool) {
	const input, cached, output = "input_per_million", "cached_input_per_million", "output_per_million"
	given := map[string]bool{}
	giving := func(what string, read reader) reader {
		return func(n node) {
			given[what] = true
			read(n)
		}
	}
	unit := func(u store.Unit) reader {
		return giving("units", func(n node) {
			var a metering.Amount
			if d.price(&a)(n); a.IsSet() {
				if p.Units == nil {
					p.Units = map[store.Unit]metering.Amount{}
				}
				p.Units[u] = a
			}
		})
	}
	var sizes []yamldoc.Setting
	for _, u := range store.Units() {
		if size := u.ImageSize(); size != "" {
			sizes = append(sizes, optional(size, unit(u)))
		}
	}
	ok := d.Mapping(n,
		required("from", giving("from", d.day(&p.From))),
		optional(input, giving(input, d.price(&p.InputPerMillion))),
		optional(cached, giving(cached, d.price(&p.CachedInputPerMillion))),
		optional(output, giving(output, d.price(&p.OutputPerMillion))),
		optional("image", unit(store.UnitImage)),
		optional("images", func(n node) { d.Mapping(n, sizes...) }),
		optional("audio_second", unit(store.UnitAudioMillisecond)),
		optional("characters_per_million", unit(store.UnitCharacter)),
		optional("searches_per_thousand", unit(store.UnitSearch)),
	)
	for _, what := range []string{input, output} {
		if ok && !given[what] && !given["units"] {
			d.FaultAt(n.Line, n.Named(what).Path, "is required")
		}
	}
	if given["units"] && given[cached] && !given[input] {
		d.Fault(n.Named(cached), "is a part of the input, whose price is missing: give %s, too", input)
	}
	if !given[cached] {
		p.CachedInputPerMillion = p.InputPerMillion
	}
	return p, ok && given["from"]
}

// price reads a decimal in quotes. A bare number is refused: to other YAML tools it is a binary fraction.
func (d *decoder) price(into *metering.Amount) reader {
	return func(n node) {
		if n.ShortTag() == "!!float" || n.ShortTag() == "!!int" {
			d.Fault(n, "must be in quotes, so that it stays exact: %q", n.Value)
			return
		}
		text, ok := d.Scalar(n, `a decimal in quotes such as "0.15"`, "!!str")
		if !ok {
			return
		}
		amount, err := metering.ParseAmount(text)
		if err != nil || !priceForm.MatchString(text) {
			d.Fault(n, `%s is not a price such as "0.15": digits, at most 9 before and 9 behind the point, not negative`, yamldoc.Quote(text))
			return
		}
		*into = amount
	}
}
