package metering

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"llmhub/store"
	"llmhub/store/local"
)

var (
	testKeys   = []string{"key_a", "key_b", "key_c"}
	testModels = []string{"m1", "m2", "m3"}
)

// openLedger returns a ledger in Berlin's time.
func openLedger(t *testing.T) (*local.Store, *time.Location) {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(t.TempDir(), local.Options{Location: berlin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, berlin
}

func commit(t *testing.T, l store.Ledger, events []store.Event) {
	t.Helper()
	source, err := l.NewSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		events[i].ID = store.NewRequestID(source, uint64(i+1))
		events[i].Deployment, events[i].Provenance = "up/m", store.FromUpstream
	}
	if err := l.Commit(t.Context(), store.Batch{Source: source, Seq: 1, Events: events}); err != nil {
		t.Fatal(err)
	}
}

// randomEvents returns events of five months, many of them near the ends of days.
func randomEvents(loc *time.Location) []store.Event {
	r := rand.New(rand.NewPCG(3, 4))
	events := make([]store.Event, 800)
	for i := range events {
		at := time.Date(2026, 8, 1+r.IntN(150), 0, 0, 0, 0, loc)
		switch r.IntN(3) {
		case 0:
			at = at.Add(-time.Millisecond)
		case 1:
			at = at.Add(time.Duration(r.IntN(86_400_000)) * time.Millisecond)
		}
		in, out := r.Int64N(1e12), r.Int64N(1e6)
		var q store.Quantities
		for range max(0, r.IntN(6)-3) {
			q = q.Plus(store.Units()[r.IntN(len(store.Units()))], 1+r.Int64N(1e9))
		}
		events[i] = store.Event{
			Key: testKeys[r.IntN(len(testKeys))], Model: testModels[r.IntN(len(testModels))], At: at,
			Tokens:     store.Tokens{Input: in, CachedInput: r.Int64N(in + 1), Output: out, Reasoning: r.Int64N(out + 1)},
			Quantities: q,
		}
	}
	return events
}

// oracle computes a report from single events with rational numbers.
type oracle struct {
	q      store.UsageQuery
	prices map[string][]textPrice
	rows   map[group]*oracleRow
	total  oracleRow
}

type oracleRow struct {
	requests   int64
	tokens     store.Tokens
	quantities map[store.Unit]int64
	amount     big.Rat
	unpriced   bool
}

type textPrice struct {
	from                  store.Day
	input, cached, output string
	units                 map[store.Unit]string
}

func newOracle(q store.UsageQuery, prices map[string][]textPrice) oracle {
	return oracle{q: q, prices: prices, rows: map[group]*oracleRow{}, total: oracleRow{quantities: map[store.Unit]int64{}}}
}

func (o *oracle) add(t *rapid.T, e store.Event, d store.Day) {
	if d < o.q.From || d >= o.q.To || o.q.Keys != nil && !slices.Contains(o.q.Keys, e.Key) {
		return
	}
	var price *textPrice
	for _, p := range o.prices[e.Model] {
		if p.from <= d {
			price = &p
		}
	}
	charge, complete := new(big.Rat), false
	if price != nil {
		charge, complete = ratUnits(t, price.units, e.Quantities)
		charge.Add(charge, ratCharge(t, price.input, price.cached, price.output, e.Tokens))
	}
	var g group
	if o.q.ByKey {
		g.key = e.Key
	}
	if o.q.ByModel {
		g.model = e.Model
	}
	if o.q.ByDay {
		g.day = d
	}
	if o.q.ByMonth {
		g.month = d.Month()
	}
	if o.rows[g] == nil {
		o.rows[g] = &oracleRow{quantities: map[store.Unit]int64{}}
	}
	for _, r := range []*oracleRow{o.rows[g], &o.total} {
		r.requests++
		r.tokens.Add(e.Tokens)
		r.amount.Add(&r.amount, charge)
		r.unpriced = r.unpriced || !complete
		for _, x := range e.Quantities {
			r.quantities[x.Unit] += x.N
		}
	}
}

func (o *oracleRow) sameQuantities(q store.Quantities) bool {
	for _, x := range q {
		if o.quantities[x.Unit] != x.N {
			return false
		}
	}
	return len(q) == len(o.quantities)
}

func (o *oracleRow) check(t *rapid.T, r Row) {
	if r.Requests != o.requests || r.Tokens != o.tokens || !o.sameQuantities(r.Quantities) || r.Priced == o.unpriced || rat(t, r.Amount.String()).Cmp(&o.amount) != 0 {
		t.Fatalf("row %+v (%s), want %+v", r, r.Amount, o)
	}
}

func drawPrices(t *rapid.T, first, last store.Day) (map[string][]textPrice, PriceList) {
	texts, list := map[string][]textPrice{}, PriceList{}
	for _, m := range testModels {
		days := rapid.SliceOfNDistinct(rapid.Int32Range(int32(first)-10, int32(last)+10), 0, 4, rapid.ID[int32]).Draw(t, "days of "+m)
		slices.Sort(days)
		for _, d := range days {
			from := store.Day(d)
			if rapid.Bool().Draw(t, "first of the month") {
				from = from.Month().First()
			}
			if n := len(texts[m]); n > 0 && texts[m][n-1].from >= from {
				continue
			}
			p := textPrice{from, drawDecimal(t, "input"), drawDecimal(t, "cached"), drawDecimal(t, "output"), map[store.Unit]string{}}
			units := map[store.Unit]Amount{}
			for _, u := range rapid.SliceOfDistinct(rapid.SampledFrom(store.Units()), rapid.ID[store.Unit]).Draw(t, "priced units") {
				p.units[u] = drawDecimal(t, u.String())
				var err error
				if units[u], err = ParseAmount(p.units[u]); err != nil {
					t.Fatal(err)
				}
			}
			var amounts [3]Amount
			for i, s := range []string{p.input, p.cached, p.output} {
				var err error
				if amounts[i], err = ParseAmount(s); err != nil {
					t.Fatal(err)
				}
			}
			texts[m] = append(texts[m], p)
			list[m] = append(list[m], Price{from, amounts[0], amounts[1], amounts[2], units})
		}
	}
	return texts, list
}

func drawQuery(t *rapid.T, first, last store.Day) store.UsageQuery {
	span := rapid.Int32Range(int32(first), int32(last))
	q := store.UsageQuery{
		ByKey: rapid.Bool().Draw(t, "by key"), ByModel: rapid.Bool().Draw(t, "by model"),
		ByDay: rapid.Bool().Draw(t, "by day"), ByMonth: rapid.Bool().Draw(t, "by month"),
		From: store.Day(span.Draw(t, "from")), To: store.Day(span.Draw(t, "to")),
	}
	if q.From > q.To {
		q.From, q.To = q.To, q.From
	}
	if rapid.Bool().Draw(t, "whole months") {
		q.From, q.To = q.From.Month().First(), (q.To.Month() + 1).First()
	}
	if rapid.Bool().Draw(t, "some keys") {
		q.Keys = rapid.SliceOfDistinct(rapid.SampledFrom(append(testKeys, "key_unused")), rapid.ID[string]).Draw(t, "keys")
		if q.Keys == nil {
			q.Keys = []string{}
		}
	}
	return q
}

// Whatever is asked, with whatever prices: each row and the total are what the single events give.
func TestReportAgreesWithSingleEvents(t *testing.T) {
	l, berlin := openLedger(t)
	events := randomEvents(berlin)
	commit(t, l, events)
	first, last := day(t, "2026-07-20"), day(t, "2027-01-10")
	rapid.Check(t, func(rt *rapid.T) {
		texts, prices := drawPrices(rt, first, last)
		q := drawQuery(rt, first, last)
		o := newOracle(q, texts)
		for _, e := range events {
			o.add(rt, e, store.DayOf(e.At, berlin))
		}
		rows, err := Report(context.Background(), l, prices, q)
		if err != nil {
			rt.Fatal(err)
		}
		if len(rows) != len(o.rows)+1 {
			rt.Fatalf("%d rows, want %d and the total", len(rows), len(o.rows))
		}
		total := rows[len(rows)-1]
		rows = rows[:len(rows)-1]
		o.total.check(rt, total)
		sum := Row{Priced: true}
		for _, r := range rows {
			want := o.rows[group{r.Key, r.Model, r.Day, r.Month}]
			if want == nil {
				rt.Fatalf("row %+v of a group that was not asked for", r)
			}
			want.check(rt, r)
			sum.add(r.Sum, r.Amount, r.Priced)
		}
		if sum.Requests != total.Requests || sum.Tokens != total.Tokens || sum.Amount.Cmp(total.Amount) != 0 || sum.Priced != total.Priced {
			rt.Fatalf("the rows make %+v, the total is %+v", sum, total)
		}
		if !slices.IsSortedFunc(rows, func(a, b Row) int {
			return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Month, b.Month))
		}) {
			rt.Fatal("rows are not in order")
		}
	})
}

