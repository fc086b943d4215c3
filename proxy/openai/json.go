package openai

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth bounds the nesting of JSON values; deeper ones are refused as if they were a syntax error.
const maxDepth = 512

// The scan functions take the text and the index of the first byte of what they expect, and return the index behind
// it. A syntax error at index p is returned as ^p, which is negative.

// skipSpace returns the index of the first byte at or behind i that is not JSON white space.
func skipSpace(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return skipSpaces(b, i)
}

func skipSpaces(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stringStop returns the index of the first quote, backslash or control byte at or behind i, or len(b). It looks at
// eight bytes at a time: the lowest marked byte is exact, those above it may be marked by a borrow.
func stringStop(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote := x ^ ones*'"'
		slash := x ^ ones*'\\'
		hit := (quote - ones) &^ quote
		hit |= (slash - ones) &^ slash
		hit |= (x - ones*0x20) &^ x
		if hit &= highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < 0x20 {
			break
		}
	}
	return i
}

// scanString passes a string; escaped says that it holds escapes.
func scanString(b []byte, i int) (end int, escaped bool) {
	if i >= len(b) || b[i] != '"' {
		return ^i, false
	}
	for i++; ; {
		i = stringStop(b, i)
		if i >= len(b) {
			return ^i, escaped
		}
		switch b[i] {
		case '"':
			return i + 1, escaped
		case '\\':
			escaped = true
			if i = scanEscape(b, i); i < 0 {
				return i, escaped
			}
		default:
			return ^i, escaped
		}
	}
}

// scanEscape passes an escape sequence, whose backslash stands at i.
func scanEscape(b []byte, i int) int {
	if i++; i >= len(b) {
		return ^i
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for n := 0; n < 4; n++ {
			if i++; i >= len(b) || hexDigit(b[i]) < 0 {
				return ^i
			}
		}
		return i + 1
	}
	return ^i
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func scanDigits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

// scanNumber passes a number, strictly: no leading zeros, no plus sign, digits on both sides of the point.
func scanNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	if i = scanDigits(b, i); i == start {
		return ^i
	}
	if b[start] == '0' && i > start+1 {
		return ^(start + 1)
	}
	if i < len(b) && b[i] == '.' {
		start = i + 1
		if i = scanDigits(b, start); i == start {
			return ^i
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start = i
		if i = scanDigits(b, start); i == start {
			return ^i
		}
	}
	return i
}

// scanScalar passes a string, number or literal.
func scanScalar(b []byte, i int) int {
	if i >= len(b) {
		return ^i
	}
	switch b[i] {
	case '"':
		end, _ := scanString(b, i)
		return end
	case 't':
		return scanLiteral(b, i, "true")
	case 'f':
		return scanLiteral(b, i, "false")
	case 'n':
		return scanLiteral(b, i, "null")
	}
	return scanNumber(b, i)
}

func scanLiteral(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return ^i
	}
	return i + len(word)
}

// scanKey passes a member's key and the colon behind it.
func scanKey(b []byte, i int) int {
	end, _ := scanString(b, i)
	if end < 0 {
		return end
	}
	if end = skipSpace(b, end); end >= len(b) || b[end] != ':' {
		return ^end
	}
	return end + 1
}

// scanValue passes any value, with white space before it, of at most room nested levels.
func scanValue(b []byte, i, room int) int {
	i = skipSpace(b, i)
	if i < len(b) && (b[i] == '{' || b[i] == '[') {
		return scanNested(b, i, room)
	}
	return scanScalar(b, i)
}

// nest remembers for each open level whether it is an object.
type nest struct {
	objects [maxDepth / 64]uint64
	depth   int
}

func (n *nest) push(object bool) {
	bit := uint64(1) << (n.depth % 64)
	if object {
		n.objects[n.depth/64] |= bit
	} else {
		n.objects[n.depth/64] &^= bit
	}
	n.depth++
}

func (n *nest) inObject() bool {
	at := n.depth - 1
	return n.objects[at/64]>>(at%64)&1 == 1
}

// scanNested passes an object or array without recursion.
func scanNested(b []byte, i, room int) int {
	var n nest
	for {
		i = skipSpace(b, i)
		open := i < len(b) && (b[i] == '{' || b[i] == '[')
		if open {
			if n.depth >= room || n.depth >= maxDepth {
				return ^i
			}
			object := b[i] == '{'
			n.push(object)
			i = skipSpace(b, i+1)
			if i >= len(b) || b[i] != '}' && b[i] != ']' {
				if object {
					i = scanKey(b, i)
				}
				if i < 0 {
					return i
				}
				continue
			}
		} else if i = scanScalar(b, i); i < 0 {
			return i
		}
		if i = n.after(b, i); i < 0 || n.depth == 0 {
			return i
		}
	}
}

// after passes what stands behind a value: closing brackets, then a comma and, in an object, the next key. At depth 0
// nothing is passed.
func (n *nest) after(b []byte, i int) int {
	for n.depth > 0 {
		if i = skipSpace(b, i); i >= len(b) {
			return ^i
		}
		object := n.inObject()
		switch {
		case b[i] == ',' && object:
			return scanKey(b, skipSpace(b, i+1))
		case b[i] == ',':
			return i + 1
		case b[i] == '}' && object, b[i] == ']' && !object:
			n.depth--
			i++
		default:
			return ^i
		}
	}
	return i
}

// validJSON says whether b is exactly one JSON value with white space around it.
func validJSON(b []byte) bool {
	end := scanValue(b, 0, maxDepth)
	return end >= 0 && skipSpace(b, end) == len(b)
}
