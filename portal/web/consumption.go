package web

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/metering"
	"llmhub/subscription"
)

const (
	// sharesPerPage is how many keys a page shows.
	sharesPerPage = 50
	// chartTop is how many series a chart has beside the one of all others.
	chartTop = 7
)

// consumptionPage is what the keys of a subscription have used in a month, or in another range of days.
type consumptionPage struct {
	// Path is that of the page, Active says that the subscription can be used.
	Path, Product, PeriodText string
	Active                    bool
	Since, Ended, AsOf        time.Time
	Export                    string
	// NewKey leads to the making of a key, empty where none can be made.
	NewKey string
	Month  monthPicker
	Range  rangeForm
	Total  usageFigures
	Units  []unitCard
	Trend  trend
	Split  split
	// Estimated is how much of the tokens was not reported by a model server, in permille.
	Estimated int64
	Chart     usageChart
	Keys      shareTable
	Models    shareTable
	Pager     pager
	// AllKeys is how many keys there are, Unused how many of them used nothing.
	AllKeys, Unused int
	// Budgets are those of the subscription, where the page shows the current month.
	Budgets []budgetMeter
}

// rangeForm is a form of method GET for a range of days.
type rangeForm struct {
	Open           bool
	From, To, Last string
	Hidden         []choice
	Fault          string
}

// trend compares a total with that of earlier days.
type trend struct {
	// Icon is empty if there is nothing to compare with, Against names the earlier days.
	Icon, Change, Against string
}

// split is the bar of input and output: where the one ends and how much the other takes, in percent.
type split struct{ Input, Output string }

var consumptionTemplate = newPage[consumptionPage]("consumption")

func (w *Web) consumptionRoutes() []route {
	return []route{
		{fiber.MethodGet, "/consumption", customers, w.chooseConsumption},
		{fiber.MethodGet, "/subscriptions/:id/consumption", customers, w.showConsumption},
		{fiber.MethodGet, "/subscriptions/:id/consumption.csv", customers, w.exportConsumption},
	}
}

func consumptionPath(id string) string { return subscriptionPath(id) + "/consumption" }

// consumed is what a page of consumption is made of, and the file of it.
type consumed struct {
	metering.Consumption
	of    subscription.Subscription
	days  period
	wrong *fault.Error
	by    metering.GroupBy
	asOf  time.Time
	// names are those of all keys by ID.
	names map[string]string
}

// consumed reads what the URL asks for.
func (w *Web) consumed(v *visit) (*consumed, error) {
	s, err := w.subscription(v)
	if err != nil {
		return nil, err
	}
	c := &consumed{of: s, days: monthPeriod(v.month()), by: metering.ByKey, names: map[string]string{}}
	if v.query("from") != "" || v.query("to") != "" {
		c.days, c.wrong = w.period(v)
	}
	if v.query("by") == string(metering.ByModel) {
		c.by = metering.ByModel
	}
	keys, err := w.Service.KeysOf(v.ctx, v.Actor, subscription.KeyFilter{SubscriptionID: s.ID})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(keys)) // not nil, which would be all keys there are
	for i, k := range keys {
		ids[i] = k.ID
		c.names[k.ID] = k.Name
	}
	c.asOf = w.Now()
	c.Consumption, err = metering.Consume(v.ctx, w.usage, w.Prices(), metering.ConsumptionQuery{
		Keys: ids, From: c.days.First, To: c.days.Last + 1, GroupBy: c.by, Top: chartTop, Today: w.today(),
	})
	return c, err
}

