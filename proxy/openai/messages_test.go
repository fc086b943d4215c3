package openai

import "testing"

func TestMessagesStream(t *testing.T) {
	start := func(usage string) string {
		return `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":` + usage + `}}`
	}
	checkAnswers(t, DialectMessages, []answerCase{
		{name: "text", events: []string{
			start(`{"input_tokens":25,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"}`),
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
			`{"type":"ping"}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo\n"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"x"}}}`,
			`{"type":"content_block_stop","index":0}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15}}`,
			`{"type":"message_stop"}`,
		}, flags: "vu v v vt vt v v vuf vfF", texts: "0:Hello\n", usage: Usage{1125, 1000, 15, 0, 100}, reported: "io", deltas: 2, finished: true},
		{name: "thinking and tools", events: []string{
			`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCgIYAhIM"}}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}`,
			`{"type":"content_block_start","index":2,"content_block":{"type":"web_search_tool_result","tool_use_id":"t","content":[{"type":"web_search_result","text":"x"}]}}`,
			`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"f","input":{"b":2}}}`,
			`{"index":4,"delta":{"text":"ok"},"type":"content_block_delta"}`,
		}, flags: "v vt v vt v vt vt v vt vt", texts: `reasoning 0:hm|0:weather{"a":1}|0:f{"b":2}|0:ok`, deltas: 6},
		{name: "the last report counts", events: []string{
			start(`{"input_tokens":2679,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}`),
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":10682,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":510,"server_tool_use":{"web_search_requests":1}}}`,
		}, flags: "vu vuf", usage: Usage{10682, 0, 510, 0, 0}, reported: "io", finished: true},
		{name: "zeros at the beginning", events: []string{start(`{"input_tokens":0,"output_tokens":0}`),
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":2}}`},
			flags: "vu vuf", usage: Usage{10, 3, 2, 0, 0}, reported: "io", finished: true},
		{name: "zeros at the end", events: []string{start(`{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":1}`),
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}`},
			flags: "vu vuf", usage: Usage{10, 3, 2, 0, 0}, reported: "io", finished: true},
		{name: "an estimate at the beginning", events: []string{start(`{"input_tokens":1000,"output_tokens":0}`),
			`{"type":"message_delta","delta":{},"usage":{"input_tokens":90,"cache_read_input_tokens":900,"output_tokens":2}}`},
			flags: "vu vu", usage: Usage{990, 900, 2, 0, 0}, reported: "io"},
		{name: "zero is a report, but of the output it is none at the beginning", events: []string{start(`{"input_tokens":0,"output_tokens":0}`)}, flags: "vu", reported: "i"},
		{name: "no report", events: []string{start(`null`), start(`{}`), start(`{"input_tokens":"7","output_tokens":null}`), start(`{"cache_read_input_tokens":5}`)}, flags: "v vu vu vu",
			usage: Usage{Input: 5, CachedInput: 5}},
		{name: "errors", events: []string{
			`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}`, `{"type":"error"}`, `{"error":{"message":"x"}}`},
			flags: "vx vx vx"},
		{name: "odd", events: []string{
			`{}`, `[]`, `{"type":"message_start"}`, `{"type":"message_start","message":[]}`, `{"type":"content_block_delta"}`, `{"type":"content_block_delta","delta":"x"}`,
			`{"type":"content_block_delta","index":-1,"delta":{"text":7,"thinking":null}}`, `{"type":"vendor_event","delta":{"text":"x","stop_reason":"x"}}`,
			`{"type":"message_delta","delta":{"stop_reason":""},"usage":{"output_tokens":1e13}}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"}`,
		}, flags: "v  v v v v v v vu "},
	})
}

func TestMessagesWhole(t *testing.T) {
	content := `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"hm","signature":"x"},{"type":"text","text":"hi"},` +
		`{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":[1, 2]}},{"type":"redacted_thinking","data":"AAAA"},null],"stop_reason":"tool_use","stop_sequence":null`
	checkAnswers(t, DialectMessages, []answerCase{
		{name: "with usage", whole: true, events: []string{content + `,"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":20,"output_tokens":7}}`},
			flags: "vuft", usage: Usage{35, 20, 7, 0, 5}, reported: "io", finished: true},
		{name: "without usage", whole: true, events: []string{content + `}`}, flags: "vft", texts: `reasoning 0:hm|0:hi|0:f{"a":[1, 2]}`, finished: true},
		{name: "count_tokens", whole: true, events: []string{`{"input_tokens":2095}`}, flags: "vu", usage: Usage{Input: 2095}, reported: "i"},
		{name: "error", whole: true, events: []string{`{"type":"error","error":{"type":"api_error","message":"x"}}`}, flags: "vx"},
		{name: "no count", whole: true, events: []string{`{"input_tokens":"2095"}`, `{"input_tokens":{}}`, `{"content":"hi"}`}, flags: "v v v"},
		{name: "broken", whole: true, events: []string{``, `{"content":[{"text":"a"}`}, flags: " "},
	})
}
