package proxytest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Part says which member of a reply a delta belongs to.
type Part int

// The parts of a reply.
const (
	Content Part = iota
	Reasoning
	Refusal
	ToolCall
)

// Delta is one piece of a reply.
type Delta struct {
	Part Part
	// Text is the piece: of the content, the reasoning, the refusal, or the arguments of the tool call.
	Text string
	// Tokens is what the piece counts.
	Tokens int64
	// Tool, CallID and Name are for tool calls; CallID and Name stand in a call's first piece.
	Tool         int
	CallID, Name string

	// member is the JSON member of the delta object, if made before.
	member string
}

// word list: each is one token of o200k_base and of cl100k_base, with its leading space, wherever it stands.
const wordList = "the of and to in is that for it as was with be by on not he his but at are this have from or had an they which " +
	"one you were all her she there would their we him been has when who will no more if out so up said what its about than into " +
	"them can only other time new some could these two may first then do any like my now over such our man me even most made after " +
	"also well where must through years much before back"

// vocabulary holds the generated words as deltas, many times over, so that a reply is a slice of it.
var vocabulary = func() []Delta {
	words := strings.Fields(wordList)
	all := make([]Delta, 0, 4096)
	for i := range cap(all) {
		d := Delta{Text: " " + words[i%len(words)], Tokens: 1}
		d.member = d.json()
		all = append(all, d)
	}
	return all
}()

// Words returns n generated words, one token each. The caller must not change them.
func Words(n int) []Delta {
	if n <= len(vocabulary) {
		return vocabulary[:n:n]
	}
	all := make([]Delta, 0, n)
	for len(all) < n {
		all = append(all, vocabulary[:min(len(vocabulary), n-len(all))]...)
	}
	return all
}

// Say returns pieces of content that count one token each.
func Say(pieces ...string) []Delta { return parts(Content, pieces) }

// Refuse returns pieces of a refusal that count one token each.
func Refuse(pieces ...string) []Delta { return parts(Refusal, pieces) }

// Reason returns n generated words of reasoning, one token each.
func Reason(n int) []Delta {
	all := make([]Delta, n)
	for i, w := range Words(n) {
		all[i] = Delta{Part: Reasoning, Text: w.Text, Tokens: 1}
	}
	return all
}

// Huge returns one piece of content of the given size, such as an image in base64 has. It counts the given tokens.
func Huge(size int, tokens int64) []Delta {
	return []Delta{{Text: strings.Repeat("iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB", size/32+1)[:size], Tokens: tokens}}
}

// Call returns the pieces of one tool call: the name with the first fragment of the arguments, then the others. The first
// piece counts the tokens that the whole call has, the others nothing: fragments have no count of their own.
func Call(index int, id, name string, tokens int64, fragments ...string) []Delta {
	all := []Delta{{Part: ToolCall, Tool: index, CallID: id, Name: name, Tokens: tokens}}
	for _, f := range fragments {
		all = append(all, Delta{Part: ToolCall, Tool: index, Text: f})
	}
	return all
}

func parts(p Part, pieces []string) []Delta {
	all := make([]Delta, len(pieces))
	for i, text := range pieces {
		all[i] = Delta{Part: p, Text: text, Tokens: 1}
	}
	return all
}

// json returns the member of the delta object.
func (d Delta) json() string {
	if d.member != "" {
		return d.member
	}
	switch d.Part {
	case Reasoning:
		return `"reasoning_content":` + quote(d.Text)
	case Refusal:
		return `"refusal":` + quote(d.Text)
	case ToolCall:
		call := `"tool_calls":[{"index":` + strconv.Itoa(d.Tool)
		if d.Name != "" {
			call += `,"id":` + quote(d.CallID) + `,"type":"function","function":{"name":` + quote(d.Name) + `,"arguments":`
		} else {
			call += `,"function":{"arguments":`
		}
		return call + quote(d.Text) + `}}]`
	default:
		return `"content":` + quote(d.Text)
	}
}

// usage returns what the delta adds to the usage.
func (d Delta) usage() Usage {
	u := Usage{Output: d.Tokens}
	if d.Part == Reasoning {
		u.Reasoning = d.Tokens
	}
	return u
}

// quote returns s as a JSON string, without escapes that JSON does not ask for.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// gathered is a reply put together, as a whole answer has it.
type gathered struct {
	content, reasoning, refusal strings.Builder
	tools                       []*gatheredCall
}

type gatheredCall struct {
	index    int
	id, name string
	args     strings.Builder
}

func gather(deltas []Delta) *gathered {
	g := new(gathered)
	for _, d := range deltas {
		switch d.Part {
		case Reasoning:
			g.reasoning.WriteString(d.Text)
		case Refusal:
			g.refusal.WriteString(d.Text)
		case ToolCall:
			c := g.call(d.Tool)
			if d.Name != "" {
				c.id, c.name = d.CallID, d.Name
			}
			c.args.WriteString(d.Text)
		default:
			g.content.WriteString(d.Text)
		}
	}
	return g
}

func (g *gathered) call(index int) *gatheredCall {
	for _, c := range g.tools {
		if c.index == index {
			return c
		}
	}
	c := &gatheredCall{index: index}
	g.tools = append(g.tools, c)
	return c
}

// message returns the reply as the message object of a whole answer.
func (g *gathered) message() string {
	var b strings.Builder
	b.WriteString(`{"role":"assistant","content":`)
	if g.content.Len() == 0 && (len(g.tools) > 0 || g.refusal.Len() > 0) {
		b.WriteString("null")
	} else {
		b.WriteString(quote(g.content.String()))
	}
	b.WriteString(`,"refusal":`)
	if g.refusal.Len() > 0 {
		b.WriteString(quote(g.refusal.String()))
	} else {
		b.WriteString("null")
	}
	if g.reasoning.Len() > 0 {
		b.WriteString(`,"reasoning_content":` + quote(g.reasoning.String()))
	}
	for i, c := range g.tools {
		open := `,{"id":`
		if i == 0 {
			open = `,"tool_calls":[{"id":`
		}
		b.WriteString(open + quote(c.id) + `,"type":"function","function":{"name":` + quote(c.name) +
			`,"arguments":` + quote(c.args.String()) + `}}`)
	}
	if len(g.tools) > 0 {
		b.WriteString("]")
	}
	b.WriteString("}")
	return b.String()
}
