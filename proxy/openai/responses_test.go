package openai

import (
	"fmt"
	"strings"
	"testing"
)

// answerCase is an answer: the events of a stream, or one whole body.
type answerCase struct {
	name   string
	whole  bool
	events []string
	// flags of each event, with blanks between them.
	flags string
	texts string
	usage Usage
	// reported says which sides were: i, o, io.
	reported string
	units    Units
	deltas   int64
	finished bool
}

// checkAnswers takes each answer twice, the second time after a Reset.
func checkAnswers(t *testing.T, d Dialect, cases []answerCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := Meter{Dialect: d}
			for range 2 {
				var all []string
				for _, e := range c.events {
					all = append(all, flags(c.take(t, &m, []byte(e))))
				}
				if got := strings.Join(all, " "); got != c.flags {
					t.Errorf("flags\n%q, want\n%q", got, c.flags)
				}
				if got := texts(&m); got != c.texts {
					t.Errorf("texts %q, want %q", got, c.texts)
				}
				usage, _ := m.Usage()
				if got := reportedSides(&m); usage != c.usage || got != c.reported || m.Units() != c.units {
					t.Errorf("usage %+v of %q and %+v, want %+v of %q and %+v", usage, got, m.Units(), c.usage, c.reported, c.units)
				}
				if m.Deltas() != c.deltas || m.Finished() != c.finished {
					t.Errorf("%d deltas, finished %v, want %d, %v", m.Deltas(), m.Finished(), c.deltas, c.finished)
				}
				m.Reset()
			}
		})
	}
}

func (c *answerCase) take(t *testing.T, m *Meter, data []byte) Chunk {
	if !c.whole {
		return m.Event(data)
	}
	chunk, err := m.Whole(data)
	if chunk.Valid != (err == nil) {
		t.Errorf("valid %v, but %v", chunk.Valid, err)
	}
	return chunk
}

func reportedSides(m *Meter) (s string) {
	in, out := m.Reported()
	if in {
		s = "i"
	}
	if out {
		s += "o"
	}
	return s
}

// echo is what a response repeats of its request.
const echo = `"object":"response","created_at":1741476777,"error":null,"incomplete_details":null,"instructions":null,` +
	`"max_output_tokens":null,"model":"gpt-4o-2024-08-06","parallel_tool_calls":true,"previous_response_id":null,` +
	`"reasoning":{"effort":null,"summary":null},"store":true,"temperature":1.0,"text":{"format":{"type":"text"}},` +
	`"tool_choice":"auto","tools":[{"type":"function","name":"weather","parameters":{"type":"object"}}],"metadata":{}`

const responsesUsage = `"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":4},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":123}`

