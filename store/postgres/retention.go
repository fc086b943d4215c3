package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

const (
	// sweepEvery is the time between looks for months that can be removed.
	sweepEvery = time.Hour
	// sweepLockTimeout bounds the wait for the table. Whoever comes behind the one who waits has to wait as well, and
	// batches do come.
	sweepLockTimeout = 500 * time.Millisecond
	// maxSweepPause bounds the pauses between attempts while the table is in use by others, or the server away.
	maxSweepPause = 5 * time.Minute
)

// errPartitionsBusy says that another process is making or removing partitions.
var errPartitionsBusy = errors.New("another process is making or removing partitions")

// checkRetention leaves time for all who settle a request to come: that it has been settled is told by its event.
func (o *Options) checkRetention() error {
	if o.Retention == 0 || o.Retention >= store.MinRetention {
		return nil
	}
	return fmt.Errorf("open database: %w: single requests are kept for at least %s, and not for %s; 0 keeps them for ever",
		store.ErrInvalid, store.MinRetention, o.Retention)
}

// keptFrom returns since when single requests are kept, in Unix milliseconds, and the month that this is in: the months
// before it are removed.
func (s *Store) keptFrom(now time.Time) (at int64, month store.Month) {
	if s.options.Retention == 0 {
		return math.MinInt64, math.MinInt32
	}
	from := now.Add(-s.options.Retention)
	return from.UnixMilli(), store.DayOf(from, s.options.Location).Month()
}

// sweepUntilClosed removes old months at once and every hour from then on.
func (s *Store) sweepUntilClosed() {
	pause := s.options.sweepPause
	for {
		wait := sweepEvery
		err := s.sweep(s.stop)
		switch {
		case s.stop.Err() != nil:
			return
		case err == nil:
			pause = s.options.sweepPause
		default:
			wait, pause = pause, min(2*pause, maxSweepPause)
			s.logUnswept(err, wait)
		}
		select {
		case <-s.stop.Done():
			return
		case <-time.After(wait):
		}
	}
}

// logUnswept tells that others are in the way as something that passes.
func (s *Store) logUnswept(err error, wait time.Duration) {
	level := slog.LevelWarn
	if errors.Is(err, errPartitionsBusy) || sqlState(err) == stateLockNotAvailable {
		level = slog.LevelInfo
	}
	s.logger.Log(s.stop, level, "single requests that are older than the retention are removed later",
		"again_in", wait, "err", translate(s.stop, err))
}

// sweep removes the partitions of all months that lie before the retention, each in a transaction of its own, so that
// batches go on between.
func (s *Store) sweep(ctx context.Context) error {
	if s.options.Retention == 0 {
		return nil
	}
	for {
		p, err := s.dropOldest(ctx)
		if err != nil || p.table == "" {
			return err
		}
		s.state.Lock()
		delete(s.months, p.month)
		s.state.Unlock()
		s.logger.Info("single requests of a month removed", "month", p.month.String(), "retention", s.options.Retention)
	}
}

// dropOldest removes the oldest partition if all of its month lies before the retention, by the clock of the database,
// and returns it; one without a name says that there is none. A partition is dropped as it is: one that was detached
// first would stay if the process ended in between.
func (s *Store) dropOldest(ctx context.Context) (oldest partition, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		oldest = partition{}
		var locked bool
		var now time.Time
		err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock($1), clock_timestamp()", int64(partitionLock)).Scan(&locked, &now)
		if err != nil {
			return err
		}
		if !locked {
			return errPartitionsBusy
		}
		p, err := oldestPartition(ctx, tx)
		if _, kept := s.keptFrom(now); err != nil || p.table == "" || p.month >= kept {
			return err
		}
		if err := drop(ctx, tx, p); err != nil {
			return fmt.Errorf("remove the partition of %s: %w", p.month, err)
		}
		oldest = p
		return nil
	})
	return oldest, err
}

// drop waits for the locks of the table and the partition for a moment each. The commit does not wait for a standby,
// since whoever wants to commit a batch waits for these locks.
func drop(ctx context.Context, tx pgx.Tx, p partition) error {
	if _, err := tx.Exec(ctx, "select set_config('lock_timeout', $1, true)", milliseconds(sweepLockTimeout)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, noSync); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "drop table "+p.table)
	return err
}
