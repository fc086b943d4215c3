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

// commitBatch claims the number of a batch and does what the batch says; where the number is not the next, or the
// source is fenced and $3 does not allow that, it does nothing and gives 0. All batches lock rows in the same order:
// their source, then the sums by cell. What one waits for, the other never does.
const commitBatch = `
with claim as (
	update sources set seq = $2 where source = $1 and seq = $2 - 1 and (not fenced or $3) returning source
), numbered as (
	select nextval('batch_numbers') * 4096 as base from claim
), ended as (
	delete from open_requests where id = any($4::bigint[]) and exists (select from claim)
), inserted as (
	insert into events (month, id, position, key, model, deployment, at, duration, provenance, recovered,
		input, cached_input, output, reasoning, estimated, quantities)
	select e.month, e.id, n.base + e.place, e.key, e.model, e.deployment, e.at, e.duration, e.provenance, e.recovered,
		e.input, e.cached_input, e.output, e.reasoning, e.estimated, e.quantities
	from numbered n cross join unnest($5::integer[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[], $10::bigint[],
		$11::bigint[], $12::smallint[], $13::boolean[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
		$18::bigint[], $19::text[]) with ordinality as e (month, id, key, model, deployment, at, duration, provenance,
		recovered, input, cached_input, output, reasoning, estimated, quantities, place)
), days as (
	insert into day_sums as s (day, key, model, requests, input, cached_input, output, reasoning, estimated)
	select e.* from claim cross join unnest($20::integer[], $21::bytea[], $22::bytea[], $23::bigint[], $24::bigint[],
		$25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[]) as e
	on conflict (day, key, model) do update set requests = s.requests + excluded.requests,
		input = s.input + excluded.input, cached_input = s.cached_input + excluded.cached_input,
		output = s.output + excluded.output, reasoning = s.reasoning + excluded.reasoning,
		estimated = s.estimated + excluded.estimated
), months as (
	insert into month_sums as s (month, key, model, requests, input, cached_input, output, reasoning, estimated, last_used)
	select e.* from claim cross join unnest($29::integer[], $30::bytea[], $31::bytea[], $32::bigint[], $33::bigint[],
		$34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[]) as e
	on conflict (month, key, model) do update set requests = s.requests + excluded.requests,
		input = s.input + excluded.input, cached_input = s.cached_input + excluded.cached_input,
		output = s.output + excluded.output, reasoning = s.reasoning + excluded.reasoning,
		estimated = s.estimated + excluded.estimated, last_used = greatest(s.last_used, excluded.last_used)
), units_by_day as (
	insert into day_units as s (day, key, model, unit, n)
	select e.* from claim cross join unnest($39::integer[], $40::bytea[], $41::bytea[], $42::smallint[], $43::bigint[]) as e
	on conflict (day, key, model, unit) do update set n = s.n + excluded.n
), units_by_month as (
	insert into month_units as s (month, key, model, unit, n)
	select e.* from claim cross join unnest($44::integer[], $45::bytea[], $46::bytea[], $47::smallint[], $48::bigint[]) as e
	on conflict (month, key, model, unit) do update set n = s.n + excluded.n
), counted as (
	insert into day_batches as s (day, source, n) select e.day, claim.source, 1 from claim cross join unnest($49::integer[]) as e (day)
	on conflict (day, source) do update set n = s.n + 1
)
select count(*) from claim`

func (c *batchColumns) args(b *store.Batch, fenced bool) []any {
	e := &c.events
	args := []any{int32(b.Source), int64(b.Seq), fenced, c.ids, e.months, e.ids, e.keys, e.models, e.deployments, e.ats,
		e.durations, e.provenances, e.recovered, e.input, e.cachedInput, e.output, e.reason, e.estimate, e.quantities}
	days, dayUnits := c.days.columns()
	args = append(args, days.args()...)
	months, monthUnits := c.months.columns()
	args = append(append(args, months.args()...), months.last)
	args = append(args, dayUnits.args()...)
	args = append(args, monthUnits.args()...)
	return append(args, c.dayList)
}

func (c *sumColumns) args() []any {
	return []any{c.spans, c.keys, c.models, c.requests, c.input, c.cachedInput, c.output, c.reason, c.estimate}
}

func (u *unitColumns) args() []any { return []any{u.spans, u.keys, u.models, u.units, u.ns} }

// The pauses between attempts while the server is away.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// Commit implements store.Ledger. While the server is away, or others are in the way, it tries on within the patience
// of the options. An event of a request that has been settled already, by a process that took it for an orphan or by
// the one that began it, is acknowledged without effect.
func (s *Store) Commit(ctx context.Context, b store.Batch) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if err := checkBatch(&b); err != nil {
		return err
	}
	return s.noteBroken(s.patiently(ctx, func() error { return s.commit(ctx, &b) }))
}

// patiently calls what may be called again until it succeeds, fails for good, or the server has been away for the
// patience of the options. If it has been for longer, there is one attempt.
func (s *Store) patiently(ctx context.Context, call func() error) error {
	begun := time.Now()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := call()
		since := begun
		if away := s.away.Load(); away != 0 && away < begun.UnixNano() {
			since = time.Unix(0, away)
		}
		if err == nil || !passing(err) || ctx.Err() != nil || time.Since(since)+pause > s.options.Patience {
			return translate(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-s.stop.Done():
			return translate(ctx, err)
		case <-time.After(pause):
		}
	}
}

