package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestPeekAs(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialect Dialect
		body    string
		want    string // model stream maxTokens previous units
	}{
		{"responses", DialectResponses, `{"model":"m","input":"x","stream":true,"max_output_tokens":7,"previous_response_id":"resp_1"}`,
			`m true 7 "resp_1" {0  0 0 0}`},
		{"responses, nulls", DialectResponses, `{"model":"m","previous_response_id":null,"background":false,"conversation":null,"max_output_tokens":null}`,
			`m false 0 "" {0  0 0 0}`},
		{"responses, a bound of another dialect", DialectResponses, `{"model":"m","max_tokens":7}`, `m false 0 "" {0  0 0 0}`},
		{"responses, escaped ID", DialectResponses, `{"model":"m","previous_response_id":"resp\u005f1"}`, `m false 0 "resp_1" {0  0 0 0}`},
		{"messages", DialectMessages, `{"model":"m","max_tokens":9,"messages":[],"stream":true}`, `m true 9 "" {0  0 0 0}`},
		{"images", DialectImages, `{"model":"m","prompt":"x","n":3,"size":"1024x1024"}`, `m false 0 "" {3 1024x1024 0 0 0}`},
		{"images, defaults", DialectImages, `{"model":"m","prompt":"x","size":null}`, `m false 0 "" {1  0 0 0}`},
		{"images, a size that is none", DialectImages, `{"model":"m","size":"` + strings.Repeat("x", 40) + `"}`, `m false 0 "" {1  0 0 0}`},
		{"speech", DialectSpeech, `{"model":"m","input":"héllo\n\ud83d\ude00","voice":"alloy"}`, `m false 0 "" {0  0 7 0}`},
		{"speech as events", DialectSpeech, `{"model":"m","input":"abc","stream_format":"sse"}`, `m true 0 "" {0  0 3 0}`},
		{"moderations, input of any kind", DialectModerations, `{"model":"m","input":[{"type":"text"}]}`, `m false 0 "" {0  0 0 0}`},
		{"rerank", DialectRerank, `{"model":"m","query":"q","documents":["a"],"top_n":1}`, `m false 0 "" {0  0 0 0}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := PeekAs(c.dialect, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%s %v %d %q %v", r.Model, r.Stream, r.MaxTokens, r.PreviousResponse, r.Units); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestPeekAsRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialect Dialect
		body    string
		param   string
	}{
		{"background", DialectResponses, `{"model":"m","background":true}`, "background"},
		{"conversation", DialectResponses, `{"model":"m","conversation":"conv_1"}`, "conversation"},
		{"conversation as object", DialectResponses, `{"model":"m","conversation":{"id":"conv_1"}}`, "conversation"},
		{"previous response twice", DialectResponses, `{"model":"m","previous_response_id":"a","previous_response_id":"b"}`, "previous_response_id"},
		{"previous response, a number", DialectResponses, `{"model":"m","previous_response_id":1}`, "previous_response_id"},
		{"previous response, too long", DialectResponses, `{"model":"m","previous_response_id":"` + strings.Repeat("a", maxResponseID+1) + `"}`, "previous_response_id"},
		{"bound in other case", DialectResponses, `{"model":"m","Max_output_tokens":1}`, "max_output_tokens"},
		{"background twice", DialectResponses, `{"model":"m","background":true,"background":false}`, "background"},
		{"n of images", DialectImages, `{"model":"m","n":0}`, "n"},
		{"no model", DialectRerank, `{"query":"q"}`, "model"},
		{"input twice", DialectSpeech, `{"model":"m","input":"a","input":"b"}`, "input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := PeekAs(c.dialect, []byte(c.body))
			var e *Error
			if !errors.As(err, &e) || e.Status != 400 || e.Param != c.param {
				t.Errorf("got %+v, want status 400 about %s", err, c.param)
			}
		})
	}
}

func TestPatch(t *testing.T) {
	for _, c := range []struct {
		name       string
		dialect    Dialect
		body, want string
		patch      Patch
	}{
		{"no bound, chat", DialectChat, `{"model":"a","messages":[]}`, `{"model":"b","max_completion_tokens":5,"messages":[]}`, Patch{Model: "b", MaxTokens: 5}},
		{"no bound, legacy", DialectChat, `{"prompt":"x","model":"a"}`, `{"prompt":"x","model":"b","max_tokens":5}`, Patch{Model: "b", MaxTokens: 5}},
		{"no bound, usage too", DialectChat, `{"model":"a","messages":[]}`,
			`{"model":"b","stream_options":{"include_usage":true},"max_completion_tokens":5,"messages":[]}`, Patch{Model: "b", MaxTokens: 5, IncludeUsage: true}},
		{"a larger bound before the model", DialectChat, `{"max_tokens": 500 ,"model":"a"}`, `{"max_tokens": 5 ,"model":"b"}`, Patch{Model: "b", MaxTokens: 5}},
		{"a smaller bound stays", DialectChat, `{"max_tokens":3,"model":"a"}`, `{"max_tokens":3,"model":"b"}`, Patch{Model: "b", MaxTokens: 5}},
		{"two bounds", DialectChat, `{"max_tokens":30,"model":"a","max_completion_tokens":40}`, `{"max_tokens":5,"model":"b","max_completion_tokens":5}`, Patch{Model: "b", MaxTokens: 5}},
		{"a bound of null", DialectChat, `{"messages":[],"max_completion_tokens":null,"model":"a"}`, `{"messages":[],"max_completion_tokens":5,"model":"b"}`, Patch{Model: "b", MaxTokens: 5}},
		{"responses", DialectResponses, `{"model":"a","previous_response_id":"resp_1x","input":""}`, `{"model":"b","max_output_tokens":5,"previous_response_id":"resp_1","input":""}`,
			Patch{Model: "b", MaxTokens: 5, PreviousResponse: "resp_1"}},
		{"responses ask no usage", DialectResponses, `{"model":"a"}`, `{"model":"b"}`, Patch{Model: "b", IncludeUsage: true}},
		{"messages", DialectMessages, `{"model":"a","max_tokens":100}`, `{"model":"b","max_tokens":5}`, Patch{Model: "b", MaxTokens: 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := PeekAs(c.dialect, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.AppendPatched([]byte("+"), []byte(c.body), c.patch); string(got) != "+"+c.want {
				t.Errorf("got  %s\nwant +%s", got, c.want)
			}
			if got := bytes.Join(r.PatchedPieces([]byte(c.body), c.patch), nil); string(got) != c.want {
				t.Errorf("in pieces %s\nwant      %s", got, c.want)
			}
		})
	}
}

func TestErrorForms(t *testing.T) {
	e := &Error{Status: 429, Type: TypeRateLimit, Code: "budget_exceeded", Message: `The "budget" is spent.`}
	for _, c := range []struct {
		form        ErrorForm
		body, event string
	}{
		{FormOpenAI, `{"error":{"message":"The \"budget\" is spent. (request id: req-1)","type":"rate_limit_error","param":null,"code":"budget_exceeded","request_id":"req-1"}}`,
			"data: BODY\n\n"},
		{FormResponses, `{"error":{"message":"The \"budget\" is spent. (request id: req-1)","type":"rate_limit_error","param":null,"code":"budget_exceeded","request_id":"req-1"}}`,
			`event: error` + "\n" + `data: {"type":"error","code":"budget_exceeded","message":"The \"budget\" is spent.","param":null,"error":{"message":"The \"budget\" is spent. (request id: req-1)",` +
				`"type":"rate_limit_error","param":null,"code":"budget_exceeded","request_id":"req-1"}}` + "\n\n"},
		{FormMessages, `{"type":"error","error":{"type":"rate_limit_error","message":"The \"budget\" is spent. (request id: req-1)","code":"budget_exceeded"},"request_id":"req-1"}`,
			"event: error\ndata: BODY\n\n"},
	} {
		body := string(e.AppendJSONIn(c.form, nil, "req-1"))
		if body != c.body {
			t.Errorf("form %d: body %s", c.form, body)
		}
		event := string(e.AppendEventIn(c.form, []byte("data: half"), "req-1"))
		if want := "data: half\n\n" + strings.Replace(c.event, "BODY", c.body, 1); event != want {
			t.Errorf("form %d: event %q\nwant %q", c.form, event, want)
		}
		data := event[strings.LastIndex(event, "data: ")+len("data: "):]
		if !json.Valid([]byte(data)) || !json.Valid(e.AppendJSONIn(c.form, nil, "")) {
			t.Errorf("form %d is not valid JSON: %s", c.form, data)
		}
	}
	for status, want := range map[int]string{400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
		404: "not_found_error", 413: "request_too_large", 415: "invalid_request_error", 500: "api_error", 502: "api_error", 503: "overloaded_error", 504: "timeout_error", 507: "api_error"} {
		if body := string((&Error{Status: status}).AppendJSONIn(FormMessages, nil, "")); !strings.Contains(body, `"error":{"type":"`+want+`"`) {
			t.Errorf("%d becomes %s, want %s", status, body, want)
		}
	}
}

func TestPromptOfOtherDialects(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"messages", `{"system":[{"type":"text","text":"S"}],"messages":[{"role":"user","content":[{"type":"text","text":"A"},{"type":"image","source":{"data":"AAAA"}},` +
			`{"type":"tool_result","tool_use_id":"x","content":[{"type":"text","text":"R"}]}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]}],` +
			`"tools":[{"name":"f"}]}`, `S|user|A|R|assistant|f|{"a":1}|[{"name":"f"}]`},
		{"responses", `{"instructions":"I","input":[{"role":"user","content":[{"type":"input_text","text":"A"}]},{"type":"function_call","name":"f","arguments":"{}"},` +
			`{"type":"function_call_output","output":"O"}],"text":{"format":{}}}`, `I|user|A|f|{}|O|{"format":{}}`},
		{"rerank", `{"query":"Q","documents":["A",{"text":"B"}]}`, `Q|A|B`},
	} {
		var p Prompt
		p.Gather([]byte(c.body))
		var texts []string
		for text := range p.Texts() {
			texts = append(texts, string(text))
		}
		if got := strings.Join(texts, "|"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
