package local

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// format is the number of the layout of rows and payloads.
const format = 1

// foldDuringRecovery bounds how many deltas recovery keeps in memory.
const foldDuringRecovery = 4

// recover reads what the database holds of the ledger and replays the log behind it.
func (s *Store) recover() error {
	at, err := s.readState()
	if err != nil {
		return err
	}
	l := &s.ledger
	l.pending = []*delta{newDelta(at.seq + 1)}
	if err := s.checkLogReaches(at); err != nil {
		return err
	}
	var f frame
	next := at.seq + 1
	_, err = s.log.Replay(s.behind(at), func(pos usagelog.Position, seq uint64, _ time.Time, payload []byte) error {
		if seq != next {
			return fmt.Errorf("%w: the log goes on with frame %d where %d belongs", store.ErrDamaged, seq, next)
		}
		next++
		if err := l.admit(&f, payload); err != nil {
			return fmt.Errorf("%w: usage log, frame %d at %s: %w", store.ErrDamaged, seq, pos, err)
		}
		end := usagelog.Position{Segment: pos.Segment, Offset: pos.Offset + usagelog.FrameBytes(len(payload))}
		l.state.Lock()
		l.apply(&f, pos, end, seq)
		many := len(l.pending) > foldDuringRecovery
		l.state.Unlock()
		if many {
			return s.fold()
		}
		return nil
	})
	if err != nil {
		return err
	}
	for source := range l.seqs {
		l.lastSource.Store(max(l.lastSource.Load(), uint32(source)))
	}
	s.lookForSpace()
	return nil
}

// admit decodes a payload and insists that it continues the state.
func (l *ledger) admit(f *frame, payload []byte) error {
	if err := f.decode(payload); err != nil {
		return err
	}
	if f.seq > 0 && f.seq != l.seqs[f.source]+1 {
		return fmt.Errorf("batch %d of source %d stands behind batch %d", f.seq, f.source, l.seqs[f.source])
	}
	return l.checkNumbers(f)
}

// checkNumbers insists that a frame defines the next names and uses defined ones only.
func (l *ledger) checkNumbers(f *frame) error {
	known := uint64(len(l.names))
	if len(f.names) > 0 && uint64(f.firstName) != known {
		return fmt.Errorf("it defines name %d where name %d belongs", f.firstName, known)
	}
	known += uint64(len(f.names))
	for i := range f.marks {
		m := &f.marks[i]
		if uint64(max(m.key, m.model, m.deployment)) >= known && m.kind == store.MarkBegun {
			return fmt.Errorf("mark %s has an undefined name", m.id)
		}
	}
	for i := range f.events {
		e := &f.events[i]
		if uint64(max(e.key, e.model, e.deployment)) >= known {
			return fmt.Errorf("event %s has an undefined name", e.id)
		}
	}
	return nil
}

// checkLogReaches refuses a log that lacks what the sums contain, and sums that lack what has been removed from the log.
func (s *Store) checkLogReaches(at folded) error {
	if last := s.log.LastSeq(); last < at.seq || s.log.End().Before(at.end) {
		return fmt.Errorf("%w: the usage log ends with frame %d, but %d are contained in the sums; restore the folder log/",
			store.ErrDamaged, last, at.seq)
	}
	if _, first := s.log.First(); at.seq+1 < first {
		return fmt.Errorf("%w: the sums contain frames up to %d, but the usage log begins with frame %d; restore the folder db/",
			store.ErrDamaged, at.seq, first)
	}
	return nil
}

// behind returns where the log goes on behind what is folded.
func (s *Store) behind(at folded) usagelog.Position {
	if first, _ := s.log.First(); at.end.Before(first) {
		return first
	}
	return at.end
}

