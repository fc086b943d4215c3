package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"llmhub/store"
)

var errPayload = errors.New("not a payload that this version of llmhub writes")

// decode reads a payload. It accepts only what encode writes within the limits, so that an error means damage.
func (f *frame) decode(b []byte) error {
	if len(b) == 0 || b[0] != payloadBatch && b[0] != payloadMarks {
		return fmt.Errorf("%w: of an unknown type", errPayload)
	}
	r := reader{b: b[1:]}
	source := r.upTo(1<<maxSourceBits - 1)
	var seq uint64
	if b[0] == payloadBatch {
		if seq = r.upTo(math.MaxInt64); seq == 0 {
			r.bad = true
		}
	}
	f.reset(store.Source(source), seq, 0)
	f.decodeNames(&r)
	r.cursor.source = f.source
	for range r.count(maxMarks) {
		f.marks = append(f.marks, r.mark())
	}
	if seq > 0 {
		for range r.count(maxEvents) {
			f.events = append(f.events, r.event())
		}
	}
	if r.bad || len(r.b) > 0 {
		return errPayload
	}
	return nil
}

func (f *frame) decodeNames(r *reader) {
	count := r.count(3 * (maxMarks + maxEvents))
	if count > 0 {
		f.firstName = uint32(r.upTo(maxNames))
	}
	for range count {
		name := r.part()
		f.names = append(f.names, name)
		f.nameBytes += len(name)
	}
}

// reader takes values off a payload. After a fault it is bad and returns zeroes.
type reader struct {
	b      []byte
	bad    bool
	cursor cursor
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) upTo(limit uint64) uint64 {
	v := r.uvarint()
	if v > limit {
		r.bad = true
		return 0
	}
	return v
}

// count reads a number of entries, each of which takes at least a byte.
func (r *reader) count(limit int) int { return int(r.upTo(uint64(min(limit, len(r.b))))) }

func (r *reader) flags(allowed byte) byte {
	if r.bad || len(r.b) == 0 || r.b[0]&^allowed != 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) part() string {
	if r.bad || len(r.b) == 0 || len(r.b) < 1+int(r.b[0]) {
		r.bad = true
		return ""
	}
	p := string(r.b[1 : 1+int(r.b[0])])
	r.b = r.b[1+len(p):]
	return p
}

func (r *reader) id(foreign bool) store.RequestID {
	if foreign {
		return store.RequestID(r.uvarint())
	}
	n := r.cursor.counter + r.varint()
	if n < 0 || n > counterMask {
		r.bad = true
		return 0
	}
	r.cursor.counter = n
	return store.NewRequestID(r.cursor.source, uint64(n))
}

func (r *reader) time() int64 {
	r.cursor.at += r.varint()
	return r.cursor.at
}

func (r *reader) mark() mark {
	flags := r.flags(markFlags)
	m := mark{kind: store.MarkKind(flags & markKindMask), id: r.id(flags&markForeign != 0)}
	switch m.kind {
	case store.MarkBegun:
		m.key, m.model, m.deployment = r.number(), r.number(), r.number()
		m.at = r.time()
		m.requestBytes = int64(r.upTo(math.MaxInt64))
		m.deltas = int64(r.upTo(math.MaxInt64))
	case store.MarkProgress:
		m.deltas = int64(r.upTo(math.MaxInt64))
	case store.MarkVoid:
	default:
		r.bad = true
	}
	return m
}

func (r *reader) event() event {
	flags := r.flags(0xff)
	e := event{provenance: store.Provenance(flags & provenanceMask), recovered: flags&flagRecovered != 0}
	if e.provenance < store.FromUpstream || e.provenance > store.FromEstimate {
		r.bad = true
	}
	e.id = r.id(flags&flagForeign != 0)
	e.key, e.model, e.deployment = r.number(), r.number(), r.number()
	e.at = r.time()
	e.duration = int64(r.upTo(math.MaxInt64))
	e.tokens.Input, e.tokens.Output = r.tokens(), r.tokens()
	if flags&flagDetails != 0 {
		e.tokens.CachedInput, e.tokens.Reasoning = r.tokens(), r.tokens()
	}
	if flags&flagEstimated != 0 {
		e.tokens.Estimated = r.tokens()
	}
	if flags&flagQuantities != 0 {
		e.quantities = r.quantities()
	}
	return e
}

func (r *reader) number() uint32 { return uint32(r.upTo(maxNames)) }
func (r *reader) tokens() int64  { return int64(r.upTo(store.MaxTokens)) }
