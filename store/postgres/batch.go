package postgres

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"llmhub/store"
)

// maxEvents bounds the events of one batch: places in it have 12 bits.
const maxEvents = store.MaxBatchEvents

func checkBatch(b *store.Batch) error {
	if b.Seq == 0 || b.Seq > math.MaxInt64 {
		return fmt.Errorf("%w: a batch is numbered from 1", store.ErrInvalid)
	}
	if len(b.Events) > maxEvents {
		return fmt.Errorf("batch of %d events: %w", len(b.Events), store.ErrTooLarge)
	}
	for i := range b.Events {
		if err := store.CheckEvent(&b.Events[i]); err != nil {
			return err
		}
	}
	return nil
}

// columns are the arrays of a statement that inserts many rows, one array for each column.
type (
	eventColumns struct {
		months                                       []int32
		ids                                          []int64
		keys, models, deployments                    [][]byte
		ats, durations                               []int64
		provenances                                  []int16
		recovered                                    []bool
		input, cachedInput, output, reason, estimate []int64
		quantities                                   []string
	}
	sumColumns struct {
		spans                                                  []int32 // days or months
		keys, models                                           [][]byte
		requests, input, cachedInput, output, reason, estimate []int64
		last                                                   []int64
	}
	unitColumns struct {
		spans        []int32
		keys, models [][]byte
		units        []int16
		ns           []int64
	}
)

// cell is what sums are kept by.
type cell struct {
	span       int32
	key, model string
}

func (c cell) compare(d cell) int {
	return cmp.Or(cmp.Compare(c.span, d.span), cmp.Compare(c.key, d.key), cmp.Compare(c.model, d.model))
}

// sum is what a batch adds to a cell.
type sum struct {
	requests   int64
	tokens     store.Tokens
	quantities store.Quantities
	last       int64
}

// sums gathers what a batch adds, and gives it in the order of cells: all batches take the locks of rows in this order.
type sums map[cell]*sum

func (m sums) add(c cell, e *store.Event) {
	s := m[c]
	if s == nil {
		s = new(sum)
		m[c] = s
	}
	s.requests++
	s.tokens.Add(e.Tokens)
	s.quantities = s.quantities.PlusAll(e.Quantities)
	s.last = max(s.last, e.At.UnixMilli())
}

func (m sums) columns() (c sumColumns, u unitColumns) {
	cells := make([]cell, 0, len(m))
	for at := range m {
		cells = append(cells, at)
	}
	slices.SortFunc(cells, cell.compare)
	for _, at := range cells {
		s, key, model := m[at], []byte(at.key), []byte(at.model)
		c.spans, c.keys, c.models = append(c.spans, at.span), append(c.keys, key), append(c.models, model)
		c.requests, c.last = append(c.requests, s.requests), append(c.last, s.last)
		c.input, c.cachedInput = append(c.input, s.tokens.Input), append(c.cachedInput, s.tokens.CachedInput)
		c.output, c.reason = append(c.output, s.tokens.Output), append(c.reason, s.tokens.Reasoning)
		c.estimate = append(c.estimate, s.tokens.Estimated)
		for _, q := range s.quantities {
			u.spans, u.keys, u.models = append(u.spans, at.span), append(u.keys, key), append(u.models, model)
			u.units, u.ns = append(u.units, int16(q.Unit)), append(u.ns, q.N)
		}
	}
	return c, u
}

// batchColumns is a batch in the form of the statement that commits it.
type batchColumns struct {
	ids    []int64 // of all requests that the batch ends, those without effect among them
	events eventColumns
	days   sums
	months sums
	// dayList holds the days in ascending order.
	dayList []int32
}

func columnsOf(ids []int64, events []store.Event, location *time.Location) batchColumns {
	c := batchColumns{ids: ids, days: sums{}, months: sums{}}
	v := &c.events
	for i := range events {
		e := &events[i]
		day := store.DayOf(e.At, location)
		month := int32(day.Month())
		c.days.add(cell{int32(day), e.Key, e.Model}, e)
		c.months.add(cell{month, e.Key, e.Model}, e)
		c.dayList = append(c.dayList, int32(day))
		v.months, v.ids = append(v.months, month), append(v.ids, int64(e.ID))
		v.keys, v.models = append(v.keys, []byte(e.Key)), append(v.models, []byte(e.Model))
		v.deployments = append(v.deployments, []byte(e.Deployment))
		v.ats, v.durations = append(v.ats, e.At.UnixMilli()), append(v.durations, e.Duration.Milliseconds())
		v.provenances, v.recovered = append(v.provenances, int16(e.Provenance)), append(v.recovered, e.Recovered)
		v.input, v.cachedInput = append(v.input, e.Tokens.Input), append(v.cachedInput, e.Tokens.CachedInput)
		v.output, v.reason = append(v.output, e.Tokens.Output), append(v.reason, e.Tokens.Reasoning)
		v.estimate, v.quantities = append(v.estimate, e.Tokens.Estimated), append(v.quantities, formatQuantities(e.Quantities))
	}
	slices.Sort(c.dayList)
	c.dayList = slices.Compact(c.dayList)
	return c
}

// monthList returns the months of the batch's events.
func (c *batchColumns) monthList() []store.Month {
	var list []store.Month
	for _, m := range c.events.months {
		if !slices.Contains(list, store.Month(m)) {
			list = append(list, store.Month(m))
		}
	}
	return list
}

// formatQuantities writes quantities as "unit:number", with commas between.
func formatQuantities(q store.Quantities) string {
	var b []byte
	for i, x := range q {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(x.Unit), 10)
		b = strconv.AppendInt(append(b, ':'), x.N, 10)
	}
	return string(b)
}

func parseQuantities(text string) (q store.Quantities, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		unit, n, _ := strings.Cut(part, ":")
		u, err1 := strconv.ParseUint(unit, 10, 8)
		count, err2 := strconv.ParseInt(n, 10, 64)
		if err1 != nil || err2 != nil || !store.Unit(u).Valid() {
			return nil, fmt.Errorf("%w: quantities %q", store.ErrDamaged, text)
		}
		q = append(q, store.Quantity{Unit: store.Unit(u), N: count})
	}
	return q, nil
}
