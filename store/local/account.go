package local

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"llmhub/store"
)

// account adds up frames of the log, from its beginning on. It knows nothing of the database.
type account struct {
	// ledger follows names, sources and open requests.
	ledger ledger
	delta  *delta
	cells  map[cell]*sum
	// last holds when each key was last used, in Unix milliseconds.
	last            map[uint32]int64
	events, batches int64
}

func newAccount(location *time.Location) *account {
	a := &account{delta: newDelta(1), cells: map[cell]*sum{}, last: map[uint32]int64{}}
	a.ledger.init(location)
	return a
}

// add adds a frame up.
func (a *account) add(f *frame) error {
	if err := a.ledger.checkNumbers(f); err != nil {
		return err
	}
	for i, name := range f.names {
		a.ledger.numbers[name] = f.firstName + uint32(i)
	}
	a.ledger.names = append(a.ledger.names, f.names...)
	for i := range f.marks {
		a.ledger.applyMark(a.delta, &f.marks[i])
	}
	for i := range f.events {
		e := &f.events[i]
		addTo(a.cells, cell{key: e.key, model: e.model, day: a.ledger.days.of(e.at)}, e.sum())
		a.last[e.key] = max(a.last[e.key], e.at)
		a.ledger.settle(a.delta, e.id)
	}
	clear(a.delta.marks)
	a.events += int64(len(f.events))
	if f.seq > 0 {
		a.batches++
		a.ledger.seqs[f.source] = max(a.ledger.seqs[f.source], f.seq)
	}
	return nil
}

// baseFormat is the number of the layout of a base.
const baseFormat = 1

// A base is what is kept of frames that are removed from the log: all that an account of them has. Sums stand at its
// end in the order of key, day and model, so that a base is made of the one before and new sums without either being
// held in memory. docs/FORMAT.md draws it.

func compareCells(a, b cell) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.day, b.day), cmp.Compare(a.model, b.model))
}

// writeBase writes the account as a base. old calls fn for each sum of the base before, whose other contents the
// account must have begun with.
func (a *account) writeBase(to io.Writer, old func(fn func(cell, sum) error) error) error {
	w := bufio.NewWriterSize(to, 64<<10)
	if err := a.writeHead(w); err != nil {
		return err
	}
	own := slices.SortedFunc(maps.Keys(a.cells), compareCells)
	err := old(func(c cell, s sum) error {
		for len(own) > 0 && compareCells(own[0], c) < 0 {
			if err := writeCell(w, own[0], *a.cells[own[0]]); err != nil {
				return err
			}
			own = own[1:]
		}
		if len(own) > 0 && own[0] == c {
			s.add(*a.cells[c])
			own = own[1:]
		}
		return writeCell(w, c, s)
	})
	for _, c := range own {
		err = cmp.Or(err, writeCell(w, c, *a.cells[c]))
	}
	return cmp.Or(err, w.Flush())
}

func writeCell(w io.Writer, c cell, s sum) error {
	content := s.encode()
	_, err := w.Write(append(appendUvarints(nil, uint64(c.key), uint64(c.day), uint64(c.model), uint64(len(content))), content...))
	return err
}

