package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/store"
)

// OpenLedger returns an empty ledger that outlives the test, and a function that closes it and opens it again on the
// same data, as after a restart of the process.
type OpenLedger func(t testing.TB) (l store.Ledger, reopen func() store.Ledger)

// Ledger runs the suite on an engine that counts days in loc.
func Ledger(t *testing.T, open OpenLedger, loc *time.Location) {
	for _, c := range []struct {
		name string
		run  func(*fixture)
	}{
		{"Sources", testSources},
		{"Idempotence", testIdempotence},
		{"Gaps", testGaps},
		{"Invalid", testInvalid},
		{"LargestBatch", testLargestBatch},
		{"DayBoundaries", testDayBoundaries},
		{"Groupings", testGroupings},
		{"EmptyQueries", testEmptyQueries},
		{"UsageVersion", testUsageVersion},
		{"Events", testEvents},
		{"EventsCursor", testEventsCursor},
		{"Orphans", testOrphans},
		{"OrphansOfTheRunning", testOrphansOfTheRunning},
		{"LastUsed", testLastUsed},
		{"ReadyAndStats", testReadyAndStats},
		{"CancelledContext", testLedgerCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fixture{T: t, loc: loc}
			f.l, f.reopenLedger = open(t)
			f.src = f.source()
			c.run(f)
		})
	}
	t.Run("Model", func(t *testing.T) { testModel(t, open, loc) })
}

// fixture is a ledger with one source.
type fixture struct {
	*testing.T
	l            store.Ledger
	reopenLedger func() store.Ledger
	loc          *time.Location
	src          store.Source
	seq, counter uint64
}

func (f *fixture) source() store.Source {
	f.Helper()
	s, err := f.l.NewSource(f.Context())
	if err != nil {
		f.Fatalf("new source: %v", err)
	}
	return s
}

// reopen stands for a restart; the next source is a new one.
func (f *fixture) reopen() {
	f.Helper()
	f.l = f.reopenLedger()
	f.src, f.seq, f.counter = f.source(), 0, 0
}

func (f *fixture) id() store.RequestID {
	f.counter++
	return store.NewRequestID(f.src, f.counter)
}

// event returns an event with tokens that tell events apart; every third has quantities.
func (f *fixture) event(key, model string, at time.Time) store.Event {
	id := f.id()
	n := int64(f.counter)
	var q store.Quantities
	if n%3 == 0 {
		q = q.Plus(store.Units()[n%2], n).Plus(store.UnitSearch, 1)
	}
	return store.Event{
		ID: id, Key: key, Model: model, Deployment: "up/" + model, At: at, Duration: time.Duration(n) * time.Millisecond,
		Provenance: store.FromUpstream,
		Tokens:     store.Tokens{Input: 100 + n, CachedInput: n % 3, Output: 10 * n, Reasoning: n % 2, Estimated: n % 5},
		Quantities: q,
	}
}

func (f *fixture) commit(events ...store.Event) {
	f.Helper()
	f.commitBatch(store.Batch{Events: events})
}

func (f *fixture) commitBatch(b store.Batch) {
	f.Helper()
	f.seq++
	b.Source, b.Seq = f.src, f.seq
	if err := f.l.Commit(f.Context(), b); err != nil {
		f.Fatalf("commit: %v", err)
	}
}

func (f *fixture) usage(q store.UsageQuery) []store.Sum {
	f.Helper()
	rows, err := f.l.Usage(f.Context(), q)
	if err != nil {
		f.Fatalf("usage: %v", err)
	}
	return rows
}

// total returns how many requests are counted in all.
func (f *fixture) total() int64 {
	f.Helper()
	rows := f.usage(store.UsageQuery{From: day("2000-01-01"), To: day("2100-01-01")})
	if len(rows) == 0 {
		return 0
	}
	return rows[0].Requests
}

