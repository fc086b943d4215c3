package openai

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	// maxModel is the length, in bytes, of the longest model name taken.
	maxModel = 255
	// maxResponseID is that of the longest ID of a stored response.
	maxResponseID = 512
	// maxSizeName is that of the longest size of images that is looked at.
	maxSizeName = 32
)

// Request is what the gateway needs to know of a request's body.
type Request struct {
	// Model is the model asked for: a view of the body unless it is written with escapes. Never empty.
	Model []byte
	// Stream says that the answer is asked for as an event stream.
	Stream bool
	// IncludeUsage says that the caller asked for the usage chunk.
	IncludeUsage bool
	// MaxTokens bounds the answer, or each of its choices, in tokens; 0 if the caller gave no bound. max_completion_tokens
	// goes before max_tokens.
	MaxTokens int64
	// N is the number of choices asked for, at least 1. Legacy completions make as many for each prompt, or best_of of them, of
	// which the best are sent but all are charged.
	N int64

	// PreviousResponse is the ID of the stored response that a request of DialectResponses goes on from; empty if there
	// is none. Like Model it is a view of the body unless it is written with escapes.
	PreviousResponse []byte
	// Units are what the request asks for beside tokens: images, their size, characters to be spoken. How long a recording is
	// nobody says here.
	Units Units

	dialect      Dialect
	multipart    bool
	chat         bool // there are messages
	bestOf       int64
	prompts      int64
	model        span
	options      span // the value of stream_options; empty if there is no such member
	optionsNull  bool
	optionsEmpty bool
	include      span // the value of stream_options.include_usage; empty if there is no such member
	previous     span // the value of previous_response_id
	file         span // the part of that name
	bounds       [len(boundFields)]bound
}

// bound is a member that bounds the tokens of the answer.
type bound struct {
	span
	n int64
}

// field is a member of a request that the gateway acts on.
type field uint8

const (
	fieldModel field = iota
	fieldStream
	fieldOptions
	fieldMessages
	fieldMaxTokens
	fieldMaxCompletion
	fieldMaxOutput
	fieldN
	fieldBestOf
	fieldPrompt
	fieldPrevious
	fieldBackground
	fieldConversation
	fieldSize
	fieldInput
	fieldStreamFormat
	fieldInclude
	fieldFile
	fieldNone
)

var fieldNames = [...]string{
	fieldModel:         "model",
	fieldStream:        "stream",
	fieldOptions:       "stream_options",
	fieldMessages:      "messages",
	fieldMaxTokens:     "max_tokens",
	fieldMaxCompletion: "max_completion_tokens",
	fieldMaxOutput:     "max_output_tokens",
	fieldN:             "n",
	fieldBestOf:        "best_of",
	fieldPrompt:        "prompt",
	fieldPrevious:      "previous_response_id",
	fieldBackground:    "background",
	fieldConversation:  "conversation",
	fieldSize:          "size",
	fieldInput:         "input",
	fieldStreamFormat:  "stream_format",
	fieldInclude:       "include_usage",
	fieldFile:          "file",
}

// fieldsOf are the members that the gateway acts on in each dialect.
var fieldsOf = [...][]field{
	DialectChat:           {fieldModel, fieldStream, fieldOptions, fieldMessages, fieldMaxTokens, fieldMaxCompletion, fieldN, fieldBestOf, fieldPrompt},
	DialectResponses:      {fieldModel, fieldStream, fieldMaxOutput, fieldPrevious, fieldBackground, fieldConversation},
	DialectMessages:       {fieldModel, fieldStream, fieldMessages, fieldMaxTokens},
	DialectImages:         {fieldModel, fieldStream, fieldN, fieldSize},
	DialectSpeech:         {fieldModel, fieldInput, fieldStreamFormat},
	DialectTranscriptions: {fieldModel, fieldStream, fieldFile},
	DialectModerations:    {fieldModel},
	DialectRerank:         {fieldModel},
}

// includeField is the one that is acted on within stream_options.
var includeField = []field{fieldInclude}

// boundFields bound the tokens of the answer, the later ones going before the earlier.
var boundFields = [...]field{fieldMaxTokens, fieldMaxCompletion, fieldMaxOutput}

// peeker walks one body.
type peeker struct {
	walker
	req     Request
	seen    [fieldNone]bool
	refusal *Error
}

// PeekAs reads the body of a request of a dialect in one pass and validates the whole of it: one JSON object, at most 512
// levels deep. The error, if any, is an *Error with status 400. Numbers of tokens and choices are integers from 0 to 1e12.
// Members the gateway acts on are refused when they occur twice or in other case ("Model"), because model servers differ in
// which one they would take. What the gateway cannot serve is refused, too: responses in the background, whose usage it would
// not see, and conversations, which other tenants could share.
func PeekAs(d Dialect, body []byte) (Request, error) {
	p := peeker{walker: walker{b: body}, req: Request{N: 1, dialect: d}}
	if p.peek() != '{' && validJSON(body) {
		return Request{}, badRequest("", "The body of the request must be a JSON object.")
	}
	for key, ok := p.firstMember(); ok; key, ok = p.nextMember() {
		p.member(p.field(key, fieldsOf[d]))
	}
	if !p.finish() {
		return Request{}, syntaxError(body, p.fault-1)
	}
	return p.finished()
}

