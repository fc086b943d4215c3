package metering

import (
	"context"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"llmhub/store"
)

// naive computes a consumption from single events.
type naive struct {
	t      *rapid.T
	loc    *time.Location
	events []store.Event
	prices map[string][]textPrice
	q      ConsumptionQuery
}

// figures sums the events of a range for which keep says yes.
func (n *naive) figures(from, to store.Day, keep func(store.Event) bool) oracleRow {
	o := newOracle(store.UsageQuery{From: from, To: to, Keys: n.q.Keys}, n.prices)
	for _, e := range n.events {
		if keep(e) {
			o.add(n.t, e, store.DayOf(e.At, n.loc))
		}
	}
	return o.total
}

func (n *naive) check(what string, got Figures, want oracleRow) {
	if got.Requests != want.requests || got.Tokens != want.tokens || !want.sameQuantities(got.Quantities) || got.Priced == want.unpriced ||
		rat(n.t, got.Amount.String()).Cmp(&want.amount) != 0 {
		n.t.Fatalf("%s: %+v (%s), want %+v (%s)", what, got, got.Amount, want, want.amount.FloatString(20))
	}
}

func everything(store.Event) bool { return true }

func ofKey(key string) func(store.Event) bool {
	return func(e store.Event) bool { return e.Key == key }
}

func ofModel(m string) func(store.Event) bool {
	return func(e store.Event) bool { return e.Model == m }
}

// checkShares insists on a row for each name that was used, in order, with its part of all.
func (n *naive) checkShares(rows []Share, names []string, of func(string) func(store.Event) bool) {
	total := n.figures(n.q.From, n.q.To, everything).tokens.Total()
	used := 0
	for _, name := range names {
		want := n.figures(n.q.From, n.q.To, of(name))
		if want.requests == 0 {
			continue
		}
		used++
		i := slices.IndexFunc(rows, func(s Share) bool { return s.Name == name })
		if i < 0 {
			n.t.Fatalf("no row of %s", name)
		}
		n.check(name, rows[i].Figures, want)
		part := new(big.Rat).SetFrac64(want.tokens.Total()*1000, max(1, total))
		if d, _ := new(big.Rat).Sub(part, new(big.Rat).SetInt64(int64(rows[i].Permille))).Float64(); d < -0.5001 || d > 0.5001 {
			n.t.Fatalf("%s has %d permille of %d", name, rows[i].Permille, total)
		}
	}
	if len(rows) != used || !slices.IsSortedFunc(rows, func(a, b Share) int { return int(b.Tokens.Total() - a.Tokens.Total()) }) {
		n.t.Fatalf("rows %+v", rows)
	}
}

// checkChart insists on the tokens of every bar of every series.
func (n *naive) checkChart(c Consumption) {
	rows, of := c.Keys, ofKey
	if n.q.GroupBy == ByModel {
		rows, of = c.Models, ofModel
	}
	top := min(n.q.Top, len(rows))
	var named []string
	for i := range top {
		named = append(named, rows[i].Name)
		if c.Series[i].Name != rows[i].Name || c.Series[i].Others {
			n.t.Fatalf("series %d is %+v", i, c.Series[i])
		}
	}
	if rest := len(c.Series) - top; rest != min(1, len(rows)-top) {
		n.t.Fatalf("%d series of %d rows, top %d", len(c.Series), len(rows), n.q.Top)
	}
	for _, s := range c.Series {
		keep := of(s.Name)
		if s.Others {
			keep = func(e store.Event) bool { return !slices.ContainsFunc(named, func(m string) bool { return of(m)(e) }) }
		}
		for i, from := range c.Bars {
			to := n.q.To
			if i+1 < len(c.Bars) {
				to = c.Bars[i+1]
			}
			if want := n.figures(from, to, keep).tokens.Total(); s.Tokens[i] != want {
				n.t.Fatalf("series %+v: bar of %s is %d, want %d", s, from, s.Tokens[i], want)
			}
		}
	}
}

