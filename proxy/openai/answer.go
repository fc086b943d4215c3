package openai

import "slices"

// readAs reads an event, or a whole answer, in a dialect other than chat. Members may stand in any order, so those whose
// meaning depends on the type are noted in passing and read once all is known to be sound.
func (r *chunkReader) readAs(d Dialect, whole bool) bool {
	if r.peek() != '{' || !r.readIn(d, whole) || r.fault != 0 {
		return false
	}
	c := &r.chunk
	c.Valid, c.HasContent, c.HasIDs = true, c.HasContent || len(r.pieces) > 0, len(r.ids) > 0
	if len(r.ids) > 1 {
		slices.SortFunc(r.ids, func(a, b piece) int { return a.lo - b.lo })
	}
	return true
}

func (r *chunkReader) readIn(d Dialect, whole bool) bool {
	switch d {
	case DialectResponses:
		if whole {
			return r.wholeResponse()
		}
		return r.responsesEvent()
	case DialectMessages:
		if whole {
			return r.wholeMessage()
		}
		return r.messagesEvent()
	case DialectImages:
		return r.imagesAnswer()
	case DialectSpeech:
		return r.speechEvent()
	case DialectTranscriptions:
		return r.transcription()
	}
	return r.ranking()
}

// word consumes a value and returns the content of it if it is a string.
func (w *walker) word() []byte {
	if w.peek() != '"' {
		w.skip()
		return nil
	}
	s, escaped := w.text()
	if w.fault != 0 {
		return nil
	}
	if escaped {
		return appendUnescaped(nil, w.b[s.lo:s.hi])
	}
	return w.b[s.lo:s.hi]
}

// place consumes a value and returns where it is.
func (r *chunkReader) place() span {
	r.peek()
	start := r.i
	r.skip()
	return span{start, r.i}
}

// backTo goes back to a value that has been passed, once all is known to be sound. It returns false if there is none,
// or none that begins with that byte.
func (r *chunkReader) backTo(s span, first byte) bool {
	if s.hi <= s.lo || r.b[s.lo] != first {
		return false
	}
	r.i, r.depth = s.lo, 1
	return true
}

// index consumes a value and takes it if it is one that can be an index.
func (r *chunkReader) index(i *int64) {
	if n, ok := r.count(); ok {
		*i = n
	}
}

// usageObject consumes a value and takes it if it is a usage object.
func (r *chunkReader) usageObject() {
	if r.peek() != '{' {
		r.skip()
		return
	}
	r.chunk.HasUsage = true
	r.readUsage(&r.usage)
}

// common consumes a member that has one meaning in the events and answers of all dialects but chat.
func (r *chunkReader) common(key []byte) {
	switch string(key) {
	case "error":
		r.errorMember()
	case "object":
		r.chunk.IsError = r.chunk.IsError || string(r.word()) == "error"
	default:
		r.skip()
	}
}
