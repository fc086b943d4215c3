package metering

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"llmhub/store"
)

// Usage is what a report needs of a store.Ledger.
type Usage interface {
	Usage(ctx context.Context, q store.UsageQuery) ([]store.Sum, error)
}

// Row is a row of a report: sums and what they cost.
type Row struct {
	store.Sum
	// Amount is the charge of what has a price.
	Amount Amount
	// Priced says that all of it has a price.
	Priced bool
}

// Report returns usage grouped as q asks, in order of key, model, day and month, and behind it a row with the total.
// What was used each day is charged at that day's prices; amounts are added exactly.
func Report(ctx context.Context, l Usage, prices PriceList, q store.UsageQuery) ([]Row, error) {
	fine := q
	fine.ByModel = true
	// Within a month without a change of price, its sums suffice.
	wholeMonths := q.From == q.From.Month().First() && q.To == q.To.Month().First()
	if q.ByDay || !wholeMonths || prices.changesWithin(q.From, q.To) {
		fine.ByDay = true
	} else {
		fine.ByMonth = true
	}
	sums, err := l.Usage(ctx, fine)
	if err != nil {
		return nil, err
	}
	total := Row{Priced: true}
	grouped := map[group]*Row{}
	for _, s := range sums {
		day := s.Day
		if !fine.ByDay {
			day = s.Month.First()
		}
		g := groupOf(q, s, day)
		row := grouped[g]
		if row == nil {
			row = &Row{Sum: store.Sum{Key: g.key, Model: g.model, Day: g.day, Month: g.month}, Priced: true}
			grouped[g] = row
		}
		amount, priced := prices.Charge(s.Model, day, s.Tokens, s.Quantities)
		row.add(s, amount, priced)
		total.add(s, amount, priced)
	}
	rows := make([]Row, 0, len(grouped)+1)
	for _, r := range grouped {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Model, b.Model),
			cmp.Compare(a.Day, b.Day), cmp.Compare(a.Month, b.Month))
	})
	return append(rows, total), nil
}

func (r *Row) add(s store.Sum, amount Amount, priced bool) {
	r.Requests += s.Requests
	r.Tokens.Add(s.Tokens)
	r.Quantities = r.Quantities.PlusAll(s.Quantities)
	r.Amount = r.Amount.Add(amount)
	r.Priced = r.Priced && priced
}

// group is what rows are kept apart by.
type group struct {
	key, model string
	day        store.Day
	month      store.Month
}

func groupOf(q store.UsageQuery, s store.Sum, day store.Day) group {
	var g group
	if q.ByKey {
		g.key = s.Key
	}
	if q.ByModel {
		g.model = s.Model
	}
	if q.ByDay {
		g.day = day
	}
	if q.ByMonth {
		g.month = day.Month()
	}
	return g
}
