package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// ImportedSums are the sums of requests that are not imported themselves, since they have been removed where they were.
type ImportedSums struct {
	// Sums are by key, model and day, each once.
	Sums []store.Sum
	// Batches is the last batch of each source whose requests are in the sums; the next one is committed as usual.
	Batches map[store.Source]uint64
	// LastUsed is when each key was last used in these requests.
	LastUsed map[string]time.Time
}

// The rows of an import, as those of commitBatch in a database that has none of them yet.
const (
	importDaySums = `insert into day_sums (day, key, model, requests, input, cached_input, output, reasoning, estimated)
		select * from unnest($1::integer[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])`
	importMonthSums = `insert into month_sums (month, key, model, requests, input, cached_input, output, reasoning, estimated, last_used)
		select * from unnest($1::integer[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])`
	importDayUnits   = "insert into day_units (day, key, model, unit, n) select * from unnest($1::integer[], $2::bytea[], $3::bytea[], $4::smallint[], $5::bigint[])"
	importMonthUnits = "insert into month_units (month, key, model, unit, n) select * from unnest($1::integer[], $2::bytea[], $3::bytea[], $4::smallint[], $5::bigint[])"
	importedSources  = "update sources s set seq = e.seq from unnest($1::integer[], $2::bigint[]) as e (source, seq) where s.source = e.source"
)

// importAtOnce bounds the sums by day of one statement.
const importAtOnce = 100_000

// ImportSums adds sums, before any batch is committed. It does nothing if it has been done before.
func (s *Store) ImportSums(ctx context.Context, in ImportedSums) error {
	months, monthUnits := in.months().columns()
	var sources []int32
	var seqs []int64
	for source, seq := range in.Batches {
		sources, seqs = append(sources, int32(source)), append(seqs, int64(seq))
	}
	bound, cancel := s.bounded(ctx)
	defer cancel()
	return translate(ctx, s.inTx(bound, func(tx pgx.Tx) error {
		var done bool
		err := tx.QueryRow(bound, `select exists (select from unnest($1::integer[], $2::bigint[]) as e (source, seq)
			join sources s on s.source = e.source where s.seq >= e.seq)`, sources, seqs).Scan(&done)
		if err != nil || done {
			return err
		}
		for part := range slices.Chunk(in.Sums, importAtOnce) {
			byDay := sums{}
			for i := range part {
				byDay.addSum(int32(part[i].Day), &part[i])
			}
			days, dayUnits := byDay.columns()
			if _, err := tx.Exec(bound, importDaySums, days.args()...); err != nil {
				return err
			}
			if _, err := tx.Exec(bound, importDayUnits, dayUnits.args()...); err != nil {
				return err
			}
		}
		var b pgx.Batch
		b.Queue(importMonthSums, append(months.args(), months.last)...)
		b.Queue(importMonthUnits, monthUnits.args()...)
		b.Queue(importedSources, sources, seqs)
		return tx.SendBatch(bound, &b).Close()
	}))
}

// months returns the sums by month. When a key was last used is noted at the last of its months.
func (in *ImportedSums) months() sums {
	months, last := sums{}, map[string]store.Month{}
	for i := range in.Sums {
		row := &in.Sums[i]
		month := row.Day.Month()
		last[row.Key] = max(last[row.Key], month)
		months.addSum(int32(month), row)
	}
	for at, s := range months {
		if store.Month(at.span) == last[at.key] {
			s.last = in.LastUsed[at.key].UnixMilli()
		}
	}
	return months
}

func (m sums) addSum(span int32, row *store.Sum) {
	at := cell{span, row.Key, row.Model}
	s := m[at]
	if s == nil {
		s = new(sum)
		m[at] = s
	}
	s.requests += row.Requests
	s.tokens.Add(row.Tokens)
	s.quantities = s.quantities.PlusAll(slices.Clone(row.Quantities))
}