// A price that changes within a month, and a model that has none.
func TestReportPriceChange(t *testing.T) {
	l, berlin := openLedger(t)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, berlin) }
	million := store.Tokens{Input: 1_000_000, Output: 1_000_000}
	commit(t, l, []store.Event{
		{Key: "key_a", Model: "m1", At: at(9, 23, 59), Tokens: million},
		{Key: "key_a", Model: "m1", At: at(10, 0, 0), Tokens: million},
		{Key: "key_a", Model: "free", At: at(11, 0, 0), Tokens: million},
		{Key: "key_b", Model: "m1", At: at(1, 0, 0), Tokens: million},
		{Key: "key_b", Model: "m1", At: at(0, 23, 59), Tokens: million}, // October
	})
	prices := PriceList{"m1": {
		{From: day(t, "2026-01-01"), InputPerMillion: amount(t, "0.1"), OutputPerMillion: amount(t, "0.2")},
		{From: day(t, "2026-11-10"), InputPerMillion: amount(t, "10"), OutputPerMillion: amount(t, "20.000001")},
	}}
	month := store.UsageQuery{From: day(t, "2026-11-01"), To: day(t, "2026-12-01")}
	for _, c := range []struct {
		name string
		set  func(*store.UsageQuery)
		want string
	}{
		{"total", func(*store.UsageQuery) {}, "4: 30.600001 partly; 4: 30.600001 partly"},
		{"key", func(q *store.UsageQuery) { q.ByKey = true }, "key_a 3: 30.300001 partly; key_b 1: 0.30; 4: 30.600001 partly"},
		{"model", func(q *store.UsageQuery) { q.ByModel = true }, "free 1: 0.00 partly; m1 3: 30.600001; 4: 30.600001 partly"},
		{"one key", func(q *store.UsageQuery) { q.Keys = []string{"key_b"} }, "1: 0.30; 1: 0.30"},
		{"no key", func(q *store.UsageQuery) { q.Keys = []string{} }, "0: 0.00"},
		{"two months", func(q *store.UsageQuery) { q.ByMonth, q.From = true, day(t, "2026-10-01") },
			"2026-10 1: 0.30; 2026-11 4: 30.600001 partly; 5: 30.900001 partly"},
		{"days", func(q *store.UsageQuery) { q.ByDay, q.Keys = true, []string{"key_a"} },
			"2026-11-09 1: 0.30; 2026-11-10 1: 30.000001; 2026-11-11 1: 0.00 partly; 3: 30.300001 partly"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := month
			c.set(&q)
			rows, err := Report(t.Context(), l, prices, q)
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, r := range rows {
				text := strings.TrimSpace(r.Key + " " + r.Model)
				if r.Day != 0 {
					text = r.Day.String()
				}
				if r.Month != 0 {
					text = r.Month.String()
				}
				text = strings.TrimSpace(fmt.Sprintf("%s %d: %s", text, r.Requests, r.Amount))
				if !r.Priced {
					text += " partly"
				}
				texts = append(texts, text)
			}
			if got := strings.Join(texts, "; "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A month without a change of price is read as one row, not as its days.
func TestReportReadsMonthsWhereItCan(t *testing.T) {
	l, berlin := openLedger(t)
	var events []store.Event
	for d := range 30 {
		events = append(events, store.Event{Key: "key_a", Model: "m1", At: time.Date(2026, 11, d+1, 12, 0, 0, 0, berlin), Tokens: store.Tokens{Input: 1}})
	}
	commit(t, l, events)
	q := store.UsageQuery{From: day(t, "2026-11-01"), To: day(t, "2026-12-01"), ByKey: true}
	for from, want := range map[string]int{"2026-01-15": 1, "2026-11-01": 1, "2026-12-01": 1, "2026-11-02": 30, "2026-11-30": 30} {
		read := 0
		usage := usageFunc(func(ctx context.Context, q store.UsageQuery) ([]store.Sum, error) {
			sums, err := l.Usage(ctx, q)
			read += len(sums)
			return sums, err
		})
		if _, err := Report(t.Context(), usage, PriceList{"m1": {{From: day(t, from)}}}, q); err != nil || read != want {
			t.Errorf("price from %s: %d rows read, want %d; %v", from, read, want, err)
		}
	}
	failed := errors.New("failed")
	_, err := Report(t.Context(), usageFunc(func(context.Context, store.UsageQuery) ([]store.Sum, error) { return nil, failed }), nil, q)
	if !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}

type usageFunc func(context.Context, store.UsageQuery) ([]store.Sum, error)

func (f usageFunc) Usage(ctx context.Context, q store.UsageQuery) ([]store.Sum, error) {
	return f(ctx, q)
}
