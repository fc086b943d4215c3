package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"llmhub/store"
)

// change is what marks make of one request. They are applied in the order of the fields.
type change struct {
	id store.RequestID
	// progress is told of a request that began earlier; -1 for none.
	progress int64
	void     bool
	begun    *store.Mark
	// after is told behind begun; -1 for none.
	after int64
}

// changesOf gathers marks by request, in the order of IDs.
func changesOf(marks []store.Mark) []*change {
	byID := map[store.RequestID]*change{}
	for i := range marks {
		m := &marks[i]
		c := byID[m.ID]
		if c == nil {
			c = &change{id: m.ID, progress: -1, after: -1}
			byID[m.ID] = c
		}
		switch m.Kind {
		case store.MarkVoid:
			*c = change{id: m.ID, progress: -1, void: true, after: -1}
		case store.MarkProgress:
			switch {
			case c.begun != nil:
				c.after = m.Deltas
			case !c.void:
				c.progress = m.Deltas
			}
		case store.MarkBegun:
			if c.after >= 0 {
				c.after = max(c.after, m.Deltas)
			}
			c.begun = m
		}
	}
	list := make([]*change, 0, len(byID))
	for _, c := range byID {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *change) int { return cmp.Compare(a.id, b.id) })
	return list
}

const (
	// noSync has a transaction acknowledged before it is on disk, which marks need not be.
	noSync       = "select set_config('synchronous_commit', 'off', true)"
	markProgress = `update open_requests o set deltas = e.deltas from unnest($1::bigint[], $2::bigint[]) as e (id, deltas) where o.id = e.id`
	markVoid     = `delete from open_requests where id = any($1)`
	markBegun    = `insert into open_requests as o (id, source, key, model, deployment, at, request_bytes, deltas)
		select * from unnest($1::bigint[], $2::integer[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[], $8::bigint[])
		on conflict (id) do update set key = excluded.key, model = excluded.model, deployment = excluded.deployment,
			at = excluded.at, request_bytes = excluded.request_bytes, deltas = greatest(o.deltas, excluded.deltas)`
)

// Mark implements store.Ledger: in one round trip, without waiting for the disk, and as patiently as Commit.
func (s *Store) Mark(ctx context.Context, source store.Source, marks []store.Mark) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if len(marks) > store.MaxMarks {
		return fmt.Errorf("%d marks: %w", len(marks), store.ErrTooLarge)
	}
	for i := range marks {
		if err := store.CheckMark(&marks[i]); err != nil {
			return err
		}
	}
	if len(marks) == 0 {
		return nil
	}
	if err := s.checkSource(ctx, source); err != nil {
		return err
	}
	statements := markStatements(changesOf(marks))
	return s.patiently(ctx, func() error { return s.pipeline(ctx, statements...) })
}

func markStatements(changes []*change) []statement {
	var progressIDs, progress, voids, afterIDs, after, begunIDs, ats, bytes, deltas []int64
	var sources []int32
	var keys, models, deployments [][]byte
	for _, c := range changes {
		id := int64(c.id)
		if c.progress >= 0 {
			progressIDs, progress = append(progressIDs, id), append(progress, c.progress)
		}
		if c.void {
			voids = append(voids, id)
		}
		if m := c.begun; m != nil {
			begunIDs, sources = append(begunIDs, id), append(sources, int32(c.id.Source()))
			keys, models = append(keys, []byte(m.Key)), append(models, []byte(m.Model))
			deployments, ats = append(deployments, []byte(m.Deployment)), append(ats, m.At.UnixMilli())
			bytes, deltas = append(bytes, m.RequestBytes), append(deltas, m.Deltas)
		}
		if c.after >= 0 {
			afterIDs, after = append(afterIDs, id), append(after, c.after)
		}
	}
	list := []statement{{sql: noSync}}
	if len(progressIDs) > 0 {
		list = append(list, statement{sql: markProgress, args: []any{progressIDs, progress}})
	}
	if len(voids) > 0 {
		list = append(list, statement{sql: markVoid, args: []any{voids}})
	}
	if len(begunIDs) > 0 {
		list = append(list, statement{sql: markBegun, args: []any{begunIDs, sources, keys, models, deployments, ats, bytes, deltas}})
	}
	if len(afterIDs) > 0 {
		list = append(list, statement{sql: markProgress, args: []any{afterIDs, after}})
	}
	return list
}
