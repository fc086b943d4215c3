package openai

// Patch says what to change in a request's body.
type Patch struct {
	// Model replaces the value of model.
	Model string
	// IncludeUsage has stream_options.include_usage be true.
	IncludeUsage bool
}

// AppendPatched appends body, the one r was peeked from, with the changes of p. Every other byte stays as it is. An r that does not belong to body yields
// nonsense or nothing, but no panic.
func (r *Request) AppendPatched(dst, body []byte, p Patch) []byte {
	model := p.Model
	at, text := r.usageEdit(p.IncludeUsage)
	if r.model.hi > len(body) || at.hi > len(body) {
		return dst
	}
	if text == "" {
		return append(r.appendModel(dst, body[:r.model.lo], model), body[r.model.hi:]...)
	}
	if at.lo < r.model.lo {
		dst = append(dst, body[:at.lo]...)
		dst = append(dst, text...)
		dst = r.appendModel(dst, body[at.hi:r.model.lo], model)
		return append(dst, body[r.model.hi:]...)
	}
	dst = r.appendModel(dst, body[:r.model.lo], model)
	dst = append(dst, body[r.model.hi:at.lo]...)
	dst = append(dst, text...)
	return append(dst, body[at.hi:]...)
}

func (r *Request) appendModel(dst, before []byte, model string) []byte {
	return appendQuoted(append(dst, before...), model)
}

// usageEdit returns what to write where so that the usage is included; an empty text if nothing.
func (r *Request) usageEdit(includeUsage bool) (span, string) {
	switch {
	case !includeUsage || r.IncludeUsage:
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
