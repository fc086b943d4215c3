package portal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/metering"
	"llmhub/store"
	"llmhub/subscription"
)

// maxUsageDays bounds the range of one usage query.
const maxUsageDays = 3700

// usageRow is one row of usage. What was not asked for is left out.
type usageRow struct {
	Total    bool   `json:"total,omitempty"`
	KeyID    string `json:"key_id,omitempty"`
	KeyName  string `json:"key_name,omitempty"`
	Model    string `json:"model,omitempty"`
	Day      string `json:"day,omitempty"`
	Month    string `json:"month,omitempty"`
	Requests int64  `json:"requests"`
	metering.TokenCounts
	// Amount is an exact decimal in Currency. AmountIncomplete says that it leaves out what has no price.
	Amount           string `json:"amount"`
	AmountIncomplete bool   `json:"amount_incomplete,omitempty"`
	Currency         string `json:"currency"`
}

// usageAnswer says for which days the rows are, both inclusive.
type usageAnswer struct {
	From string     `json:"from"`
	To   string     `json:"to"`
	Data []usageRow `json:"data"`
}

// usage answers with sums: a row for each group asked for and the total as the last.
func (p *Portal) usage(ctx context.Context, c *fiber.Ctx) error {
	if err := knownQuery(c, "month", "from", "to", "tenant_id", "subscription_id", "key_id", "by"); err != nil {
		return err
	}
	var q store.UsageQuery
	if err := p.usageRange(c, &q); err != nil {
		return err
	}
	if err := groups(c, &q); err != nil {
		return err
	}
	names, err := p.usageKeys(ctx, c, &q)
	if err != nil {
		return err
	}
	rows, err := metering.Report(ctx, p.ledger, p.prices(), q)
	if err != nil {
		return err
	}
	if !q.ByKey && !q.ByModel && !q.ByDay && !q.ByMonth {
		rows = rows[len(rows)-1:] // the one group there is says the same as the total
	}
	out := usageAnswer{From: q.From.String(), To: (q.To - 1).String(), Data: make([]usageRow, len(rows))}
	for i, r := range rows {
		total := i == len(rows)-1
		out.Data[i] = p.viewRow(r, q, total)
		if q.ByKey && !total {
			out.Data[i].KeyName, err = p.keyName(ctx, names, r.Key)
			if err != nil && !errors.Is(err, &fault.Error{Kind: fault.NotFound}) { // usage outlives what it was for
				return err
			}
		}
	}
	return c.JSON(out)
}

func (p *Portal) viewRow(r metering.Row, q store.UsageQuery, total bool) usageRow {
	v := usageRow{
		Total:            total,
		Requests:         r.Requests,
		TokenCounts:      metering.CountTokens(r.Tokens),
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
func (p *Portal) usageKeys(ctx context.Context, c *fiber.Ctx, q *store.UsageQuery) (map[string]string, error) {
	tenant, sub, key := query(c, "tenant_id"), query(c, "subscription_id"), query(c, "key_id")
	names := map[string]string{}
	given := 0
	for _, id := range []string{tenant, sub, key} {
		if id != "" {
			given++
		}
	}
	switch {
	case given == 0:
		return names, nil
	case given > 1:
		return nil, badRequest("give one of tenant_id, subscription_id and key_id")
	case key != "":
		q.Keys = []string{key}
		_, err := p.keyName(ctx, nil, key)
		return names, err
	}
	filter := subscription.KeyFilter{TenantID: tenant, SubscriptionID: sub}
	if err := p.checkFilter(ctx, filter); err != nil {
		return nil, err
	}
	keys, err := p.service.KeysOf(ctx, identity.Administrator(), filter)
	if err != nil {
		return nil, err
	}
	q.Keys = make([]string, len(keys))
	for i, k := range keys {
		q.Keys[i], names[k.ID] = k.ID, k.Name
	}
	return names, nil
}

// keyName returns the name of a key and remembers it in names, unless that is nil.
func (p *Portal) keyName(ctx context.Context, names map[string]string, id string) (string, error) {
	if name, ok := names[id]; ok {
		return name, nil
	}
	k, err := p.service.GetKey(ctx, identity.Administrator(), id)
	if err != nil {
		return "", err
	}
	if names != nil {
		names[id] = k.Name
	}
	return k.Name, nil
}
