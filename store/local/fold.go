package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

// foldLoop folds and looks for free space from time to time, until the store closes.
func (s *Store) foldLoop(every time.Duration) {
	var fold <-chan time.Time
	if every > 0 {
		tick := time.NewTicker(every)
		defer tick.Stop()
		fold = tick.C
	}
	look := time.NewTicker(time.Second)
	defer look.Stop()
	failing := false
	for {
		select {
		case <-s.stop:
			return
		case <-look.C:
			s.lookForSpace()
		case <-fold:
			err := s.fold()
			if err != nil && !failing {
				s.logger.Warn("usage is safe in the log, but cannot be folded into the sums; trying again", "error", err)
			}
			if err == nil && failing {
				s.logger.Info("usage is folded again")
			}
			failing = err != nil
		}
	}
}

// lookForSpace updates what Ready and Stats say. A log that was full can be tried again once there is room.
func (s *Store) lookForSpace() {
	free, _, err := s.space.look()
	if err != nil {
		s.logger.Warn("cannot tell the free space", "error", err)
		return
	}
	if free < 0 || free >= max(s.floor, 4<<20) {
		s.ledger.full.Store(false)
	}
}

// fold adds all pending deltas to the sums in the database, each in one transaction. After an error what is left stays
// pending.
func (s *Store) fold() error {
	l := &s.ledger
	l.folding.Lock()
	defer l.folding.Unlock()
	for _, d := range l.seal() {
		if err := s.foldDelta(d); err != nil {
			return err
		}
		l.state.Lock()
		l.pending[0] = nil // lets it go before the array is replaced
		l.pending = l.pending[1:]
		l.batches -= d.batches
		l.state.Unlock()
	}
	return nil
}

// seal ends the growing delta and returns all that have anything to fold. They do not change any more.
func (l *ledger) seal() []*delta {
	l.state.Lock()
	defer l.state.Unlock()
	n := len(l.pending)
	if last := l.pending[n-1]; last.empty() {
		n--
	} else {
		l.pending = append(l.pending, newDelta(last.lastSeq+1))
	}
	return l.pending[:n:n]
}

// foldDelta adds one delta. The frames are synced before, so that the log never ends before what is folded.
func (s *Store) foldDelta(d *delta) error {
	if err := s.log.SyncTo(d.lastSeq); err != nil {
		return s.noteOutcome(err)
	}
	if err := s.space.enough(); err != nil {
		return err
	}
	if s.options.foldFault != nil {
		if err := s.options.foldFault(); err != nil {
			return err
		}
	}
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	at, err := foldedIn(txn)
	if err != nil {
		return badgerError(err)
	}
	if at.seq >= d.lastSeq {
		return nil // a former attempt was reported as failed, but has been written
	}
	if at.seq != d.firstSeq-1 {
		return fmt.Errorf("%w: the sums contain the log up to frame %d, not %d", store.ErrDamaged, at.seq, d.firstSeq-1)
	}
	w := rowWriter{txn: txn}
	w.sums(d)
	w.keys(d)
	w.marks(d)
	w.names(d)
	for source, seq := range d.seqs {
		w.set(rowKey(rowSeq, uint32(source)), binary.BigEndian.AppendUint64(nil, seq))
	}
	w.set(metaFolded, folded{seq: d.lastSeq, end: d.end, names: at.names + uint32(len(d.names))}.encode())
	if w.err != nil {
		return badgerError(w.err)
	}
	return badgerError(txn.Commit())
}

// foldedIn returns how far the log is folded in the transaction's view.
func foldedIn(txn *badger.Txn) (folded, error) {
	b, found, err := getValue(txn, metaFolded)
	if err != nil || !found {
		return folded{}, err
	}
	return decodeFolded(b)
}

// rowWriter writes rows until the first error.
type rowWriter struct {
	txn *badger.Txn
	err error
}

func (w *rowWriter) set(key, value []byte) {
	if w.err == nil {
		w.err = w.txn.Set(key, value)
	}
}

// add adds to a row of sums. It is the only writer of them.
func (w *rowWriter) add(key []byte, by sum) {
	if w.err != nil {
		return
	}
	item, err := w.txn.Get(key)
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
	case err != nil:
		w.err = err
	default:
		w.err = item.Value(func(b []byte) error {
			old, err := decodeSum(key, b)
			old.add(by) // not the other way round: what by is a copy of must stay as it is
			by = old
			return err
		})
	}
	w.set(key, by.encode())
}

// sums adds the cells to the four kinds of sums.
func (w *rowWriter) sums(d *delta) {
	months, global, totals := groupCells(d.cells)
	for c, s := range d.cells {
		w.add(rowKey(rowDay, c.key, uint32(c.day), c.model), *s)
	}
	for g, s := range months {
		w.add(rowKey(rowMonth, g[0], g[1], g[2]), *s)
	}
	for g, s := range global {
		w.add(rowKey(rowGlobal, g[0], g[1]), *s)
	}
	for g, s := range totals {
		w.add(rowKey(rowTotal, g[0], g[1]), *s)
	}
}

// groupCells sums by key·month·model, day·model, and month·key.
func groupCells(cells map[cell]*sum) (months map[[3]uint32]*sum, global, totals map[[2]uint32]*sum) {
	months, global, totals = map[[3]uint32]*sum{}, map[[2]uint32]*sum{}, map[[2]uint32]*sum{}
	for c, s := range cells {
		month := uint32(c.day.Month())
		addTo(months, [3]uint32{c.key, month, c.model}, *s)
		addTo(global, [2]uint32{uint32(c.day), c.model}, *s)
		addTo(totals, [2]uint32{month, c.key}, *s)
	}
	return months, global, totals
}

func addTo[K comparable](m map[K]*sum, k K, by sum) {
	s := m[k]
	if s == nil {
		s = new(sum)
		m[k] = s
	}
	s.add(by)
}

// keys writes when the keys were last used and in which frames.
func (w *rowWriter) keys(d *delta) {
	for key, k := range d.keys {
		row := rowKey(rowLast, key)
		last := uint64(k.last)
		if w.err == nil {
			old, err := getUint64(w.txn, row)
			w.err, last = err, max(last, old)
		}
		w.set(row, binary.BigEndian.AppendUint64(nil, last))
		w.set(framesKey(key, d.firstSeq), appendPositions(nil, k.frames))
	}
}

func (w *rowWriter) marks(d *delta) {
	for id, o := range d.marks {
		if o != nil {
			w.set(openKey(id), o.encode())
		} else if w.err == nil {
			w.err = w.txn.Delete(openKey(id))
		}
	}
}

// names writes the names in rows of bounded size; each row's key is the number of its first name.
func (w *rowWriter) names(d *delta) {
	var b []byte
	first := d.firstName
	for i, name := range d.names {
		b = appendPart(b, name)
		if len(b) >= nameRowBytes || i == len(d.names)-1 {
			w.set(rowKey(rowName, first), b)
			first, b = d.firstName+uint32(i)+1, nil
		}
	}
}
