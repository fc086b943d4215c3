package openai

import "bytes"

// plainScan looks for the end of a JSON value that stands in a stream without a field name. It only counts brackets;
// whether the value is sound is asked once, at its end.
type plainScan struct {
	// on says that the event is, as far as is known, plain JSON.
	on bool
	// at is how far has been looked.
	at       int
	depth    int
	inString bool
	escaped  bool
	// failed says that this cannot be JSON.
	failed bool
}

// find goes on to the end of b. It returns the end of the value and true, or how far has been looked and false.
func (p *plainScan) find(b []byte) (int, bool) {
	for ; p.at < len(b); p.at++ {
		c := b[p.at]
		if p.inString {
			if p.failed = c < 0x20; p.failed {
				return p.at, false
			}
			p.inString = p.escaped || c != '"'
			p.escaped = !p.escaped && c == '\\'
			continue
		}
		switch {
		case c == '"':
			p.inString = true
		case c == '{' || c == '[':
			p.depth++
		case c == '}' || c == ']':
			p.depth--
		case !isSpace(c) && bytes.IndexByte([]byte("0123456789+-.,:eEtrufalsn"), c) < 0:
			p.failed = true
		}
		if p.failed = p.failed || p.depth > maxDepth; p.failed {
			return p.at, false
		}
		if p.depth == 0 {
			p.at++
			return p.at, true
		}
	}
	return p.at, false
}
