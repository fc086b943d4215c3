package config

import (
	"fmt"
	"slices"
	"time"

	"llmhub/store"
	"llmhub/yamldoc"
)

// Bounds on how requests are shared, tried again and kept waiting.
const (
	maxDeployments = 100
	maxFallbacks   = 16
	maxWeight      = 1_000_000
	maxPriority    = 1000
	maxConcurrency = 1_000_000
	maxQueue       = 100_000
	maxAttempts    = 100
	maxFailures    = 10_000
)

func (d *decoder) models(c *Config, list node, upstreams names) {
	named := names{}
	var nodes []node
	d.Sequence(list, maxModels, func(_ int, n node) {
		m := DefaultModel()
		d.model(&m, n, upstreams)
		if first, again := named[m.Name]; again {
			d.Fault(n.Named("name"), "%q is already the name of the model in line %d", m.Name, first)
		}
		if m.Name != "" {
			named[m.Name] = n.Line
		}
		c.Models = append(c.Models, m)
		nodes = append(nodes, n)
	})
	d.checkBounds(c.Models, nodes)
	d.checkThinking(c, nodes)
	d.checkFallbacks(c.Models, nodes, named)
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
		optional("balance", yamldoc.Choice(d.Decoder, &m.Balance, LeastBusy, Weighted)),
		optional("retries", d.retries(&m.Retries)),
		optional("fallbacks", d.fallbacks(&m.Fallbacks)),
		optional("idempotent", d.Flag(&m.Idempotent)),
		optional("prices", d.prices(&m.Prices)),
		optional("about", func(n node) {
			m.About = DefaultAbout()
			d.about(m.About, n)
		}),
	)
	if created != nil {
		m.Created = created.Date()
	}
	seen := map[place]bool{}
	for i := range m.Deployments {
		p := &m.Deployments[i]
		if p.Model == "" {
			p.Model = m.Name
		}
		if seen[p.place()] && p.Upstream != "" {
			d.FaultAt(n.Line, fmt.Sprintf("%s.deployments[%d]", n.Path, i), "is the same as an earlier deployment of this model")
		}
		seen[p.place()] = true
	}
}

// place is what makes two deployments the same.
type place struct{ upstream, model string }

func (p *Deployment) place() place { return place{p.Upstream, p.Model} }

func (d *decoder) deployments(into *[]Deployment, list node, upstreams names) {
	d.Sequence(list, maxDeployments, func(_ int, n node) {
		p := DefaultDeployment()
		d.Mapping(n,
			required("upstream", func(n node) {
				d.Text(&p.Upstream, maxNameBytes, nil, "")(n)
				if _, known := upstreams[p.Upstream]; p.Upstream != "" && upstreams != nil && !known {
					d.Fault(n, "there is no upstream named %s", yamldoc.Quote(p.Upstream))
				}
			}),
			optional("model", d.Text(&p.Model, maxModelBytes, nil, "")),
			optional("thinking", yamldoc.Choice(d.Decoder, &p.Thinking, ThinkingBudget, ThinkingAdaptive)),
			optional("weight", yamldoc.Count(d.Decoder, &p.Weight, 0, maxWeight)),
			optional("priority", yamldoc.Count(d.Decoder, &p.Priority, 0, maxPriority)),
			optional("max_concurrency", yamldoc.Count(d.Decoder, &p.MaxConcurrency, 0, maxConcurrency)),
			optional("queue", yamldoc.Count(d.Decoder, &p.Queue, 0, maxQueue)),
			optional("queue_timeout", d.duration(&p.QueueTimeout, time.Millisecond, time.Hour)),
			optional("drain", d.Flag(&p.Drain)),
			optional("breaker", d.breaker(&p.Breaker)),
		)
		if p.Queue > 0 && p.MaxConcurrency == 0 {
			d.Fault(n.Named("queue"), "needs max_concurrency: without it nothing waits")
		}
		*into = append(*into, p)
	})
}