func (n *naive) checkBars(c Consumption) {
	for i, d := range c.Bars {
		want := n.q.From + store.Day(i)
		if c.Monthly && i > 0 {
			want = (c.Bars[i-1].Month() + 1).First()
		}
		if d != want && !(i == 0 && d == n.q.From) {
			n.t.Fatalf("bar %d begins on %s", i, d)
		}
	}
	if last := c.Bars[len(c.Bars)-1]; c.Monthly != (n.q.To-n.q.From > maxDayBars) || last >= n.q.To ||
		!c.Monthly && last != n.q.To-1 || c.Monthly && (last.Month()+1).First() < n.q.To {
		n.t.Fatalf("bars %v", c.Bars)
	}
}

func drawConsumption(t *rapid.T, first, last store.Day) ConsumptionQuery {
	q := drawQuery(t, first, last)
	if q.From == q.To {
		q.To++
	}
	return ConsumptionQuery{
		Keys: q.Keys, From: q.From, To: q.To, Top: rapid.IntRange(0, 4).Draw(t, "top"),
		GroupBy: rapid.SampledFrom([]GroupBy{ByKey, ByModel}).Draw(t, "group by"),
		Today:   store.Day(rapid.Int32Range(int32(first), int32(last)).Draw(t, "today")),
	}
}

// Whatever is asked, on whatever day, with whatever prices, with and without a cache, and with commits in between: every
// figure is what the single events give.
func TestConsumptionAgreesWithSingleEvents(t *testing.T) {
	l, berlin := openLedger(t)
	events := randomEvents(berlin)
	for i := range events {
		events[i].Tokens.Estimated = events[i].Tokens.Output / 3
	}
	source, err := l.NewSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cache, seq, committed := NewCache(l), uint64(0), 0
	commitUpTo := func(to int) {
		for i := committed; i < to; i++ {
			events[i].ID = store.NewRequestID(source, uint64(i+1))
			events[i].Deployment, events[i].Provenance = "up/m", store.FromUpstream
		}
		seq++
		if err := l.Commit(t.Context(), store.Batch{Source: source, Seq: seq, Events: events[committed:to]}); err != nil {
			t.Fatal(err)
		}
		committed = to
	}
	commitUpTo(600)
	first, last := day(t, "2026-07-20"), day(t, "2027-01-10")
	texts, prices := map[string][]textPrice(nil), PriceList(nil)
	var asked []ConsumptionQuery
	rapid.Check(t, func(rt *rapid.T) {
		if texts == nil || rapid.IntRange(0, 3).Draw(rt, "new prices") == 0 {
			texts, prices = drawPrices(rt, first, last)
		}
		q := drawConsumption(rt, first, last)
		if len(asked) > 0 && rapid.Bool().Draw(rt, "ask again") {
			q = asked[rapid.IntRange(0, len(asked)-1).Draw(rt, "which")]
		}
		asked = append(asked, q)
		if committed < len(events) && rapid.IntRange(0, 3).Draw(rt, "commit") == 0 {
			commitUpTo(committed + 1)
		}
		n := naive{t: rt, loc: berlin, events: events[:committed], prices: texts, q: q}
		for _, u := range []Usage{l, cache} {
			c, err := Consume(context.Background(), u, prices, q)
			if err != nil {
				rt.Fatal(err)
			}
			n.check("total", c.Total, n.figures(q.From, q.To, everything))
			n.check("before", c.Before, n.figures(c.BeforeFrom, c.BeforeTo, everything))
			n.checkShares(c.Keys, testKeys, ofKey)
			n.checkShares(c.Models, testModels, ofModel)
			n.checkBars(c)
			n.checkChart(c)
		}
	})
}

