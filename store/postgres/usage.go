package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// Usage implements store.Ledger.
func (s *Store) Usage(ctx context.Context, q store.UsageQuery) (rows []store.Sum, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if q.From < 0 || q.To > store.DayOf(store.Latest, time.UTC)+1 {
		return nil, fmt.Errorf("%w: the days from %s to %s", store.ErrInvalid, q.From, q.To)
	}
	if q.From >= q.To || q.Keys != nil && len(q.Keys) == 0 {
		return nil, nil
	}
	sql, args := usageQuery(&q)
	err = s.read(ctx, statement{sql, args, func(r pgx.Rows) (err error) {
		rows, err = readSums(r)
		return err
	}})
	if err != nil {
		return nil, translate(ctx, err)
	}
	return rows, nil
}

// usageQuery asks for sums (unit 0) and for other units than tokens in one statement, which sees one state of both.
// Whole months are read from the sums by month. Days are turned into months by the reader.
func usageQuery(q *store.UsageQuery) (sql string, args []any) {
	span, from, to := "day", int32(q.From), int32(q.To)
	if !q.ByDay && q.From == q.From.Month().First() && q.To == q.To.Month().First() {
		span, from, to = "month", int32(q.From.Month()), int32(q.To.Month())
	}
	args = []any{from, to}
	where := fmt.Sprintf("%s >= $1 and %s < $2", span, span)
	if q.Keys != nil {
		keys := make([][]byte, len(q.Keys))
		for i, k := range q.Keys {
			keys[i] = []byte(k)
		}
		args = append(args, keys)
		where += " and key = any($3)"
	}
	column := func(wanted bool, name, none string) string {
		if wanted {
			return name
		}
		return none
	}
	month := "month"
	if span == "day" {
		month = "(extract(year from date '1970-01-01' + day) * 12 + extract(month from date '1970-01-01' + day) - 1)::integer"
	}
	by := []string{
		column(q.ByKey, "key", "''::bytea"), column(q.ByModel, "model", "''::bytea"),
		column(q.ByDay, "day", "0"), column(q.ByMonth, month, "0"),
	}
	group := strings.Join(by, ", ")
	return fmt.Sprintf(`
select %[1]s, 0 as unit, sum(requests)::bigint, sum(input)::bigint, sum(cached_input)::bigint, sum(output)::bigint,
	sum(reasoning)::bigint, sum(estimated)::bigint from %[2]s_sums where %[3]s group by 1, 2, 3, 4
union all
select %[1]s, unit, sum(n)::bigint, 0, 0, 0, 0, 0 from %[2]s_units where %[3]s group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5`, group, span, where), args
}

// readSums reads rows that come in order, the other units of each behind it.
func readSums(r pgx.Rows) (rows []store.Sum, err error) {
	for r.Next() {
		var key, model []byte
		var day, month int32
		var unit int16
		var n int64
		var t store.Tokens
		if err := r.Scan(&key, &model, &day, &month, &unit, &n, &t.Input, &t.CachedInput, &t.Output, &t.Reasoning, &t.Estimated); err != nil {
			return nil, err
		}
		if unit == 0 {
			rows = append(rows, store.Sum{Key: string(key), Model: string(model), Day: store.Day(day), Month: store.Month(month),
				Requests: n, Tokens: t})
			continue
		}
		if len(rows) == 0 || !store.Unit(unit).Valid() {
			return nil, fmt.Errorf("%w: %d of unit %d without a sum", store.ErrDamaged, n, unit)
		}
		last := &rows[len(rows)-1]
		last.Quantities = last.Quantities.Plus(store.Unit(unit), n)
	}
	return rows, nil
}

// UsageVersion implements store.Ledger: the number of batches with an event of these days.
func (s *Store) UsageVersion(ctx context.Context, from, to store.Day) (n uint64, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	err = s.queryRow(ctx, "select coalesce(sum(n), 0)::bigint from day_batches where day >= $1 and day < $2", int32(from), int32(to)).Scan(&n)
	return n, translate(ctx, err)
}

// LastUsed implements store.Ledger.
func (s *Store) LastUsed(ctx context.Context, keys []string) (map[string]time.Time, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	names := make([][]byte, len(keys))
	for i, k := range keys {
		names[i] = []byte(k)
	}
	used := make(map[string]time.Time, len(keys))
	err := s.read(ctx, statement{"select key, max(last_used) from month_sums where key = any($1) group by key", []any{names},
		func(r pgx.Rows) error {
			for r.Next() {
				var key []byte
				var at int64
				if err := r.Scan(&key, &at); err != nil {
					return err
				}
				used[string(key)] = time.UnixMilli(at).UTC()
			}
			return nil
		}})
	if err != nil {
		return nil, translate(ctx, err)
	}
	return used, nil
}
