package local

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// place is where an event stands: events before it are older.
type place struct {
	seq   uint64
	pos   usagelog.Position
	index uint32
}

const placeBytes = 8 + usagelog.PositionBytes + 4

func (p place) String() string {
	b := p.pos.AppendBinary(binary.BigEndian.AppendUint64(make([]byte, 0, placeBytes), p.seq))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, p.index))
}

func parsePlace(cursor string) (place, error) {
	bad := fmt.Errorf("%w: the cursor was not given by a former page", store.ErrInvalid)
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != placeBytes {
		return place{}, bad
	}
	pos, err := usagelog.DecodePosition(b[8 : placeBytes-4])
	if err != nil {
		return place{}, bad
	}
	return place{seq: binary.BigEndian.Uint64(b), pos: pos, index: binary.BigEndian.Uint32(b[placeBytes-4:])}, nil
}

// pager gathers a page of events, newest first.
type pager struct {
	s     *Store
	ctx   context.Context
	key   uint32
	limit int
	// since is when the oldest event that is shown was settled, in Unix milliseconds.
	since int64
	// begin is where the log begins.
	begin usagelog.Position
	// before is the place behind which the page starts; nil for the first page.
	before *place

	page []store.Event
	last place // of the last event in page
	more bool
}

// Events implements store.Ledger: newest first in the order of commits.
func (s *Store) Events(ctx context.Context, q store.EventQuery) ([]store.Event, string, error) {
	p := &pager{s: s, ctx: ctx, limit: store.PageSize(q.Limit), since: s.keptSince(time.Now())}
	if q.Cursor != "" {
		before, err := parsePlace(q.Cursor)
		if err != nil {
			return nil, "", err
		}
		p.before = &before
	}
	if err := s.enter(); err != nil {
		return nil, "", err
	}
	defer s.leave()
	p.begin, _ = s.log.First()
	waiting, known := s.ledger.waitingFrames(q.Key, &p.key)
	if !known {
		return nil, "", ctx.Err()
	}
	txn := s.db.NewTransaction(false) // after the look at what is pending, as in Usage
	defer txn.Discard()
	at, err := foldedIn(txn)
	for i := 0; err == nil && i < len(waiting) && waiting[i].lastSeq > at.seq; i++ {
		err = p.addFrames(waiting[i].frames)
	}
	if err == nil {
		err = p.scan(txn)
	}
	if err != nil {
		return nil, "", badgerError(err)
	}
	if !p.more {
		return p.page, "", nil
	}
	return p.page, p.last.String(), nil
}

type waitingFrames struct {
	lastSeq uint64
	frames  []usagelog.Position
}

// waitingFrames returns the frames of pending deltas that have events of a key, newest delta first, and reports
// whether the key has any events.
func (l *ledger) waitingFrames(key string, number *uint32) (list []waitingFrames, known bool) {
	l.state.RLock()
	defer l.state.RUnlock()
	if *number, known = l.numbers[key]; !known {
		return nil, false
	}
	for _, d := range slices.Backward(l.pending) {
		if k := d.keys[*number]; k != nil {
			list = append(list, waitingFrames{lastSeq: d.lastSeq, frames: slices.Clone(k.frames)})
		}
	}
	return list, true
}

// scan adds what the rows of the database point to.
func (p *pager) scan(txn *badger.Txn) error {
	prefix := rowKey(rowFrames, p.key)
	o := badger.DefaultIteratorOptions
	o.Prefix, o.Reverse, o.PrefetchValues = prefix, true, false
	it := txn.NewIterator(o)
	defer it.Close()
	start := framesKey(p.key, ^uint64(0))
	if p.before != nil {
		start = framesKey(p.key, p.before.seq)
	}
	for it.Seek(start); it.Valid() && !p.more; it.Next() {
		item := it.Item()
		err := item.Value(func(value []byte) error {
			positions, ok := decodePositions(value, nil)
			if !ok {
				return damagedRow(item.Key())
			}
			return p.addFrames(positions)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addFrames adds events of frames given oldest first, until the page is full.
func (p *pager) addFrames(positions []usagelog.Position) error {
	for _, pos := range slices.Backward(positions) {
		if p.more || pos.Before(p.begin) {
			return nil
		}
		if p.before != nil && p.before.pos.Before(pos) {
			continue
		}
		if err := p.ctx.Err(); err != nil {
			return err
		}
		if err := p.addFrame(pos); err != nil {
			return err
		}
	}
	return nil
}

func (p *pager) addFrame(pos usagelog.Position) error {
	seq, _, payload, err := p.s.log.ReadAt(pos)
	if errors.Is(err, usagelog.ErrRemoved) {
		return nil // since the page was begun
	}
	if err != nil {
		return err
	}
	var f frame
	if err := f.decode(payload); err != nil {
		return fmt.Errorf("%w: usage log, frame %d at %s: %w", store.ErrDamaged, seq, pos, err)
	}
	p.s.ledger.state.RLock()
	names := p.s.ledger.names
	p.s.ledger.state.RUnlock()
	for i := len(f.events) - 1; i >= 0; i-- {
		e := &f.events[i]
		if e.key != p.key || e.at < p.since || p.before != nil && pos == p.before.pos && uint32(i) >= p.before.index {
			continue
		}
		if len(p.page) == p.limit {
			p.more = true
			return nil
		}
		if uint64(max(e.model, e.deployment)) >= uint64(len(names)) {
			return fmt.Errorf("%w: event %s has an undefined name", store.ErrDamaged, e.id)
		}
		p.page = append(p.page, e.named(names))
		p.last = place{seq: seq, pos: pos, index: uint32(i)}
	}
	return nil
}

// named gives an event its names back.
func (e *event) named(names []string) store.Event {
	return store.Event{
		ID: e.id, Key: names[e.key], Model: names[e.model], Deployment: names[e.deployment],
		At:         time.UnixMilli(e.at).UTC(),
		Duration:   time.Duration(e.duration) * time.Millisecond,
		Provenance: e.provenance, Recovered: e.recovered, Tokens: e.tokens, Quantities: e.quantities,
	}
}