// finished returns what has been read, or the first refusal.
func (p *peeker) finished() (Request, error) {
	if p.refusal == nil && len(p.req.Model) == 0 {
		p.refuse("model", "The request must name a model.")
	}
	if p.refusal != nil {
		return Request{}, p.refusal
	}
	for _, b := range p.req.bounds {
		if b.n > 0 {
			p.req.MaxTokens = b.n
		}
	}
	if p.req.dialect == DialectChat && !p.req.chat {
		p.req.N = times(max(p.req.N, p.req.bestOf), max(p.req.prompts, 1))
	}
	if p.req.dialect == DialectImages {
		p.req.Units.Images = p.req.N
	}
	return p.req, nil
}

// times multiplies two counts, up to the largest.
func times(a, b int64) int64 {
	if a > maxCount/b {
		return maxCount
	}
	return a * b
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

// field returns which of the fields key is, and refuses a repeated or misspelt one.
func (p *peeker) field(key []byte, fields []field) field {
	for _, f := range fields {
		if string(key) == fieldNames[f] {
			if p.seen[f] {
				p.refuse(fieldNames[f], "Duplicate parameter: '"+fieldNames[f]+"'.")
			}
			p.seen[f] = true
			return f
		}
	}
	if len(key) <= longestKey && mayFold(key) {
		for _, f := range fields {
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

func (p *peeker) member(f field) {
	switch f {
	case fieldModel:
		p.req.Model, p.req.model = p.name("model", maxModel)
	case fieldStream:
		p.req.Stream, _ = p.flag("stream")
	case fieldOptions:
		p.streamOptions()
	case fieldMessages:
		p.req.chat = true
		p.skip()
	case fieldMaxTokens:
		p.bound(0)
	case fieldMaxCompletion:
		p.bound(1)
	case fieldMaxOutput:
		p.bound(2)
	case fieldN:
		p.req.N = p.number("n", 1, 1)
	case fieldBestOf:
		p.req.bestOf = p.number("best_of", 0, 0)
	case fieldPrompt:
		p.prompt()
	case fieldPrevious:
		p.req.PreviousResponse, p.req.previous = p.name("previous_response_id", maxResponseID)
	case fieldBackground:
		if on, _ := p.flag("background"); on {
			p.refuse("background", "Responses in the background are not supported: leave background out.")
		}
	case fieldConversation:
		if v := p.value(); len(v) > 0 && string(v) != "null" {
			p.refuse("conversation", "Conversations are not supported: send the earlier turns as input, or use previous_response_id.")
		}
	case fieldSize:
		p.size()
	case fieldInput:
		p.characters()
	case fieldStreamFormat:
		p.req.Stream = string(p.value()) == `"sse"`
	default:
		p.skip()
	}
}

// bound reads one of the boundFields.
func (p *peeker) bound(i int) {
	p.peek()
	start := p.i
	n := p.number(fieldNames[boundFields[i]], 0, 0)
	p.req.bounds[i] = bound{span{start, p.i}, n}
}

// size reads the size of the images that are asked for. Whatever is no short text the model server may judge.
func (p *peeker) size() {
	if p.peek() != '"' {
		p.skip()
		return
	}
	if s, escaped := p.text(); !escaped && s.hi-s.lo <= maxSizeName {
		p.req.Units.ImageSize = string(p.b[s.lo:s.hi])
	}
}

// characters counts those of the text to be spoken.
func (p *peeker) characters() {
	if p.peek() != '"' {
		p.skip()
		return
	}
	s, escaped := p.text()
	if p.fault != 0 {
		return
	}
	text := p.b[s.lo:s.hi]
	if escaped {
		text = appendUnescaped(nil, text)
	}
	p.req.Units.Characters = int64(utf8.RuneCount(text))
}

// prompt counts the prompts of a legacy completion: one is a text or a list of tokens, several are a list of these.
func (p *peeker) prompt() {
	if p.peek() != '[' {
		p.skip()
		return
	}
	for ok := p.firstElement(); ok; ok = p.nextElement() {
		if c := p.peek(); c == '"' || c == '[' {
			p.req.prompts++
		}
		p.skip()
	}
}

// name consumes a text of at most limit bytes, a view unless it is written with escapes; null stands for none. The span is
// that of the value.
func (p *peeker) name(param string, limit int) ([]byte, span) {
	switch p.peek() {
	case '"':
	case 'n':
		p.skip()
		return nil, span{}
	default:
		p.skip()
		p.refuse(param, "Invalid type for '"+param+"': expected a string.")
		return nil, span{}
	}
	s, escaped := p.text()
	if p.fault != 0 {
		return nil, span{}
	}
	name := p.b[s.lo:s.hi]
	if escaped && len(name) <= 6*limit {
		name = appendUnescaped(nil, name)
	}
	p.checkName(param, name, limit)
	return name, span{s.lo - 1, s.hi + 1}
}

func (p *peeker) checkName(param string, name []byte, limit int) {
	switch {
	case len(name) > limit:
		p.refuse(param, "Invalid '"+param+"': longer than "+strconv.Itoa(limit)+" bytes.")
	case !utf8.Valid(name):
		p.refuse(param, "Invalid '"+param+"': not UTF-8.")
	}
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
			if p.field(key, includeField) == fieldInclude {
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
