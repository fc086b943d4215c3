package openai

import "strconv"

// Patch says what to change in a request's body.
type Patch struct {
	// Model replaces the value of model.
	Model string
	// IncludeUsage has stream_options.include_usage be true.
	IncludeUsage bool
	// MaxTokens bounds the tokens of the answer, or of each choice, where the request has no bound or a larger one; 0
	// changes nothing.
	MaxTokens int64
	// PreviousResponse replaces the value of previous_response_id; empty changes nothing.
	PreviousResponse string
}

// edit is one change: text in place of what is at the span.
type edit struct {
	span
	text   string
	quoted bool // text is to be written as a JSON string
}

// edits are the changes of a patch in the order of the body.
type edits struct {
	list [3 + len(boundFields)]edit
	n    int
}

// add keeps the order; what is put in at the same place stays in the order of the calls.
func (e *edits) add(x edit) {
	i := e.n
	for ; i > 0 && e.list[i-1].lo > x.lo; i-- {
		e.list[i] = e.list[i-1]
	}
	e.list[i] = x
	e.n++
}

func (r *Request) edits(p *Patch) (e edits) {
	e.add(edit{r.model, p.Model, !r.multipart})
	if at, text := r.usageEdit(p.IncludeUsage); text != "" {
		e.add(edit{at, text, false})
	}
	if p.PreviousResponse != "" && r.previous.hi > 0 {
		e.add(edit{r.previous, p.PreviousResponse, true})
	}
	if p.MaxTokens > 0 && !r.multipart {
		r.boundEdits(&e, p.MaxTokens)
	}
	return e
}

// boundEdits lowers the bounds that are there, or puts one in.
func (r *Request) boundEdits(e *edits, most int64) {
	text := strconv.FormatInt(most, 10)
	bounded := false
	for _, b := range r.bounds {
		if b.n > most {
			e.add(edit{b.span, text, false})
		}
		bounded = bounded || b.n > 0
	}
	if bounded {
		return
	}
	f := r.boundField()
	for i, b := range r.bounds {
		if boundFields[i] == f && b.hi > 0 { // null or 0
			e.add(edit{b.span, text, false})
			return
		}
	}
	e.add(edit{span{r.model.hi, r.model.hi}, `,"` + fieldNames[f] + `":` + text, false})
}

// boundField returns the member that bounds answers to a request which has no bound.
func (r *Request) boundField() field {
	switch {
	case r.dialect == DialectResponses:
		return fieldMaxOutput
	case r.dialect == DialectChat && r.chat:
		return fieldMaxCompletion
	}
	return fieldMaxTokens
}

// AppendPatched appends body, the one r was peeked from, with the changes of p. Every other byte stays as it is. An r that
// does not belong to body yields nonsense or nothing, but no panic.
func (r *Request) AppendPatched(dst, body []byte, p Patch) []byte {
	e := r.edits(&p)
	if !e.fit(body) {
		return dst
	}
	from := 0
	for i := range e.list[:e.n] {
		x := &e.list[i]
		dst = append(dst, body[from:x.lo]...)
		if x.quoted {
			dst = appendQuoted(dst, x.text)
		} else {
			dst = append(dst, x.text...)
		}
		from = x.hi
	}
	return append(dst, body[from:]...)
}

// PatchedPieces returns body with the changes of p as pieces, which are views of body but for what is changed, so that a
// large file in it is not copied.
func (r *Request) PatchedPieces(body []byte, p Patch) [][]byte {
	e := r.edits(&p)
	if !e.fit(body) {
		return nil
	}
	pieces, from := make([][]byte, 0, 2*e.n+1), 0
	for i := range e.list[:e.n] {
		x := &e.list[i]
		text := []byte(x.text)
		if x.quoted {
			text = appendQuoted(nil, x.text)
		}
		pieces = append(pieces, body[from:x.lo], text)
		from = x.hi
	}
	return append(pieces, body[from:])
}

// fit says whether the changes are within body, one behind the other.
func (e *edits) fit(body []byte) bool {
	at := 0
	for _, x := range e.list[:e.n] {
		if x.lo < at || x.hi < x.lo || x.hi > len(body) {
			return false
		}
		at = x.hi
	}
	return true
}

// usageEdit returns what to write where so that the usage is included; an empty text if nothing.
func (r *Request) usageEdit(includeUsage bool) (span, string) {
	switch {
	case !includeUsage || r.IncludeUsage || r.dialect != DialectChat:
		return span{}, ""
	case r.include.hi > 0:
		return r.include, "true"
	case r.optionsNull:
		return r.options, `{"include_usage":true}`
	case r.options.hi == 0:
		return span{r.model.hi, r.model.hi}, `,"stream_options":{"include_usage":true}`
	case r.optionsEmpty:
		return span{r.options.lo + 1, r.options.lo + 1}, `"include_usage":true`
	}
	return span{r.options.lo + 1, r.options.lo + 1}, `"include_usage":true,`
}