func TestResponsesStream(t *testing.T) {
	checkAnswers(t, DialectResponses, []answerCase{
		{name: "text", events: []string{
			`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1",` + echo + `,"status":"in_progress","output":[],"usage":null}}`,
			`{"type":"response.in_progress","sequence_number":1,"response":{"id":"resp_1",` + echo + `,"status":"in_progress","output":[],"usage":null}}`,
			`{"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}`,
			`{"type":"response.content_part.added","item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`,
			`{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"H\u00e9","logprobs":[],"obfuscation":"xx"}`,
			`{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"llo"}`,
			`{"type":"response.output_text.done","item_id":"msg_1","output_index":0,"content_index":0,"text":"Héllo"}`,
			`{"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"Héllo"}]}}`,
			`{"type":"response.completed","sequence_number":9,"response":{"id":"resp_1",` + echo + `,"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Héllo"}]}],` + responsesUsage + `}}`,
		}, flags: "vi vi v v vt vt v v vufFi", texts: "0:Héllo", usage: Usage{36, 4, 87, 20, 0}, reported: "io", deltas: 2, finished: true},
		{name: "the type comes last", events: []string{
			`{"delta":"a","content_index":1,"output_index":2,"type":"response.output_text.delta"}`,
			`{"response":{"usage":{"input_tokens":1,"output_tokens":2},"id":"resp_1"},"type":"response.completed"}`,
		}, flags: "vt vufFi", texts: "2:a", usage: Usage{Input: 1, Output: 2}, reported: "io", deltas: 1, finished: true},
		{name: "tools, reasoning, refusal", events: []string{
			`{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}`,
			`{"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":0,"delta":"sum"}`,
			`{"type":"response.reasoning_text.delta","item_id":"rs_1","output_index":0,"content_index":0,"delta":"hm"}`,
			`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"fc_1","call_id":"call_1","name":"weather","arguments":""}}`,
			`{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"fc_1","delta":"{\"a\":"}`,
			`{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"fc_1","delta":"1}"}`,
			`{"type":"response.function_call_arguments.done","output_index":1,"item_id":"fc_1","name":"weather","arguments":"{\"a\":1}"}`,
			`{"type":"response.mcp_call_arguments.delta","output_index":2,"delta":"{}"}`,
			`{"type":"response.custom_tool_call_input.delta","output_index":3,"delta":"x"}`,
			`{"type":"response.code_interpreter_call_code.delta","output_index":4,"delta":"print"}`,
			`{"type":"response.refusal.delta","output_index":5,"content_index":0,"delta":"no"}`,
			`{"type":"response.output_text.delta","output_index":5,"content_index":1,"delta":"yes"}`,
			`{"type":"response.image_generation_call.partial_image","output_index":6,"partial_image_index":0,"partial_image_b64":"iVBORw0KGgo="}`,
		}, flags: "v vt vt vt vt vt v vt vt vt vt vt vt", texts: `reasoning 0:sum|reasoning 0:hm|1:weather{"a":1}|2:{}|3:x|4:print|5:no|5:yes`, deltas: 11},
		{name: "incomplete", events: []string{`{"type":"response.incomplete","response":{"id":"resp_1","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},` + responsesUsage + `}}`},
			flags: "vufFi", usage: Usage{36, 4, 87, 20, 0}, reported: "io", finished: true},
		{name: "failed, with usage", events: []string{
			`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}`,
			`{"type":"response.failed","response":{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"The model failed."},` + responsesUsage + `}}`,
		}, flags: "vt vuxFi", texts: "0:a", usage: Usage{36, 4, 87, 20, 0}, reported: "io", deltas: 1},
		{name: "failed, without usage", events: []string{`{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error"},"usage":null}}`}, flags: "vxF"},
		{name: "cancelled", events: []string{`{"type":"response.cancelled","response":{"status":"cancelled","usage":null}}`}, flags: "vF"},
		{name: "error", events: []string{
			`{"type":"error","code":"ERR_SOMETHING","message":"Something went wrong","param":null,"sequence_number":1}`,
			`{"type":"error","error":{"type":"invalid_request_error","message":"x"}}`, `{"error":{"message":"x"}}`, `{"object":"error","message":"x"}`, `{"error":null}`,
		}, flags: "vx vx vx vx v"},
		{name: "nothing but the end, which lacks usage", events: []string{
			`{"type":"response.completed","response":{"status":"completed","output":[{"type":"reasoning","content":[{"type":"reasoning_text","text":"hm"}]},` +
				`{"type":"message","content":[{"text":"hi"}]},{"name":"f","arguments":"{}","type":"function_call"}]}}`},
			flags: "vftF", texts: "reasoning 0:hm|1:hi|2:f{}", deltas: 1, finished: true},
		{name: "the end repeats what has come", events: []string{
			`{"type":"response.output_text.delta","delta":"hi"}`,
			`{"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"text":"hi"}]}],"usage":null}}`},
			flags: "vt vfF", texts: "0:hi", deltas: 1, finished: true},
		{name: "realtime", events: []string{
			`{"type":"response.created","event_id":"event_1","response":{"object":"realtime.response","id":"resp_1","status":"in_progress","usage":null}}`,
			`{"type":"response.output_audio.delta","response_id":"resp_1","item_id":"i","output_index":0,"content_index":0,"delta":"AAAA"}`,
			`{"type":"response.output_audio_transcript.delta","response_id":"resp_1","item_id":"i","output_index":0,"content_index":0,"delta":"Hi"}`,
			`{"type":"conversation.item.input_audio_transcription.completed","item_id":"i","transcript":"Hi","usage":{"type":"tokens","input_tokens":9,"output_tokens":9}}`,
			`{"type":"response.done","event_id":"event_2","response":{"object":"realtime.response","id":"resp_1","status":"completed","status_details":null,"output":[],` +
				`"usage":{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":119,"audio_tokens":13,"cached_tokens":64,"cached_tokens_details":{"text_tokens":64}},"output_token_details":{"text_tokens":30,"audio_tokens":91}}}}`,
		}, flags: "vi vti vti v vufFi", texts: "0:Hi", usage: Usage{132, 64, 121, 0, 0}, reported: "io", deltas: 2, finished: true},
		{name: "broken off behind a report of what has been made so far", events: []string{
			`{"type":"response.in_progress","response":{"id":"resp_1","status":"in_progress",` + responsesUsage + `}}`,
		}, flags: "vui", usage: Usage{Input: 36, CachedInput: 4}, reported: "i"},
		{name: "realtime, interrupted and failed", events: []string{
			`{"type":"response.done","response":{"status":"cancelled","status_details":{"type":"cancelled","reason":"turn_detected"},"usage":{"total_tokens":3,"input_tokens":1,"output_tokens":2}}}`,
			`{"type":"response.done","response":{"status":"failed","status_details":{"error":{"code":"x"}}}}`,
		}, flags: "vuF vxF", usage: Usage{Input: 1, Output: 2}, reported: "io"},
		{name: "odd", events: []string{
			`{}`, `[]`, `{"type":7}`, `{"type":"response.new_thing.delta","delta":"a"}`, `{"type":"response.output_text.delta"}`,
			`{"type":"response.output_text.delta","delta":{"x":1}}`, `{"type":"response.output_text.delta","delta":""}`,
			`{"type":"response.output_text.delta","delta":"a"`, `{"type":"response.completed"}`, `{"type":"response.completed","response":[{"usage":{"input_tokens":1}}]}`,
			`{"type":"response.completed","response":{"usage":"36","output":{"a":1},"id":7,"previous_response_id":null}}`,
			`{"type":"response.in_progress","response":{"usage":{"input_tokens":-1,"output_tokens":1e99,"total_tokens":"7","input_tokens_details":null}}}`,
			`{"type":"response.\u0063ompleted","response":{"us\u0061ge":{"input_tokens":3.0}}}`, `{"type":"response.completed","response":{"x":` + strings.Repeat("[", 511) + strings.Repeat("]", 511) + `}}`,
		}, flags: "v  v v v v v  vfF vfF vfF vu vufF ", usage: Usage{Input: 3}, reported: "i", finished: true},
	})
}

