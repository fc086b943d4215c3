package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

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
	eventFlags     = provenanceMask | flagRecovered | flagForeign | flagDetails | flagEstimated

	markKindMask = 0x03
	markForeign  = 0x04
	markFlags    = markKindMask | markForeign
)

const counterMask = 1<<40 - 1

// Limits of one batch, besides maxTxnRows. They keep what one frame changes within one transaction of Badger.
const (
	maxEvents     = 8 * store.MaxBatchEvents
	maxMarks      = store.MaxBatchMarks
	maxNameBytes  = 512 << 10 // of names that occur for the first time
	maxName       = 255
	maxTokens     = 1 << 50
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

var errPayload = errors.New("not a payload that is written")

// decode reads a payload. It accepts only what encode writes within the limits, so that an error means damage.
func (f *frame) decode(b []byte) error {
	if len(b) == 0 || b[0] != payloadBatch && b[0] != payloadMarks {
		return fmt.Errorf("%w: of an unknown type, perhaps by a later version of llmhub", errPayload)
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
	flags := r.flags(eventFlags)
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
	return e
}

func (r *reader) number() uint32 { return uint32(r.upTo(maxNames)) }
func (r *reader) tokens() int64  { return int64(r.upTo(maxTokens)) }

// checkEvent refuses what the format cannot hold.
func checkEvent(e *store.Event) error {
	if e.Provenance < store.FromUpstream || e.Provenance > store.FromEstimate {
		return fmt.Errorf("%w: event %s has provenance %d", store.ErrInvalid, e.ID, e.Provenance)
	}
	t := &e.Tokens
	for _, n := range [...]int64{t.Input, t.CachedInput, t.Output, t.Reasoning, t.Estimated} {
		if n < 0 || n > maxTokens {
			return fmt.Errorf("%w: event %s counts %d tokens", store.ErrInvalid, e.ID, n)
		}
	}
	if e.Duration < 0 {
		return fmt.Errorf("%w: event %s took %s", store.ErrInvalid, e.ID, e.Duration)
	}
	return checkNames(e.ID, e.Key, e.Model, e.Deployment, e.At)
}

func checkMark(m *store.Mark) error {
	if m.Kind < store.MarkBegun || m.Kind > store.MarkVoid {
		return fmt.Errorf("%w: mark %s is of kind %d", store.ErrInvalid, m.ID, m.Kind)
	}
	if m.RequestBytes < 0 || m.Deltas < 0 {
		return fmt.Errorf("%w: mark %s has negative sizes", store.ErrInvalid, m.ID)
	}
	if m.Kind != store.MarkBegun {
		return nil
	}
	return checkNames(m.ID, m.Key, m.Model, m.Deployment, m.At)
}

var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
)

func checkNames(id store.RequestID, key, model, deployment string, at time.Time) error {
	if key == "" || len(key) > maxName || len(model) > maxName || len(deployment) > maxName {
		return fmt.Errorf("%w: the names of %s are empty or longer than %d bytes", store.ErrInvalid, id, maxName)
	}
	if at.Before(earliest) || at.After(latest) {
		return fmt.Errorf("%w: the time of %s is %s", store.ErrInvalid, id, at)
	}
	return nil
}
