package web

import (
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/store"
	"llmhub/subscription"
)

// eventsPerPage is how many single requests a page shows.
const eventsPerPage = 50

// keyPage is a key with its single requests, newest first.
type keyPage struct {
	Name, Prefix, ID, Product, StateText, Class string
	Created, LastUsed, Expires, Deactivated     time.Time
	CreatedBy, DeactivatedBy                    string
	// Models are those that the key may use besides what the subscription grants; none means all of them.
	Models []string
	// Deactivate leads to the deactivation, empty where there is none.
	Deactivate string
	Limits     limitsBox
	// Also says that the subscription has limits, too; SubscriptionHref leads to them.
	Also             bool
	SubscriptionHref string
	Events           []eventRow
	// RetentionDays is for how many days requests are shown; 0 means for ever.
	RetentionDays int
	// Units says that any of them used something beside tokens.
	Units bool
	// Newest leads to the first page unless this is it, Older to the next one if there is one.
	Newest, Older string
	Sources       []countSource
}

type eventRow struct {
	Time, Seconds, ID, Model         string
	Input, Cached, Output, Reasoning int64
	Units                            []string
	// Estimated is how many of the tokens no model server has reported.
	Estimated        int64
	Duration, Source string
	Class            string
	Recovered        bool
}

// countSource explains where counts come from.
type countSource struct{ Name, Text string }

// keyDeactivatePage asks whether a key is to be deactivated.
type keyDeactivatePage struct {
	Action, Back, Name, Prefix string
	LastUsed                   time.Time
	// Tokens is what it has used this month.
	Tokens int64
}

var (
	keyTemplate           = newPage[keyPage]("key")
	keyDeactivateTemplate = newPage[keyDeactivatePage]("keydeactivate")
)

// key returns the key in the path, with its subscription.
func (w *Web) key(v *visit) (subscription.Key, subscription.Subscription, error) {
	s, err := w.subscription(v)
	if err != nil {
		return subscription.Key{}, s, err
	}
	k, err := w.Service.GetKey(v.ctx, v.Actor, v.param("key"))
	if err == nil && k.SubscriptionID != s.ID {
		err = errNoPage
	}
	return k, s, err
}

func (w *Web) showKey(v *visit) error {
	k, s, err := w.key(v)
	if err != nil {
		return err
	}
	used, err := w.lastUsed(v, k)
	if err != nil {
		return err
	}
	state := subscription.KeyState(k, s, w.Now())
	p := keyPage{
		Name: k.Name, Prefix: k.Prefix, ID: k.ID, Product: w.productName(s), StateText: v.t("keys.state." + state), Class: keyClasses[state],
		Created: k.CreatedAt, CreatedBy: k.CreatedBy, LastUsed: used[k.ID], DeactivatedBy: k.DeactivatedBy, Models: k.Models,
		RetentionDays: w.RequestRetentionDays,
	}
	if k.ExpiresAt != nil {
		p.Expires = *k.ExpiresAt
	}
	if k.DeactivatedAt != nil {
		p.Deactivated = *k.DeactivatedAt
	}
	if state != subscription.KeyDeactivated && v.Actor.Has(k.TenantID, identity.Subscribe) {
		p.Deactivate, p.Limits.Change = keyPath(k)+"/deactivate", keyPath(k)+"/limits"
	}
	if err := w.fillLimitsOf(v, k, s, &p); err != nil {
		return err
	}
	if err := w.fillEvents(v, k, &p); err != nil {
		return err
	}
	return keyTemplate.render(v, fiber.StatusOK, w.keyFrame(v, s, k, ""), p)
}

// fillLimitsOf reads what has been used of the key's budgets.
func (w *Web) fillLimitsOf(v *visit, k subscription.Key, s subscription.Subscription, p *keyPage) error {
	box, err := w.limitsBox(v, k.Scope(), "")
	box.Change = p.Limits.Change
	p.Limits, p.Also, p.SubscriptionHref = box, !s.Limits.IsZero() || len(s.ModelLimits) > 0, subscriptionPath(s.ID)+"#limits"
	return err
}

