package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"llmhub/store"
)

// testModel compares a ledger with a list of events through random commits, repetitions, restarts and questions.
func testModel(t *testing.T, open OpenLedger, loc *time.Location) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{rt: rt, loc: loc}
		m.l, m.reopen = open(t)
		m.restart(false)
		rt.Repeat(map[string]func(*rapid.T){
			"commit":  func(*rapid.T) { m.commit() },
			"commit2": func(*rapid.T) { m.commit() },
			"mark":    func(*rapid.T) { m.mark() },
			"again":   func(*rapid.T) { m.again() },
			"restart": func(*rapid.T) { m.restart(true) },
			"usage":   func(*rapid.T) { m.usage() },
			"events":  func(*rapid.T) { m.events() },
		})
		m.usage()
		m.events()
	})
}

type model struct {
	rt     *rapid.T
	l      store.Ledger
	reopen func() store.Ledger
	loc    *time.Location

	last    store.Batch // the last batch committed
	source  store.Source
	counter uint64
	all     []store.Event
	open    map[store.RequestID]store.Mark // by all sources
	orphans map[store.RequestID]store.Mark // at the last restart
}

func draw[T any](m *model, g *rapid.Generator[T], name string) T { return g.Draw(m.rt, name) }

func (m *model) restart(reopen bool) {
	if reopen {
		m.l = m.reopen()
	} else {
		m.open = map[store.RequestID]store.Mark{}
	}
	source, err := m.l.NewSource(m.rt.Context())
	if err != nil {
		m.rt.Fatal(err)
	}
	m.source, m.counter = source, 0
	m.last = store.Batch{Source: source}
	orphans, err := m.l.Orphans(m.rt.Context(), source)
	if err != nil {
		m.rt.Fatal(err)
	}
	if len(orphans) != len(m.open) {
		m.rt.Fatalf("%d orphans, not %d", len(orphans), len(m.open))
	}
	for _, o := range orphans {
		o.At = o.At.UTC()
		if m.open[o.ID] != o {
			m.rt.Fatalf("orphan %+v, not %+v", o, m.open[o.ID])
		}
	}
}

func (m *model) key() string { return fmt.Sprintf("key-%d", draw(m, rapid.IntRange(0, 3), "key")) }

func (m *model) event() store.Event {
	m.counter++
	e := store.Event{
		ID: store.NewRequestID(m.source, m.counter), Key: m.key(),
		Model:      fmt.Sprintf("model-%d", draw(m, rapid.IntRange(0, 2), "model")),
		Deployment: fmt.Sprintf("up/%d", draw(m, rapid.IntRange(0, 2), "deployment")),
		At:         noon.Add(time.Duration(draw(m, rapid.Int64Range(-80*24*3600, 80*24*3600), "at")) * time.Second),
		Duration:   time.Duration(draw(m, rapid.Int64Range(0, 1e6), "ms")) * time.Millisecond,
		Provenance: store.Provenance(draw(m, rapid.IntRange(1, 4), "provenance")),
		Recovered:  draw(m, rapid.Bool(), "recovered"),
	}
	n := rapid.Int64Range(0, 1<<45)
	e.Tokens = store.Tokens{Input: draw(m, n, "input"), Output: draw(m, n, "output")}
	if draw(m, rapid.Bool(), "details") {
		e.Tokens.CachedInput, e.Tokens.Reasoning, e.Tokens.Estimated = draw(m, n, "c"), draw(m, n, "r"), draw(m, n, "e")
	}
	for _, u := range draw(m, rapid.SliceOfNDistinct(rapid.SampledFrom(store.Units()), 0, 4, rapid.ID[store.Unit]), "units") {
		e.Quantities = e.Quantities.Plus(u, draw(m, rapid.Int64Range(1, store.MaxQuantity), "quantity"))
	}
	return e
}

// anyOpen returns the ID of an open request, or 0.
func (m *model) anyOpen() store.RequestID {
	var ids []store.RequestID
	for id := range m.open {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return 0
	}
	slices.Sort(ids)
	return draw(m, rapid.SampledFrom(ids), "open")
}

func (m *model) commit() {
	b := store.Batch{Source: m.source, Seq: m.last.Seq + 1}
	for range draw(m, rapid.IntRange(0, 4), "events") {
		e := m.event()
		if id := m.anyOpen(); id != 0 && draw(m, rapid.Bool(), "settles") {
			e.ID = id
			delete(m.open, id)
		}
		b.Events = append(b.Events, e)
	}
	m.put(b)
	m.last = b
	m.all = append(m.all, b.Events...)
}

// again sends the last batch again.
func (m *model) again() {
	if m.last.Seq > 0 {
		m.put(m.last)
	}
}

func (m *model) put(b store.Batch) {
	if err := m.l.Commit(m.rt.Context(), b); err != nil {
		m.rt.Fatal(err)
	}
}

func (m *model) mark() {
	m.counter++
	marks := []store.Mark{{Kind: store.MarkBegun, ID: store.NewRequestID(m.source, m.counter), Key: m.key(), Model: "m",
		Deployment: "d", At: noon, RequestBytes: draw(m, rapid.Int64Range(0, 1e9), "bytes")}}
	m.open[marks[0].ID] = marks[0]
	if id := m.anyOpen(); draw(m, rapid.Bool(), "progress") {
		o := m.open[id]
		o.Deltas += draw(m, rapid.Int64Range(0, 1000), "deltas")
		m.open[id] = o
		marks = append(marks, store.Mark{Kind: store.MarkProgress, ID: id, Deltas: o.Deltas})
	}
	if id := m.anyOpen(); draw(m, rapid.Bool(), "void") {
		marks = append(marks, store.Mark{Kind: store.MarkVoid, ID: id})
		delete(m.open, id)
	}
	if err := m.l.Mark(m.rt.Context(), m.source, marks); err != nil {
		m.rt.Fatal(err)
	}
}

func (m *model) usage() {
	for range 5 {
		q := draw(m, rapid.SampledFrom(queries()), "query")
		got, err := m.l.Usage(m.rt.Context(), q)
		if err != nil {
			m.rt.Fatal(err)
		}
		if want := naive(m.all, q, m.loc); !sameSums(got, want) {
			m.rt.Fatalf("%+v:\n got %+v\nwant %+v", q, got, want)
		}
	}
}

func (m *model) events() {
	q := store.EventQuery{Key: m.key(), Limit: draw(m, rapid.IntRange(1, 5), "limit")}
	var want []store.Event
	for _, e := range slices.Backward(m.all) {
		if e.Key == q.Key {
			want = append(want, e)
		}
	}
	for {
		page, next, err := m.l.Events(m.rt.Context(), q)
		if err != nil {
			m.rt.Fatal(err)
		}
		if len(page) > len(want) {
			m.rt.Fatalf("%d events more than there are", len(page)-len(want))
		}
		for i, e := range page {
			if e.At = e.At.UTC(); !reflect.DeepEqual(e, want[i]) {
				m.rt.Fatalf("got %+v, want %+v", e, want[i])
			}
		}
		want = want[len(page):]
		if next == "" {
			break
		}
		q.Cursor = next
	}
	if len(want) > 0 {
		m.rt.Fatalf("%d events are missing", len(want))
	}
}
