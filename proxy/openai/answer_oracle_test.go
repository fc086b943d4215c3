package openai

import (
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// answerOracle reads events and whole answers of all dialects but chat, by encoding/json and rules of its own.
type answerOracle struct {
	oracle
	chunk Chunk
	usage Usage
	units Units
	// unsure says that the usage depends on the order of members.
	unsure bool
	ids    []string
}

func compareWithAnswerOracle(t *testing.T, d Dialect, whole bool, in []byte, m *Meter, got Chunk) {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal(in, &c); err != nil {
		return // a number that no float holds
	}
	o := answerOracle{oracle: oracle{text: map[lane]string{}}}
	o.chunk.Valid = true
	switch d {
	case DialectResponses:
		o.responses(c, whole)
	case DialectMessages:
		o.messages(c, whole)
	default:
		o.media(d, c)
	}
	o.chunk.HasContent = o.chunk.HasContent || len(o.text) > 0
	o.chunk.HasIDs = len(o.ids) > 0
	if flags(got) != flags(o.chunk) {
		t.Fatalf("%d %v %q: got %s, want %s", d, whole, in, flags(got), flags(o.chunk))
	}
	if u, _ := m.Usage(); !o.unsure && u != o.usage {
		t.Fatalf("%d %v %q: usage %+v, want %+v", d, whole, in, u, o.usage)
	}
	if m.Units() != o.units && !o.unsure {
		t.Fatalf("%d %v %q: units %+v, want %+v", d, whole, in, m.Units(), o.units)
	}
	if _, ok := m.Usage(); whole && ok {
		return // texts are not kept
	}
	if len(m.texts) != min(len(o.text), maxLanes) {
		t.Fatalf("%d %v %q: %d texts, want %d", d, whole, in, len(m.texts), len(o.text))
	}
	for _, x := range m.texts {
		if want := o.text[x.lane]; !hasInvalid(in) && !o.ambiguous && sortedBytes(string(x.text)) != sortedBytes(want) {
			t.Fatalf("%d %v %q: lane %v is %q, want the bytes of %q", d, whole, in, x.lane, x.text, want)
		}
	}
}

func (o *answerOracle) fault(c map[string]any) {
	o.chunk.IsError = c["error"] != nil || c["object"] == "error" || c["type"] == "error"
}

func (o *answerOracle) report(v any) {
	if u, ok := v.(map[string]any); ok {
		var sure bool
		o.usage, sure = oracleUsage(u)
		o.unsure = o.unsure || !sure
		o.chunk.HasUsage = true
	}
}

func (o *answerOracle) id(v any) {
	if s, _ := v.(string); s != "" {
		o.ids = append(o.ids, s)
	}
}

func text(v any) string { s, _ := v.(string); return s }

func index(v any) int64 { n, _ := oracleCount(v); return n }

func (o *answerOracle) responses(c map[string]any, whole bool) {
	if whole {
		o.id(c["id"])
		o.id(c["previous_response_id"])
		o.report(c["usage"])
		status := text(c["status"])
		o.chunk.IsError = status == "" && (c["error"] != nil || c["object"] == "error") || status == "failed" && !o.chunk.HasUsage
		o.chunk.Finished = status == "completed" || status == "incomplete" || status == "" && !o.chunk.IsError
		o.output(c["output"])
		return
	}
	o.fault(c)
	r, _ := c["response"].(map[string]any)
	for _, v := range []any{c["response_id"], r["id"], r["previous_response_id"]} {
		o.id(v)
	}
	if r["error"] != nil || r["object"] == "error" {
		o.chunk.IsError = true
	}
	kind, ok := strings.CutPrefix(text(c["type"]), "response.")
	final := ok && slices.Contains([]string{"completed", "incomplete", "failed", "cancelled", "done"}, kind)
	if usage, is := r["usage"].(map[string]any); is && !final {
		o.report(inputOf(usage))
	} else {
		o.report(r["usage"])
	}
	if !ok {
		return
	}
	at := lane{choice: index(c["output_index"]), part: index(c["content_index"])}
	if c["summary_index"] != nil {
		o.ambiguous = c["content_index"] != nil
		at.part = index(c["summary_index"])
	}
	if o.ambiguous {
		return
	}
	if laneKind, ok := responsesLanes[strings.TrimSuffix(kind, ".delta")]; ok && strings.HasSuffix(kind, ".delta") {
		if at.kind = laneKind; laneKind == laneTool {
			at.part = 0
		}
		o.add(at, c["delta"])
	}
	switch kind {
	case "audio.delta", "output_audio.delta", "image_generation_call.partial_image":
		o.chunk.HasContent = true
	case "output_item.added":
		item, _ := c["item"].(map[string]any)
		o.add(lane{choice: at.choice, kind: laneTool}, item["name"])
	}
	if final {
		o.responsesEnd(kind, r)
	}
}

// inputOf returns a usage object without what it says of the output: that of a response that goes on is what has been
// made so far.
func inputOf(usage map[string]any) map[string]any {
	usage = maps.Clone(usage)
	for _, name := range []string{"completion_tokens", "output_tokens", "total_tokens", "reasoning_tokens",
		"completion_tokens_details", "output_tokens_details", "output_token_details"} {
		delete(usage, name)
	}
	return usage
}

// responsesLanes are the kinds of text that a delta of a response brings, without the ends of its names.
var responsesLanes = map[string]int64{
	"output_text": laneContent, "refusal": laneContent, "text": laneContent, "audio.transcript": laneContent,
	"audio_transcript": laneContent, "output_audio_transcript": laneContent,
	"reasoning_text": laneReasoning, "reasoning": laneReasoning,
	"reasoning_summary_text": laneSummary, "reasoning_summary": laneSummary,
	"function_call_arguments": laneTool, "mcp_call_arguments": laneTool, "mcp_call.arguments": laneTool,
	"custom_tool_call_input": laneTool, "code_interpreter_call_code": laneTool, "code_interpreter_call.code": laneTool,
	"apply_patch_call_operation_diff": laneTool, "shell_call_command": laneTool,
}

func (o *answerOracle) responsesEnd(kind string, r map[string]any) {
	if kind == "done" {
		kind = text(r["status"])
		o.chunk.IsError = o.chunk.IsError || kind == "failed"
	} else if kind == "completed" || kind == "incomplete" {
		o.chunk.IsError = false
	}
	o.chunk.Final = true
	o.chunk.Finished = kind == "completed" || kind == "incomplete"
	o.chunk.IsError = o.chunk.IsError || kind == "failed"
	if !o.chunk.HasUsage {
		o.output(r["output"])
	}
}

func (o *answerOracle) output(v any) {
	list, _ := v.([]any)
	for i, x := range list {
		item, _ := x.(map[string]any)
		kind := int64(laneContent)
		if item["type"] == "reasoning" {
			kind = laneReasoning
		}
		at := int64(i)
		o.content(lane{choice: at, kind: kind}, item["content"])
		o.content(lane{choice: at, kind: laneSummary}, item["summary"])
		for _, name := range []string{"name", "arguments", "input", "code"} {
			o.add(lane{choice: at, kind: laneTool}, item[name])
		}
	}
}

func (o *answerOracle) messages(c map[string]any, whole bool) {
	o.fault(c)
	if whole {
		content, _ := c["content"].([]any)
		for i, x := range content {
			o.block(x, int64(i))
		}
		o.chunk.Finished = text(c["stop_reason"]) != ""
		o.messagesReport(c["usage"])
		if n, ok := oracleCount(c["input_tokens"]); ok {
			o.unsure = c["usage"] != nil
			o.usage.Input, o.chunk.HasUsage = n, true
		}
		return
	}
	at := index(c["index"])
	o.messagesReport(c["usage"])
	switch c["type"] {
	case "message_start":
		output := o.usage.Output
		o.messageHead(c["message"], c["usage"])
		o.usage.Output = output // what has been made so far is no report
	case "message_delta":
		o.messageHead(c["delta"], c["usage"])
	case "content_block_start":
		o.block(c["content_block"], at)
	case "content_block_delta":
		o.block(c["delta"], at)
	case "message_stop":
		o.chunk.Finished, o.chunk.Final = true, true
	}
}

func (o *answerOracle) messageHead(v, outer any) {
	m, _ := v.(map[string]any)
	o.chunk.Finished = text(m["stop_reason"]) != ""
	if m["usage"] != nil {
		o.unsure = outer != nil
		o.messagesReport(m["usage"])
	}
}

func (o *answerOracle) messagesReport(v any) {
	u, ok := v.(map[string]any)
	if !ok {
		return
	}
	o.chunk.HasUsage = true
	created, read := index(u["cache_creation_input_tokens"]), index(u["cache_read_input_tokens"])
	o.usage = Usage{Input: index(u["input_tokens"]) + created + read, CachedInput: read, Output: index(u["output_tokens"]), CacheCreation: created}
}

func (o *answerOracle) block(v any, at int64) {
	b, _ := v.(map[string]any)
	o.add(lane{kind: laneContent, part: at}, b["text"])
	o.add(lane{kind: laneReasoning, part: at}, b["thinking"])
	o.add(lane{kind: laneTool, part: at}, b["name"])
	o.add(lane{kind: laneTool, part: at}, b["partial_json"])
	if input, _ := b["input"].(map[string]any); len(input) > 0 {
		o.ambiguous = true // it is kept as it is written
		o.add(lane{kind: laneTool, part: at}, "{}")
	}
}

func (o *answerOracle) media(d Dialect, c map[string]any) {
	o.fault(c)
	o.report(c["usage"])
	kind := text(c["type"])
	switch d {
	case DialectImages:
		o.images(kind, c)
	case DialectSpeech:
		o.chunk.HasContent = kind == "speech.audio.delta"
		o.chunk.Final = kind == "speech.audio.done"
		o.chunk.Finished = o.chunk.Final
	case DialectTranscriptions:
		o.transcription(kind, c)
	default:
		for _, name := range []string{"results", "data"} {
			o.unsure = c["results"] != nil && c["data"] != nil
			if v, has := c[name]; has {
				list, _ := v.([]any)
				o.chunk.HasContent, o.chunk.Finished = len(list) > 0, true
			}
		}
		meta, _ := c["meta"].(map[string]any)
		if meta["tokens"] != nil {
			o.unsure = o.unsure || c["usage"] != nil
			o.report(meta["tokens"])
		}
		billed, _ := meta["billed_units"].(map[string]any)
		o.units.Searches = index(billed["search_units"])
	}
}

func (o *answerOracle) images(kind string, c map[string]any) {
	data, listed := c["data"].([]any)
	switch kind {
	case "image_generation.partial_image", "image_edit.partial_image":
		o.chunk.HasContent = true
		return
	case "image_generation.completed", "image_edit.completed":
		o.units.Images = 1
		o.chunk.HasContent, o.chunk.Final, o.chunk.Finished = true, true, true
	case "":
		if !listed {
			return
		}
		o.units.Images = int64(len(data))
		o.chunk.HasContent, o.chunk.Finished = len(data) > 0, true
	default:
		return
	}
	if size := text(c["size"]); len(size) <= maxSizeName && size != "auto" && imageSizes.MatchString(size) {
		o.units.ImageSize = size
	}
}

var imageSizes = regexp.MustCompile(`^[0-9A-Za-z:]*$`)

func (o *answerOracle) transcription(kind string, c map[string]any) {
	usage, _ := c["usage"].(map[string]any)
	for _, v := range []any{c["duration"], usage["prompt_audio_seconds"], usage["seconds"]} {
		if ms, ok := oracleMilliseconds(v); ok {
			o.units.AudioMilliseconds = ms
		}
	}
	o.unsure = o.unsure || usage["prompt_audio_seconds"] != nil && usage["seconds"] != nil
	switch kind {
	case "transcript.text.delta":
		o.add(lane{}, c["delta"])
	case "transcript.text.segment":
		o.chunk.HasContent = true
	case "transcript.text.done":
		o.chunk.Final, o.chunk.Finished = true, true
	case "":
		if s, ok := c["text"].(string); ok {
			o.chunk.Finished = true
			o.add(lane{}, s)
			return
		}
		choices, _ := c["choices"].([]any)
		for i, x := range choices {
			choice, _ := x.(map[string]any)
			o.choice(choice, int64(i))
		}
	}
}

func oracleMilliseconds(v any) (int64, bool) {
	f, ok := v.(float64)
	if s, isText := v.(string); isText {
		if !json.Valid([]byte(s)) || strings.TrimSpace(s) != s {
			return 0, false
		}
		var err error
		f, err = strconv.ParseFloat(s, 64)
		ok = err == nil
	}
	ms := math.Round(f * 1000)
	return int64(ms), ok && ms >= 0 && ms <= maxCount
}

// FuzzAnswer compares what is read of an answer with what the oracle reads, in every dialect but chat.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"type":"response.completed","response":{"id":"resp_2","previous_response_id":"resp_1","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}],"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}`,
		`{"type":"response.output_text.delta","output_index":1,"content_index":2,"delta":"a\u00e9"}`, `{"response_id":"x","type":"response.done","response":{"status":"failed"}}`,
		`{"type":"response.in_progress","response":{"id":"resp_2","usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}`,
		`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","name":"f"}}`, `{"type":"response.reasoning_summary_text.delta","summary_index":1,"delta":"a"}`,
		`{"id":"resp_1","status":"completed","output":[{"type":"reasoning","summary":[{"text":"s"}],"content":[{"text":"c"}]},{"name":"f","arguments":"{}"}]}`,
		`{"type":"message_start","message":{"usage":{"input_tokens":3,"cache_read_input_tokens":2,"cache_creation_input_tokens":1,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","name":"f","input":{}}}`, `{"type":"content_block_delta","index":1,"delta":{"partial_json":"{}","thinking":"a","text":"b"}}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}`, `{"type":"message_stop"}`, `{"type":"error","error":{}}`, `{"input_tokens":7}`,
		`{"content":[{"type":"text","text":"a"},{"name":"f","input":{"a":1}}],"stop_reason":"x","usage":{"input_tokens":1,"output_tokens":0}}`,
		`{"created":1,"data":[{"b64_json":"AAAA"},{"url":"x"}],"size":"1024x1024","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`, `{"type":"image_edit.completed","size":"auto"}`,
		`{"type":"image_generation.partial_image","b64_json":"AAAA"}`, `{"type":"speech.audio.delta","audio":"AAAA"}`, `{"type":"speech.audio.done","usage":{"input_tokens":1}}`,
		`{"text":"a","duration":"8.47","usage":{"type":"duration","seconds":9}}`, `{"type":"transcript.text.delta","delta":"a"}`, `{"type":"transcript.text.done","text":"a"}`,
		`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`, `{"results":[{"index":0}],"meta":{"billed_units":{"search_units":1.0},"tokens":{"input_tokens":3}}}`,
	} {
		for d := DialectResponses; d <= DialectRerank; d++ {
			f.Add(uint8(d), true, []byte(s))
			f.Add(uint8(d), false, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, dialect uint8, whole bool, in []byte) {
		m := Meter{Dialect: 1 + Dialect(dialect-1)%DialectRerank}
		var got Chunk
		if whole {
			got, _ = m.Whole(in)
		} else {
			got = m.Event(in)
		}
		_, object := oracleMembers(in, nil)
		if want := object && json.Valid(in) && depthOf(in) <= maxDepth; got.Valid != want {
			t.Fatalf("%q: Valid is %v", in, got.Valid)
		}
		checkIDs(t, &m, in)
		if got.Valid && !repeats(in) {
			compareWithAnswerOracle(t, m.Dialect, whole, in, &m, got)
		}
	})
}

// checkIDs checks that IDs are replaced, and nothing else.
func checkIDs(t *testing.T, m *Meter, in []byte) {
	t.Helper()
	var ids []string
	same := m.AppendWithIDs(nil, in, func(dst, id []byte) []byte {
		ids = append(ids, string(id))
		return append(dst, id...)
	})
	if string(compactJSON(same)) != string(compactJSON(in)) {
		t.Fatalf("%q with the same IDs is %q", in, same)
	}
	other := m.AppendWithIDs(nil, in, func(dst, id []byte) []byte { return append(dst, "\"\n"...) })
	if len(ids) > 0 && (!json.Valid(other) || strings.Count(string(other), `\"\n`) < len(ids)) {
		t.Fatalf("%q with other IDs is %q", in, other)
	}
}

// compactJSON writes JSON anew, so that texts can be compared that are written with different escapes.
func compactJSON(in []byte) []byte {
	var v any
	if json.Unmarshal(in, &v) != nil {
		return in
	}
	out, _ := json.Marshal(v)
	return out
}
