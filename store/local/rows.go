package local

import (
	"encoding/binary"
	"fmt"
	"math"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// nameRowBytes is about how much of names one row holds.
const nameRowBytes = 32 << 10

func damagedRow(key []byte) error { return fmt.Errorf("%w: database row %x", store.ErrDamaged, key) }

// rowKey joins a row type and numbers; days and months are not negative, as no event is older than 1970.
func rowKey(row byte, parts ...uint32) []byte {
	b := append(make([]byte, 0, 1+4*len(parts)), row)
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, p)
	}
	return b
}

// keyParts reads what rowKey writes.
func keyParts(key []byte, count int) ([3]uint32, error) {
	var parts [3]uint32
	if len(key) != 1+4*count {
		return parts, damagedRow(key)
	}
	for i := range count {
		parts[i] = binary.BigEndian.Uint32(key[1+4*i:])
	}
	return parts, nil
}

func openKey(id store.RequestID) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowOpen}, uint64(id))
}

func framesKey(key uint32, firstSeq uint64) []byte {
	return binary.BigEndian.AppendUint64(rowKey(rowFrames, key), firstSeq)
}

func (s sum) encode() []byte {
	b := make([]byte, 0, 24)
	for _, n := range [...]int64{s.requests, s.tokens.Input, s.tokens.CachedInput, s.tokens.Output, s.tokens.Reasoning,
		s.tokens.Estimated} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return appendQuantities(b, s.quantities)
}

func decodeSum(key, b []byte) (sum, error) {
	var s sum
	for _, n := range [...]*int64{&s.requests, &s.tokens.Input, &s.tokens.CachedInput, &s.tokens.Output,
		&s.tokens.Reasoning, &s.tokens.Estimated} {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return s, damagedRow(key)
		}
		*n, b = int64(v), b[size:]
	}
	r := reader{b: b}
	for len(r.b) > 0 && !r.bad {
		s.quantities = r.quantity(s.quantities, math.MaxInt64)
	}
	if r.bad {
		return s, damagedRow(key)
	}
	return s, nil
}

func (o *openMark) encode() []byte {
	b := make([]byte, 0, 32)
	for _, n := range [...]uint64{uint64(o.key), uint64(o.model), uint64(o.deployment), uint64(o.at),
		uint64(o.requestBytes), uint64(o.deltas)} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func decodeOpen(key, b []byte) (*openMark, error) {
	if len(key) != 9 {
		return nil, damagedRow(key)
	}
	r := reader{b: b}
	o := &openMark{mark: mark{kind: store.MarkBegun, id: store.RequestID(binary.BigEndian.Uint64(key[1:]))}}
	o.key, o.model, o.deployment = r.number(), r.number(), r.number()
	o.at, o.requestBytes, o.deltas = int64(r.uvarint()), int64(r.uvarint()), int64(r.uvarint())
	if r.bad || len(r.b) > 0 {
		return nil, damagedRow(key)
	}
	return o, nil
}

// folded says how far the log has been folded.
type folded struct {
	seq uint64
	end usagelog.Position
	// names is how many names are stored.
	names uint32
}

const foldedBytes = 8 + usagelog.PositionBytes + 4

func (f folded) encode() []byte {
	b := f.end.AppendBinary(binary.BigEndian.AppendUint64(make([]byte, 0, foldedBytes), f.seq))
	return binary.BigEndian.AppendUint32(b, f.names)
}

func decodeFolded(b []byte) (folded, error) {
	if len(b) != foldedBytes {
		return folded{}, damagedRow(metaFolded)
	}
	end, err := usagelog.DecodePosition(b[8 : foldedBytes-4])
	if err != nil {
		return folded{}, fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return folded{seq: binary.BigEndian.Uint64(b), end: end, names: binary.BigEndian.Uint32(b[foldedBytes-4:])}, nil
}
