package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// maxSource keeps request IDs positive as the server's bigint.
const maxSource = 1<<23 - 1

const takeSource = `
with taken as (update ledger_state set source = source + 1 where source < $1 returning source)
insert into sources (source, lease_until) select source, now() + $2::text::interval from taken returning source`

// NewSource implements store.Ledger. The source counts as running until the store is closed, or its lease has run out.
func (s *Store) NewSource(ctx context.Context) (store.Source, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	var source int32
	err := s.queryRow(ctx, takeSource, maxSource, s.lease()).Scan(&source)
	if noRows(err) {
		return 0, errors.New("all source numbers have been used")
	}
	if err != nil {
		return 0, fmt.Errorf("take a source number: %w", translate(ctx, err))
	}
	s.state.Lock()
	defer s.state.Unlock()
	s.running = append(s.running, source)
	s.known[store.Source(source)] = true
	return store.Source(source), nil
}

func interval(d time.Duration) string { return fmt.Sprintf("%d milliseconds", d.Milliseconds()) }

func (s *Store) lease() string { return interval(s.options.Lease) }

// gap is how far apart renewals may be for there to have been no break.
func (s *Store) gap() string { return interval(s.options.Lease / 2) }

// sources returns the sources given out by this store.
func (s *Store) sources() []int32 {
	s.state.Lock()
	defer s.state.Unlock()
	return slices.Clone(s.running)
}

const (
	// renewState notes that somebody renews leases, and since when without a break. While the server was away, nobody
	// could: leases that ran out then say nothing until there has been time to renew them.
	renewState = `update ledger_state set beat_at = greatest(beat_at, now()),
		unbroken_since = case when beat_at < now() - $1::text::interval then now() else unbroken_since end`
	renewLeases = `update sources set lease_until = now() + $2::text::interval where source = any($1) and lease_until is not null`
)

// beat renews the leases of this store's sources.
func (s *Store) beat(ctx context.Context) error {
	return s.pipeline(ctx, statement{sql: renewState, args: []any{s.gap()}},
		statement{sql: renewLeases, args: []any{s.sources(), s.lease()}})
}

// endLeases says that the sources of this store have ended, so that what they left open can be settled at once.
func (s *Store) endLeases() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.pipeline(ctx, statement{sql: "update sources set lease_until = null where source = any($1)", args: []any{s.sources()}})
	if err != nil {
		s.logger.Warn("leases not ended; they run out by themselves", "err", translate(ctx, err))
	}
}

// housekeeping is the time between looks at partitions, deleted documents and sizes.
const housekeeping = 10 * time.Minute

// keepAlive renews the leases until the store is closed, and does what has to be done now and then.
func (s *Store) keepAlive() {
	beat := time.NewTicker(s.options.Lease / 6)
	defer beat.Stop()
	keep := time.NewTicker(housekeeping)
	defer keep.Stop()
	away := false
	for {
		select {
		case <-s.stop.Done():
			return
		case <-beat.C:
			err := s.beat(s.stop)
			switch {
			case s.stop.Err() != nil:
				return
			case err != nil && !away:
				s.logger.Error("the database does not answer: nothing is lost, and what is finished is kept", "err", translate(s.stop, err))
			case err == nil && away:
				s.logger.Info("the database answers again")
			}
			away = err != nil
		case <-keep.C:
			err := errors.Join(s.makePartitionsAhead(s.stop), s.bury(s.stop), s.measure(s.stop))
			if err != nil && s.stop.Err() == nil {
				s.logger.Warn("housekeeping in the database", "err", translate(s.stop, err))
			}
		}
	}
}

const selectOrphans = `
select o.id, o.key, o.model, o.deployment, o.at, o.request_bytes, o.deltas
from open_requests o join sources s on s.source = o.source cross join ledger_state l
where o.source <> all($1) and (s.lease_until is null
	or s.lease_until < now() and l.unbroken_since < now() - $2::text::interval and l.beat_at >= now() - $3::text::interval)
order by o.id`

// Orphans implements store.Ledger: a source has ended if its store was closed, or its lease ran out while others could
// renew theirs.
func (s *Store) Orphans(ctx context.Context, own store.Source) (orphans []store.Mark, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	args := []any{append(s.sources(), int32(own)), s.lease(), s.gap()}
	err = s.read(ctx, statement{selectOrphans, args, func(rows pgx.Rows) error {
		orphans = nil
		for rows.Next() {
			m := store.Mark{Kind: store.MarkBegun}
			var id, at int64
			var key, model, deployment []byte
			if err := rows.Scan(&id, &key, &model, &deployment, &at, &m.RequestBytes, &m.Deltas); err != nil {
				return err
			}
			m.ID, m.At = store.RequestID(id), time.UnixMilli(at).UTC()
			m.Key, m.Model, m.Deployment = string(key), string(model), string(deployment)
			orphans = append(orphans, m)
		}
		return nil
	}})
	if err != nil {
		return nil, translate(ctx, err)
	}
	return orphans, nil
}

// checkSource refuses a source that has not been given out.
func (s *Store) checkSource(ctx context.Context, source store.Source) error {
	s.state.Lock()
	known := s.known[source]
	s.state.Unlock()
	if known {
		return nil
	}
	exists := false
	if source <= maxSource {
		if err := s.queryRow(ctx, "select exists (select from sources where source = $1)", int32(source)).Scan(&exists); err != nil {
			return translate(ctx, err)
		}
	}
	if !exists {
		return fmt.Errorf("%w: source %d has not been given out", store.ErrInvalid, source)
	}
	s.state.Lock()
	s.known[source] = true
	s.state.Unlock()
	return nil
}

// Ready implements store.Ledger: the server may be away for as long as commits are tried.
func (s *Store) Ready() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	since := s.away.Load()
	if since == 0 {
		return nil
	}
	if d := time.Since(time.Unix(0, since)); d > s.options.Patience {
		return fmt.Errorf("the database has not answered for %s", d.Truncate(time.Second))
	}
	return nil
}

// Stats implements store.Ledger. The size is at most ten minutes old.
func (s *Store) Stats() store.LedgerStats {
	return store.LedgerStats{FreeBytes: -1, DataBytes: s.dataBytes.Load()}
}

// measure asks for the size of the single requests.
func (s *Store) measure(ctx context.Context) error {
	var n int64
	err := s.queryRow(ctx, `select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint from pg_inherits
		where inhparent = 'events'::regclass`).Scan(&n)
	if err == nil {
		s.dataBytes.Store(n)
	}
	return err
}