func TestBefore(t *testing.T) {
	for _, c := range []struct{ from, to, today, beforeFrom, beforeTo string }{
		{"2026-11-01", "2026-12-01", "2026-11-21", "2026-10-01", "2026-10-22"}, // the current month, as far as it has come
		{"2026-11-01", "2026-12-01", "2026-11-01", "2026-10-01", "2026-10-02"},
		{"2026-11-01", "2026-12-01", "2026-11-30", "2026-10-01", "2026-11-01"}, // all of October, which is longer
		{"2026-03-01", "2026-04-01", "2026-03-29", "2026-02-01", "2026-03-01"}, // February has no 29th
		{"2026-03-01", "2026-04-01", "2026-05-05", "2026-02-01", "2026-03-01"},
		{"2026-01-10", "2026-01-12", "2026-05-05", "2025-12-10", "2025-12-12"},
		{"2026-01-01", "2026-07-01", "2026-08-05", "2025-07-04", "2026-01-01"}, // as many days before
		{"2026-12-01", "2027-01-01", "2026-11-30", "2026-12-01", "2026-12-01"}, // not begun
	} {
		from, to := before(day(t, c.from), day(t, c.to), day(t, c.today))
		if from != day(t, c.beforeFrom) || to != day(t, c.beforeTo) {
			t.Errorf("%+v: %s to %s", c, from, to)
		}
	}
}

// countingHistory counts what reaches the ledger.
type countingHistory struct {
	History
	asked int
}

func (c *countingHistory) Usage(ctx context.Context, q store.UsageQuery) ([]store.Sum, error) {
	c.asked++
	return c.History.Usage(ctx, q)
}

