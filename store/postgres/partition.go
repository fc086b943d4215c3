package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// partitionLock is the number of the advisory lock under which partitions are made and removed.
const partitionLock = migrationLock + 1

// partitionName is the name of a month's table, as a layout of package time.
const partitionName = "events_2006_01"

// partitionBound says which rows are in the partition of a month, in the words of the server.
func partitionBound(m store.Month) string { return fmt.Sprintf("FOR VALUES IN (%d)", m) }

// partition is a month's table, by a name that can stand in a statement.
type partition struct {
	table string
	month store.Month
}

// oldestPartition returns the attached partition of the oldest month, one without a name if there is none. What is
// detached, is being detached, or was attached by somebody in another way is not looked at.
func oldestPartition(ctx context.Context, tx pgx.Tx) (oldest partition, err error) {
	rows, err := tx.Query(ctx, `select inhrelid::regclass::text, c.relname, pg_get_expr(c.relpartbound, c.oid)
		from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = 'events'::regclass and not inhdetachpending`)
	if err != nil {
		return partition{}, err
	}
	var table, name, bound string
	_, err = pgx.ForEachRow(rows, []any{&table, &name, &bound}, func() error {
		first, err := time.Parse(partitionName, name)
		if err != nil {
			return nil
		}
		m := store.DayOf(first, time.UTC).Month()
		if bound == partitionBound(m) && (oldest.table == "" || m < oldest.month) {
			oldest = partition{table, m}
		}
		return nil
	})
	return oldest, err
}

// makePartitionsAhead makes those of this month and the next.
func (s *Store) makePartitionsAhead(ctx context.Context) error {
	month := store.DayOf(time.Now(), s.options.Location).Month()
	return s.makePartitions(ctx, []store.Month{month, month + 1})
}

// makePartitions makes the partitions of months that have none. It is done apart from the batch that needs them: a
// partition is attached under a lock that lets batches of others go on.
func (s *Store) makePartitions(ctx context.Context, months []store.Month) error {
	for _, m := range months {
		s.state.Lock()
		have := s.months[m]
		s.state.Unlock()
		if have {
			continue
		}
		if err := s.makePartition(ctx, m); err != nil {
			return fmt.Errorf("make the partition of %s: %w", m, err)
		}
		s.state.Lock()
		s.months[m] = true
		s.state.Unlock()
	}
	return nil
}

func (s *Store) makePartition(ctx context.Context, m store.Month) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	table := m.First().Date().Format(partitionName)
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(partitionLock)); err != nil {
			return err
		}
		var attached bool
		err := tx.QueryRow(ctx, `select exists (select from pg_inherits
			where inhparent = 'events'::regclass and inhrelid = to_regclass($1))`, table).Scan(&attached)
		if err != nil || attached {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf("create table if not exists %s (like events)", table)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, fmt.Sprintf("alter table events attach partition %s %s", table, partitionBound(m)))
		return err
	})
}

// forgetPartitions has partitions looked for again: somebody may have removed one.
func (s *Store) forgetPartitions() {
	s.state.Lock()
	defer s.state.Unlock()
	clear(s.months)
}