// readState reads the ledger's rows. A new folder is given its format and time zone.
func (s *Store) readState() (at folded, err error) {
	s.ledger.init(s.location)
	isNew := false
	err = s.db.View(func(txn *badger.Txn) error {
		if isNew, err = s.checkFormat(txn); err != nil || isNew {
			return err
		}
		if at, err = foldedIn(txn); err != nil {
			return err
		}
		source, err := getUint64(txn, metaSource)
		if err != nil {
			return err
		}
		s.ledger.lastSource.Store(uint32(source))
		if err := s.ledger.load(txn); err != nil {
			return err
		}
		if n := len(s.ledger.names); n != int(at.names) {
			return fmt.Errorf("%w: the database holds %d of %d names", store.ErrDamaged, n, at.names)
		}
		return nil
	})
	if err == nil && isNew {
		err = s.writeFormat()
	}
	return at, badgerError(err)
}

// checkFormat compares the folder with this program and its options.
func (s *Store) checkFormat(txn *badger.Txn) (isNew bool, err error) {
	number, err := getUint64(txn, metaFormat)
	if err != nil {
		return false, err
	}
	if number == 0 {
		if last := s.log.LastSeq(); last > 0 {
			return false, fmt.Errorf("%w: the database is empty, but the usage log holds %d frames; restore the folder db/",
				store.ErrDamaged, last)
		}
		return true, nil
	}
	if number != format {
		return false, fmt.Errorf("the data have format %d; this program knows %d", number, format)
	}
	zone, _, err := getValue(txn, metaZone)
	if err == nil && string(zone) != s.location.String() {
		err = fmt.Errorf("usage is kept by days of time zone %s and cannot be read by days of %s", zone, s.location)
	}
	return false, err
}

func (s *Store) writeFormat() error {
	return s.db.Update(func(txn *badger.Txn) error {
		if err := txn.Set(metaZone, []byte(s.location.String())); err != nil {
			return err
		}
		return txn.Set(metaFormat, binary.BigEndian.AppendUint64(nil, format))
	})
}

// load reads names, last batches and open requests.
func (l *ledger) load(txn *badger.Txn) error {
	err := eachRow(txn, []byte{rowName}, func(key, value []byte) error {
		parts, err := keyParts(key, 1)
		if err != nil || uint64(parts[0]) != uint64(len(l.names)) {
			return damagedRow(key)
		}
		r := reader{b: value}
		for len(r.b) > 0 && !r.bad {
			name := r.part()
			l.numbers[name] = uint32(len(l.names))
			l.names = append(l.names, name)
		}
		if r.bad {
			return damagedRow(key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = eachRow(txn, []byte{rowSeq}, func(key, value []byte) error {
		parts, err := keyParts(key, 1)
		if err != nil || len(value) != 8 {
			return damagedRow(key)
		}
		l.seqs[store.Source(parts[0])] = binary.BigEndian.Uint64(value)
		return nil
	})
	if err != nil {
		return err
	}
	return eachRow(txn, []byte{rowOpen}, func(key, value []byte) error {
		o, err := decodeOpen(key, value)
		if err != nil {
			return err
		}
		if uint64(max(o.key, o.model, o.deployment)) >= uint64(len(l.names)) {
			return damagedRow(key)
		}
		l.open[o.id] = o
		return nil
	})
}

// eachRow calls fn for each row with the prefix, in order. The slices are valid during the call.
func eachRow(txn *badger.Txn, prefix []byte, fn func(key, value []byte) error) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	return rowsFrom(it, prefix, prefix, func(key, value []byte) (bool, error) { return true, fn(key, value) })
}

// rowsFrom is eachRow from a start, until fn says false. Values are not prefetched, which costs Badger a goroutine for
// each: small ones lie beside their keys.
func rowsFrom(it *badger.Iterator, prefix, start []byte, fn func(key, value []byte) (bool, error)) error {
	it.Seek(start)
	return rowsOn(it, prefix, fn)
}

// rowsOn is rowsFrom where the iterator stands.
func rowsOn(it *badger.Iterator, prefix []byte, fn func(key, value []byte) (bool, error)) error {
	for ; it.ValidForPrefix(prefix); it.Next() {
		item := it.Item()
		goOn := true
		err := item.Value(func(value []byte) (err error) {
			goOn, err = fn(item.Key(), value)
			return err
		})
		if err != nil || !goOn {
			return err
		}
	}
	return nil
}
