package config

import (
	"regexp"
)

// Bounds on counts and on names. An upstream's and a model's name and a stroke between them fit into the 255 bytes that
// the ledger has for a deployment.
const (
	maxUpstreams  = 1000
	maxModels     = 10000
	maxNameBytes  = 63
	maxModelBytes = 128
)

var (
	upstreamForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
	modelForm    = regexp.MustCompile(`^[!-+\--~]+$`)
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
