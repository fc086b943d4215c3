package config

import (
	"regexp"
	"time"

	"llmhub/yamldoc"
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

func (d *decoder) upstream(u *Upstream, n node) {
	d.Mapping(n,
		required("name", d.Text(&u.Name, maxNameBytes, upstreamForm, upstreamRule)),
		optional("kind", yamldoc.Choice(d.Decoder, &u.Kind, KindOpenAI)),
		required("base_url", d.baseURL(&u.BaseURL)),
		optional("api_key", d.secret(&u.APIKey, 1)),
		optional("on_disconnect", yamldoc.Choice(d.Decoder, &u.OnDisconnect, Cancel, Drain)),
		optional("stream_usage", d.Flag(&u.StreamUsage)),
		optional("connect_timeout", d.duration(&u.ConnectTimeout, 10*time.Millisecond, time.Hour)),
		optional("first_byte_timeout", d.duration(&u.FirstByteTimeout, 10*time.Millisecond, maxDuration)),
		optional("idle_timeout", d.duration(&u.IdleTimeout, 10*time.Millisecond, maxDuration)),
		optional("max_connections", yamldoc.Count(d.Decoder, &u.MaxConnections, 0, 1_000_000)),
		optional("ca_file", d.certificates(&u.RootCAs)),
	)
}
