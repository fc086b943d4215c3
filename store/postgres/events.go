package postgres

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// cursorForm is the first byte of a cursor; its position follows.
const cursorForm = 'p'

func formatCursor(position int64) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64([]byte{cursorForm}, uint64(position)))
}

func parseCursor(cursor string) (int64, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 9 || b[0] != cursorForm || b[1]&0x80 != 0 {
		return 0, fmt.Errorf("%w: the cursor was not given by a former page", store.ErrInvalid)
	}
	return int64(binary.BigEndian.Uint64(b[1:])), nil
}

const selectEvents = `
select position, id, model, deployment, at, duration, provenance, recovered, input, cached_input, output, reasoning,
	estimated, quantities
from events where key = $1 and position < $2 and at >= $3 and month >= $4 order by position desc limit $5`

// Events implements store.Ledger: newest first in the order in which batches were claimed. What is older than the
// retention is left out, whether it has been removed yet or not; its months are not even looked into.
func (s *Store) Events(ctx context.Context, q store.EventQuery) (page []store.Event, next string, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, "", err
	}
	defer s.leave()
	before := int64(math.MaxInt64)
	if q.Cursor != "" {
		if before, err = parseCursor(q.Cursor); err != nil {
			return nil, "", err
		}
	}
	limit := store.PageSize(q.Limit)
	from, month := s.keptFrom(time.Now())
	var positions []int64
	err = s.read(ctx, statement{selectEvents, []any{[]byte(q.Key), before, from, int32(month), limit + 1}, func(r pgx.Rows) error {
		page, positions = nil, nil
		for r.Next() {
			e := store.Event{Key: q.Key}
			position, err := readEvent(r, &e)
			if err != nil {
				return err
			}
			page, positions = append(page, e), append(positions, position)
		}
		return nil
	}})
	if err != nil {
		return nil, "", translate(ctx, err)
	}
	if len(page) > limit {
		return page[:limit], formatCursor(positions[limit-1]), nil
	}
	return page, "", nil
}

func readEvent(r pgx.Rows, e *store.Event) (position int64, err error) {
	var id, at, duration int64
	var model, deployment []byte
	var provenance int16
	var quantities string
	t := &e.Tokens
	if err := r.Scan(&position, &id, &model, &deployment, &at, &duration, &provenance, &e.Recovered,
		&t.Input, &t.CachedInput, &t.Output, &t.Reasoning, &t.Estimated, &quantities); err != nil {
		return 0, err
	}
	e.ID, e.Model, e.Deployment = store.RequestID(id), string(model), string(deployment)
	e.At, e.Duration = time.UnixMilli(at).UTC(), time.Duration(duration)*time.Millisecond
	e.Provenance = store.Provenance(provenance)
	e.Quantities, err = parseQuantities(quantities)
	return position, err
}