func (w *Web) showConsumption(v *visit) error {
	c, err := w.consumed(v)
	if err != nil {
		return err
	}
	path, query := consumptionPath(c.of.ID), v.allQuery()
	p := consumptionPage{
		Path: path, Product: w.productName(c.of), Active: c.of.State == subscription.Active, Since: c.of.CreatedAt, AsOf: c.asOf,
		PeriodText: v.periodText(c.days), Export: withQuery(path+".csv", query, "page", ""),
		Month: v.pickMonth(path, "#usage", c.days.First.Month()), Range: v.rangeForm(c),
		Total: v.figures(c.Total), Units: v.unitCards(c.Total.Quantities), Trend: v.trend(c), Split: splitOf(c.Total), Estimated: int64(c.Total.EstimatedPermille()),
		Chart: v.usageChart(c, path), AllKeys: len(c.names), Unused: len(c.names) - len(c.Consumption.Keys),
	}
	if c.of.CancelledAt != nil {
		p.Ended = *c.of.CancelledAt
	}
	if p.Active && v.Actor.Has(c.of.TenantID, identity.Subscribe) && v.Tenant.State == identity.TenantActive {
		p.NewKey = subscriptionPath(c.of.ID) + "/keys/new"
	}
	if today := w.today(); c.days.First <= today && today <= c.days.Last {
		if p.Budgets, err = w.budgetMeters(v, c.of.Scope("")); err != nil {
			return err
		}
	}
	if !c.days.isMonth() {
		p.Month.mark(choice{"", p.PeriodText, true})
	}
	if err := w.shareTables(v, c, &p); err != nil {
		return err
	}
	status := fiber.StatusOK
	if c.wrong != nil {
		status = fiber.StatusUnprocessableEntity
	}
	return consumptionTemplate.render(v, status, frame{Title: v.t("consumption.title"), Current: "/consumption", Crumbs: []link{
		{"/subscriptions", v.t("subscription.list")}, {subscriptionPath(c.of.ID), p.Product}, {"", v.t("nav.consumption")},
	}}, p)
}

// rangeForm is open if it is by a range that the page is asked for.
func (v *visit) rangeForm(c *consumed) rangeForm {
	f := rangeForm{From: c.days.First.String(), To: c.days.Last.String(), Last: v.web.today().String(), Open: c.wrong != nil || !c.days.isMonth()}
	if c.by == metering.ByModel {
		f.Hidden = []choice{{Value: "by", Text: string(c.by)}}
	}
	if c.wrong != nil {
		f.Fault, f.From, f.To = v.periodFault(c.wrong), v.query("from"), v.query("to")
	}
	return f
}

// trend compares the total with the same days of the month before, or what else the report compares with.
func (v *visit) trend(c *consumed) trend {
	if c.BeforeFrom >= c.BeforeTo {
		return trend{}
	}
	t := trend{Against: v.loc.Days(v.web.startOf(c.BeforeFrom), v.web.startOf(c.BeforeTo-1))}
	now, before := c.Total.Tokens.Total(), c.Before.Tokens.Total()
	if before == 0 {
		return t
	}
	change := int64(float64(now-before) / float64(before) * 1000)
	switch {
	case change > 0:
		t.Icon, t.Change = "up", "+"+v.loc.Permille(change)
	case change < 0:
		t.Icon, t.Change = "down", v.loc.Permille(change)
	default:
		t.Icon, t.Change = "level", "±"+v.loc.Permille(0)
	}
	return t
}

func splitOf(f metering.Figures) split {
	total := f.Tokens.Total()
	if total == 0 {
		return split{"0%", "0%"}
	}
	input := float64(f.Tokens.Input) / float64(total)
	return split{percentOf(input), percentOf(1 - input)}
}

// exportConsumption answers with the same figures as a file: a row for each key or model, the total last.
func (w *Web) exportConsumption(v *visit) error {
	c, err := w.consumed(v)
	switch {
	case err != nil:
		return err
	case c.wrong != nil:
		return c.wrong
	}
	first, last := c.days.First.String(), c.days.Last.String()
	table := v.newTable("consumption-" + first + "-" + last + ".csv")
	named := []string{"key_id", "key"}
	rows := c.Consumption.Keys
	if c.by == metering.ByModel {
		named, rows = []string{"model"}, c.Models
	}
	header := append([]string{"from", "to"}, named...)
	table.usageHeader(header, c.Total.Quantities)
	for _, s := range rows {
		names := []string{last, s.Name}
		if c.by == metering.ByKey {
			names = append(names, c.names[s.Name])
		}
		table.usage(first, names, v.figures(s.Figures))
	}
	total := make([]string, 1+len(named))
	total[0], total[len(named)] = last, v.t("usage.total")
	table.usage(first, total, v.figures(c.Total))
	return table.send()
}
