package local

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// A delta is sealed when it may need more than half of the rows that one transaction of Badger takes, or more than it
// takes of bytes in the worst case (24,000 rows, 2.4 MB with a memory table of 16 MB). A single frame may need more rows
// than half, but not more than the whole.
const (
	maxFoldRows = 11_000
	maxTxnRows  = 22_000
	maxTxnBytes = 2_300_000
)

// What Badger counts for the rows of a cell (four sums, of every unit and with the largest numbers), of a key and of a
// mark at worst, keys and what it adds to each included.
const (
	cellBytes = 4 * 190
	keyBytes  = 60
	markBytes = 80
)

// cell is what sums are kept by.
type cell struct {
	key, model uint32
	day        store.Day
}

// sum is the content of one row of sums. It has the array of its quantities for itself; copies share it, and must not be
// added to.
type sum struct {
	requests   int64
	tokens     store.Tokens
	quantities store.Quantities
}

func (s *sum) add(t sum) {
	s.requests += t.requests
	s.tokens.Add(t.tokens)
	if len(t.quantities) > 0 {
		s.quantities = s.quantities.PlusAll(t.quantities)
	}
}

// clone returns a copy that does not change with s.
func (s *sum) clone() sum {
	return sum{requests: s.requests, tokens: s.tokens, quantities: slices.Clone(s.quantities)}
}

func (s *sum) equal(t sum) bool {
	return s.requests == t.requests && s.tokens == t.tokens && slices.Equal(s.quantities, t.quantities)
}

// sum returns what the event adds to each sum it belongs to. It shares the event's quantities.
func (e *event) sum() sum { return sum{requests: 1, tokens: e.tokens, quantities: e.quantities} }

// delta is what a stretch of consecutive frames changes. It is folded as a whole.
type delta struct {
	// firstSeq and lastSeq number the frames; batches counts those that are batches.
	firstSeq, lastSeq uint64
	batches           int64
	// end is the position behind the last frame.
	end usagelog.Position

	cells map[cell]*sum
	keys  map[uint32]*keyDelta
	// marks holds what becomes of open requests; nil means that the row is to be removed.
	marks     map[store.RequestID]*openMark
	seqs      map[store.Source]uint64
	firstName uint32
	names     []string
	// nameBytes and positions count what decides the size of the rows.
	nameBytes int
	positions int
}

// keyDelta is what a delta holds of one key.
type keyDelta struct {
	last   int64 // Unix milliseconds
	frames []usagelog.Position
}

// openMark is the state of a request that has begun. It is replaced, not changed.
type openMark struct {
	mark
	// born is the first frame of the delta in which the request began; what began in an older one has a row.
	born uint64
}

func newDelta(firstSeq uint64) *delta {
	return &delta{
		firstSeq: firstSeq, lastSeq: firstSeq - 1,
		cells: map[cell]*sum{}, keys: map[uint32]*keyDelta{},
		marks: map[store.RequestID]*openMark{}, seqs: map[store.Source]uint64{},
	}
}

func (d *delta) empty() bool { return d.lastSeq < d.firstSeq }

// rows bounds the rows that the fold of the delta writes.
func (d *delta) rows() int {
	return 4*len(d.cells) + 2*len(d.keys) + len(d.marks) + len(d.seqs) + d.nameBytes/nameRowBytes + 3
}

// bytes bounds their size; each position takes up to five.
func (d *delta) bytes() int {
	return cellBytes*len(d.cells) + keyBytes*(len(d.keys)+1) + markBytes*(len(d.marks)+len(d.seqs)) + 5*d.positions +
		d.nameBytes + 4*len(d.names)
}

// fits tells whether a frame can join the delta.
func (d *delta) fits(f *frame) bool {
	if d.empty() {
		return true
	}
	rows, bytes := f.sizeOf(len(f.events), len(f.events))
	return d.rows()+rows <= maxFoldRows && d.bytes()+bytes <= maxTxnBytes
}

// sizeOf bounds the rows and bytes that a frame alone changes if its events are of so many cells and keys.
func (f *frame) sizeOf(cells, keys int) (rows, bytes int) {
	marks := len(f.events) + len(f.marks)
	return 4*cells + 2*keys + marks + 1, cellBytes*cells + keyBytes*keys + markBytes*len(f.marks) + 25*len(f.events) +
		f.nameBytes + 4*len(f.names)
}

// size bounds the rows and bytes that a frame alone changes, counting exactly where that is needed.
func (f *frame) size() (rows, bytes int) {
	rows, bytes = f.sizeOf(len(f.events), len(f.events))
	if rows <= maxTxnRows && bytes <= maxTxnBytes {
		return rows, bytes
	}
	type pair struct{ key, model uint32 }
	pairs, keys := map[pair]struct{}{}, map[uint32]struct{}{}
	var first, last int64 = math.MaxInt64, 0
	for i := range f.events {
		e := &f.events[i]
		pairs[pair{e.key, e.model}] = struct{}{}
		keys[e.key] = struct{}{}
		first, last = min(first, e.at), max(last, e.at)
	}
	days := 2 + int(min((last-first)/(24*time.Hour).Milliseconds(), maxEvents))
	return f.sizeOf(min(len(pairs)*days, len(f.events)), len(keys))
}

