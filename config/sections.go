package config

import (
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"llmhub/yamldoc"
)

const (
	minAdminTokenBytes = 16
	maxFloorBytes      = 1 << 50
	maxDuration        = 24 * time.Hour
	maxRetentionDays   = 36_500
)

var currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)

// config reads the whole file. Upstreams are read before models, stream before upstreams, listen before portal and iam
// before cce, whatever their order in the file, as the later ones refer to the earlier ones.
func (d *decoder) config(c *Config, root *yaml.Node) {
	var upstreams, models, portal, iam, cce *node
	keep := func(into **node) reader { return func(n node) { *into = &n } }
	data := required
	if hasKey(root, "store") {
		data = optional
	}
	d.Mapping(node{Node: root},
		optional("listen", d.address(&c.Listen)),
		data("data", d.folder(&c.Data)),
		optional("store", d.store(&c.Store)),
		optional("free_space_floor", d.size(&c.FreeSpaceFloorBytes, 0, maxFloorBytes)),
		optional("billing", d.billing(&c.Billing)),
		required("admin", d.admin(&c.Admin)),
		optional("keys", d.keys(&c.Keys)),
		optional("limits", d.limits(&c.Limits)),
		optional("stream", d.stream(&c.Stream)),
		optional("shutdown", d.shutdown(&c.Shutdown)),
		optional("log", d.log(&c.Log)),
		optional("catalog", d.existingFolder(&c.Catalog)),
		optional("portal", keep(&portal)),
		optional("iam", keep(&iam)),
		optional("cce", keep(&cce)),
		optional("clusters", d.clusters(&c.Clusters)),
		optional("webhooks", func(n node) { d.Mapping(n, optional("allow_private", d.Flag(&c.Webhooks.AllowPrivate))) }),
		required("upstreams", keep(&upstreams)),
		required("models", keep(&models)),
	)
	if portal != nil {
		d.portal(c, *portal)
	}
	if iam != nil {
		d.iam(&c.IAM)(*iam)
	}
	if cce != nil {
		d.cce(&c.CCE, *cce, iam != nil)
	}
	var named names
	if upstreams != nil {
		named = d.upstreams(c, *upstreams)
	}
	if models != nil {
		d.models(c, *models, named)
	}
}

func (d *decoder) billing(into *Billing) reader {
	return func(n node) {
		d.Mapping(n,
			optional("time_zone", d.zone(&into.TimeZone)),
			optional("currency", d.Text(&into.Currency, 16, currencyForm, "a currency code such as EUR")),
			optional("request_retention_days", yamldoc.Count(d.Decoder, &into.RequestRetentionDays, 0, maxRetentionDays)),
		)
	}
}

func (d *decoder) admin(into *Admin) reader {
	return func(n node) {
		d.Mapping(n, required("token", d.secret(&into.Token, minAdminTokenBytes)))
	}
}

func (d *decoder) keys(into *Keys) reader {
	return func(n node) { d.Mapping(n, optional("pepper", d.Flag(&into.Pepper))) }
}

func (d *decoder) limits(into *Limits) reader {
	return func(n node) {
		d.Mapping(n,
			optional("body", d.size(&into.BodyBytes, 1<<10, 1<<30)),
			optional("header", d.size(&into.HeaderBytes, 4<<10, 1<<20)),
			optional("event", d.size(&into.EventBytes, 64<<10, 1<<30)),
			optional("answer", d.size(&into.AnswerBytes, 64<<10, 1<<30)),
			optional("idempotency", d.size(&into.IdempotencyBytes, 64<<10, 1<<40)),
			optional("requests", yamldoc.Count(d.Decoder, &into.Requests, 0, 1_000_000)),
		)
	}
}

func (d *decoder) stream(into *Stream) reader {
	return func(n node) {
		d.Mapping(n,
			optional("heartbeat", d.duration(&into.Heartbeat, time.Second, time.Hour)),
			optional("idle_timeout", d.duration(&into.IdleTimeout, time.Second, maxDuration)),
			optional("write_timeout", d.duration(&into.WriteTimeout, time.Second, time.Hour)),
			optional("drain_timeout", d.duration(&into.DrainTimeout, time.Second, time.Hour)),
			optional("drain_tokens", yamldoc.Count(d.Decoder, &into.DrainTokens, 1, 100_000_000)),
		)
	}
}

func (d *decoder) shutdown(into *Shutdown) reader {
	return func(n node) { d.Mapping(n, optional("grace", d.duration(&into.Grace, 0, maxDuration))) }
}

func (d *decoder) log(into *Log) reader {
	return func(n node) { d.Mapping(n, optional("level", d.level(&into.Level))) }
}
