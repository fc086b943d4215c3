package local

import (
	"encoding/binary"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// compare compares the state at the folded position with the rows of the database. begin is where the log begins.
func (v *verifier) compare(txn *badger.Txn, begin usagelog.Position) error {
	months, global, totals := groupCells(v.cells)
	stored := ledger{}
	stored.init(v.ledger.days.location)
	if err := stored.load(txn); err != nil {
		return err
	}
	compareMaps(v, "last batch of source", v.ledger.seqs, stored.seqs)
	compareMaps(v, "name", numbered(v.ledger.names), numbered(stored.names))
	compareMaps(v, "open request", marksIn(v.ledger.open), marksIn(stored.open))
	return errors.Join(
		compareSums(v, txn, rowDay, 3, v.cells, func(p [3]uint32) cell {
			return cell{key: p[0], day: store.Day(p[1]), model: p[2]}
		}),
		compareSums(v, txn, rowMonth, 3, months, func(p [3]uint32) [3]uint32 { return p }),
		compareSums(v, txn, rowGlobal, 2, global, func(p [3]uint32) [2]uint32 { return [2]uint32{p[0], p[1]} }),
		compareSums(v, txn, rowTotal, 2, totals, func(p [3]uint32) [2]uint32 { return [2]uint32{p[0], p[1]} }),
		v.compareKeys(txn, begin),
	)
}

func numbered(names []string) map[int]string {
	m := make(map[int]string, len(names))
	for i, name := range names {
		m[i] = name
	}
	return m
}

func marksIn(open map[store.RequestID]*openMark) map[store.RequestID]mark {
	m := make(map[store.RequestID]mark, len(open))
	for id, o := range open {
		m[id] = o.mark
	}
	return m
}

// compareMaps notes where what is stored differs from what the log gives.
func compareMaps[K, V comparable](v *verifier, what string, want, got map[K]V) {
	for k, w := range want {
		if g, ok := got[k]; !ok {
			v.report.differ("%s %v is missing in the database", what, k)
		} else if g != w {
			v.report.differ("%s %v is %v in the database and %v in the log", what, k, g, w)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			v.report.differ("%s %v is in the database, but not in the log", what, k)
		}
	}
}

// compareSums compares one kind of sums.
func compareSums[K comparable](v *verifier, txn *badger.Txn, row byte, parts int, want map[K]*sum, key func([3]uint32) K) error {
	seen := 0
	err := eachRow(txn, []byte{row}, func(k, value []byte) error {
		p, err := keyParts(k, parts)
		if err != nil {
			return err
		}
		got, err := decodeSum(k, value)
		if err != nil {
			return err
		}
		if w := want[key(p)]; w == nil {
			v.report.differ("sum %c %v is in the database, but not in the log", row, p[:parts])
		} else if seen++; !w.equal(got) {
			v.report.differ("sum %c %v is %+v in the database and %+v in the log", row, p[:parts], got, *w)
		}
		return nil
	})
	if err == nil && seen < len(want) {
		v.report.differ("%d sums %c are missing in the database", len(want)-seen, row)
	}
	return err
}

// compareKeys compares when keys were last used and where their events stand.
func (v *verifier) compareKeys(txn *badger.Txn, begin usagelog.Position) error {
	gotLast := map[uint32]int64{}
	for key := range v.last {
		at, err := getUint64(txn, rowKey(rowLast, key))
		if err != nil {
			return err
		}
		gotLast[key] = int64(at)
	}
	wantFrames, gotFrames := map[uint32]fingerprint{}, map[uint32]fingerprint{}
	for key, k := range v.frames {
		wantFrames[key] = k.all
	}
	err := eachRow(txn, []byte{rowFrames}, func(k, value []byte) error {
		key, positions, err := decodeFrames(k, value)
		f := gotFrames[key]
		for _, pos := range positions {
			if !pos.Before(begin) { // older ones stay in a row with younger ones, or until the next trim
				f.add(pos)
				gotFrames[key] = f
			}
		}
		return err
	})
	compareMaps(v, "last use of key", v.last, gotLast)
	compareMaps(v, "index of frames of key", wantFrames, gotFrames)
	return err
}

// decodeFrames reads a row of positions of frames.
func decodeFrames(row, value []byte) (key uint32, positions []usagelog.Position, err error) {
	positions, ok := decodePositions(value, nil)
	if !ok || len(row) != 13 {
		return 0, nil, damagedRow(row)
	}
	return binary.BigEndian.Uint32(row[1:]), positions, nil
}
