package openai

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxModel is the length, in bytes, of the longest model name taken.
const maxModel = 255

// Request is what the gateway needs to know of a request's body.
type Request struct {
	// Model is the model asked for: a view of the body unless it is written with escapes. Never empty.
	Model []byte
	// Stream says that the answer is asked for as an event stream.
	Stream bool
	// IncludeUsage says that the caller asked for the usage chunk.
	IncludeUsage bool
	// MaxTokens bounds the completion in tokens, 0 if the caller gave no bound. max_completion_tokens goes before
	// max_tokens.
	MaxTokens int64
	// N is the number of choices asked for, at least 1.
	N int64

	model        span
	options      span // the value of stream_options; empty if there is no such member
	optionsNull  bool
	optionsEmpty bool
	include      span // the value of stream_options.include_usage; empty if there is no such member
}

// Members of a request that the gateway acts on.
const (
	fieldModel = iota
	fieldStream
	fieldOptions
	fieldMaxTokens
	fieldMaxCompletion
	fieldN
	fieldInclude
	fieldNone
)

var fieldNames = [...]string{
	fieldModel:         "model",
	fieldStream:        "stream",
	fieldOptions:       "stream_options",
	fieldMaxTokens:     "max_tokens",
	fieldMaxCompletion: "max_completion_tokens",
	fieldN:             "n",
	fieldInclude:       "include_usage",
}

// peeker walks one body.
type peeker struct {
	walker
	req        Request
	seen       [fieldNone]bool
	maxTokens  int64
	completion int64
	refusal    *Error
}

// Peek reads a request's body in one pass and validates the whole of it: one JSON object, at most 512 levels deep.
// The error, if any, is an *Error with status 400. Numbers of tokens and choices are integers from 0 to 1e12. Members
// the gateway acts on are refused when they occur twice or in other case ("Model"), because model servers differ in
// which one they would take.
func Peek(body []byte) (Request, error) {
	p := peeker{walker: walker{b: body}, req: Request{N: 1}}
	if p.peek() != '{' && validJSON(body) {
		return Request{}, badRequest("", "The body of the request must be a JSON object.")
	}
	for key, ok := p.firstMember(); ok; key, ok = p.nextMember() {
		p.member(p.field(key, fieldModel, fieldInclude))
	}
	if !p.finish() {
		return Request{}, syntaxError(body, p.fault-1)
	}
	if p.refusal == nil && len(p.req.Model) == 0 {
		p.refuse("model", "The request must name a model.")
	}
	if p.refusal != nil {
		return Request{}, p.refusal
	}
	p.req.MaxTokens = p.maxTokens
	if p.completion > 0 {
		p.req.MaxTokens = p.completion
	}
	return p.req, nil
}

func syntaxError(body []byte, at int) *Error {
	what := "it ends too early"
	switch {
	case len(body) == 0:
		what = "it is empty"
	case at < len(body):
		what = "unexpected byte, or nesting beyond " + strconv.Itoa(maxDepth) + " levels, at offset " + strconv.Itoa(at)
	}
	return badRequest("", "The body of the request is not valid JSON: "+what+".")
}

// refuse keeps the first refusal; the walk goes on, because a syntax error goes before it.
func (p *peeker) refuse(param, message string) {
	if p.refusal == nil {
		p.refusal = badRequest(param, message)
	}
}

// field returns which of the fields [lo, hi) key is, and refuses a repeated or misspelt one.
func (p *peeker) field(key []byte, lo, hi int) int {
	for f := lo; f < hi; f++ {
		if string(key) == fieldNames[f] {
			if p.seen[f] {
				p.refuse(fieldNames[f], "Duplicate parameter: '"+fieldNames[f]+"'.")
			}
			p.seen[f] = true
			return f
		}
	}
	if len(key) <= longestKey && mayFold(key) {
		for f := lo; f < hi; f++ {
			if bytes.EqualFold(key, []byte(fieldNames[f])) {
				p.refuse(fieldNames[f], fmt.Sprintf("Unknown parameter: %q. Did you mean '%s'?", key, fieldNames[f]))
			}
		}
	}
	return fieldNone
}

// mayFold says whether key holds anything that folding could change into one of the names.
func mayFold(key []byte) bool {
	for _, c := range key {
		if 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

func (p *peeker) member(field int) {
	switch field {
	case fieldModel:
		p.modelName()
	case fieldStream:
		p.req.Stream, _ = p.flag("stream")
	case fieldOptions:
		p.streamOptions()
	case fieldMaxTokens:
		p.maxTokens = p.number("max_tokens", 0, 0)
	case fieldMaxCompletion:
		p.completion = p.number("max_completion_tokens", 0, 0)
	case fieldN:
		p.req.N = p.number("n", 1, 1)
	default:
		p.skip()
	}
}

func (p *peeker) modelName() {
	switch p.peek() {
	case '"':
	case 'n':
		p.skip()
		return
	default:
		p.skip()
		p.refuse("model", "Invalid type for 'model': expected a string.")
		return
	}
	s, escaped := p.text()
	if p.fault != 0 {
		return
	}
	name := p.b[s.lo:s.hi]
	if escaped && len(name) <= 6*maxModel {
		name = appendUnescaped(nil, name)
	}
	switch {
	case len(name) > maxModel:
		p.refuse("model", "Invalid 'model': longer than "+strconv.Itoa(maxModel)+" bytes.")
	case !utf8.Valid(name):
		p.refuse("model", "Invalid 'model': not UTF-8.")
	}
	p.req.Model, p.req.model = name, span{s.lo - 1, s.hi + 1}
}

// flag consumes a boolean; null stands for false.
func (p *peeker) flag(param string) (bool, span) {
	v := p.value()
	s := span{p.i - len(v), p.i}
	switch string(v) {
	case "true":
		return true, s
	case "false", "null":
	default:
		p.refuse(param, "Invalid type for '"+param+"': expected a boolean.")
	}
	return false, s
}

// number consumes an integer of at least least; null stands for absent.
func (p *peeker) number(param string, least, absent int64) int64 {
	if p.peek() == 'n' {
		p.skip()
		return absent
	}
	n, ok := p.count()
	if !ok || n < least {
		p.refuse(param, "Invalid value for '"+param+"': expected an integer of at least "+strconv.FormatInt(least, 10)+".")
	}
	return n
}

func (p *peeker) streamOptions() {
	c := p.peek()
	start := p.i
	switch c {
	case '{':
		p.req.optionsEmpty = true
		for key, ok := p.firstMember(); ok; key, ok = p.nextMember() {
			p.req.optionsEmpty = false
			if p.field(key, fieldInclude, fieldNone) == fieldInclude {
				p.req.IncludeUsage, p.req.include = p.flag("include_usage")
			} else {
				p.skip()
			}
		}
	case 'n':
		p.req.optionsNull = true
		p.skip()
	default:
		p.skip()
		p.refuse("stream_options", "Invalid type for 'stream_options': expected an object.")
	}
	p.req.options = span{start, p.i}
}