// apply adds a frame at the given place. The caller holds the ledger's state for writing.
func (l *ledger) apply(f *frame, pos, end usagelog.Position, seq uint64) {
	d := l.pending[len(l.pending)-1]
	if !d.fits(f) {
		d = newDelta(seq)
		l.pending = append(l.pending, d)
	}
	d.lastSeq, d.end = seq, end
	if len(f.names) > 0 {
		if len(d.names) == 0 {
			d.firstName = f.firstName
		}
		d.names = append(d.names, f.names...)
		d.nameBytes += f.nameBytes
		for i, name := range f.names {
			l.numbers[name] = f.firstName + uint32(i)
		}
		l.names = append(l.names, f.names...)
	}
	for i := range f.marks {
		l.applyMark(d, &f.marks[i])
	}
	for i := range f.events {
		l.applyEvent(d, &f.events[i], pos, seq)
	}
	if f.seq > 0 {
		d.batches++
		l.batches++
		d.seqs[f.source], l.seqs[f.source] = f.seq, f.seq
	}
}

func (l *ledger) applyMark(d *delta, m *mark) {
	switch m.kind {
	case store.MarkBegun:
		o := &openMark{mark: *m, born: d.firstSeq}
		if old := l.open[m.id]; old != nil {
			o.born, o.deltas = old.born, max(old.deltas, m.deltas)
		}
		l.setOpen(d, o)
	case store.MarkProgress:
		if old := l.open[m.id]; old != nil {
			o := *old
			o.deltas = m.deltas
			l.setOpen(d, &o)
		}
	case store.MarkVoid:
		l.settle(d, m.id)
	}
}

func (l *ledger) setOpen(d *delta, o *openMark) {
	l.open[o.id] = o
	d.marks[o.id] = o
}

// settle ends an open request. One that began in the same delta leaves no trace in the database.
func (l *ledger) settle(d *delta, id store.RequestID) {
	o := l.open[id]
	if o == nil {
		return
	}
	delete(l.open, id)
	if o.born == d.firstSeq {
		delete(d.marks, id)
	} else {
		d.marks[id] = nil
	}
}

func (l *ledger) applyEvent(d *delta, e *event, pos usagelog.Position, seq uint64) {
	c := cell{key: e.key, model: e.model, day: l.days.of(e.at)}
	l.touched[c.day] = seq
	s := d.cells[c]
	if s == nil {
		s = new(sum)
		d.cells[c] = s
	}
	s.add(e.sum())
	k := d.keys[e.key]
	if k == nil {
		k = new(keyDelta)
		d.keys[e.key] = k
	}
	k.last = max(k.last, e.at)
	if n := len(k.frames); n == 0 || k.frames[n-1] != pos {
		k.frames = append(k.frames, pos)
		d.positions++
	}
	l.settle(d, e.id)
}

// calendar finds the day of a time, remembering the last one's bounds.
type calendar struct {
	location *time.Location
	from, to int64 // Unix milliseconds, half-open
	day      store.Day
}

func (c *calendar) of(at int64) store.Day {
	if c.from <= at && at < c.to {
		return c.day
	}
	t := time.UnixMilli(at).In(c.location)
	y, m, d := t.Date()
	day := store.DayOf(t, c.location)
	// Where a day begins is not always well-defined (midnight may be skipped), so only bounds that belong to the
	// day by the same rule are remembered.
	from := time.Date(y, m, d, 0, 0, 0, 0, c.location)
	to := time.Date(y, m, d+1, 0, 0, 0, 0, c.location)
	if store.DayOf(from, c.location) == day && store.DayOf(to.Add(-time.Millisecond), c.location) == day {
		c.from, c.to, c.day = from.UnixMilli(), to.UnixMilli(), day
	}
	return day
}

// decodePositions reads what appendPositions writes, and appends them to to.
func decodePositions(b []byte, to []usagelog.Position) ([]usagelog.Position, bool) {
	var p usagelog.Position
	for len(b) > 0 {
		segments, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, false
		}
		offset, m := binary.Uvarint(b[n:])
		if m <= 0 {
			return nil, false
		}
		b = b[n+m:]
		if segments > 0 {
			p = usagelog.Position{Segment: p.Segment + uint32(segments)}
		}
		p.Offset += int64(offset)
		to = append(to, p)
	}
	return to, true
}

// appendPositions appends ascending positions, each as the difference to the one before: of segments, and of offsets
// within the same segment.
func appendPositions(b []byte, positions []usagelog.Position) []byte {
	var last usagelog.Position
	for _, p := range positions {
		if p.Segment != last.Segment {
			b = binary.AppendUvarint(b, uint64(p.Segment-last.Segment))
			b = binary.AppendUvarint(b, uint64(p.Offset))
		} else {
			b = binary.AppendUvarint(b, 0)
			b = binary.AppendUvarint(b, uint64(p.Offset-last.Offset))
		}
		last = p
	}
	return b
}
