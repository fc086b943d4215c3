package local

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

// group is what a row of an answer is kept apart by; what is not asked for is zero.
type group struct {
	key, model uint32
	day        store.Day
	month      store.Month
}

// tally gathers an answer.
type tally struct {
	q store.UsageQuery
	// keys are the numbers of the keys asked for; nil means all.
	keys map[uint32]bool
	sums map[group]*sum
}

func (t *tally) wants(key uint32, day store.Day) bool {
	return day >= t.q.From && day < t.q.To && (t.keys == nil || t.keys[key])
}

func (t *tally) add(key, model uint32, day store.Day, month store.Month, s sum) {
	var g group
	if t.q.ByKey {
		g.key = key
	}
	if t.q.ByModel {
		g.model = model
	}
	if t.q.ByDay {
		g.day = day
	}
	if t.q.ByMonth {
		g.month = month
	}
	addTo(t.sums, g, s)
}

// wholeMonths tells whether the rows by month suffice.
func (t *tally) wholeMonths() bool {
	return !t.q.ByDay && t.q.From == t.q.From.Month().First() && t.q.To == t.q.To.Month().First()
}

// Usage implements store.Ledger.
func (s *Store) Usage(ctx context.Context, q store.UsageQuery) ([]store.Sum, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.From < 0 || q.To > store.DayOf(store.Latest, time.UTC)+1 {
		return nil, fmt.Errorf("%w: the days from %s to %s", store.ErrInvalid, q.From, q.To)
	}
	if q.From >= q.To || q.Keys != nil && len(q.Keys) == 0 {
		return nil, nil
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	t := &tally{q: q, sums: map[group]*sum{}}
	waiting := s.ledger.waiting(t)
	// The transaction begins after the look at what is pending, so a fold in between shows in it and is left out
	// below; nothing can be missed.
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	at, err := foldedIn(txn)
	if err == nil {
		for _, w := range waiting {
			if w.lastSeq > at.seq {
				t.addCells(w.cells)
			}
		}
		err = t.scan(ctx, txn)
	}
	if err != nil {
		return nil, badgerError(err)
	}
	return s.ledger.answer(t), nil
}

// UsageVersion implements store.Ledger: the number of the last frame since the opening with an event of these days.
func (s *Store) UsageVersion(ctx context.Context, from, to store.Day) (last uint64, err error) {
	l := &s.ledger
	l.state.RLock()
	defer l.state.RUnlock()
	for day, seq := range l.touched {
		if day >= from && day < to {
			last = max(last, seq)
		}
	}
	return last, ctx.Err()
}

// waitingCells are those cells of a pending delta that are asked for, as they were at frame lastSeq.
type waitingCells struct {
	lastSeq uint64
	cells   map[cell]sum
}

// waiting translates the keys of the query and copies what pending deltas hold for it.
func (l *ledger) waiting(t *tally) []waitingCells {
	l.state.RLock()
	defer l.state.RUnlock()
	if t.q.Keys != nil {
		t.keys = make(map[uint32]bool, len(t.q.Keys))
		for _, key := range t.q.Keys {
			if n, ok := l.numbers[key]; ok {
				t.keys[n] = true
			}
		}
	}
	list := make([]waitingCells, 0, len(l.pending))
	for _, d := range l.pending {
		w := waitingCells{lastSeq: d.lastSeq, cells: map[cell]sum{}}
		for c, s := range d.cells {
			if t.wants(c.key, c.day) {
				w.cells[c] = s.clone()
			}
		}
		list = append(list, w)
	}
	return list
}

func (t *tally) addCells(cells map[cell]sum) {
	for c, s := range cells {
		t.add(c.key, c.model, c.day, c.day.Month(), s)
	}
}

// scan adds the rows of the database, reading the kind of sums that has the fewest rows for the query.
func (t *tally) scan(ctx context.Context, txn *badger.Txn) error {
	if t.keys == nil && !t.q.ByKey {
		return t.scanGlobal(ctx, txn)
	}
	if t.keys == nil && !t.q.ByModel && t.wholeMonths() {
		return t.scanTotals(txn, func(month store.Month, key uint32, s sum) {
			t.add(key, 0, 0, month, s)
		})
	}
	keys, err := t.keysToScan(txn)
	if err != nil {
		return err
	}
	return t.scanKeys(ctx, txn, slices.Sorted(maps.Keys(keys)))
}

// keysToScan returns the keys asked for, or all that were used in the months of the query.
func (t *tally) keysToScan(txn *badger.Txn) (map[uint32]bool, error) {
	if t.keys != nil {
		return t.keys, nil
	}
	keys := map[uint32]bool{}
	err := t.scanTotals(txn, func(_ store.Month, key uint32, _ sum) { keys[key] = true })
	return keys, err
}

// scanRows reads the rows of one kind whose numbers begin with prefix and go on with a number in [from, to).
func scanRows(txn *badger.Txn, prefix []byte, from, to uint32, parts int, fn func([3]uint32, sum)) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	it.Seek(firstRow(prefix, from))
	return rowsIn(it, prefix, to, parts, fn)
}

