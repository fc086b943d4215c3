package proxytest

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// piece is a part of the body that is accounted for once its last byte is written.
type piece struct {
	wire []byte
	// visible is wire for a client that has not asked for usage; same says that it is wire itself.
	visible []byte
	same    bool
	// event says that an event ends with the piece.
	event bool
	usage Usage
	// last says that the answer is finished with this piece.
	last bool
}

// mark is a piece in the buffer: where it ends, as an offset in the whole body.
type mark struct {
	end     int
	visible []byte
	event   bool
	usage   Usage
	last    bool
}

// writer writes the head and body of one answer and accounts for what was written.
type writer struct {
	p   *Provider
	c   *conn
	id  uint64
	acc *account
	// prompt is what counts as handed out with the first byte, zero for errors.
	prompt Usage
	// total gathers the usage handed out, for the finish.
	total   Usage
	chunked bool
	split   Split
	rng     *rand.Rand
	record  bool

	head    []byte // not written yet
	began   bool
	pending []byte // body not written yet
	offset  int    // of pending in the body
	marks   []mark
	events  int // whole events in pending
}

// add appends a piece and writes what the split lets out. The last piece waits for finish.
func (w *writer) add(p piece) error {
	w.pending = append(w.pending, p.wire...)
	m := mark{end: w.offset + len(w.pending), event: p.event, usage: p.usage, last: p.last}
	if w.record {
		m.visible = p.visible
		if p.same {
			m.visible = p.wire
		}
		m.visible = append([]byte(nil), m.visible...)
	}
	w.marks = append(w.marks, m)
	if p.event {
		w.events++
	}
	if p.last {
		return nil
	}
	return w.release()
}

// release writes whole portions of the split.
func (w *writer) release() error {
	switch {
	case w.split.Bytes > 0:
		for len(w.pending) >= w.split.Bytes {
			if err := w.write(w.split.Bytes, ""); err != nil {
				return err
			}
		}
	case w.split.Events > 0:
		if w.events >= w.split.Events {
			return w.write(len(w.pending), "")
		}
	case w.split.Seed > 0:
		for len(w.pending) >= 64 {
			if err := w.write(1+w.rng.IntN(64), ""); err != nil {
				return err
			}
		}
	default:
		return w.write(len(w.pending), "")
	}
	return nil
}

// flush writes all that is pending, in portions of the split.
func (w *writer) flush() error {
	if err := w.release(); err != nil {
		return err
	}
	for len(w.pending) > 0 || len(w.head) > 0 {
		n := len(w.pending)
		if w.split.Seed > 0 && n > 0 {
			n = min(n, 1+w.rng.IntN(64))
		}
		if err := w.write(n, ""); err != nil {
			return err
		}
	}
	return nil
}

// finish writes all that is pending and the end of the body, in one write if the split allows.
func (w *writer) finish() error {
	end := ""
	if w.chunked {
		end = "0\r\n\r\n"
	}
	if w.split.Bytes > 0 || w.split.Seed > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	return w.write(len(w.pending), end)
}

// write writes the head if it is still there, n pending bytes as one chunk, and the trailer.
func (w *writer) write(n int, trailer string) error {
	if n == 0 && trailer == "" && len(w.head) == 0 && len(w.marks) == 0 {
		return nil
	}
	if w.split.Pause > 0 && w.began {
		if err := w.c.sleepUntil(time.Now().Add(w.split.Pause)); err != nil {
			return err
		}
	}
	out := append(w.c.out[:0], w.head...)
	w.head = nil
	if n > 0 && w.chunked {
		out = append(strconv.AppendUint(out, uint64(n), 16), "\r\n"...)
	}
	before := len(out)
	out = append(out, w.pending[:n]...)
	if n > 0 && w.chunked {
		out = append(out, "\r\n"...)
	}
	out = append(out, trailer...)
	w.c.out = out
	if cap(out) > 1<<20 {
		w.c.out = nil
	}
	return w.send(out, before, n)
}

