package local

import (
	"encoding/binary"
	"math"

	"llmhub/store"
)

// appendQuantities appends each unit as the difference to the one before, and its number.
func appendQuantities(b []byte, q store.Quantities) []byte {
	last := store.Unit(0)
	for _, x := range q {
		b = binary.AppendUvarint(b, uint64(x.Unit-last))
		b = binary.AppendUvarint(b, uint64(x.N))
		last = x.Unit
	}
	return b
}

// quantities reads those of an event.
func (r *reader) quantities() store.Quantities {
	count := r.count(store.MaxQuantities)
	if count == 0 {
		r.bad = true
		return nil
	}
	q := make(store.Quantities, 0, count)
	for range count {
		q = r.quantity(q, store.MaxQuantity)
	}
	return q
}

// quantity reads one that appendQuantities has written behind those in q, and appends it. An unknown unit is a fault
// like any other: passed on, it would be counted where nobody can name or charge it.
func (r *reader) quantity(q store.Quantities, limit uint64) store.Quantities {
	last := uint64(0)
	if len(q) > 0 {
		last = uint64(q[len(q)-1].Unit)
	}
	step := r.upTo(math.MaxUint8 - last)
	n := r.upTo(limit)
	unit := store.Unit(last + step)
	if step == 0 || n == 0 || !unit.Valid() {
		r.bad = true
		return q
	}
	return append(q, store.Quantity{Unit: unit, N: int64(n)})
}