func TestCacheAsksOnce(t *testing.T) {
	l, berlin := openLedger(t)
	at := time.Date(2026, 11, 5, 12, 0, 0, 0, berlin)
	commit(t, l, []store.Event{{Key: "key_a", Model: "m1", At: at, Tokens: store.Tokens{Input: 1}}})
	h := &countingHistory{History: l}
	c := NewCache(h)
	november := store.UsageQuery{Keys: []string{"key_a", "key_b"}, From: day(t, "2026-11-01"), To: day(t, "2026-11-06"), ByKey: true}
	input := func(q store.UsageQuery) int64 {
		t.Helper()
		sums, err := c.Usage(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		for _, s := range sums {
			n += s.Tokens.Input
		}
		return n
	}
	ask := func(want int64, asked int, q store.UsageQuery) {
		t.Helper()
		if got := input(q); got != want || h.asked != asked {
			t.Errorf("%d tokens, asked %d times; want %d, %d", got, h.asked, want, asked)
		}
	}
	ask(1, 1, november)
	ask(1, 1, november)
	other := november
	other.Keys = []string{"key_akey_b"}
	ask(0, 2, other)
	ask(0, 2, other)
	other.Keys = nil
	ask(1, 3, other)
	other.Keys = []string{}
	ask(0, 4, other)
	// What is settled on a later day leaves the answer as it is; a late commit of a day that is over does not.
	commit(t, l, []store.Event{{Key: "key_a", Model: "m1", At: at.AddDate(0, 0, 1), Tokens: store.Tokens{Input: 10}}})
	ask(1, 4, november)
	commit(t, l, []store.Event{{Key: "key_b", Model: "m1", At: at.AddDate(0, 0, -2), Tokens: store.Tokens{Input: 100}}})
	ask(101, 5, november)
	ask(101, 5, november)
}

func TestCacheIsBounded(t *testing.T) {
	c := NewCache(nil)
	for i := range 40 {
		c.keep(&cachedAnswer{question: question{from: store.Day(i)}, sums: make([]store.Sum, maxCachedRows/10)})
		if c.rows > maxCachedRows || c.latest.Len() != len(c.answers) {
			t.Fatalf("%d rows of %d answers", c.rows, len(c.answers))
		}
		if _, found := c.find(question{from: 0}, 0); found != (i < 40) {
			t.Fatal("what is asked for again and again is forgotten")
		}
	}
	c.keep(&cachedAnswer{question: question{from: 39}, sums: make([]store.Sum, maxCachedRows)})
	if _, found := c.find(question{from: 39}, 0); found || c.latest.Len() == 0 {
		t.Error("a huge answer is kept, or all others have gone for it")
	}
}

func TestTenantsMonth(t *testing.T) {
	l, berlin := openLedger(t)
	events := randomEvents(berlin)
	commit(t, l, events)
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	tenantOf := func(key string) (string, bool) {
		id := map[string]string{"key_a": "ten_1", "key_b": "ten_1"}[key]
		return id, id != ""
	}
	price, err := ParseAmount("0.000001")
	if err != nil {
		t.Fatal(err)
	}
	prices := PriceList{"m1": {{From: day(t, "2026-01-01"), InputPerMillion: price, OutputPerMillion: price},
		{From: day(t, "2026-11-11"), InputPerMillion: price.Add(price), OutputPerMillion: price}}}
	r := NewTenants(l, tenantOf, func() time.Time { return now })
	month := day(t, "2026-11-01").Month()
	read := func() TenantMonth {
		t.Helper()
		m, err := r.Month(t.Context(), month, prices)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := read()
	if len(m.Tenants) != 2 || m.Tenants[0].TenantID != "ten_1" || m.Tenants[0].Keys != 2 || m.Tenants[1].TenantID != "" || !m.AsOf.Equal(now) {
		t.Fatalf("%+v", m)
	}
	for _, share := range append(slices.Clone(m.Tenants), TenantShare{TenantID: "all", Figures: m.Total}) {
		keys := map[string][]string{"ten_1": {"key_a", "key_b"}, "": {"key_c"}}[share.TenantID]
		rows, err := Report(t.Context(), l, prices, store.UsageQuery{Keys: keys, From: month.First(), To: (month + 1).First()})
		if err != nil {
			t.Fatal(err)
		}
		total := rows[len(rows)-1]
		if !slices.Equal(share.Quantities, total.Quantities) || share.Tokens != total.Tokens || share.Requests != total.Requests || share.Amount.Cmp(total.Amount) != 0 || share.Priced != total.Priced {
			t.Errorf("%q: %+v, want %+v", share.TenantID, share, total)
		}
	}
	requests := m.Total.Requests
	now = now.Add(time.Hour)
	is := func(got TenantMonth, more int64, asOf time.Time) {
		t.Helper()
		if got.Total.Requests != requests+more || !got.AsOf.Equal(asOf) {
			t.Errorf("%d requests as of %v, want %d as of %v", got.Total.Requests, got.AsOf, requests+more, asOf)
		}
	}
	is(read(), 0, now) // nothing has been committed since
	use := func() {
		commit(t, l, []store.Event{{Key: "key_a", Model: "m1", At: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}})
	}
	readAt := now
	use()
	now = now.Add(tenantsKept - 1)
	is(read(), 0, readAt)
	now = now.Add(1)
	is(read(), 0, readAt) // and another one is being read, which Now waits for
	fresh, err := r.Now(t.Context(), month, prices)
	if err != nil {
		t.Fatal(err)
	}
	is(fresh, 1, now)
	is(read(), 1, now)
	use()
	if fresh, err = r.Now(t.Context(), month, prices); err != nil {
		t.Fatal(err)
	}
	is(fresh, 2, now)
	use()
	now = now.Add(tenantsShown)
	is(read(), 3, now) // too old to be shown
	prices = PriceList{}
	if m := read(); m.Total.Priced {
		t.Error("the former prices are shown")
	}
	for i := range 2 * maxTenantMonths {
		if _, err := r.Month(t.Context(), month+store.Month(i), prices); err != nil || len(r.months) > maxTenantMonths {
			t.Fatal(len(r.months), err)
		}
	}
}

func TestEstimatedPermille(t *testing.T) {
	for _, c := range []struct {
		tokens store.Tokens
		want   int
	}{
		{store.Tokens{}, 0}, {store.Tokens{Input: 900, Output: 100, Estimated: 25}, 25},
		{store.Tokens{Input: 3, Estimated: 2}, 667}, {store.Tokens{Input: 1 << 60, Estimated: 1 << 60}, 1000},
	} {
		if got := (Figures{Tokens: c.tokens}).EstimatedPermille(); got != c.want {
			t.Errorf("%+v: %d", c.tokens, got)
		}
	}
}