func TestResponsesWhole(t *testing.T) {
	body := func(rest string) []string { return []string{`{"id":"resp_1",` + echo + `,` + rest + `}`} }
	output := `"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"sum"}],"content":[{"type":"reasoning_text","text":"hm"}]},` +
		`{"type":"message","content":[{"type":"output_text","text":"h","annotations":[]},{"type":"refusal","refusal":"no"}]},` +
		`{"type":"function_call","name":"f","arguments":"{}"},{"type":"custom_tool_call","name":"g","input":"x"},{"type":"code_interpreter_call","code":"print","outputs":[{"logs":"1"}]},` +
		`{"type":"image_generation_call","result":"iVBO"},null,7]`
	checkAnswers(t, DialectResponses, []answerCase{
		{name: "with usage", whole: true, events: body(`"status":"completed",` + output + `,` + responsesUsage), flags: "vufti", usage: Usage{36, 4, 87, 20, 0}, reported: "io", finished: true},
		{name: "without usage", whole: true, events: body(`"status":"completed",` + output + `,"usage":null`), flags: "vfti",
			texts: "reasoning 0:sum|reasoning 0:hm|1:hno|2:f{}|3:gx|4:print", finished: true},
		{name: "incomplete", whole: true, events: body(`"status":"incomplete","output":[],` + responsesUsage), flags: "vufi", usage: Usage{36, 4, 87, 20, 0}, reported: "io", finished: true},
		{name: "queued", whole: true, events: body(`"status":"queued","output":[],"usage":null`), flags: "vi"},
		{name: "in progress", whole: true, events: body(`"status":"in_progress"`), flags: "vi"},
		{name: "cancelled", whole: true, events: body(`"status":"cancelled"`), flags: "vi"},
		{name: "failed", whole: true, events: []string{`{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"x"},"usage":null}`}, flags: "vxi"},
		{name: "failed, but used", whole: true, events: []string{`{"id":"resp_1","status":"failed","error":{"code":"server_error"},` + responsesUsage + `}`}, flags: "vui", usage: Usage{36, 4, 87, 20, 0}, reported: "io"},
		{name: "error", whole: true, events: []string{`{"error":{"message":"x"}}`, `{"type":"error","error":{"message":"x"}}`}, flags: "vx vx"},
		{name: "deleted", whole: true, events: []string{`{"id":"resp_1","object":"response.deleted","deleted":true}`}, flags: "vfi", finished: true},
		{name: "broken", whole: true, events: []string{``, `[]`, `{"id":"resp_1"`, `{"id":"resp_1"}x`}, flags: "   "},
	})
}

