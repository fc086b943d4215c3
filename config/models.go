package config

import (
	"regexp"

	"llmhub/metering"
	"llmhub/yamldoc"
)

// Bounds on counts and on names. An upstream's and a model's name and a stroke between them fit into the 255 bytes that
// the ledger has for a deployment.
const (
	maxUpstreams  = 1000
	maxModels     = 10000
	maxPrices     = 1000
	maxNameBytes  = 63
	maxModelBytes = 128
)

var (
	upstreamForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
	modelForm    = regexp.MustCompile(`^[!-+\--~]+$`)
	priceForm    = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?$`)
)

const (
	upstreamRule = "a name of lower-case letters, digits, dots, hyphens and underscores"
	modelRule    = "a model name: visible ASCII characters but no comma"
)

// names maps the names of the upstreams to their lines.
type names map[string]int

func (d *decoder) upstreams(c *Config, list node) names {
	named := names{}
	d.Sequence(list, maxUpstreams, func(_ int, n node) {
		u := DefaultUpstream()
		u.IdleTimeout = c.Stream.IdleTimeout
		d.upstream(&u, n)
		if first, again := named[u.Name]; again {
			d.Fault(n.Named("name"), "%q is already the name of the upstream in line %d", u.Name, first)
		}
		if u.Name != "" {
			named[u.Name] = n.Line
		}
		c.Upstreams = append(c.Upstreams, u)
	})
	if len(named) == 0 {
		return nil // no look-ups where the list itself is at fault
	}
	return named
}

func (d *decoder) prices(into *[]metering.Price) reader {
	return func(list node) {
		d.Sequence(list, maxPrices, func(i int, n node) {
			var p metering.Price
			cached, dated := false, false
			ok := d.Mapping(n,
				required("from", func(n node) {
					d.day(&p.From)(n)
					dated = true
				}),
				required("input_per_million", d.price(&p.InputPerMillion)),
				optional("cached_input_per_million", func(n node) {
					d.price(&p.CachedInputPerMillion)(n)
					cached = true
				}),
				required("output_per_million", d.price(&p.OutputPerMillion)),
			)
			if !cached {
				p.CachedInputPerMillion = p.InputPerMillion
			}
			if prices := *into; ok && dated && len(prices) > 0 && p.From <= prices[len(prices)-1].From {
				d.Fault(n.Named("from"), "must be later than the date of the price before it, %s", prices[len(prices)-1].From)
			}
			*into = append(*into, p)
		})
	}
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
