package openai

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// walker goes through a JSON text from front to back. Loops over an object or array look like
//
//	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() { one call that consumes the value }
//
// The first syntax error ends every loop and stays in fault.
type walker struct {
	b     []byte
	i     int
	depth int
	// fault is the index of the syntax error plus one, 0 while there is none.
	fault int
}

func (w *walker) fail(at int) {
	if w.fault == 0 {
		w.fault = at + 1
	}
	w.i = len(w.b)
}

// goTo takes the result of a scan function.
func (w *walker) goTo(end int) bool {
	if end < 0 {
		w.fail(^end)
		return false
	}
	w.i = end
	return true
}

// peek returns the first byte of the next value, 0 at the end.
func (w *walker) peek() byte {
	w.i = skipSpace(w.b, w.i)
	if w.i >= len(w.b) {
		return 0
	}
	return w.b[w.i]
}

// skip consumes any value.
func (w *walker) skip() {
	if w.fault == 0 {
		w.goTo(scanValue(w.b, w.i, maxDepth-w.depth))
	}
}

// value consumes any value and returns its bytes.
func (w *walker) value() []byte {
	w.peek()
	start := w.i
	w.skip()
	if w.fault != 0 {
		return nil
	}
	return w.b[start:w.i]
}

// finish insists on the end of the text and returns whether all of it was sound.
func (w *walker) finish() bool {
	if w.peek(); w.i < len(w.b) {
		w.fail(w.i)
	}
	return w.fault == 0
}

// enter consumes an opening bracket. It returns false if the closing one follows at once, or on a syntax error.
func (w *walker) enter(open, shut byte) bool {
	if w.peek() != open || w.depth >= maxDepth {
		w.fail(w.i)
		return false
	}
	w.depth++
	w.i++
	if w.peek() == shut {
		w.depth--
		w.i++
		return false
	}
	return w.fault == 0
}

// next consumes the comma behind a value, or the closing bracket, upon which it returns false.
func (w *walker) next(shut byte) bool {
	if w.fault != 0 {
		return false
	}
	switch w.peek() {
	case ',':
		w.i++
		w.peek()
		return true
	case shut:
		w.depth--
		w.i++
	default:
		w.fail(w.i)
	}
	return false
}

func (w *walker) firstMember() ([]byte, bool) {
	if !w.enter('{', '}') {
		return nil, false
	}
	return w.key()
}

func (w *walker) nextMember() ([]byte, bool) {
	if !w.next('}') {
		return nil, false
	}
	return w.key()
}

func (w *walker) firstElement() bool { return w.enter('[', ']') }

func (w *walker) nextElement() bool { return w.next(']') }

// longestKey bounds the keys that are unescaped for comparison: none that is looked for is longer, even when each of
// its characters is written as an escape.
const longestKey = 256

// key consumes a key and its colon. The result is a view unless the key holds escapes.
func (w *walker) key() ([]byte, bool) {
	start := w.i
	end, escaped := scanString(w.b, start)
	if !w.goTo(end) {
		return nil, false
	}
	if w.peek() != ':' {
		w.fail(w.i)
		return nil, false
	}
	w.i++
	key := w.b[start+1 : end-1]
	if escaped && len(key) <= longestKey {
		key = appendUnescaped(nil, key)
	}
	return key, true
}

// text consumes a string, whose quotes are not part of the span.
func (w *walker) text() (s span, escaped bool) {
	w.peek()
	start := w.i
	end, escaped := scanString(w.b, start)
	if !w.goTo(end) {
		return span{}, false
	}
	return span{start + 1, end - 1}, escaped
}

// count consumes a value and returns it if it is a number that can be a count.
func (w *walker) count() (int64, bool) {
	v := w.value()
	if len(v) == 0 || v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return 0, false
	}
	return parseCount(v)
}

// span is a range of bytes.
type span struct{ lo, hi int }

// maxCount is the largest number of tokens believed.
const maxCount = 1_000_000_000_000

// parseCount reads a JSON number as a count: integral (12, 12.0, 1.2e1) and within 0..maxCount.
func parseCount(number []byte) (int64, bool) {
	var n int64
	for _, c := range number {
		if c < '0' || c > '9' || n > maxCount {
			return parseFloatCount(number)
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(number) > 0 && n <= maxCount
}

func parseFloatCount(number []byte) (int64, bool) {
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil || f < 0 || f > maxCount || f != math.Trunc(f) {
		return 0, false
	}
	return int64(f), true
}

// appendUnescaped appends the content of a sound JSON string without its escapes. Halves of surrogate pairs become
// U+FFFD.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			start := i
			for i < len(raw) && raw[i] != '\\' {
				i++
			}
			dst = append(dst, raw[start:i]...)
			continue
		}
		if i+1 >= len(raw) {
			return dst
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, n := unescapeRune(raw[i-1:])
			dst = utf8.AppendRune(dst, r)
			i += n - 2
		default:
			dst = append(dst, c)
		}
		i++
	}
	return dst
}
