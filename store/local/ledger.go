package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

// ledger is the state of the ledger part.
type ledger struct {
	// order is held from the encoding of a frame until it is applied, so that frames are applied in the order of
	// the log. It is never held while waiting for the disk, but where the log begins a segment.
	order   sync.Mutex
	scratch frame
	fresh   map[string]uint32 // names of the frame in the making
	payload []byte

	// state guards what follows. Whoever writes it holds order, too, but for the fold, which removes from the
	// front of pending.
	state   sync.RWMutex
	names   []string
	numbers map[string]uint32
	seqs    map[store.Source]uint64
	open    map[store.RequestID]*openMark
	// pending are the deltas that may be missing in the database, oldest first. The last one grows; there is
	// always one.
	pending []*delta
	// batches counts the batches in pending.
	batches int64
	// running holds the sources handed out since the folder was opened.
	running map[store.Source]bool
	days    calendar
	// touched holds the last frame with an event of each day, as far as frames have been applied since the opening.
	touched map[store.Day]uint64

	// folding makes folds follow one another.
	folding sync.Mutex
	// sources guards the counter of sources in the database; lastSource is its value.
	sources    sync.Mutex
	lastSource atomic.Uint32
	// full is set while the log has no space; broken holds the error after which the process must end.
	full   atomic.Bool
	broken atomic.Pointer[error]
}

func (l *ledger) init(location *time.Location) {
	l.fresh = map[string]uint32{}
	l.numbers = map[string]uint32{}
	l.seqs = map[store.Source]uint64{}
	l.open = map[store.RequestID]*openMark{}
	l.running = map[store.Source]bool{}
	l.touched = map[store.Day]uint64{}
	l.days.location = location
}

// NewSource implements store.Ledger. The source counts as running until the store is closed.
func (s *Store) NewSource(ctx context.Context) (store.Source, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	if err := s.space.enough(); err != nil {
		return 0, err
	}
	l := &s.ledger
	l.sources.Lock()
	defer l.sources.Unlock()
	next := l.lastSource.Load() + 1
	if next >= 1<<maxSourceBits {
		return 0, errors.New("all source numbers have been used")
	}
	err := s.db.Update(func(txn *badger.Txn) error {
		return txn.Set(metaSource, binary.BigEndian.AppendUint64(nil, uint64(next)))
	})
	if err != nil {
		return 0, fmt.Errorf("take a source number: %w", badgerError(err))
	}
	l.lastSource.Store(next)
	l.state.Lock()
	l.running[store.Source(next)] = true
	l.state.Unlock()
	return store.Source(next), nil
}

