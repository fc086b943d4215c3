package anthropic

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const hi = `"messages":[{"role":"user","content":"Hi"}]`

// same compares JSON by value.
func same(t *testing.T, got []byte, want string) bool {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("the test's own JSON: %v\n%s", err, want)
	}
	return reflect.DeepEqual(g, w)
}

// TestMembers changes one thing about a small request each, and looks at what becomes of it beside model and messages.
func TestMembers(t *testing.T) {
	const schema = `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`
	const tools = `,"tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":` + schema + `}}]`
	const toolsOut = `"max_tokens":4096,"tools":[{"name":"f","description":"d","input_schema":` + schema + `}]`
	for _, c := range []struct {
		name, in string
		o        Options
		want     string
	}{
		{"nothing", ``, Options{}, `"max_tokens":4096`},
		{"model's bound", ``, Options{MaxTokens: 64000}, `"max_tokens":64000`},
		{"max_tokens", `,"max_tokens":5`, Options{MaxTokens: 64000}, `"max_tokens":5`},
		{"both bounds", `,"max_tokens":5,"max_completion_tokens":6`, Options{}, `"max_tokens":6`},
		{"stream", `,"stream":true,"stream_options":{"include_usage":true}`, Options{}, `"max_tokens":4096,"stream":true`},
		{"one stop", `,"stop":"END"`, Options{}, `"max_tokens":4096,"stop_sequences":["END"]`},
		{"stops", `,"stop":["a","b"]`, Options{}, `"max_tokens":4096,"stop_sequences":["a","b"]`},
		{"no stop", `,"stop":null`, Options{}, `"max_tokens":4096`},
		{"sampling", `,"temperature":0.5,"top_p":0.9`, Options{}, `"max_tokens":4096,"temperature":0.5,"top_p":0.9`},
		{"hot", `,"temperature":1.7`, Options{}, `"max_tokens":4096,"temperature":1`},
		{"zero", `,"temperature":0`, Options{}, `"max_tokens":4096,"temperature":0`},
		{"user", `,"user":"u1"`, Options{}, `"max_tokens":4096,"metadata":{"user_id":"u1"}`},
		{"long user", `,"user":"` + strings.Repeat("u", 257) + `"`, Options{}, `"max_tokens":4096`},
		{"unknown", `,"seed":1,"logit_bias":{"1":2},"n":1,"logprobs":false,"store":true`, Options{}, `"max_tokens":4096`},
		{"tools", tools, Options{}, toolsOut},
		{"no parameters", `,"tools":[{"type":"function","function":{"name":"f"}}]`, Options{},
			`"max_tokens":4096,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]`},
		{"functions", `,"functions":[{"name":"f"}],"function_call":{"name":"f"}`, Options{},
			`"max_tokens":4096,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"tool","name":"f"}`},
		{"auto", tools + `,"tool_choice":"auto"`, Options{}, toolsOut + `,"tool_choice":{"type":"auto"}`},
		{"none", tools + `,"tool_choice":"none","parallel_tool_calls":false`, Options{}, toolsOut + `,"tool_choice":{"type":"none"}`},
		{"required", tools + `,"tool_choice":"required"`, Options{}, toolsOut + `,"tool_choice":{"type":"any"}`},
		{"named", tools + `,"tool_choice":{"type":"function","function":{"name":"f"}}`, Options{}, toolsOut + `,"tool_choice":{"type":"tool","name":"f"}`},
		{"one at a time", tools + `,"parallel_tool_calls":false`, Options{}, toolsOut + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`},
		{"parallel", tools + `,"parallel_tool_calls":true`, Options{}, toolsOut},
		{"choice without tools", `,"tool_choice":"auto"`, Options{}, `"max_tokens":4096`},
		{"json_schema", `,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":` + schema + `}}`, Options{},
			`"max_tokens":4096,"output_config":{"format":{"type":"json_schema","schema":` + schema + `}}`},
		{"json_object", `,"response_format":{"type":"json_object"}`, Options{}, `"max_tokens":4096,"system":[{"type":"text","text":"` + jsonHint + `"}]`},
		{"text", `,"response_format":{"type":"text"}`, Options{}, `"max_tokens":4096`},
		{"effort", `,"reasoning_effort":"high","temperature":0.2`, Options{}, `"max_tokens":20480,"thinking":{"type":"enabled","budget_tokens":16384}`},
		{"effort within a large bound", `,"reasoning_effort":"low"`, Options{MaxTokens: 64000}, `"max_tokens":64000,"thinking":{"type":"enabled","budget_tokens":1024}`},
		{"effort and a bound", `,"reasoning_effort":"high","max_completion_tokens":8000`, Options{}, `"max_tokens":8000,"thinking":{"type":"enabled","budget_tokens":4000}`},
		{"effort and a small bound", `,"reasoning_effort":"medium","max_tokens":1100`, Options{}, `"max_tokens":1100,"thinking":{"type":"enabled","budget_tokens":1024}`},
		{"effort without room", `,"reasoning_effort":"high","max_tokens":1024,"temperature":0.2`, Options{}, `"max_tokens":1024,"temperature":0.2`},
		{"no effort", `,"reasoning_effort":"none"`, Options{}, `"max_tokens":4096`},
		{"effort and a forced tool", tools + `,"tool_choice":"required","reasoning_effort":"low"`, Options{}, toolsOut + `,"tool_choice":{"type":"any"}`},
		{"adaptive", `,"reasoning_effort":"medium"`, Options{Adaptive: true}, `"max_tokens":4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}`},
		{"adaptive and a forced tool", tools + `,"tool_choice":"required","reasoning_effort":"low"`, Options{Adaptive: true}, toolsOut + `,"tool_choice":{"type":"any"},"output_config":{"effort":"low"}`},
		{"adaptive and a schema", `,"reasoning_effort":"minimal","response_format":{"type":"json_schema","json_schema":{"schema":{}}}`, Options{Adaptive: true},
			`"max_tokens":4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}}`},
	} {
		c.o.Model = "there"
		got, e := Request([]byte(`{"model":"here",`+hi+c.in+`}`), c.o)
		if e != nil {
			t.Errorf("%s: refused: %v", c.name, e)
			continue
		}
		want := `{"model":"there","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],` + c.want + `}`
		if !same(t, got, want) {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
	}
}

// TestMessages looks at system and messages only.
func TestMessages(t *testing.T) {
	const png, pdf = "data:image/png;base64,iVBORw0KGgo=", "data:application/pdf;base64,JVBERi0="
	for _, c := range []struct{ name, in, system, want string }{
		{"roles", `{"role":"system","content":"S"},{"role":"developer","content":[{"type":"text","text":"D"}]},{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?"},{"role":"user","content":"Go"}`,
			`[{"type":"text","text":"S"},{"type":"text","text":"D"}]`,
			`{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"text","text":"Yes?"}]},{"role":"user","content":[{"type":"text","text":"Go"}]}`},
		{"in a row, and empty ones", `{"role":"user","content":"a"},{"role":"assistant","content":""},{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}`, ``,
			`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}`},
		{"text is as it was", `{"role":"user","content":"<&>\u2028\"ä"}`, ``, `{"role":"user","content":[{"type":"text","text":"<&>\u2028\"ä"}]}`},
		{"images", `{"role":"user","content":[{"type":"text","text":"What?"},{"type":"image_url","image_url":{"url":"` + png + `","detail":"low"}},{"type":"image_url","image_url":{"url":"https://h/i.png"}}]}`, ``,
			`{"role":"user","content":[{"type":"text","text":"What?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},{"type":"image","source":{"type":"url","url":"https://h/i.png"}}]}`},
		{"file", `{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"` + pdf + `"}}]}`, ``,
			`{"role":"user","content":[{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}`},
		{"tools", `{"role":"user","content":"Weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":"call:1","type":"function","function":{"name":"w","arguments":"{\"c\": \"Bonn\"}"}},{"id":"c2","type":"function","function":{"name":"w","arguments":""}}]},{"role":"tool","tool_call_id":"call:1","content":"rain"},{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"sun"}]},{"role":"user","content":"So?"}`, ``,
			`{"role":"user","content":[{"type":"text","text":"Weather?"}]},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"w","input":{"c":"Bonn"}},{"type":"tool_use","id":"c2","name":"w","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"rain"}]},{"type":"tool_result","tool_use_id":"c2","content":[{"type":"text","text":"sun"}]},{"type":"text","text":"So?"}]}`},
		{"functions", `{"role":"user","content":"Weather?"},{"role":"assistant","function_call":{"name":"w","arguments":"{}"}},{"role":"function","name":"w","content":"rain"}`, ``,
			`{"role":"user","content":[{"type":"text","text":"Weather?"}]},{"role":"assistant","content":[{"type":"tool_use","id":"function_1","name":"w","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"function_1","content":[{"type":"text","text":"rain"}]}]}`},
		{"refusal", `{"role":"user","content":"x"},{"role":"assistant","refusal":"No."},{"role":"user","content":"y"}`, ``,
			`{"role":"user","content":[{"type":"text","text":"x"}]},{"role":"assistant","content":[{"type":"text","text":"No."}]},{"role":"user","content":[{"type":"text","text":"y"}]}`},
	} {
		got, e := Request([]byte(`{"messages":[`+c.in+`]}`), Options{Model: "m"})
		if e != nil {
			t.Errorf("%s: refused: %v", c.name, e)
			continue
		}
		system := ""
		if c.system != "" {
			system = `"system":` + c.system + `,`
		}
		if want := `{"model":"m","max_tokens":4096,` + system + `"messages":[` + c.want + `]}`; !same(t, got, want) {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
	}
}

// TestThinkingOfTools: with a budget, the results of tools would need the thinking that led to them.
func TestThinkingOfTools(t *testing.T) {
	body := []byte(`{"reasoning_effort":"low","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]}`)
	for _, adaptive := range []bool{false, true} {
		got, e := Request(body, Options{Model: "m", Adaptive: adaptive})
		if e != nil || strings.Contains(string(got), `"thinking"`) != adaptive {
			t.Errorf("adaptive %v: %v\n%s", adaptive, e, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	part := func(p string) string { return `"messages":[{"role":"user","content":[` + p + `]}]` }
	call := func(c string) string {
		return `"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[` + c + `]}]`
	}
	for _, c := range []struct{ name, in, param string }{
		{"n", hi + `,"n":2`, "n"},
		{"logprobs", hi + `,"logprobs":true`, "logprobs"},
		{"top_logprobs", hi + `,"top_logprobs":3`, "logprobs"},
		{"audio", hi + `,"modalities":["text","audio"]`, "modalities"},
		{"no messages", `"messages":[]`, "messages"},
		{"system only", `"messages":[{"role":"system","content":"x"}]`, "messages"},
		{"messages of another type", `"messages":"x"`, "messages"},
		{"role", `"messages":[{"role":"robot","content":"x"}]`, "messages[0].role"},
		{"content of another type", `"messages":[{"role":"user","content":5}]`, "messages[0].content"},
		{"part of another type", part(`5`), "messages[0].content"},
		{"audio in", part(`{"type":"input_audio","input_audio":{"data":"","format":"wav"}}`), "messages[0].content[0].type"},
		{"image address", part(`{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}`), "messages[0].content[0].image_url.url"},
		{"image type", part(`{"type":"image_url","image_url":{"url":"data:image/tiff;base64,AA=="}}`), "messages[0].content[0].image_url.url"},
		{"image not in base64", part(`{"type":"image_url","image_url":{"url":"data:image/png,AA"}}`), "messages[0].content[0].image_url.url"},
		{"file by ID", part(`{"type":"file","file":{"file_id":"file-1"}}`), "messages[0].content[0].file.file_data"},
		{"file type", part(`{"type":"file","file":{"file_data":"data:text/csv;base64,AA=="}}`), "messages[0].content[0].file.file_data"},
		{"image of the system", `"messages":[{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://h"}}]}]`, "messages[0].content"},
		{"arguments", call(`{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":"}}`), "messages[1].tool_calls[0].function.arguments"},
		{"arguments no object", call(`{"id":"c","type":"function","function":{"name":"f","arguments":"[1]"}}`), "messages[1].tool_calls[0].function.arguments"},
		{"call without ID", call(`{"type":"function","function":{"name":"f","arguments":"{}"}}`), "messages[1].tool_calls[0]"},
		{"custom call", call(`{"id":"c","type":"custom","custom":{"name":"f","input":"x"}}`), "messages[1].tool_calls[0]"},
		{"result without call", `"messages":[{"role":"tool","content":"x"}]`, "messages[0].tool_call_id"},
		{"function without call", `"messages":[{"role":"function","name":"f","content":"x"}]`, "messages[0]"},
		{"custom tool", hi + `,"tools":[{"type":"custom","custom":{"name":"f"}}]`, "tools[0].type"},
		{"parameters", hi + `,"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`, "tools[0].function.parameters"},
		{"choice word", hi + `,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"maybe"`, "tool_choice"},
		{"choice", hi + `,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools"}`, "tool_choice"},
		{"stop", hi + `,"stop":5`, "stop"},
		{"effort", hi + `,"reasoning_effort":"huge"`, "reasoning_effort"},
		{"format", hi + `,"response_format":{"type":"xml"}`, "response_format.type"},
		{"schema", hi + `,"response_format":{"type":"json_schema"}`, "response_format.json_schema.schema"},
		{"temperature", hi + `,"temperature":"hot"`, "temperature"},
		{"too many tools", hi + `,"functions":[` + strings.Repeat(`{"name":"f"},`, maxTools) + `{"name":"f"}]`, "tools"},
	} {
		got, e := Request([]byte(`{`+c.in+`}`), Options{Model: "m"})
		if e == nil || e.Status != 400 || e.Param != c.param || e.Message == "" {
			t.Errorf("%s: %+v, want param %s\n%s", c.name, e, c.param, got)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{` + hi + `,"tools":[{"type":"function","function":{"name":"f"}}],"stop":["a"],"reasoning_effort":"low"}`))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, e := Request(body, Options{Model: "m"})
		switch {
		case e != nil && (e.Status != 400 || e.Message == ""):
			t.Errorf("refusal %+v", e)
		case e == nil && !json.Valid(out):
			t.Errorf("not JSON: %s", out)
		}
	})
}