// noteBroken remembers for Ready that the ledger is beyond use.
func (s *Store) noteBroken(err error) error {
	if errors.Is(err, store.ErrDamaged) {
		s.broken.CompareAndSwap(nil, &err)
	}
	return err
}

// commit tries a batch once, and again where a partition that is known has been removed meanwhile, by another process
// perhaps.
func (s *Store) commit(ctx context.Context, b *store.Batch) error {
	err := s.commitOnce(ctx, b)
	if sqlState(err) == stateCheckViolation {
		s.forgetPartitions()
		err = s.commitOnce(ctx, b)
	}
	return err
}

func (s *Store) commitOnce(ctx context.Context, b *store.Batch) error {
	if err := s.checkSource(ctx, b.Source); err != nil {
		return err
	}
	ids := make([]int64, len(b.Events))
	foreign := false
	for i := range b.Events {
		ids[i] = int64(b.Events[i].ID)
		foreign = foreign || b.Events[i].ID.Source() != b.Source
	}
	if foreign {
		return s.commitWithCare(ctx, b, ids)
	}
	c := columnsOf(ids, b.Events, s.options.Location)
	claimed, err := s.claim(ctx, b, &c)
	if sqlState(err) == stateUniqueViolation || err == nil && !claimed {
		return s.commitWithCare(ctx, b, ids)
	}
	return err
}

// claim commits a batch whose source nobody has fenced.
func (s *Store) claim(ctx context.Context, b *store.Batch, c *batchColumns) (claimed bool, err error) {
	if err := s.makePartitions(ctx, c.monthList()); err != nil {
		return false, err
	}
	var n int64
	err = s.queryRow(ctx, commitBatch, c.args(b, false)...).Scan(&n)
	return n > 0, err
}

// commitWithCare commits a batch that may hold events of requests that were settled already. Such a request is settled
// under the lock of the source that began it, which is fenced by that: the lock makes the two who settle it follow one
// another, and the second sees the event of the first.
func (s *Store) commitWithCare(ctx context.Context, b *store.Batch, ids []int64) error {
	all := columnsOf(ids, b.Events, s.options.Location)
	if err := s.makePartitions(ctx, all.monthList()); err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.inTx(ctx, func(tx pgx.Tx) error {
		last, err := lockSources(ctx, tx, b)
		if err != nil {
			return err
		}
		if b.Seq <= uint64(last) {
			// Committed before, but perhaps not on the standby yet: this transaction is acknowledged behind it.
			_, err := tx.Exec(ctx, "update sources set seq = seq where source = $1", int32(b.Source))
			return err
		}
		if b.Seq != uint64(last)+1 {
			return fmt.Errorf("%w: batch %d of source %d came after batch %d", store.ErrInvalid, b.Seq, b.Source, last)
		}
		events, err := unsettled(ctx, tx, b.Events, ids)
		if err != nil {
			return err
		}
		if n := len(b.Events) - len(events); n > 0 {
			s.logger.Warn("requests had been settled already", "events", n, "source", b.Source, "batch", b.Seq)
		}
		c := columnsOf(ids, events, s.options.Location)
		var n int64
		if err := tx.QueryRow(ctx, commitBatch, c.args(b, true)...).Scan(&n); err != nil {
			return err
		}
		if n != 1 {
			return fmt.Errorf("batch %d of source %d was not claimed", b.Seq, b.Source)
		}
		return nil
	})
}

// lockSources locks the batch's source and those of its events in their order, fences the latter, and returns the last
// batch of the former.
func lockSources(ctx context.Context, tx pgx.Tx, b *store.Batch) (last int64, err error) {
	var foreign []int32
	for i := range b.Events {
		if source := b.Events[i].ID.Source(); source != b.Source && source <= maxSource {
			foreign = append(foreign, int32(source))
		}
	}
	slices.Sort(foreign)
	foreign = slices.Compact(foreign)
	rows, err := tx.Query(ctx, "select source, seq from sources where source = any($1) order by source for update",
		append([]int32{int32(b.Source)}, foreign...))
	if err != nil {
		return 0, err
	}
	var source int32
	var seq int64
	if _, err = pgx.ForEachRow(rows, []any{&source, &seq}, func() error {
		if source == int32(b.Source) {
			last = seq
		}
		return nil
	}); err != nil || len(foreign) == 0 {
		return last, err
	}
	_, err = tx.Exec(ctx, "update sources set fenced = true where source = any($1) and not fenced", foreign)
	return last, err
}

// unsettled returns those events whose requests have none yet.
func unsettled(ctx context.Context, tx pgx.Tx, events []store.Event, ids []int64) ([]store.Event, error) {
	rows, err := tx.Query(ctx, "select id from events where id = any($1)", ids)
	if err != nil {
		return nil, err
	}
	settled := map[store.RequestID]bool{}
	var id int64
	if _, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		settled[store.RequestID(id)] = true
		return nil
	}); err != nil {
		return nil, err
	}
	left := make([]store.Event, 0, len(events))
	for i := range events {
		if e := &events[i]; !settled[e.ID] {
			settled[e.ID] = true
			left = append(left, *e)
		}
	}
	return left, nil
}