func TestAppendWithIDs(t *testing.T) {
	seal := func(dst, id []byte) []byte { return append(append(append(dst, '<'), id...), '>') }
	for _, c := range []struct{ in, want string }{
		{`{"type":"response.output_text.delta","item_id":"msg_1","delta":"resp_1"}`, `{"type":"response.output_text.delta","item_id":"msg_1","delta":"resp_1"}`},
		{`{"response":{"id":"resp_2", "previous_response_id" : "resp_1","output":[{"id":"msg_1"}]}}`, `{"response":{"id":"<resp_2>", "previous_response_id" : "<resp_1>","output":[{"id":"msg_1"}]}}`},
		{`{"response":{"previous_response_id":null,"id":"resp_2"},"response_id":"resp_1","id":"x"}`, `{"response":{"previous_response_id":null,"id":"<resp_2>"},"response_id":"<resp_1>","id":"x"}`},
		{`{"response_id":"resp_1","response":{"id":"resp_2"}}`, `{"response_id":"<resp_1>","response":{"id":"<resp_2>"}}`},
		{`{"response":{"id":"","previous_response_id":7}}`, `{"response":{"id":"","previous_response_id":7}}`},
		{`{"response":{"id":"a\u0022\u00e9\\"}}`, `{"response":{"id":"<a\"é\\>"}}`},
		{`{"response":{"id":"a"},"x":}`, `{"response":{"id":"a"},"x":}`},
	} {
		m := Meter{Dialect: DialectResponses}
		m.Event([]byte(c.in))
		if got := string(m.AppendWithIDs([]byte("+"), []byte(c.in), seal)); got != "+"+c.want {
			t.Errorf("data %s\ngot  %s\nwant +%s", c.in, got, c.want)
		}
		for _, frame := range []string{"event: x\ndata: %s\n\n", ": c\r\ndata:%s\r\nid: 7\r\n\r\n", "%s"} {
			s := NewScanner(0)
			if _, err := s.Fill(strings.NewReader(fmt.Sprintf(frame, c.in))); err != nil {
				t.Fatal(err)
			}
			ev, ok := s.Next()
			if !ok {
				continue // what is broken is no plain JSON
			}
			m.Event(ev.Data)
			if got, want := string(m.AppendEventWithIDs(nil, ev, seal)), fmt.Sprintf(frame, c.want); got != want {
				t.Errorf("event %q, want %q", got, want)
			}
		}
	}
	s := NewScanner(0)
	if _, err := s.Fill(strings.NewReader("data: {\"response\":\ndata: {\"id\":\"a\"}}\nid: 1\n\n")); err != nil {
		t.Fatal(err)
	}
	ev, _ := s.Next()
	m := Meter{Dialect: DialectResponses}
	m.Event(ev.Data)
	if got := string(m.AppendEventWithIDs(nil, ev, seal)); got != "data: {\"response\":\ndata: {\"id\":\"<a>\"}}\nid: 1\n\n" {
		t.Errorf("on several lines: %q", got)
	}
	m.Whole([]byte(`{"id":"resp_2"}`))
	m.Reset()
	if got := string(m.AppendWithIDs(nil, []byte(`{"id":"resp_2"}`), seal)); got != `{"id":"resp_2"}` {
		t.Errorf("Reset keeps IDs: %s", got)
	}
}
