package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

const (
	// segmentSpan is how long frames are written to one segment where there is a retention: what is old is removed by whole
	// segments, so that is how long it may outlast the retention.
	segmentSpan = 24 * time.Hour
	// maxTrimSegments bounds the segments that one base takes up, and so the memory that takes.
	maxTrimSegments = 16
	// maxTrimRows bounds the rows that are removed between two looks at the free space.
	maxTrimRows = 20_000
)

// keptSince returns when the oldest event that is shown may have been settled, in Unix milliseconds.
func (s *Store) keptSince(now time.Time) int64 {
	if s.options.Retention == 0 {
		return 0
	}
	return now.Add(-s.options.Retention).UnixMilli()
}

// trimLoop removes what is older than the retention, at once and then from time to time, until the store closes.
func (s *Store) trimLoop() {
	every := s.options.trimEvery
	if every == 0 {
		every = trimInterval
	}
	if every < 0 {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.background.Go(func() {
		<-s.stop
		stop()
	})
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.trim(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.logger.Warn("single requests older than the retention cannot be removed; trying again", "error", err, "in", every)
		}
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
	}
}

// trim removes those segments from the beginning of the log that hold nothing younger than the retention, and what
// points to them. Sums stay: those of what is removed go into the log's base.
func (s *Store) trim(ctx context.Context, now time.Time) error {
	if !s.copying.TryLock() {
		return errors.New("a backup is being taken")
	}
	defer s.copying.Unlock()
	if err := s.log.EndSegment(now.Add(-segmentSpan)); err != nil {
		return err
	}
	for {
		first, err := s.firstKept(ctx, s.keptSince(now))
		if err != nil {
			return err
		}
		if begin, _ := s.log.First(); first <= begin.Segment {
			return s.removeFrames(ctx)
		}
		if err := s.trimTo(ctx, first); err != nil {
			return err
		}
	}
}

// errFound ends a replay.
var errFound = errors.New("found")

// firstKept returns the first segment that is to be kept: the first that has an event which is not older, and in any
// case the last one.
func (s *Store) firstKept(ctx context.Context, since int64) (uint32, error) {
	begin, _ := s.log.First()
	first := s.log.End().Segment
	var f frame
	_, err := s.log.Replay(usagelog.Position{}, func(pos usagelog.Position, seq uint64, _ time.Time, payload []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.decode(payload); err != nil {
			return fmt.Errorf("%w: usage log, frame %d at %s: %w", store.ErrDamaged, seq, pos, err)
		}
		young := slices.ContainsFunc(f.events, func(e event) bool { return e.at >= since })
		if young || pos.Segment >= first || pos.Segment-begin.Segment >= maxTrimSegments {
			first = pos.Segment
			return errFound
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return 0, err
	}
	return first, nil
}

// trimTo removes the segments before one.
func (s *Store) trimTo(ctx context.Context, first uint32) error {
	a := newAccount(s.location)
	if _, err := s.log.ReadBase(func(content io.Reader) error {
		return a.readBase(content, func(cell, sum) error { return nil })
	}); err != nil {
		return err
	}
	before := a.events
	var f frame
	var last uint64
	_, err := s.log.Replay(usagelog.Position{}, func(pos usagelog.Position, seq uint64, _ time.Time, payload []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if pos.Segment >= first {
			return errFound
		}
		last = seq
		err := f.decode(payload)
		if err == nil {
			err = a.add(&f)
		}
		if err != nil {
			return fmt.Errorf("%w: usage log, frame %d at %s: %w", store.ErrDamaged, seq, pos, err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return err
	}
	if err := s.foldTo(last); err != nil {
		return err
	}
	if err := s.log.Trim(first, func(w io.Writer) error { return a.writeBase(w, s.baseCells) }); err != nil {
		return err
	}
	s.logger.Info("single requests older than the retention are removed; their sums stay", "requests", a.events-before)
	return nil
}

// baseCells calls fn for each sum of the log's base.
func (s *Store) baseCells(fn func(cell, sum) error) error {
	_, err := s.log.ReadBase(func(content io.Reader) error { return newAccount(s.location).readBase(content, fn) })
	return err
}

// foldTo returns once the sums in the database contain a frame. The database is written through to the disk.
func (s *Store) foldTo(seq uint64) error {
	if err := s.fold(); err != nil {
		return err
	}
	return s.db.View(func(txn *badger.Txn) error {
		at, err := foldedIn(txn)
		if err == nil && at.seq < seq {
			err = fmt.Errorf("%w: the sums contain frames up to %d, not %d", store.ErrDamaged, at.seq, seq)
		}
		return badgerError(err)
	})
}

// removeFrames removes the rows that point to nothing but frames that are gone. It is done again after a crash, since
// nothing depends on it.
func (s *Store) removeFrames(ctx context.Context) error {
	begin, _ := s.log.First()
	if begin.Segment == 1 || begin == s.framesFrom {
		return nil
	}
	from := []byte{rowFrames}
	for {
		if err := s.space.enough(); err != nil {
			return err
		}
		rows, err := s.oldFrames(ctx, from, begin)
		if err != nil {
			return err
		}
		batch := s.db.NewWriteBatch()
		for _, row := range rows {
			err = errors.Join(err, batch.Delete(row))
		}
		if err = errors.Join(err, batch.Flush()); err != nil {
			return badgerError(err)
		}
		if len(rows) < maxTrimRows {
			s.framesFrom = begin
			return nil
		}
		from = rows[len(rows)-1]
	}
}

// oldFrames returns rows from one on all of whose frames are before the log's beginning, maxTrimRows at most.
func (s *Store) oldFrames(ctx context.Context, from []byte, begin usagelog.Position) (rows [][]byte, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix, o.PrefetchValues = []byte{rowFrames}, false
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Seek(from); it.Valid() && len(rows) < maxTrimRows; {
			if err := ctx.Err(); err != nil {
				return err
			}
			row := it.Item().KeyCopy(nil)
			var old bool
			err := it.Item().Value(func(value []byte) error {
				_, positions, err := decodeFrames(row, value)
				old = len(positions) == 0 || positions[len(positions)-1].Before(begin)
				return err
			})
			if err != nil {
				return err
			}
			if old {
				rows = append(rows, row)
				it.Next()
				continue
			}
			// Rows of a key are in the order of frames: the next old one can only be another key's.
			it.Seek(binary.BigEndian.AppendUint32([]byte{rowFrames}, binary.BigEndian.Uint32(row[1:])+1))
		}
		return nil
	})
	return rows, badgerError(err)
}
