package openai

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// ErrEventTooLarge says that an event exceeds the scanner's bound. The stream cannot be scanned any further.
var ErrEventTooLarge = errors.New("event of the stream is too large")

var errBadRead = errors.New("reader returned an impossible count")

const (
	// firstBuffer is the size of a scanner's first buffer, in bytes.
	firstBuffer = 4 << 10
	// keepBuffer is the size of the largest buffer kept when it is empty.
	keepBuffer = 64 << 10
	// DefaultMaxEvent bounds an event when nothing else is asked for, in bytes.
	DefaultMaxEvent = 32 << 20
)

var buffers = sync.Pool{New: func() any { return new([firstBuffer]byte) }}

// Scanner cuts a stream of bytes into server-sent events without changing any: the Raw parts of all events together
// are the stream. Lines end in LF, CRLF or CR; a byte order mark in front is passed over; bare JSON between events is
// taken as an event of its own. An event ends with its empty line, and where it ends does not depend on how the
// stream was cut into reads.
//
// The reading side calls Fill, then Next until it returns false. A Scanner is for one goroutine at a time. The zero
// value is ready to use with DefaultMaxEvent.
type Scanner struct {
	max int
	buf []byte
	// buf[r:w] has been read and not yet given out.
	r, w   int
	joined []byte
	// begun says that the head of the stream has been given out.
	begun bool
	// skipLF says that the event before ended in a bare CR, so that an LF in front belongs to it.
	skipLF bool
	// notPlain is how far, from r, brackets have been found not to be plain JSON.
	notPlain int
	ev       pending
}

// pending is what is known of the event that begins at r. All offsets count from there.
type pending struct {
	headed    bool // what may stand in front has been passed
	line      int  // where the line that is being looked for begins
	seen      int  // how far its end has been looked for
	fields    int  // lines that are not empty
	dataLines int
	data      span // the value of the first data line
	other     bool // a line that is neither data nor comment
	bareCR    bool // the last line ended in a bare CR
	plain     plainScan
}

// NewScanner returns a scanner that refuses events of more than maxEvent bytes; 0 stands for DefaultMaxEvent, and
// less than 4 KiB is taken as that.
func NewScanner(maxEvent int) *Scanner { return &Scanner{max: maxEvent} }

// Reset makes the scanner ready for another stream.
func (s *Scanner) Reset() {
	*s = Scanner{max: s.max, buf: s.buf, joined: s.joined[:0]}
}

// Release gives the buffer back. The scanner is then as after Reset.
func (s *Scanner) Release() {
	if len(s.buf) == firstBuffer {
		buffers.Put((*[firstBuffer]byte)(s.buf))
	}
	*s = Scanner{max: s.max}
}

// Buffered returns how many bytes have been read and not been given out.
func (s *Scanner) Buffered() int { return s.w - s.r }

// Fill makes one Read from r and returns its result. After an error of r, such as a time-out, it can be called again.
// It returns ErrEventTooLarge, without reading, if the bytes not given out have reached the bound.
func (s *Scanner) Fill(r io.Reader) (int, error) {
	if !s.makeRoom() {
		return 0, ErrEventTooLarge
	}
	n, err := r.Read(s.buf[s.w:])
	if n < 0 || n > len(s.buf)-s.w {
		return 0, errBadRead
	}
	s.w += n
	return n, err
}

// makeRoom provides free space at the end of the buffer: by taking one, by moving what is left to the front, or by
// doubling.
func (s *Scanner) makeRoom() bool {
	s.joined = s.joined[:0]
	left := s.w - s.r
	if left == 0 {
		s.r, s.w = 0, 0
		if len(s.buf) > keepBuffer {
			s.buf, s.joined = nil, nil
		}
	}
	if s.buf == nil {
		s.buf = buffers.Get().(*[firstBuffer]byte)[:]
	}
	size, limit := len(s.buf), s.limit()
	free := size - s.w
	switch {
	case s.r > 0 && free <= size/4 && left <= size/4, s.r > 0 && free == 0 && (left <= size/2 || size >= limit):
		copy(s.buf, s.buf[s.r:s.w])
	case free > 0:
		return true
	case left >= limit:
		return false
	default:
		grown := make([]byte, min(2*size, limit))
		copy(grown, s.buf[s.r:s.w])
		if size == firstBuffer {
			buffers.Put((*[firstBuffer]byte)(s.buf))
		}
		s.buf = grown
	}
	s.r, s.w = 0, left
	return true
}

func (s *Scanner) limit() int {
	if s.max <= 0 {
		return DefaultMaxEvent
	}
	return max(s.max, firstBuffer)
}

// Next returns the next whole event that has been read.
func (s *Scanner) Next() (Event, bool) { return s.scan(false) }

