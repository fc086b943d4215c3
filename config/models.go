package config

import (
	"fmt"
	"regexp"
	"time"

	"llmhub/store"
	"llmhub/yamldoc"
)

// Bounds on counts and on names. An upstream's and a model's name and a stroke between them fit into the 255 bytes that
// the ledger has for a deployment.
const (
	maxUpstreams   = 1000
	maxModels      = 10000
	maxDeployments = 100
	maxNameBytes   = 63
	maxModelBytes  = 128
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

func (d *decoder) models(c *Config, list node, upstreams names) {
	named := names{}
	d.Sequence(list, maxModels, func(_ int, n node) {
		m := Model{OwnedBy: "llmhub"}
		d.model(&m, n, upstreams)
		if first, again := named[m.Name]; again {
			d.Fault(n.Named("name"), "%q is already the name of the model in line %d", m.Name, first)
		}
		if m.Name != "" {
			named[m.Name] = n.Line
		}
		c.Models = append(c.Models, m)
	})
}

func (d *decoder) model(m *Model, n node, upstreams names) {
	var created *store.Day
	d.Mapping(n,
		required("name", d.Text(&m.Name, maxModelBytes, modelForm, modelRule)),
		optional("owned_by", d.Text(&m.OwnedBy, 128, nil, "")),
		optional("created", func(n node) {
			created = new(store.Day)
			d.day(created)(n)
		}),
		required("deployments", func(n node) { d.deployments(&m.Deployments, n, upstreams) }),
		optional("prices", d.prices(&m.Prices)),
		optional("about", func(n node) {
			m.About = DefaultAbout()
			d.about(m.About, n)
		}),
	)
	if created != nil {
		m.Created = created.Date()
	}
	seen := map[Deployment]bool{}
	for i := range m.Deployments {
		p := &m.Deployments[i]
		if p.Model == "" {
			p.Model = m.Name
		}
		if seen[*p] && p.Upstream != "" {
			d.FaultAt(n.Line, fmt.Sprintf("%s.deployments[%d]", n.Path, i), "is the same as an earlier deployment of this model")
		}
		seen[*p] = true
	}
}

func (d *decoder) deployments(into *[]Deployment, list node, upstreams names) {
	d.Sequence(list, maxDeployments, func(_ int, n node) {
		var p Deployment
		d.Mapping(n,
			required("upstream", func(n node) {
				d.Text(&p.Upstream, maxNameBytes, nil, "")(n)
				if _, known := upstreams[p.Upstream]; p.Upstream != "" && upstreams != nil && !known {
					d.Fault(n, "there is no upstream named %s", yamldoc.Quote(p.Upstream))
				}
			}),
			optional("model", d.Text(&p.Model, maxModelBytes, nil, "")),
		)
		*into = append(*into, p)
	})
}
