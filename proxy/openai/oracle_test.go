package openai

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"unicode/utf8"
)

// repeats says whether some object in a sound JSON text has a key twice; encoding/json keeps only the last then.
func repeats(in []byte) bool {
	var value any
	d := json.NewDecoder(bytes.NewReader(in))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return true
	}
	keys := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			keys += len(v)
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(value)
	return keys != colons(in)
}

// colons counts the colons outside of strings: one for each member.
func colons(in []byte) int {
	n, inString := 0, false
	for i := 0; i < len(in); i++ {
		switch {
		case inString && in[i] == '\\':
			i++
		case in[i] == '"':
			inString = !inString
		case !inString && in[i] == ':':
			n++
		}
	}
	return n
}

// compareWithOracle reads the chunk once more, by encoding/json.
func compareWithOracle(t *testing.T, in []byte, m *Meter, got Chunk) {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal(in, &c); err != nil {
		return // a number that no float holds
	}
	o := oracle{text: map[lane]string{}}
	choices, _ := c["choices"].([]any)
	for i, x := range choices {
		choice, _ := x.(map[string]any)
		o.choice(choice, int64(i))
	}
	usage, isObject := c["usage"].(map[string]any)
	isError := c["error"] != nil || c["object"] == "error"
	want := Chunk{Valid: true, HasUsage: isObject, UsageMember: got.UsageMember, HasChoices: len(choices) > 0,
		EmptyChoices: len(choices) == 0 && !isError, Finished: o.finished, HasContent: len(o.text) > 0, IsError: isError}
	if flags(got) != flags(want) {
		t.Fatalf("%q: got %s, want %s", in, flags(got), flags(want))
	}
	for _, x := range m.texts {
		if want := o.text[x.lane]; !hasInvalid(in) && !o.ambiguous && sortedBytes(string(x.text)) != sortedBytes(want) {
			t.Fatalf("%q: lane %v is %q, want the bytes of %q", in, x.lane, x.text, want)
		}
	}
	if len(m.texts) != min(len(o.text), maxLanes) {
		t.Fatalf("%q: %d texts, want %d", in, len(m.texts), len(o.text))
	}
	gotUsage, _ := m.Usage()
	if want, sure := oracleUsage(usage); sure && gotUsage != want {
		t.Fatalf("%q: usage %+v, want %+v", in, gotUsage, want)
	}
}

func hasInvalid(in []byte) bool { return !utf8.Valid(in) }

// sortedBytes makes texts comparable that are gathered in another order.
func sortedBytes(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// oracle gathers texts from decoded values, in an order of its own.
type oracle struct {
	text     map[lane]string
	finished bool
	// ambiguous says that the result depends on the order of members.
	ambiguous bool
}

func (o *oracle) add(l lane, v any) {
	if s, _ := v.(string); s != "" {
		o.text[l] += s
	}
}

func (o *oracle) choice(c map[string]any, at int64) {
	if n, ok := oracleCount(c["index"]); ok {
		at = n
	}
	if s, _ := c["finish_reason"].(string); s != "" {
		o.finished = true
	}
	o.add(lane{choice: at, kind: laneContent}, c["text"])
	for _, name := range []string{"delta", "message"} {
		if d, ok := c[name].(map[string]any); ok {
			o.message(d, at)
		}
	}
}

func (o *oracle) message(d map[string]any, at int64) {
	o.content(lane{choice: at, kind: laneContent}, d["content"])
	o.add(lane{choice: at, kind: laneContent}, d["refusal"])
	o.ambiguous = o.ambiguous || d["reasoning_content"] != nil && d["reasoning"] != nil
	o.content(lane{choice: at, kind: laneReasoning}, d["reasoning_content"])
	o.content(lane{choice: at, kind: laneReasoning}, d["reasoning"])
	o.function(lane{choice: at, kind: laneTool}, d["function_call"])
	calls, _ := d["tool_calls"].([]any)
	for i, x := range calls {
		call, _ := x.(map[string]any)
		index := int64(i)
		if n, ok := oracleCount(call["index"]); ok {
			index = n
		}
		o.function(lane{choice: at, kind: laneTool + index}, call["function"])
		o.function(lane{choice: at, kind: laneTool + index}, call["custom"])
	}
}

func (o *oracle) content(l lane, v any) {
	parts, _ := v.([]any)
	for _, x := range parts {
		part, _ := x.(map[string]any)
		o.add(l, part["text"])
		o.add(l, part["refusal"])
		o.content(lane{choice: l.choice, kind: laneReasoning}, part["thinking"])
	}
	o.add(l, v)
}

func (o *oracle) function(l lane, v any) {
	f, _ := v.(map[string]any)
	for _, name := range []string{"name", "arguments", "input"} {
		o.add(l, f[name])
	}
}

func oracleCount(v any) (int64, bool) {
	f, ok := v.(float64)
	if !ok || f < 0 || f > maxCount || f != math.Trunc(f) {
		return 0, false
	}
	return int64(f), true
}

// oracleUsage normalises a decoded usage. It is not sure where an object has one number under two names.
func oracleUsage(u map[string]any) (usage Usage, sure bool) {
	sure = true
	first := func(m map[string]any, names ...string) (int64, bool) {
		sure = sure && (len(names) < 2 || m[names[0]] == nil || m[names[1]] == nil)
		for _, name := range names {
			if n, ok := oracleCount(m[name]); ok {
				return n, true
			}
		}
		return 0, false
	}
	detail := func(name string) map[string]any { m, _ := u[name].(map[string]any); return m }
	in, hasIn := first(u, "prompt_tokens", "input_tokens")
	out, hasOut := first(u, "completion_tokens", "output_tokens")
	total, hasTotal := first(u, "total_tokens")
	sure = sure && len(detail("prompt_tokens_details"))*len(detail("input_tokens_details")) == 0 &&
		len(detail("completion_tokens_details"))*len(detail("output_tokens_details")) == 0
	cached, hasCached := first(detail("prompt_tokens_details"), "cached_tokens")
	if !hasCached {
		if cached, hasCached = first(detail("input_tokens_details"), "cached_tokens"); !hasCached {
			cached, _ = first(u, "prompt_cache_hit_tokens", "cached_tokens")
		}
	}
	reasoning, has := first(detail("completion_tokens_details"), "reasoning_tokens")
	if !has {
		if reasoning, has = first(detail("output_tokens_details"), "reasoning_tokens"); !has {
			reasoning, has = first(u, "reasoning_tokens")
		}
	}
	sure = sure && (u["reasoning_tokens"] == nil || len(detail("completion_tokens_details"))+len(detail("output_tokens_details")) == 0)
	switch {
	case !hasTotal:
	case !hasIn && !hasOut:
		in = total
	case !hasOut:
		out = max(total-in, 0)
	case !hasIn:
		in = max(total-out, 0)
	case has && in+out+reasoning == total:
		out += reasoning
	}
	return Usage{Input: in, CachedInput: min(cached, in), Output: out, Reasoning: min(reasoning, out)}, sure
}