func firstRow(prefix []byte, from uint32) []byte {
	return binary.BigEndian.AppendUint32(slices.Clone(prefix), from)
}

// rowsIn is scanRows by an iterator over more than these rows, from where it stands.
func rowsIn(it *badger.Iterator, prefix []byte, to uint32, parts int, fn func([3]uint32, sum)) error {
	return rowsOn(it, prefix, func(key, value []byte) (bool, error) {
		p, err := keyParts(key, parts)
		if err != nil {
			return false, err
		}
		if binary.BigEndian.Uint32(key[len(prefix):]) >= to {
			return false, nil
		}
		s, err := decodeSum(key, value)
		if err == nil {
			fn(p, s)
		}
		return true, err
	})
}

func (t *tally) scanGlobal(ctx context.Context, txn *badger.Txn) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return scanRows(txn, rowKey(rowGlobal), uint32(t.q.From), uint32(t.q.To), 2, func(p [3]uint32, s sum) {
		day := store.Day(p[0])
		t.add(0, p[1], day, day.Month(), s)
	})
}

func (t *tally) scanTotals(txn *badger.Txn, fn func(store.Month, uint32, sum)) error {
	from, to := t.q.From.Month(), (t.q.To-1).Month()+1
	return scanRows(txn, rowKey(rowTotal), uint32(from), uint32(to), 2, func(p [3]uint32, s sum) {
		fn(store.Month(p[0]), p[1], s)
	})
}

// scanKeys reads the rows by day, or by month where they suffice, of keys in ascending order. One iterator serves all:
// to make one costs more than to read the rows of a key.
func (t *tally) scanKeys(ctx context.Context, txn *badger.Txn, keys []uint32) error {
	row, from, to := byte(rowDay), uint32(t.q.From), uint32(t.q.To)
	if t.wholeMonths() {
		row, from, to = rowMonth, uint32(t.q.From.Month()), uint32(t.q.To.Month())
	}
	it := txn.NewIterator(badger.IteratorOptions{Prefix: rowKey(row)})
	defer it.Close()
	for i, key := range keys {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		prefix := rowKey(row, key)
		goOn(it, firstRow(prefix, from), i > 0 && key-keys[i-1] <= nearKeys)
		err := rowsIn(it, prefix, to, 3, func(p [3]uint32, s sum) {
			if row == rowMonth {
				t.add(key, p[2], 0, store.Month(p[1]), s)
				return
			}
			day := store.Day(p[1])
			t.add(key, p[2], day, day.Month(), s)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	// nearKeys is how far apart the numbers of keys are whose rows are close, nearRows how many rows are stepped over to
	// get from one to the other. A seek costs as much as a dozen steps.
	nearKeys = 2
	nearRows = 12
)

// goOn moves an iterator forward to the first row that is not before start, step by step if that is near. All rows behind
// the iterator must be before start.
func goOn(it *badger.Iterator, start []byte, near bool) {
	for range nearRows {
		if !near || !it.Valid() {
			break
		}
		if bytes.Compare(it.Item().Key(), start) >= 0 {
			return
		}
		it.Next()
	}
	it.Seek(start)
}

// answer gives the rows their names and their order.
func (l *ledger) answer(t *tally) []store.Sum {
	rows := make([]store.Sum, 0, len(t.sums))
	l.state.RLock()
	for g, s := range t.sums {
		row := store.Sum{Day: g.day, Month: g.month, Requests: s.requests, Tokens: s.tokens, Quantities: s.quantities}
		if t.q.ByKey {
			row.Key = l.names[g.key]
		}
		if t.q.ByModel {
			row.Model = l.names[g.model]
		}
		rows = append(rows, row)
	}
	l.state.RUnlock()
	slices.SortFunc(rows, func(a, b store.Sum) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Day, b.Day),
			cmp.Compare(a.Month, b.Month))
	})
	return rows
}

// LastUsed implements store.Ledger.
func (s *Store) LastUsed(ctx context.Context, keys []string) (map[string]time.Time, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	numbers, last := s.ledger.lastPending(keys)
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	used := make(map[string]time.Time, len(numbers))
	for key, n := range numbers {
		at, err := getUint64(txn, rowKey(rowLast, n))
		if err != nil {
			return nil, badgerError(err)
		}
		if at = max(at, uint64(last[key])); at > 0 {
			used[key] = time.UnixMilli(int64(at)).UTC()
		}
	}
	return used, nil
}

// lastPending returns the numbers of those keys that have any, and when pending deltas last used them, in Unix
// milliseconds.
func (l *ledger) lastPending(keys []string) (numbers map[string]uint32, last map[string]int64) {
	l.state.RLock()
	defer l.state.RUnlock()
	numbers, last = map[string]uint32{}, map[string]int64{}
	for _, key := range keys {
		n, ok := l.numbers[key]
		if !ok {
			continue
		}
		numbers[key] = n
		for _, d := range l.pending {
			if k := d.keys[n]; k != nil {
				last[key] = max(last[key], k.last)
			}
		}
	}
	return numbers, last
}