// send writes out, in which n bytes of the body stand at position at, and accounts for them.
func (w *writer) send(out []byte, at, n int) error {
	done := w.takeMarks(w.offset + n)
	w.account(done, 1)
	first := !w.began
	if first {
		w.began = true
		w.acc.handedOut.add(w.prompt, 1)
	}
	if w.record {
		w.recordSent(w.pending[:n], done)
	}
	written, err := w.c.nc.Write(out)
	if err != nil {
		body := min(max(written-at, 0), n)
		w.takeBack(done, w.offset+body)
		if first && written == 0 {
			w.acc.handedOut.add(w.prompt, -1)
		}
		if w.record {
			w.unrecord(n-body, done, w.offset+body)
		}
		return err
	}
	w.offset += n
	w.pending = w.pending[:copy(w.pending, w.pending[n:])]
	return nil
}

// takeMarks removes and returns the marks up to an offset.
func (w *writer) takeMarks(end int) []mark {
	n := 0
	for n < len(w.marks) && w.marks[n].end <= end {
		if w.marks[n].event {
			w.events--
		}
		n++
	}
	done := w.marks[:n:n]
	w.marks = w.marks[n:]
	if len(w.marks) == 0 {
		w.marks = nil
	}
	return done
}

func (w *writer) account(done []mark, sign int64) {
	for _, m := range done {
		if m.usage != (Usage{}) {
			w.acc.handedOut.add(m.usage, sign)
		}
		if sign > 0 {
			w.total.add(m.usage)
		}
		if m.last {
			w.acc.finished.Add(sign)
			u := w.total
			u.add(w.prompt)
			w.acc.finishedUsage.add(u, sign)
		}
	}
}

// takeBack undoes the account of those marks that were not written to their end.
func (w *writer) takeBack(done []mark, written int) {
	for i, m := range done {
		if m.end > written {
			w.account(done[i:], -1)
			return
		}
	}
}

func (w *writer) recordSent(body []byte, done []mark) {
	w.p.journal.update(w.id, func(s *Sent) {
		start := len(s.Wire)
		s.Wire = append(s.Wire, body...)
		for _, m := range done {
			s.Visible = append(s.Visible, m.visible...)
			s.Finished = s.Finished || m.last
			if m.event {
				s.Events = append(s.Events, start+m.end-w.offset)
				if n := len(s.VisibleEvents); n == 0 && len(s.Visible) > 0 || n > 0 && s.VisibleEvents[n-1] < len(s.Visible) {
					s.VisibleEvents = append(s.VisibleEvents, len(s.Visible))
				}
			}
		}
	})
}

// unrecord takes back what could not be written. Visible may then miss a piece that was, never the reverse.
func (w *writer) unrecord(lost int, done []mark, written int) {
	w.p.journal.update(w.id, func(s *Sent) {
		s.Wire = s.Wire[:len(s.Wire)-lost]
		for i := len(done) - 1; i >= 0 && done[i].end > written; i-- {
			s.Visible = s.Visible[:len(s.Visible)-len(done[i].visible)]
			s.Finished = false
		}
		for len(s.Events) > 0 && s.Events[len(s.Events)-1] > len(s.Wire) {
			s.Events = s.Events[:len(s.Events)-1]
		}
		for n := len(s.VisibleEvents); n > 0 && s.VisibleEvents[n-1] > len(s.Visible); n = len(s.VisibleEvents) {
			s.VisibleEvents = s.VisibleEvents[:n-1]
		}
	})
}

// tear writes the header of a chunk that would hold data, and the first n bytes of it; if n is negative, only a part of
// the header. Nothing can be written behind it.
func (w *writer) tear(data []byte, n int) error {
	size := strconv.FormatUint(uint64(len(data)), 16)
	w.pending = append(w.pending[:0], data[:max(n, 0)]...)
	out := []byte(size + "\r\n")
	if n < 0 {
		out = out[:len(size)]
	}
	if !w.chunked {
		out = out[:0]
	}
	at := len(out)
	return w.send(append(out, w.pending...), at, len(w.pending))
}
