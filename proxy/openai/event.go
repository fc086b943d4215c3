package openai

import "bytes"

// Kind says what an event is for.
type Kind uint8

const (
	// Other is an event without data: only fields such as event, id, retry, or lines that are no fields at all.
	Other Kind = iota
	// Data is an event with data other than [DONE].
	Data
	// Done is the event whose data is [DONE].
	Done
	// Comment is an event of nothing but comments and empty lines, such as a heartbeat.
	Comment
	// PlainJSON is a JSON object or array that the model server put into the stream without a field name. Its Raw is
	// not an event; WrapPlain makes one of it.
	PlainJSON
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case Data:
		return "data"
	case Done:
		return "done"
	case Comment:
		return "comment"
	case PlainJSON:
		return "plain JSON"
	}
	return "other"
}

// Event is one event of a stream. Its slices are views that are valid until the scanner's next Fill or Release.
type Event struct {
	// Raw is all of the event, with the empty line that ends it.
	Raw []byte
	// Data is the values of the data fields, joined by line feeds; or the plain JSON.
	Data []byte
	Kind Kind
	// dataAt is where Data begins in Raw, -1 if it had to be joined.
	dataAt int
}

// WrapPlain appends an event whose data is the given JSON, brought on one line.
func WrapPlain(dst, json []byte) []byte {
	dst = append(dst, "data: "...)
	dst = appendCompact(dst, json)
	return append(dst, "\n\n"...)
}

// appendEnd ends the event that dst ends within, if it does. Behind whole lines of comments there is nothing to end,
// and an empty line there would be taken for an empty event by some clients.
func appendEnd(dst []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] != '\n' && dst[n-1] != '\r' {
		dst = append(dst, '\n')
	}
	for rest := dst; len(rest) > 0; {
		rest = rest[:len(rest)-1]
		if n := len(rest); n > 0 && rest[n-1] == '\r' && dst[n] == '\n' {
			rest = rest[:n-1]
		}
		start := bytes.LastIndexAny(rest, "\r\n") + 1
		if start == len(rest) {
			break
		}
		if rest[start] != ':' {
			return append(dst, '\n')
		}
		rest = rest[:start]
	}
	return dst
}

// line is one line of an event stream.
type line struct {
	// end is the index of the terminator, next that of the following line.
	end, next int
	// bareCR says that the terminator is a carriage return alone.
	bareCR bool
}

// findLine finds the end of the line in b, which does not end before from. A carriage return is taken for a
// terminator only if the byte behind it is known. At the end of the stream (eof), what is left is a line.
func findLine(b []byte, from int, eof bool) (line, bool) {
	rest := b[from:]
	lf := bytes.IndexByte(rest, '\n')
	if lf >= 0 {
		rest = rest[:lf+1]
	}
	cr := bytes.IndexByte(rest, '\r')
	switch {
	case cr >= 0 && cr+1 == lf:
		return line{from + cr, from + lf + 1, false}, true
	case cr >= 0 && (cr+1 < len(rest) || eof):
		return line{from + cr, from + cr + 1, true}, true
	case cr < 0 && lf >= 0:
		return line{from + lf, from + lf + 1, false}, true
	case cr < 0 && eof && len(b) > 0:
		return line{len(b), len(b), false}, true
	}
	return line{}, false
}

// dataValue returns where the value of a data field begins in text, -1 if the line is no data field.
func dataValue(text []byte) int {
	switch {
	case len(text) < 4 || string(text[:4]) != "data":
		return -1
	case len(text) == 4:
		return 4
	case text[4] != ':':
		return -1
	case len(text) > 5 && text[5] == ' ':
		return 6
	}
	return 5
}

// appendData appends the values of all data fields in raw, joined by line feeds.
func appendData(dst, raw []byte) []byte {
	first := true
	for at := 0; at < len(raw); {
		l, _ := findLine(raw, at, true)
		if v := dataValue(raw[at:l.end]); v >= 0 {
			if !first {
				dst = append(dst, '\n')
			}
			first = false
			dst = append(dst, raw[at+v:l.end]...)
		}
		at = l.next
	}
	return dst
}