func (d *decoder) breaker(into *Breaker) reader {
	return func(n node) {
		d.Mapping(n,
			optional("failures", yamldoc.Count(d.Decoder, &into.Failures, 0, maxFailures)),
			optional("window", d.duration(&into.Window, time.Second, time.Hour)),
			optional("open", d.duration(&into.Open, 100*time.Millisecond, time.Hour)),
		)
	}
}

func (d *decoder) retries(into *Retries) reader {
	return func(n node) {
		d.Mapping(n,
			optional("attempts", yamldoc.Count(d.Decoder, &into.Attempts, 1, maxAttempts)),
			optional("backoff", d.duration(&into.Backoff, time.Millisecond, 5*time.Second)),
			optional("max_elapsed", d.duration(&into.MaxElapsed, 0, time.Hour)),
			optional("timeouts", d.Flag(&into.Timeouts)),
		)
	}
}

func (d *decoder) fallbacks(into *[]string) reader {
	return func(list node) {
		d.Sequence(list, maxFallbacks, func(_ int, n node) {
			var name string
			d.Text(&name, maxModelBytes, nil, "")(n)
			if name != "" && slices.Contains(*into, name) {
				d.Fault(n, "%s is already among them", yamldoc.Quote(name))
			}
			*into = append(*into, name)
		})
	}
}

// checkBounds insists that a deployment of several models has the same bounds in each, since its slots are one.
func (d *decoder) checkBounds(models []Model, nodes []node) {
	type first struct {
		bounds Bounds
		line   int
	}
	seen := map[place]first{}
	for i := range models {
		for j := range models[i].Deployments {
			p := &models[i].Deployments[j]
			f, known := seen[p.place()]
			switch {
			case !known:
				seen[p.place()] = first{p.Bounds, nodes[i].Line}
			case f.bounds != p.Bounds:
				d.FaultAt(nodes[i].Line, fmt.Sprintf("%s.deployments[%d]", nodes[i].Path, j),
					"has another max_concurrency, queue, queue_timeout, drain or breaker than the same deployment of the model in line %d", f.line)
			}
		}
	}
}

// checkThinking insists that it is said only of deployments whose requests are translated.
func (d *decoder) checkThinking(c *Config, nodes []node) {
	kinds := make(map[string]string, len(c.Upstreams))
	for _, u := range c.Upstreams {
		kinds[u.Name] = u.Kind
	}
	for i, m := range c.Models {
		for j, p := range m.Deployments {
			if kind, known := kinds[p.Upstream]; known && kind != KindAnthropic && p.Thinking != DefaultDeployment().Thinking {
				d.FaultAt(nodes[i].Line, fmt.Sprintf("%s.deployments[%d].thinking", nodes[i].Path, j), "is for upstreams of kind anthropic")
			}
		}
	}
}

// checkFallbacks insists that models fall back to others that there are, and never in a circle.
func (d *decoder) checkFallbacks(models []Model, nodes []node, named names) {
	at := make(map[string]int, len(models))
	for i := range models {
		at[models[i].Name] = i
		for _, name := range models[i].Fallbacks {
			if _, known := named[name]; name != "" && !known {
				d.Fault(nodes[i].Named("fallbacks"), "there is no model named %s", yamldoc.Quote(name))
			}
		}
	}
	const entered, left = 1, 2
	state := make([]int, len(models))
	var visit func(i int)
	visit = func(i int) {
		state[i] = entered
		for _, name := range models[i].Fallbacks {
			switch j, known := at[name]; {
			case !known || name == "":
			case state[j] == entered:
				d.Fault(nodes[i].Named("fallbacks"), "%s leads back to this model", yamldoc.Quote(name))
			case state[j] != left:
				visit(j)
			}
		}
		state[i] = left
	}
	for i := range models {
		if state[i] == 0 {
			visit(i)
		}
	}
}
