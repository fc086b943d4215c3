package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// partitionLock is the number of the advisory lock under which partitions are made.
const partitionLock = migrationLock + 1

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
	first := m.First().Date()
	table := fmt.Sprintf("events_%04d_%02d", first.Year(), first.Month())
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
		_, err = tx.Exec(ctx, fmt.Sprintf("alter table events attach partition %s for values in (%d)", table, m))
		return err
	})
}

// forgetPartitions has partitions looked for again: somebody may have removed one.
func (s *Store) forgetPartitions() {
	s.state.Lock()
	defer s.state.Unlock()
	clear(s.months)
}