// keyFrame is around the pages of a key; below is the name of the page below the key's own, empty for that itself.
func (w *Web) keyFrame(v *visit, s subscription.Subscription, k subscription.Key, below string) frame {
	f := frame{Title: k.Name, Current: "/keys", Crumbs: []link{
		{"/subscriptions", v.t("subscription.list")}, {subscriptionPath(s.ID), w.productName(s)}, {"", k.Name},
	}}
	if below != "" {
		f.Title, f.Narrow = below, true
		f.Crumbs[2].Href = keyPath(k)
		f.Crumbs = append(f.Crumbs, link{"", below})
	}
	return f
}

// countSources are all sources of counts there are, in the order in which they are explained.
var countSources = []store.Provenance{store.FromUpstream, store.FromDrained, store.FromPartial, store.FromEstimate}

// fillEvents reads a page of the key's requests. Where each was served is the operator's matter and not shown.
func (w *Web) fillEvents(v *visit, k subscription.Key, p *keyPage) error {
	cursor := v.query("cursor")
	events, next, err := w.Ledger.Events(v.ctx, store.EventQuery{Key: k.ID, Cursor: cursor, Limit: eventsPerPage})
	if err != nil {
		return err
	}
	for _, e := range events {
		p.Events = append(p.Events, v.eventRow(e))
		p.Units = p.Units || len(e.Quantities) > 0
	}
	if cursor != "" {
		p.Newest = keyPath(k)
	}
	if next != "" {
		p.Older = withQuery(keyPath(k), nil, "cursor", next)
	}
	for _, s := range countSources {
		p.Sources = append(p.Sources, countSource{v.t("keys.source." + s.String()), v.t("keys.source.text." + s.String())})
	}
	return nil
}

func (v *visit) eventRow(e store.Event) eventRow {
	at := e.At.In(v.web.Location)
	row := eventRow{
		Time: v.loc.ShortDate(at), Seconds: at.Format("15:04:05"), ID: e.ID.String(), Model: e.Model,
		Input: e.Tokens.Input, Cached: e.Tokens.CachedInput, Output: e.Tokens.Output, Reasoning: e.Tokens.Reasoning, Estimated: e.Tokens.Estimated,
		Units:    v.unitLines(e.Quantities),
		Duration: v.loc.Decimal(strconv.FormatFloat(e.Duration.Seconds(), 'f', 2, 64)) + " s", Class: "warn", Recovered: e.Recovered,
		Source: v.t("keys.source." + e.Provenance.String()),
	}
	if e.Provenance == store.FromUpstream || e.Provenance == store.FromDrained {
		row.Class = "good"
	}
	return row
}

func (w *Web) confirmDeactivate(v *visit) error {
	k, s, err := w.key(v)
	if err != nil {
		return err
	}
	if err := v.Actor.Require(k.TenantID, identity.Subscribe, errNoPage); err != nil {
		return err
	}
	if subscription.KeyState(k, s, w.Now()) == subscription.KeyDeactivated {
		return v.redirect(keyPath(k))
	}
	used, err := w.lastUsed(v, k)
	if err != nil {
		return err
	}
	p := keyDeactivatePage{Action: keyPath(k) + "/deactivate", Back: subscriptionPath(s.ID), Name: k.Name, Prefix: k.Prefix, LastUsed: used[k.ID]}
	sums, err := w.Ledger.Usage(v.ctx, monthPeriod(w.today().Month()).query([]string{k.ID}))
	if err != nil {
		return err
	}
	for _, sum := range sums {
		p.Tokens += sum.Tokens.Total()
	}
	return keyDeactivateTemplate.render(v, fiber.StatusOK, w.keyFrame(v, s, k, v.t("keys.deactivate")), p)
}

func (w *Web) deactivateKey(v *visit) error {
	k, s, err := w.key(v)
	if err != nil {
		return err
	}
	if _, err := w.Service.DeactivateKey(v.ctx, v.Actor, k.ID); err != nil {
		return err
	}
	return v.redirect(subscriptionPath(s.ID) + "?done=key-deactivated")
}
