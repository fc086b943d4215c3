package openai

import "iter"

// Prompt is the text of a request that a model server counts as input, for estimates where it reports none. The zero
// value is ready, and can be used again.
type Prompt struct {
	// Messages is the number of chat messages, Names that of names given with them.
	Messages, Names int64
	// Tokens is the number of tokens given as such: input or prompt as arrays of numbers.
	Tokens int64

	text []byte
	ends []int
}

// The framing of chat messages in tokens: OpenAI's rule of thumb.
const (
	tokensPerMessage = 3
	tokensPerName    = 1
	tokensPerReply   = 3
)

// Gather takes the texts of a request's body: messages with their parts, names and tool calls, prompt, input, system,
// instructions, a rerank's query and documents, and the definitions of tools and of the response's format. A body that is no sound JSON object yields
// nothing.
func (p *Prompt) Gather(body []byte) {
	*p = Prompt{text: p.text[:0], ends: p.ends[:0]}
	w := walker{b: body}
	if w.peek() != '{' {
		return
	}
	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
		switch string(key) {
		case "messages":
			p.messages(&w)
		case "prompt", "input", "suffix", "instructions", "system", "query", "documents":
			p.input(&w, 0)
		case "tools", "functions", "response_format", "text":
			if v := w.value(); len(v) > 2 && (v[0] == '[' || v[0] == '{') {
				p.add(v, false)
			}
		default:
			w.skip()
		}
	}
	if !w.finish() {
		*p = Prompt{text: p.text[:0], ends: p.ends[:0]}
	}
}

// Texts gives the texts, each to be counted on its own.
func (p *Prompt) Texts() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		from := 0
		for _, end := range p.ends {
			if !yield(p.text[from:end]) {
				return
			}
			from = end
		}
	}
}

// Framing returns the tokens to be added to those of the texts: what frames the chat messages, and the tokens given as
// such.
func (p *Prompt) Framing() int64 {
	n := p.Tokens + tokensPerMessage*p.Messages + tokensPerName*p.Names
	if p.Messages > 0 {
		n += tokensPerReply
	}
	return n
}

func (p *Prompt) add(raw []byte, escaped bool) {
	if len(raw) == 0 {
		return
	}
	if escaped {
		p.text = appendUnescaped(p.text, raw)
	} else {
		p.text = append(p.text, raw...)
	}
	p.ends = append(p.ends, len(p.text))
}

// string consumes a value and takes it if it is a string.
func (p *Prompt) string(w *walker) {
	if w.peek() != '"' {
		w.skip()
		return
	}
	s, escaped := w.text()
	p.add(w.b[s.lo:s.hi], escaped)
}

func (p *Prompt) messages(w *walker) {
	if w.peek() != '[' {
		w.skip()
		return
	}
	for ok := w.firstElement(); ok; ok = w.nextElement() {
		p.message(w)
	}
}

func (p *Prompt) message(w *walker) {
	if w.peek() != '{' {
		w.skip()
		return
	}
	p.Messages++
	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
		switch string(key) {
		case "role", "refusal", "reasoning_content":
			p.string(w)
		case "name":
			if w.peek() == '"' {
				p.Names++
			}
			p.string(w)
		case "content":
			p.input(w, 0)
		case "tool_calls", "function_call":
			p.calls(w, 0)
		default:
			w.skip()
		}
	}
}

// maxInputDepth bounds how deep lists within input or content are followed.
const maxInputDepth = 4

// input takes a string, a list of strings or parts, or a list of tokens, or lists of these.
func (p *Prompt) input(w *walker, depth int) {
	switch c := w.peek(); {
	case depth > maxInputDepth:
		w.skip()
	case c == '"':
		p.string(w)
	case c == '[':
		for ok := w.firstElement(); ok; ok = w.nextElement() {
			p.input(w, depth+1)
		}
	case c == '{':
		p.part(w, depth)
	default:
		if (c == '-' || '0' <= c && c <= '9') && depth > 0 {
			p.Tokens++
		}
		w.skip()
	}
}

// part takes the texts of an object in a list: a part of a message, or a message of the input. Images and files are no
// text.
func (p *Prompt) part(w *walker, depth int) {
	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
		switch string(key) {
		case "text", "refusal", "arguments", "output", "thinking":
			p.string(w)
		case "name", "input": // of a call to a tool
			p.argument(w)
		case "role":
			p.Messages++
			p.string(w)
		case "content":
			p.input(w, depth+1)
		default:
			w.skip()
		}
	}
}

// argument takes a text, or a value as the text that it is.
func (p *Prompt) argument(w *walker) {
	if c := w.peek(); c == '{' || c == '[' {
		p.add(w.value(), false)
		return
	}
	p.string(w)
}

// calls takes names and arguments of the functions called.
func (p *Prompt) calls(w *walker, depth int) {
	switch c := w.peek(); {
	case c == '[' && depth == 0:
		for ok := w.firstElement(); ok; ok = w.nextElement() {
			p.calls(w, depth+1)
		}
	case c == '{' && depth <= 2:
		for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
			switch string(key) {
			case "name", "arguments", "input":
				p.string(w)
			case "function", "custom":
				p.calls(w, depth+1)
			default:
				w.skip()
			}
		}
	default:
		w.skip()
	}
}