func day(s string) store.Day {
	d, err := store.ParseDay(s)
	if err != nil {
		panic(err)
	}
	return d
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

var noon = at("2026-11-20T12:00:00Z")

func testSources(f *fixture) {
	seen := map[store.Source]bool{0: true, f.src: true}
	for i := range 6 {
		if i == 3 {
			f.l = f.reopenLedger()
		}
		s := f.source()
		if seen[s] {
			f.Fatalf("source %d is given twice", s)
		}
		seen[s] = true
	}
}

func testIdempotence(f *fixture) {
	b := store.Batch{Source: f.src, Seq: 1, Events: []store.Event{f.event("k", "m", noon), f.event("k", "m", noon)}}
	again := func(l store.Ledger, want int64) {
		f.Helper()
		for range 3 {
			if err := l.Commit(f.Context(), b); err != nil {
				f.Fatalf("committed again: %v", err)
			}
		}
		if n := f.total(); n != want {
			f.Fatalf("%d requests are counted, not %d", n, want)
		}
	}
	again(f.l, 2)
	f.l = f.reopenLedger()
	again(f.l, 2)
	second := store.Batch{Source: f.src, Seq: 2, Events: []store.Event{f.event("k", "m", noon)}}
	if err := f.l.Commit(f.Context(), second); err != nil {
		f.Fatal(err)
	}
	again(f.l, 3) // an older one
	other := f.source()
	if err := f.l.Commit(f.Context(), store.Batch{Source: other, Seq: 1, Events: []store.Event{f.event("k", "m", noon)}}); err != nil {
		f.Fatal(err)
	}
	f.l = f.reopenLedger()
	again(f.l, 4)
}

func testGaps(f *fixture) {
	e := f.event("k", "m", noon)
	for _, seq := range []uint64{0, 2, 3} {
		if err := f.l.Commit(f.Context(), store.Batch{Source: f.src, Seq: seq, Events: []store.Event{e}}); err == nil {
			f.Fatalf("batch %d is taken as the first", seq)
		}
	}
	f.commit(e)
	if err := f.l.Commit(f.Context(), store.Batch{Source: f.src, Seq: 3, Events: []store.Event{e}}); err == nil {
		f.Fatal("batch 3 is taken behind 1")
	}
	if n := f.total(); n != 1 {
		f.Fatalf("%d requests are counted, not 1", n)
	}
}

// quantities returns pairs of a unit and a number as they are, right or wrong.
func quantities(pairs ...int64) store.Quantities {
	q := make(store.Quantities, len(pairs)/2)
	for i := range q {
		q[i] = store.Quantity{Unit: store.Unit(pairs[2*i]), N: pairs[2*i+1]}
	}
	return q
}

func testInvalid(f *fixture) {
	const image, search = int64(store.UnitImage), int64(store.UnitSearch)
	long := strings.Repeat("x", 256)
	for name, change := range map[string]func(*store.Event){
		"no key":            func(e *store.Event) { e.Key = "" },
		"long key":          func(e *store.Event) { e.Key = long },
		"long model":        func(e *store.Event) { e.Model = long },
		"long deployment":   func(e *store.Event) { e.Deployment = long },
		"negative tokens":   func(e *store.Event) { e.Tokens.Output = -1 },
		"too many tokens":   func(e *store.Event) { e.Tokens.Input = 1 << 62 },
		"no provenance":     func(e *store.Event) { e.Provenance = 0 },
		"no time":           func(e *store.Event) { e.At = time.Time{} },
		"negative duration": func(e *store.Event) { e.Duration = -time.Second },
		"too many quantities": func(e *store.Event) {
			e.Quantities = make(store.Quantities, store.MaxQuantities+1)
			for i := range e.Quantities {
				e.Quantities[i] = store.Quantity{Unit: store.Unit(i + 1), N: 1}
			}
		},
		"unsorted quantities": func(e *store.Event) { e.Quantities = quantities(search, 1, image, 1) },
		"the same unit twice": func(e *store.Event) { e.Quantities = quantities(image, 1, image, 1) },
		"no unit":             func(e *store.Event) { e.Quantities = quantities(0, 1) },
		"an unknown unit":     func(e *store.Event) { e.Quantities = quantities(search+1, 1) },
		"nothing of a unit":   func(e *store.Event) { e.Quantities = quantities(image, 0) },
		"less than nothing":   func(e *store.Event) { e.Quantities = quantities(image, -1) },
		"too much of a unit":  func(e *store.Event) { e.Quantities = quantities(image, store.MaxQuantity+1) },
	} {
		e := f.event("k", "m", noon)
		change(&e)
		err := f.l.Commit(f.Context(), store.Batch{Source: f.src, Seq: 1, Events: []store.Event{f.event("k", "m", noon), e}})
		if !errors.Is(err, store.ErrInvalid) {
			f.Errorf("%s: error is %v", name, err)
		}
	}
	unknown := store.Batch{Source: f.src + 1000, Seq: 1, Events: []store.Event{f.event("k", "m", noon)}}
	wantErr(f.T, f.l.Commit(f.Context(), unknown), store.ErrInvalid)
	wantErr(f.T, f.l.Mark(f.Context(), f.src, []store.Mark{{Kind: 9, ID: f.id()}}), store.ErrInvalid)
	f.commit(f.event("k", "m", noon)) // the number is still free
	if n := f.total(); n != 1 {
		f.Fatalf("%d requests are counted, not 1", n)
	}
}

// testLargestBatch commits the largest batch, all of different keys, models and deployments, with the most of every unit.
func testLargestBatch(f *fixture) {
	var most store.Quantities
	for _, u := range store.Units() {
		most = most.Plus(u, store.MaxQuantity)
	}
	var marks []store.Mark
	for i := range store.MaxMarks {
		n := fmt.Sprintf("%05d", i)
		marks = append(marks, store.Mark{Kind: store.MarkBegun, ID: f.id(), Key: "key-" + n, Model: "model-" + n,
			Deployment: "up/" + n, At: noon, RequestBytes: 1000})
	}
	f.mark(marks...)
	var b store.Batch
	for i := range store.MaxBatchEvents {
		n := fmt.Sprintf("%05d", i)
		e := f.event("key-"+n, "model-"+n, noon)
		e.ID, e.Quantities = marks[i].ID, most
		b.Events = append(b.Events, e)
	}
	f.commitBatch(b)
	f.l = f.reopenLedger()
	all := store.UsageQuery{From: day("2026-11-20"), To: day("2026-11-21"), ByKey: true, ByModel: true}
	if rows := f.usage(all); len(rows) != store.MaxBatchEvents || f.total() != store.MaxBatchEvents {
		f.Fatalf("%d rows, %d requests", len(rows), f.total())
	} else if !slices.Equal(rows[0].Quantities, most) {
		f.Fatalf("a row has %v", rows[0].Quantities)
	}
	orphans, err := f.l.Orphans(f.Context(), f.source())
	if err != nil || len(orphans) != store.MaxMarks-store.MaxBatchEvents {
		f.Fatalf("%d orphans, %v", len(orphans), err)
	}
	err = f.l.Commit(f.Context(), store.Batch{Source: f.src, Seq: 2, Events: make([]store.Event, 1<<20)})
	if err == nil {
		f.Fatal("a batch of a million events is taken")
	}
}

// testDayBoundaries uses the days on which clocks change in the billing time zone, if they do.
func testDayBoundaries(f *fixture) {
	for _, s := range []string{"2026-03-29", "2026-10-25", "2026-11-01", "2026-12-31", "2024-02-29"} {
		first := day(s).Date()
		y, m, d := first.Date()
		begin := time.Date(y, m, d, 0, 0, 0, 0, f.loc)
		end := time.Date(y, m, d+1, 0, 0, 0, 0, f.loc)
		times := []time.Time{begin.Add(-time.Millisecond), begin, begin.Add(2*time.Hour + 30*time.Minute),
			end.Add(-time.Millisecond), end}
		key := "key-" + s
		for _, t := range times {
			f.commit(f.event(key, "m", t))
		}
		counts := map[store.Day]int64{}
		for _, r := range f.usage(store.UsageQuery{Keys: []string{key}, From: day(s) - 5, To: day(s) + 5, ByDay: true}) {
			counts[r.Day] = r.Requests
		}
		if want := (map[store.Day]int64{day(s) - 1: 1, day(s): 3, day(s) + 1: 1}); !reflect.DeepEqual(counts, want) {
			f.Errorf("%s: %v, not %v", s, counts, want)
		}
		rows := f.usage(store.UsageQuery{Keys: []string{key}, From: day(s), To: day(s) + 1})
		if len(rows) != 1 || rows[0].Requests != 3 {
			f.Errorf("%s alone: %+v", s, rows)
		}
	}
}

// testGroupings compares every way to ask with a plain addition.
func testGroupings(f *fixture) {
	var events []store.Event
	for i := range 60 {
		e := f.event(fmt.Sprintf("key-%d", i%4), fmt.Sprintf("model-%d", i%3), noon.AddDate(0, 0, i*3-90))
		events = append(events, e)
		f.commit(e)
		if i == 30 {
			f.l = f.reopenLedger()
		}
	}
	for _, q := range queries() {
		if got, want := f.usage(q), naive(events, q, f.loc); !sameSums(got, want) {
			f.Errorf("%+v:\n got %+v\nwant %+v", q, got, want)
		}
	}
}

// queries crosses all groupings with keys and ranges.
func queries() []store.UsageQuery {
	var list []store.UsageQuery
	ranges := [][2]string{
		{"2026-11-01", "2026-12-01"}, {"2026-09-01", "2027-02-01"}, {"2026-11-20", "2026-11-21"},
		{"2026-10-15", "2026-12-20"}, {"2026-11-01", "2026-11-15"}, {"2000-01-01", "2100-01-01"}, {"2026-12-01", "2026-11-01"},
	}
	for _, keys := range [][]string{nil, {}, {"key-1"}, {"key-3", "key-0", "key-3"}, {"nobody"}} {
		for _, r := range ranges {
			for by := range 16 {
				list = append(list, store.UsageQuery{Keys: keys, From: day(r[0]), To: day(r[1]),
					ByKey: by&1 > 0, ByModel: by&2 > 0, ByDay: by&4 > 0, ByMonth: by&8 > 0})
			}
		}
	}
	return list
}

func sameSums(a, b []store.Sum) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

// naive adds up events in the simplest way.
func naive(events []store.Event, q store.UsageQuery, loc *time.Location) []store.Sum {
	var rows []store.Sum
	for _, e := range events {
		d := store.DayOf(e.At, loc)
		if d < q.From || d >= q.To || q.Keys != nil && !slices.Contains(q.Keys, e.Key) {
			continue
		}
		var row store.Sum
		if q.ByKey {
			row.Key = e.Key
		}
		if q.ByModel {
			row.Model = e.Model
		}
		if q.ByDay {
			row.Day = d
		}
		if q.ByMonth {
			row.Month = d.Month()
		}
		i := slices.IndexFunc(rows, func(r store.Sum) bool {
			return r.Key == row.Key && r.Model == row.Model && r.Day == row.Day && r.Month == row.Month
		})
		if i < 0 {
			i = len(rows)
			rows = append(rows, row)
		}
		rows[i].Requests++
		rows[i].Tokens.Add(e.Tokens)
		for _, x := range e.Quantities {
			rows[i].Quantities = rows[i].Quantities.Plus(x.Unit, x.N)
		}
	}
	slices.SortFunc(rows, func(a, b store.Sum) int {
		return slices.Compare([]string{a.Key, a.Model, a.Day.String(), a.Month.String()},
			[]string{b.Key, b.Model, b.Day.String(), b.Month.String()})
	})
	return rows
}

func testEmptyQueries(f *fixture) {
	all := store.UsageQuery{From: day("2000-01-01"), To: day("2100-01-01"), ByKey: true}
	if rows := f.usage(all); len(rows) > 0 {
		f.Fatalf("an empty ledger has %+v", rows)
	}
	page, next, err := f.l.Events(f.Context(), store.EventQuery{Key: "nobody"})
	if len(page) > 0 || next != "" || err != nil {
		f.Fatalf("events of nobody: %v, %q, %v", page, next, err)
	}
	used, err := f.l.LastUsed(f.Context(), []string{"nobody"})
	if len(used) > 0 || err != nil {
		f.Fatalf("last use of nobody: %v, %v", used, err)
	}
	f.commit() // an empty batch counts
	f.commit(f.event("k", "m", noon))
	if n := f.total(); n != 1 {
		f.Fatalf("%d requests", n)
	}
}

// testUsageVersion: the version of a range changes with a commit of an event on one of its days, and with no other.
func testUsageVersion(f *fixture) {
	local := func(d, h int) time.Time { return time.Date(2026, 11, d, h, 0, 0, 0, f.loc) }
	ranges := [][2]store.Day{
		{day("2026-11-01"), day("2026-11-20")}, {day("2026-11-19"), day("2026-11-20")}, {day("2026-11-20"), day("2026-11-21")},
		{day("2026-11-01"), day("2026-12-01")}, {day("2026-11-20"), day("2026-11-20")},
	}
	versions := func() (list [5]uint64) {
		f.Helper()
		for i, r := range ranges {
			v, err := f.l.UsageVersion(f.Context(), r[0], r[1])
			if err != nil {
				f.Fatal(err)
			}
			list[i] = v
		}
		return list
	}
	for _, c := range []struct {
		what    string
		events  []store.Event
		changes [5]bool
	}{
		{"an empty batch", nil, [5]bool{}},
		{"the last hour of the 19th", []store.Event{f.event("a", "m", local(19, 23))}, [5]bool{true, true, false, true, false}},
		{"the first hour of the 20th", []store.Event{f.event("a", "m", local(20, 0))}, [5]bool{false, false, true, true, false}},
		{"a late one of the 2nd", []store.Event{f.event("b", "n", local(2, 12))}, [5]bool{true, false, false, true, false}},
		{"the 20th again", []store.Event{f.event("a", "m", local(20, 0))}, [5]bool{false, false, true, true, false}},
		{"two days", []store.Event{f.event("a", "m", local(19, 1)), f.event("a", "m", local(20, 1))}, [5]bool{true, true, true, true, false}},
		{"another month", []store.Event{f.event("a", "m", local(31, 1))}, [5]bool{}},
	} {
		before := versions()
		if again := versions(); again != before {
			f.Errorf("versions change by themselves: %v, then %v", before, again)
		}
		f.commit(c.events...)
		for i, v := range versions() {
			if (v != before[i]) != c.changes[i] {
				f.Errorf("%s: the version of %s to %s is %d, was %d", c.what, ranges[i][0], ranges[i][1], v, before[i])
			}
		}
	}
}

func testReadyAndStats(f *fixture) {
	if err := f.l.Ready(); err != nil {
		f.Fatal(err)
	}
	before := f.l.Stats()
	f.commit(f.event("k", "m", noon))
	if s := f.l.Stats(); s.DataBytes < before.DataBytes || s.FreeBytes == 0 || s.FoldLagBatches < 0 {
		f.Fatalf("%+v, then %+v", before, s)
	}
}

func testLedgerCancelled(f *fixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	e := f.event("k", "m", noon)
	wantErr(f.T, f.l.Commit(ctx, store.Batch{Source: f.src, Seq: 1, Events: []store.Event{e}}), context.Canceled)
	_, err := f.l.Usage(ctx, store.UsageQuery{From: 0, To: 1})
	wantErr(f.T, err, context.Canceled)
	f.commit(e)
	if n := f.total(); n != 1 {
		f.Fatalf("%d requests", n)
	}
}