func appendUvarints(b []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// writeHead writes all but the sums.
func (a *account) writeHead(w io.Writer) error {
	l := &a.ledger
	b := appendUvarints(nil, baseFormat, uint64(a.events), uint64(a.batches), uint64(len(l.names)))
	for _, name := range l.names {
		b = appendPart(b, name)
	}
	b = appendUvarints(b, uint64(len(l.seqs)))
	for _, source := range slices.Sorted(maps.Keys(l.seqs)) {
		b = appendUvarints(b, uint64(source), l.seqs[source])
	}
	b = appendUvarints(b, uint64(len(l.open)))
	for _, id := range slices.Sorted(maps.Keys(l.open)) {
		b = appendPart(appendUvarints(b, uint64(id)), string(l.open[id].encode()))
	}
	b = appendUvarints(b, uint64(len(a.last)))
	for _, key := range slices.Sorted(maps.Keys(a.last)) {
		b = appendUvarints(b, uint64(key), uint64(a.last[key]))
	}
	_, err := w.Write(b)
	return err
}

// readBase reads a base into an account, which must be new, but for the sums: it calls fn for each of those, in order. The
// requests of all sums are as many as the base says.
func (a *account) readBase(from io.Reader, fn func(cell, sum) error) error {
	source := &failingReader{r: from}
	r := &baseReader{r: bufio.NewReaderSize(source, 64<<10)}
	a.readHead(r)
	before, requests := cell{day: -1}, int64(0)
	for r.err == nil {
		if _, err := r.r.Peek(1); errors.Is(err, io.EOF) && requests == a.events {
			return nil
		}
		c := cell{key: r.name(a), day: store.Day(r.upTo(math.MaxInt32))}
		c.model = r.name(a)
		content := r.bytes(cellBytes)
		if r.err != nil {
			break
		}
		s, err := decodeSum(nil, content)
		if err != nil || compareCells(before, c) >= 0 {
			r.fail()
			break
		}
		before, requests = c, requests+s.requests
		if err := fn(c, s); err != nil {
			return err
		}
	}
	if source.err != nil {
		return fmt.Errorf("read the base of the usage log: %w", source.err)
	}
	return fmt.Errorf("%w: the base of the usage log: %w", store.ErrDamaged, r.err)
}

func (a *account) readHead(r *baseReader) {
	l := &a.ledger
	if r.upTo(math.MaxInt64) != baseFormat {
		r.fail()
	}
	a.events, a.batches = int64(r.upTo(math.MaxInt64)), int64(r.upTo(math.MaxInt64))
	for n := r.upTo(maxNames); n > 0 && r.err == nil; n-- {
		name := string(r.part())
		l.numbers[name] = uint32(len(l.names))
		l.names = append(l.names, name)
	}
	for n := r.upTo(1 << maxSourceBits); n > 0 && r.err == nil; n-- {
		source := store.Source(r.upTo(1<<maxSourceBits - 1))
		l.seqs[source] = r.upTo(math.MaxInt64)
	}
	for n := r.upTo(math.MaxInt64); n > 0 && r.err == nil; n-- {
		key := openKey(store.RequestID(r.upTo(math.MaxUint64)))
		o, err := decodeOpen(key, r.part())
		if err != nil {
			r.fail()
			return
		}
		l.open[o.id] = o
	}
	for n := r.upTo(maxNames); n > 0 && r.err == nil; n-- {
		key := r.name(a)
		a.last[key] = int64(r.upTo(math.MaxInt64))
	}
}

// failingReader remembers an error that is none of what is read.
type failingReader struct {
	r   io.Reader
	err error
}

func (f *failingReader) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

var errBase = errors.New("not what this version of llmhub writes")

// baseReader takes values off a base. After a fault it has an error and returns zeroes.
type baseReader struct {
	r   *bufio.Reader
	err error
}

func (r *baseReader) fail() {
	if r.err == nil {
		r.err = errBase
	}
}

func (r *baseReader) upTo(most uint64) uint64 {
	if r.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(r.r)
	if r.err = err; err != nil {
		return 0
	}
	if n > most {
		r.fail()
		return 0
	}
	return n
}

// name reads the number of one of the account's names.
func (r *baseReader) name(a *account) uint32 {
	n := r.upTo(maxNames)
	if r.err == nil && n >= uint64(len(a.ledger.names)) {
		r.fail()
		return 0
	}
	return uint32(n)
}

// part reads what appendPart writes.
func (r *baseReader) part() []byte {
	if r.err != nil {
		return nil
	}
	n, err := r.r.ReadByte()
	r.err = err
	return r.take(int(n))
}

// bytes reads a length and as many bytes.
func (r *baseReader) bytes(most uint64) []byte { return r.take(int(r.upTo(most))) }

func (r *baseReader) take(n int) []byte {
	b := make([]byte, n)
	if r.err == nil {
		_, r.err = io.ReadFull(r.r, b)
	}
	return b
}