// Tail is for the end of the stream, when Next has returned false. It returns what is left as an event. The result is
// true if that is all that was meant: the data is [DONE] or whole JSON, or there are only comments; it has been given
// out then, and Raw may lack the line ends that an event needs. It is false if nothing is left, or if the stream was
// cut off within an event, which then stays buffered.
func (s *Scanner) Tail() (Event, bool) {
	if s.r == s.w {
		return Event{}, false
	}
	if ev, ok := s.scan(true); ok {
		return ev, true
	}
	if !s.ev.plain.on {
		end := s.w - s.r
		ev := s.event(end)
		if ev.Kind == Done || ev.Kind == Comment || ev.Kind == Data && validJSON(ev.Data) {
			s.consume(end)
			return ev, true
		}
	}
	s.ev = pending{}
	return Event{Raw: s.buf[s.r:s.w]}, false
}

func (s *Scanner) scan(eof bool) (Event, bool) {
	b := s.buf[s.r:s.w]
	if !s.ev.headed && !s.head(b, eof) {
		return Event{}, false
	}
	for s.ev.plain.on {
		end, ok := s.ev.plain.find(b)
		if ok && validJSON(b[s.ev.line:end]) {
			ev := Event{Raw: b[:end], Data: b[s.ev.line:end], Kind: PlainJSON, dataAt: s.ev.line}
			s.consume(end)
			return ev, true
		}
		if !ok && !s.ev.plain.failed {
			return Event{}, false
		}
		s.ev.plain.on, s.notPlain = false, max(end, s.notPlain)
	}
	for {
		l, ok := s.line(b, eof)
		if !ok {
			s.ev.seen = max(len(b)-1, s.ev.line)
			return Event{}, false
		}
		if l.end == s.ev.line && l.next > l.end {
			ev := s.event(l.next)
			s.consume(l.next)
			s.skipLF = l.bareCR
			return ev, true
		}
		s.field(b[s.ev.line:l.end])
		s.ev.line, s.ev.seen, s.ev.bareCR = l.next, l.next, l.bareCR
		if s.ev.line >= len(b) {
			return Event{}, false
		}
	}
}

// line finds the line that begins at s.ev.line. In an event whose lines end in a bare CR, the CR of the empty line is
// taken at once; elsewhere the byte behind it must be known, because it may be an LF that belongs to it.
func (s *Scanner) line(b []byte, eof bool) (line, bool) {
	at := s.ev.line
	if at >= len(b) {
		return line{}, false
	}
	if s.ev.bareCR && b[at] == '\r' {
		return line{at, at + 1, true}, true
	}
	return findLine(b, max(s.ev.seen, at), eof)
}

const byteOrderMark = "\xef\xbb\xbf"

// head passes what may stand before an event's first line, and looks for plain JSON. It returns false if too little
// has been read to tell.
func (s *Scanner) head(b []byte, eof bool) bool {
	at := 0
	switch {
	case len(b) == 0:
		return false
	case s.skipLF && b[0] == '\n':
		at = 1
	case !s.begun && bytes.HasPrefix(b, []byte(byteOrderMark)):
		at = len(byteOrderMark)
	case !s.begun && !eof && bytes.HasPrefix([]byte(byteOrderMark), b):
		return false
	}
	if at == len(b) && !eof {
		return false
	}
	s.ev = pending{headed: true, line: at, seen: at}
	if at < len(b) && at >= s.notPlain && (b[at] == '{' || b[at] == '[') {
		s.ev.plain = plainScan{on: true, at: at}
	}
	return true
}

// field notes what a line that is not empty says.
func (s *Scanner) field(text []byte) {
	if len(text) == 0 {
		return
	}
	s.ev.fields++
	if v := dataValue(text); v >= 0 {
		if s.ev.dataLines++; s.ev.dataLines == 1 {
			s.ev.data = span{s.ev.line + v, s.ev.line + len(text)}
		}
	} else if text[0] != ':' {
		s.ev.other = true
	}
}

// event builds the event that ends at end.
func (s *Scanner) event(end int) Event {
	ev := Event{Raw: s.buf[s.r : s.r+end], Kind: Data, dataAt: -1}
	switch s.ev.dataLines {
	case 0:
		ev.Kind = Comment
		if s.ev.other {
			ev.Kind = Other
		}
		return ev
	case 1:
		ev.dataAt = s.ev.data.lo
		ev.Data = ev.Raw[s.ev.data.lo:s.ev.data.hi]
	default:
		from := len(s.joined)
		s.joined = appendData(s.joined, ev.Raw)
		ev.Data = s.joined[from:]
	}
	if len(ev.Data) < 16 && string(bytes.TrimSpace(ev.Data)) == "[DONE]" {
		ev.Kind = Done
	}
	return ev
}

// consume gives out the first n bytes.
func (s *Scanner) consume(n int) {
	s.r += n
	s.notPlain = max(s.notPlain-n, 0)
	s.ev, s.begun, s.skipLF = pending{}, true, false
}
