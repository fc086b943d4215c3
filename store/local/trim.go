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
	// maxTrimSegments and maxTrimCells bound the segments that are removed at once, and the sums by key, model and day of
	// what they hold, and so the memory that takes.
	maxTrimSegments = 16
	maxTrimCells    = 200_000
	// maxTrimRows bounds the rows that are removed, and baseSpaceBytes the bytes of a base that are written, between two
	// looks at the free space.
	maxTrimRows    = 20_000
	baseSpaceBytes = 4 << 20
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
		err := s.trim(ctx, time.Now())
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrBackupRuns) {
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
// points to them. Sums stay: those of what is removed go into the log's base. While a backup is taken it is ErrBackupRuns.
func (s *Store) trim(ctx context.Context, now time.Time) error {
	err := s.log.EndSegment(now.Add(-segmentSpan))
	for more := true; more && err == nil; {
		more, err = s.trimSome(ctx, now)
	}
	if errors.Is(err, store.ErrClosed) { // the log is beyond use, and so is the process
		return s.noteOutcome(err)
	}
	return err
}

// trimSome removes some of them, and reports whether there may be more. Backups wait for no longer than that.
func (s *Store) trimSome(ctx context.Context, now time.Time) (more bool, err error) {
	if !s.copying.TryLock() {
		return false, ErrBackupRuns
	}
	defer s.copying.Unlock()
	first, err := s.firstKept(ctx, now)
	if err != nil {
		return false, err
	}
	if begin, _ := s.log.First(); first > begin.Segment {
		return true, s.trimTo(ctx, first)
	}
	return false, s.removeFrames(ctx)
}

// errFound ends a replay.
var errFound = errors.New("found")

// firstKept returns the first segment that is to be kept: the first that has an event which is not older, and in any
// case the last one.
func (s *Store) firstKept(ctx context.Context, now time.Time) (uint32, error) {
	since := s.keptSince(now)
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
		young := slices.IndexFunc(f.events, func(e event) bool { return e.at >= since })
		if young >= 0 || pos.Segment >= first || pos.Segment-begin.Segment >= maxTrimSegments {
			first = pos.Segment
			if young >= 0 {
				s.warnOfFuture(&f.events[young], now)
			}
			return errFound
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return 0, err
	}
	return first, nil
}

// warnOfFuture tells of a request that keeps all behind it: one that was settled when the clock was wrong.
func (s *Store) warnOfFuture(e *event, now time.Time) {
	if at := time.UnixMilli(e.at); at.After(now.Add(segmentSpan)) {
		s.logger.Warn("a request was settled in the future: nothing that was recorded after it is removed before its time is over",
			"request", e.id.String(), "at", at.UTC(), "retention", s.options.Retention)
	}
}

// trimTo removes the segments before one, or some of them, where there are more sums than are held at once.
func (s *Store) trimTo(ctx context.Context, first uint32) error {
	a, before, err := s.accountOfBase(ctx)
	if err != nil {
		return err
	}
	previous, _ := s.log.First()
	var f frame
	var last uint64
	_, err = s.log.Replay(usagelog.Position{}, func(pos usagelog.Position, seq uint64, _ time.Time, payload []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if pos.Segment > previous.Segment && len(a.cells) > maxTrimCells {
			first = min(first, pos.Segment)
		}
		previous = pos
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
	err = s.log.Trim(first,
		func(w io.Writer) error {
			return a.writeBase(&spaceWriter{ctx: ctx, space: s.space, to: w}, s.baseCells)
		},
		func(written io.Reader) error {
			b := newAccount(s.location)
			err := b.readBase(written, func(cell, sum) error { return ctx.Err() })
			if err == nil && (b.events != a.events || b.batches != a.batches || len(b.ledger.names) != len(a.ledger.names)) {
				err = fmt.Errorf("%w: the base of the usage log was written otherwise than it was made", store.ErrDamaged)
			}
			return err
		})
	if err != nil {
		return err
	}
	s.logger.Info("single requests older than the retention are removed; their sums stay", "requests", a.events-before)
	return nil
}

// accountOfBase returns an account that goes on behind the log's base, without the sums, and how many requests are in that.
func (s *Store) accountOfBase(ctx context.Context) (a *account, requests int64, err error) {
	a = newAccount(s.location)
	_, err = s.log.ReadBase(func(content io.Reader) error {
		return a.readBase(content, func(cell, sum) error { return ctx.Err() })
	})
	return a, a.events, err
}

// baseCells calls fn for each sum of the log's base.
func (s *Store) baseCells(fn func(cell, sum) error) error {
	_, err := s.log.ReadBase(func(content io.Reader) error { return newAccount(s.location).readBase(content, fn) })
	return err
}

// spaceWriter writes only while there is room on the disk beside that, since the database must not meet a full one.
type spaceWriter struct {
	ctx   context.Context
	space *space
	to    io.Writer
	// left is how many bytes may be written before the next look.
	left int
}

func (w *spaceWriter) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if w.left < len(b) {
		if err := w.space.enough(); err != nil {
			return 0, err
		}
		w.left = baseSpaceBytes
	}
	w.left -= len(b)
	return w.to.Write(b)
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
