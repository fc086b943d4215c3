package proxytest

import (
	"strconv"
	"strings"
)

// usageJSON returns the usage object for the given output.
func (a *answer) usageJSON(output Usage) string {
	if a.script.RawUsage != "" {
		return a.script.RawUsage
	}
	b := make([]byte, 0, 200)
	b = append(b, `{"prompt_tokens":`...)
	b = strconv.AppendInt(b, a.prompt.Prompt, 10)
	b = append(b, `,"completion_tokens":`...)
	b = strconv.AppendInt(b, output.Output, 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, a.prompt.Prompt+output.Output, 10)
	b = append(b, `,"prompt_tokens_details":{"cached_tokens":`...)
	b = strconv.AppendInt(b, a.prompt.Cached, 10)
	b = append(b, `},"completion_tokens_details":{"reasoning_tokens":`...)
	b = strconv.AppendInt(b, output.Reasoning, 10)
	return string(append(b, "}}"...))
}

// output returns what all choices count together.
func (a *answer) output() Usage {
	var u Usage
	for _, d := range a.deltas {
		u.add(d.usage())
	}
	n := int64(a.choices)
	return Usage{Output: u.Output * n, Reasoning: u.Reasoning * n}
}

// tellsUsage says whether a whole answer has usage.
func (a *answer) tellsUsage() bool {
	return a.script.Usage != UsageNever && a.script.Usage != UsageInStart
}

func (a *answer) legacy() bool { return a.path == "/completions" }

// wholeBody returns a whole answer and what it counts.
func (a *answer) wholeBody() (string, Usage) {
	g := gather(a.deltas)
	object, prefix := "chat.completion", "chatcmpl-"
	if a.legacy() {
		object, prefix = "text_completion", "cmpl-"
	}
	var b strings.Builder
	b.WriteString(`{"id":"` + prefix + a.name + `","object":"` + object + `","created":` + a.p.created + `,"model":` +
		quote(a.ask.Model) + `,"choices":[`)
	for i := range a.choices {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`{"index":` + strconv.Itoa(i))
		if a.legacy() {
			b.WriteString(`,"text":` + quote(g.content.String()))
		} else {
			b.WriteString(`,"message":` + g.message())
		}
		b.WriteString(`,"logprobs":` + a.wholeLogprobs() + `,"finish_reason":` + quote(a.finish) + `}`)
	}
	b.WriteString("]")
	u := a.output()
	if a.tellsUsage() {
		b.WriteString(`,"usage":` + a.usageJSON(u))
	}
	b.WriteString(`,"system_fingerprint":"fp_proxytest"}`)
	return b.String(), u
}

func (a *answer) wholeLogprobs() string {
	if !a.script.Logprobs {
		return "null"
	}
	var all []string
	for _, d := range a.deltas {
		if d.Part == Content {
			all = append(all, logprob(d.Text))
		}
	}
	return `{"content":[` + strings.Join(all, ",") + `],"refusal":null}`
}

func logprob(text string) string {
	codes := make([]string, len(text))
	for i := range len(text) {
		codes[i] = strconv.Itoa(int(text[i]))
	}
	return `{"token":` + quote(text) + `,"logprob":-0.25,"bytes":[` + strings.Join(codes, ",") + `],"top_logprobs":[]}`
}

// whole writes an answer that is not a stream.
func (a *answer) whole(body string, u Usage) error {
	a.begin("application/json", len(body))
	if at := a.script.Cut.At; at == CutAfterHeaders || at == CutMidBody {
		return a.cutWhole(body)
	}
	if a.script.FirstDelay > 0 {
		if err := a.w.flush(); err != nil {
			return err
		}
		if err := a.wait(a.script.FirstDelay); err != nil {
			return err
		}
	}
	if err := a.w.add(piece{wire: []byte(body), same: true, usage: u, last: true}); err != nil {
		return err
	}
	return a.w.finish()
}

func (a *answer) cutWhole(body string) error {
	if a.script.Cut.At == CutMidBody {
		if err := a.w.add(piece{wire: []byte(body[:len(body)/2]), same: true}); err != nil {
			return err
		}
	}
	if err := a.w.flush(); err != nil {
		return err
	}
	return a.cut()
}

// embeddings answers with a vector of four numbers for each input.
func (a *answer) embeddings() error {
	var b strings.Builder
	b.WriteString(`{"object":"list","data":[`)
	for i := range a.ask.items() {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`{"object":"embedding","index":` + strconv.Itoa(i) + `,"embedding":[0.5,-0.25,0.125,0.0625]}`)
	}
	n := strconv.FormatInt(a.prompt.Prompt, 10)
	b.WriteString(`],"model":` + quote(a.ask.Model))
	if a.tellsUsage() {
		usage := `{"prompt_tokens":` + n + `,"total_tokens":` + n + `}`
		if a.script.RawUsage != "" {
			usage = a.script.RawUsage
		}
		b.WriteString(`,"usage":` + usage)
	}
	b.WriteString("}")
	return a.whole(b.String(), Usage{})
}
