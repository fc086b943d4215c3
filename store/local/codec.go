package local

import (
	"encoding/binary"
	"math"

	"llmhub/store"
)

// A frame's payload begins with its type. docs/FORMAT.md draws what follows.
const (
	payloadBatch = 1
	payloadMarks = 2
)

// The flags of an event; its provenance is in the lowest three bits.
const (
	provenanceMask = 0x07
	flagRecovered  = 0x08
	flagForeign    = 0x10 // the request is not of the batch's source; the whole ID follows
	flagDetails    = 0x20 // cached input and reasoning follow
	flagEstimated  = 0x40 // estimated tokens follow
	flagQuantities = 0x80 // other units than tokens follow

	markKindMask = 0x03
	markForeign  = 0x04
	markFlags    = markKindMask | markForeign
)

const counterMask = 1<<40 - 1

// Limits of one batch, besides maxTxnRows and maxTxnBytes. They keep what one frame changes within one transaction of Badger.
const (
	maxEvents     = 8 * store.MaxBatchEvents
	maxMarks      = store.MaxMarks
	maxNameBytes  = 512 << 10 // of names that occur for the first time
	maxNames      = math.MaxUint32
	maxSourceBits = 24
)

// event is an event with numbers in place of names.
type event struct {
	id                     store.RequestID
	key, model, deployment uint32
	at                     int64 // Unix milliseconds
	duration               int64 // milliseconds
	provenance             store.Provenance
	recovered              bool
	tokens                 store.Tokens
	quantities             store.Quantities
}

// mark is a mark with numbers in place of names.
type mark struct {
	kind                   store.MarkKind
	id                     store.RequestID
	key, model, deployment uint32
	at                     int64 // Unix milliseconds
	requestBytes           int64
	deltas                 int64
}

// frame is a decoded payload.
type frame struct {
	source store.Source
	// seq is the batch's number, 0 if the frame has marks only.
	seq uint64
	// firstName is the number of the first of names, which are defined by this frame.
	firstName uint32
	names     []string
	nameBytes int
	marks     []mark
	events    []event
}

func (f *frame) reset(source store.Source, seq uint64, firstName int) {
	*f = frame{source: source, seq: seq, firstName: uint32(firstName),
		names: f.names[:0], marks: f.marks[:0], events: f.events[:0]}
}

// encode appends the payload.
func (f *frame) encode(b []byte) []byte {
	if f.seq > 0 {
		b = append(b, payloadBatch)
		b = binary.AppendUvarint(b, uint64(f.source))
		b = binary.AppendUvarint(b, f.seq)
	} else {
		b = append(b, payloadMarks)
		b = binary.AppendUvarint(b, uint64(f.source))
	}
	b = binary.AppendUvarint(b, uint64(len(f.names)))
	if len(f.names) > 0 {
		b = binary.AppendUvarint(b, uint64(f.firstName))
	}
	for _, name := range f.names {
		b = appendPart(b, name)
	}
	// Counters and times are differences to the entry before.
	c := cursor{source: f.source}
	b = binary.AppendUvarint(b, uint64(len(f.marks)))
	for i := range f.marks {
		b = c.appendMark(b, &f.marks[i])
	}
	if f.seq == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(f.events)))
	for i := range f.events {
		b = c.appendEvent(b, &f.events[i])
	}
	return b
}

// cursor is what entries are written relative to.
type cursor struct {
	source  store.Source
	counter int64
	at      int64
}

func (c *cursor) foreign(id store.RequestID) bool { return id.Source() != c.source }

func (c *cursor) appendID(b []byte, id store.RequestID) []byte {
	if c.foreign(id) {
		return binary.AppendUvarint(b, uint64(id))
	}
	n := int64(id & counterMask)
	b = binary.AppendVarint(b, n-c.counter)
	c.counter = n
	return b
}

func (c *cursor) appendMark(b []byte, m *mark) []byte {
	flags := byte(m.kind)
	if c.foreign(m.id) {
		flags |= markForeign
	}
	b = c.appendID(append(b, flags), m.id)
	if m.kind == store.MarkBegun {
		b = c.appendOrigin(b, m.key, m.model, m.deployment, m.at)
		b = binary.AppendUvarint(b, uint64(m.requestBytes))
	}
	if m.kind != store.MarkVoid {
		b = binary.AppendUvarint(b, uint64(m.deltas))
	}
	return b
}

func (c *cursor) appendEvent(b []byte, e *event) []byte {
	flags := byte(e.provenance)
	if e.recovered {
		flags |= flagRecovered
	}
	if c.foreign(e.id) {
		flags |= flagForeign
	}
	if e.tokens.CachedInput != 0 || e.tokens.Reasoning != 0 {
		flags |= flagDetails
	}
	if e.tokens.Estimated != 0 {
		flags |= flagEstimated
	}
	if len(e.quantities) > 0 {
		flags |= flagQuantities
	}
	b = c.appendID(append(b, flags), e.id)
	b = c.appendOrigin(b, e.key, e.model, e.deployment, e.at)
	b = binary.AppendUvarint(b, uint64(e.duration))
	b = binary.AppendUvarint(b, uint64(e.tokens.Input))
	b = binary.AppendUvarint(b, uint64(e.tokens.Output))
	if flags&flagDetails != 0 {
		b = binary.AppendUvarint(b, uint64(e.tokens.CachedInput))
		b = binary.AppendUvarint(b, uint64(e.tokens.Reasoning))
	}
	if flags&flagEstimated != 0 {
		b = binary.AppendUvarint(b, uint64(e.tokens.Estimated))
	}
	if flags&flagQuantities != 0 {
		b = appendQuantities(append(b, byte(len(e.quantities))), e.quantities)
	}
	return b
}

func (c *cursor) appendOrigin(b []byte, key, model, deployment uint32, at int64) []byte {
	b = binary.AppendUvarint(b, uint64(key))
	b = binary.AppendUvarint(b, uint64(model))
	b = binary.AppendUvarint(b, uint64(deployment))
	b = binary.AppendVarint(b, at-c.at)
	c.at = at
	return b
}