// Commit implements store.Ledger. It returns once the batch is synced; other batches and marks are written meanwhile.
func (s *Store) Commit(ctx context.Context, b store.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.checkSource(b.Source); err != nil {
		return err
	}
	w := entries{Batch: b}
	if err := w.checkBatch(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	seq, err := s.append(&w)
	if err == nil {
		err = s.log.SyncTo(seq)
	}
	return s.noteOutcome(err)
}

// Mark implements store.Ledger.
func (s *Store) Mark(ctx context.Context, source store.Source, marks []store.Mark) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(marks) == 0 {
		return nil
	}
	if err := s.checkSource(source); err != nil {
		return err
	}
	w := entries{Batch: store.Batch{Source: source}, marks: marks}
	if err := w.check(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	_, err := s.append(&w)
	return s.noteOutcome(err)
}

func (s *Store) checkSource(source store.Source) error {
	if last := s.ledger.lastSource.Load(); source == 0 || uint32(source) > last {
		return fmt.Errorf("%w: source %d has not been given out", store.ErrInvalid, source)
	}
	return nil
}

// entries is what is written at once: a batch, or marks if Seq is 0.
type entries struct {
	store.Batch
	marks []store.Mark
}

func (b *entries) checkBatch() error {
	if b.Seq == 0 {
		return fmt.Errorf("%w: a batch is numbered from 1", store.ErrInvalid)
	}
	return b.check()
}

func (b *entries) check() error {
	if len(b.Events) > maxEvents || len(b.marks) > maxMarks {
		return fmt.Errorf("batch of %d events and %d marks: %w", len(b.Events), len(b.marks), store.ErrTooLarge)
	}
	for i := range b.Events {
		if err := store.CheckEvent(&b.Events[i]); err != nil {
			return err
		}
	}
	for i := range b.marks {
		if err := store.CheckMark(&b.marks[i]); err != nil {
			return err
		}
	}
	return nil
}

// append writes a batch, or marks if Seq is 0, to the log and applies it. It returns the number of the frame that must
// be synced; for a batch that was written before that is the last one.
func (s *Store) append(b *entries) (uint64, error) {
	l := &s.ledger
	l.order.Lock()
	defer l.order.Unlock()
	if b.Seq > 0 {
		last := l.seqs[b.Source]
		if b.Seq <= last {
			return s.log.LastSeq(), nil
		}
		if b.Seq != last+1 {
			return 0, fmt.Errorf("%w: batch %d of source %d came after batch %d", store.ErrInvalid, b.Seq, b.Source, last)
		}
	}
	f := &l.scratch
	if err := l.number(f, b); err != nil {
		return 0, err
	}
	l.payload = f.encode(l.payload[:0])
	pos, seq, err := s.log.Write(l.payload, b.Seq > 0)
	if err != nil {
		return 0, err
	}
	end := s.log.End()
	l.state.Lock()
	l.apply(f, pos, end, seq)
	l.state.Unlock()
	return seq, nil
}

// number fills the frame with the batch, names replaced by numbers. The caller holds order.
func (l *ledger) number(f *frame, b *entries) error {
	clear(l.fresh)
	f.reset(b.Source, b.Seq, len(l.names))
	for i := range b.marks {
		m := &b.marks[i]
		n := mark{kind: m.Kind, id: m.ID, deltas: m.Deltas}
		if m.Kind == store.MarkBegun {
			n.key, n.model, n.deployment = l.numberOf(f, m.Key), l.numberOf(f, m.Model), l.numberOf(f, m.Deployment)
			n.at, n.requestBytes = m.At.UnixMilli(), m.RequestBytes
		}
		f.marks = append(f.marks, n)
	}
	for i := range b.Events {
		e := &b.Events[i]
		f.events = append(f.events, event{
			id: e.ID, key: l.numberOf(f, e.Key), model: l.numberOf(f, e.Model), deployment: l.numberOf(f, e.Deployment),
			at: e.At.UnixMilli(), duration: e.Duration.Milliseconds(),
			provenance: e.Provenance, recovered: e.Recovered, tokens: e.Tokens, quantities: e.Quantities,
		})
	}
	if uint64(len(l.names))+uint64(len(f.names)) > maxNames {
		return fmt.Errorf("too many names of keys, models and deployments: %w", store.ErrTooLarge)
	}
	if rows, bytes := f.size(); f.nameBytes > maxNameBytes || rows > maxTxnRows || bytes > maxTxnBytes {
		return fmt.Errorf("batch of %d events of too many keys and models: %w", len(f.events), store.ErrTooLarge)
	}
	return nil
}

// numberOf returns the number of a name, which the frame defines if it is new.
func (l *ledger) numberOf(f *frame, name string) uint32 {
	if n, ok := l.numbers[name]; ok {
		return n
	}
	if n, ok := l.fresh[name]; ok {
		return n
	}
	n := f.firstName + uint32(len(f.names))
	name = strings.Clone(name) // it outlives the request, whose buffer it may be part of
	f.names = append(f.names, name)
	f.nameBytes += len(name)
	l.fresh[name] = n
	return n
}

// noteOutcome remembers for Ready how an append has ended.
func (s *Store) noteOutcome(err error) error {
	switch {
	case err == nil:
		if s.ledger.full.Load() {
			s.ledger.full.Store(false)
		}
	case errors.Is(err, store.ErrNoSpace):
		s.ledger.full.Store(true)
	case errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrDamaged):
		s.ledger.broken.CompareAndSwap(nil, &err)
	}
	return err
}

// Orphans implements store.Ledger: every source but those handed out since the folder was opened has ended, since one
// process at a time has the folder.
func (s *Store) Orphans(ctx context.Context, own store.Source) ([]store.Mark, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := &s.ledger
	l.state.RLock()
	defer l.state.RUnlock()
	var orphans []store.Mark
	for id, o := range l.open {
		if src := id.Source(); src == own || l.running[src] {
			continue
		}
		orphans = append(orphans, store.Mark{
			Kind: store.MarkBegun, ID: id,
			Key: l.names[o.key], Model: l.names[o.model], Deployment: l.names[o.deployment],
			At: time.UnixMilli(o.at).UTC(), RequestBytes: o.requestBytes, Deltas: o.deltas,
		})
	}
	slices.SortFunc(orphans, func(a, b store.Mark) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return orphans, nil
}

// Ready implements store.Ledger. What it says about space is at most a second old.
func (s *Store) Ready() error {
	if err := s.ledger.broken.Load(); err != nil {
		return *err
	}
	if s.ledger.full.Load() {
		return fmt.Errorf("the usage log cannot grow: %w", store.ErrNoSpace)
	}
	if free := s.space.free.Load(); free >= 0 && free < s.floor {
		return fmt.Errorf("%d MiB are free, less than the floor of %d: %w", free>>20, s.floor>>20, store.ErrNoSpace)
	}
	return nil
}

// Stats implements store.Ledger.
func (s *Store) Stats() store.LedgerStats {
	s.ledger.state.RLock()
	lag := s.ledger.batches
	s.ledger.state.RUnlock()
	return store.LedgerStats{FoldLagBatches: lag, FreeBytes: s.space.free.Load(), DataBytes: s.log.Bytes()}
}
