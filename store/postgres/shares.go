package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// Trade implements store.Shares. f may use the store: it runs between two statements, on no connection of its own.
func (s *Store) Trade(ctx context.Context, ids []string, f func(time.Time, []store.ShareRow) error) error {
	if len(ids) > store.MaxShareRows || !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		return fmt.Errorf("%w: a trade of %d rows, which must be sorted, each once, and at most %d", store.ErrInvalid, len(ids), store.MaxShareRows)
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	bound, cancel := s.bounded(ctx)
	defer cancel()
	err := s.inTx(bound, func(tx pgx.Tx) error {
		now, rows, err := lockShares(bound, tx, ids)
		if err != nil {
			return err
		}
		if err := f(now, rows); err != nil {
			return err
		}
		return storeShares(bound, tx, rows)
	})
	return translate(ctx, err)
}

// lockShares locks the rows, made where they do not exist, in the order of their IDs, which is that of all.
func lockShares(ctx context.Context, tx pgx.Tx, ids []string) (now time.Time, rows []store.ShareRow, err error) {
	names := make([][]byte, len(ids))
	for i, id := range ids {
		names[i] = []byte(id)
	}
	at := make(map[string]int, len(ids))
	rows = make([]store.ShareRow, len(ids))
	for i, id := range ids {
		rows[i].ID, at[id] = id, i
	}
	var b pgx.Batch
	b.Queue("insert into shares (id) select id from unnest($1::bytea[]) as x (id) order by id on conflict do nothing", names)
	b.Queue("select id, data from shares where id = any ($1::bytea[]) order by id for update", names).Query(func(r pgx.Rows) error {
		var id, data []byte
		_, err := pgx.ForEachRow(r, []any{&id, &data}, func() error {
			if i, ok := at[string(id)]; ok {
				rows[i].Data = slices.Clone(data)
			}
			return nil
		})
		return err
	})
	// Behind the locks, so that it does not go back from one trade to the next.
	b.Queue("select clock_timestamp()").QueryRow(func(r pgx.Row) error { return r.Scan(&now) })
	return now, rows, tx.SendBatch(ctx, &b).Close()
}

// storeShares stores rows that are locked. None is deleted: who waits for its lock would find it gone.
func storeShares(ctx context.Context, tx pgx.Tx, rows []store.ShareRow) error {
	ids, data := make([][]byte, len(rows)), make([][]byte, len(rows))
	for i, r := range rows {
		ids[i], data[i] = []byte(r.ID), r.Data
	}
	_, err := tx.Exec(ctx, `update shares set data = x.data from unnest($1::bytea[], $2::bytea[]) as x (id, data) where shares.id = x.id`, ids, data)
	return err
}
