package portal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/metering"
	"llmhub/store"
	"llmhub/subscription"
)

// maxUsageDays bounds the range of one usage query.
const maxUsageDays = 3700

// usageRow is one row of usage. What was not asked for is left out.
type usageRow struct {
	Total    bool   `json:"total,omitempty" doc:"This row is the sum of all others."`
	KeyID    string `json:"key_id,omitempty"`
	KeyName  string `json:"key_name,omitempty"`
	Model    string `json:"model,omitempty"`
	Day      string `json:"day,omitempty" format:"date"`
	Month    string `json:"month,omitempty" example:"2026-11"`
	Requests int64  `json:"requests"`
	metering.TokenCounts
	metering.QuantityCounts
	// Amount is an exact decimal in Currency. AmountIncomplete says that it leaves out what has no price.
	Amount           string `json:"amount" doc:"An exact decimal." example:"12.345678"`
	AmountIncomplete bool   `json:"amount_incomplete,omitempty" doc:"The amount leaves out what has no price."`
	Currency         string `json:"currency" example:"EUR"`
}

// usageAnswer says for which days the rows are, both inclusive.
type usageAnswer struct {
	From string     `json:"from" format:"date"`
	To   string     `json:"to" format:"date"`
	Data []usageRow `json:"data"`
}

// usage answers with sums: a row for each group asked for and the total as the last.
func (p *Portal) usage(r *request) (usageAnswer, error) {
	var q store.UsageQuery
	if err := p.usageRange(r.c, &q); err != nil {
		return usageAnswer{}, err
	}
	if err := groups(r.c, &q); err != nil {
		return usageAnswer{}, err
	}
	names, err := p.usageKeys(r, &q)
	if err != nil {
		return usageAnswer{}, err
	}
	rows, err := metering.Report(r.ctx, p.ledger, p.prices(), q)
	if err != nil {
		return usageAnswer{}, err
	}
	if !q.ByKey && !q.ByModel && !q.ByDay && !q.ByMonth {
		rows = rows[len(rows)-1:] // the one group there is says the same as the total
	}
	out := usageAnswer{From: q.From.String(), To: (q.To - 1).String(), Data: make([]usageRow, len(rows))}
	for i, row := range rows {
		total := i == len(rows)-1
		out.Data[i] = p.viewRow(row, q, total)
		if q.ByKey && !total {
			out.Data[i].KeyName, err = p.keyName(r, names, row.Key)
			if err != nil && !errors.Is(err, &fault.Error{Kind: fault.NotFound}) { // usage outlives what it was for
				return usageAnswer{}, err
			}
		}
	}
	return out, nil
}

func (p *Portal) viewRow(r metering.Row, q store.UsageQuery, total bool) usageRow {
	v := usageRow{
		Total:            total,
		Requests:         r.Requests,
		TokenCounts:      metering.CountTokens(r.Tokens),
		QuantityCounts:   metering.CountQuantities(r.Quantities),
		Amount:           r.Amount.String(),
		AmountIncomplete: !r.Priced,
		Currency:         p.currency,
	}
	if total {
		return v
	}
	if q.ByKey {
		v.KeyID = r.Key
	}
	if q.ByModel {
		v.Model = r.Model
	}
	if q.ByDay {
		v.Day = r.Day.String()
	}
	if q.ByMonth {
		v.Month = r.Month.String()
	}
	return v
}

// usageRange reads month, or from and to (days, both inclusive); neither stands for the current month.
func (p *Portal) usageRange(c *fiber.Ctx, q *store.UsageQuery) error {
	month, from, to := c.Query("month"), c.Query("from"), c.Query("to")
	if month != "" && (from != "" || to != "") {
		return badRequest("give either month, or from and to")
	}
	if from == "" && to == "" {
		m := store.DayOf(p.now(), p.location).Month()
		if month != "" {
			var err error
			if m, err = store.ParseMonth(strings.Clone(month)); err != nil {
				return badRequest("month: " + err.Error())
			}
		}
		q.From, q.To = m.First(), (m + 1).First()
		return nil
	}
	if from == "" || to == "" {
		return badRequest("from and to are given together")
	}
	first, err := store.ParseDay(strings.Clone(from))
	if err != nil {
		return badRequest("from: " + err.Error())
	}
	last, err := store.ParseDay(strings.Clone(to))
	if err != nil {
		return badRequest("to: " + err.Error())
	}
	switch {
	case last < first:
		return badRequest("to is before from")
	case last-first >= maxUsageDays:
		return badRequest(fmt.Sprintf("the range is longer than %d days", maxUsageDays))
	}
	q.From, q.To = first, last+1
	return nil
}

// groups reads what rows are kept apart by; by=key where nothing is said, by= for the total alone.
func groups(c *fiber.Ctx, q *store.UsageQuery) error {
	if !c.Context().QueryArgs().Has("by") {
		q.ByKey = true
		return nil
	}
	flags := map[string]*bool{"key": &q.ByKey, "model": &q.ByModel, "day": &q.ByDay, "month": &q.ByMonth}
	for _, word := range strings.FieldsFunc(c.Query("by"), func(r rune) bool { return r == ',' }) {
		flag, ok := flags[word]
		if !ok {
			return badRequest(fmt.Sprintf("by: %q is not one of key, model, day, month", word))
		}
		*flag = true
	}
	return nil
}

// usageKeys restricts the query to the keys asked for and returns the names it has come across, by ID.
func (p *Portal) usageKeys(r *request, q *store.UsageQuery) (map[string]string, error) {
	names := map[string]string{}
	given := 0
	for _, name := range []string{"tenant_id", "subscription_id", "key_id"} {
		if r.query(name) != "" {
			given++
		}
	}
	switch key := r.query("key_id"); {
	case given > 1:
		return nil, badRequest("give one of tenant_id, subscription_id and key_id")
	case key != "":
		q.Keys = []string{key}
		_, err := p.keyName(r, nil, key)
		return names, err
	}
	filter, err := p.keyFilter(r)
	all := filter == (subscription.KeyFilter{}) // which is for operators: all there is, of keys known or not
	if err != nil || all && !q.ByKey {
		return names, err
	}
	keys, err := p.service.KeysOf(r.ctx, r.by, filter)
	if err != nil {
		return nil, err
	}
	if all {
		for _, k := range keys {
			names[k.ID] = k.Name
		}
		return names, nil
	}
	q.Keys = make([]string, len(keys))
	for i, k := range keys {
		q.Keys[i], names[k.ID] = k.ID, k.Name
	}
	return names, nil
}

// keyName returns the name of a key and remembers it in names, unless that is nil.
func (p *Portal) keyName(r *request, names map[string]string, id string) (string, error) {
	if name, ok := names[id]; ok {
		return name, nil
	}
	k, err := p.service.GetKey(r.ctx, r.by, id)
	if err != nil {
		return "", err
	}
	if names != nil {
		names[id] = k.Name
	}
	return k.Name, nil
}
