package proxytest

import (
	"strconv"
	"strings"
)

// messages answers a request of Anthropic's messages, whole or streamed.
func (a *answer) messages() error {
	a.choices = 1
	if a.ask.Stream {
		f := &messagesStream{typed: a.newTyped()}
		return f.run(f)
	}
	u := a.output()
	u.Reasoning = 0
	var blocks []string
	for _, s := range segments(a.deltas) {
		blocks = append(blocks, block(&s, s.text))
	}
	usage := ""
	if a.tellsUsage() {
		usage = `,"usage":` + a.messagesUsage(true, u.Output)
	}
	return a.whole(a.message(strings.Join(blocks, ","), quote(a.stopReason()), usage), u)
}

// countTokens answers how many tokens a prompt has; that is free.
func (a *answer) countTokens() error {
	n := a.script.PromptTokens
	if n == 0 {
		n = a.ask.promptTokens()
	}
	return a.whole(`{"input_tokens":`+strconv.FormatInt(n, 10)+`}`, Usage{})
}

func (a *answer) message(blocks, stop, usage string) string {
	return `{"id":"msg_` + a.name + `","type":"message","role":"assistant","model":` + quote(a.ask.Model) + `,"content":[` + blocks +
		`],"stop_reason":` + stop + `,"stop_sequence":null` + usage + `}`
}

// stopReason is Anthropic's word for the finish reason.
func (a *answer) stopReason() string {
	if n := len(a.deltas); n > 0 && a.deltas[n-1].Part == Refusal && a.finish == "stop" {
		return "refusal"
	}
	if word := map[string]string{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}[a.finish]; word != "" {
		return word
	}
	return a.finish
}

// messagesUsage returns the usage object. Input tokens are those that were neither read from a cache nor written to one.
func (a *answer) messagesUsage(input bool, output int64) string {
	if a.script.RawUsage != "" {
		return a.script.RawUsage
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	members := ""
	if input {
		written := a.script.CacheWriteTokens
		members = `"input_tokens":` + n(a.prompt.Prompt-a.prompt.Cached-written) + `,"cache_creation_input_tokens":` + n(written) +
			`,"cache_read_input_tokens":` + n(a.prompt.Cached) + `,`
	}
	return `{` + members + `"output_tokens":` + n(output) + `}`
}

// block returns a content block with a text, which is JSON for a tool's input.
func block(s *segment, text string) string {
	switch s.part {
	case ToolCall:
		if text == "" {
			text = "{}"
		}
		return `{"type":"tool_use","id":` + quote(s.callID) + `,"name":` + quote(s.name) + `,"input":` + text + `}`
	case Reasoning:
		signature := ""
		if text != "" {
			signature = thinkingSignature
		}
		return `{"type":"thinking","thinking":` + quote(text) + `,"signature":"` + signature + `"}`
	}
	return `{"type":"text","text":` + quote(text) + `}`
}

// thinkingSignature is what a block of thinking ends with.
const thinkingSignature = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk="

// messagesStream writes the events of Anthropic's messages.
type messagesStream struct{ typed }

func (m *messagesStream) open() error {
	usage := ""
	switch m.script.Usage {
	case UsageNever:
	case UsageInFinish:
		usage = `,"usage":{"input_tokens":0,"output_tokens":0}`
	default:
		usage = `,"usage":` + m.messagesUsage(true, 1)
	}
	if err := m.say("message_start", `{"type":"message_start","message":`+m.message("", "null", usage)+`}`, Usage{}); err != nil {
		return err
	}
	return m.say("ping", `{"type":"ping"}`, Usage{})
}

func (m *messagesStream) delta(i int) error {
	if m.at < 0 || i >= m.segments[m.at].end {
		for _, p := range m.endBlock() {
			if err := m.w.add(p); err != nil {
				return err
			}
		}
		m.at++
		start := `{"type":"content_block_start","index":` + strconv.Itoa(m.at) + `,"content_block":` + block(&m.segments[m.at], "") + `}`
		if err := m.say("content_block_start", start, Usage{}); err != nil {
			return err
		}
	}
	u := Usage{Output: m.deltas[i].Tokens}
	m.given.add(u)
	return m.say("content_block_delta", m.blockDelta(i), u)
}

func (m *messagesStream) torn(i int) []byte {
	if m.at < 0 {
		return m.typedEvent("ping", `{"type":"ping"}`, Usage{}).wire
	}
	return m.typedEvent("content_block_delta", m.blockDelta(i), Usage{}).wire
}

func (m *messagesStream) blockDelta(i int) string {
	text, d := quote(m.deltas[i].Text), ""
	switch m.deltas[i].Part {
	case ToolCall:
		d = `{"type":"input_json_delta","partial_json":` + text + `}`
	case Reasoning:
		d = `{"type":"thinking_delta","thinking":` + text + `}`
	default:
		d = `{"type":"text_delta","text":` + text + `}`
	}
	return m.inBlock(d)
}

func (m *messagesStream) inBlock(delta string) string {
	return `{"type":"content_block_delta","index":` + strconv.Itoa(m.at) + `,"delta":` + delta + `}`
}

// endBlock returns the events that end the block that is open.
func (m *messagesStream) endBlock() []piece {
	if m.at < 0 {
		return nil
	}
	var pieces []piece
	if m.segments[m.at].part == Reasoning {
		pieces = append(pieces, m.own(m.typedEvent("content_block_delta",
			m.inBlock(`{"type":"signature_delta","signature":"`+thinkingSignature+`"}`), Usage{})))
	}
	return append(pieces, m.own(m.typedEvent("content_block_stop", `{"type":"content_block_stop","index":`+strconv.Itoa(m.at)+`}`, Usage{})))
}

func (m *messagesStream) closing() []piece {
	pieces := m.endBlock()
	final := func(usage string) {
		pieces = append(pieces, m.own(m.typedEvent("message_delta", `{"type":"message_delta","delta":{"stop_reason":`+quote(m.stopReason())+
			`,"stop_sequence":null}`+usage+`}`, Usage{})))
	}
	switch m.script.Usage {
	case UsageNever, UsageInStart:
		final("")
	case UsageTwice, UsageCumulative:
		final(`,"usage":` + m.messagesUsage(true, m.given.Output/2))
		final(`,"usage":` + m.messagesUsage(true, m.given.Output))
	case UsageInFinish:
		final(`,"usage":` + m.messagesUsage(true, m.given.Output))
	default:
		final(`,"usage":` + m.messagesUsage(false, m.given.Output))
	}
	return append(pieces, m.ending(m.typedEvent("message_stop", `{"type":"message_stop"}`, Usage{})))
}
