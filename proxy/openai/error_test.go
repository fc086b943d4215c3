package openai

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestErrorShape(t *testing.T) {
	e := &Error{Status: 404, Type: TypeNotFound, Code: "model_not_found", Message: "No \"such\"\nmodel \xff\x01."}
	want := `{"error":{"message":"No \"such\"\nmodel ` + "\uFFFD" + `\u0001. (request id: req_1)","type":"not_found_error","param":null,"code":"model_not_found","request_id":"req_1"}}`
	if got := string(e.AppendJSON([]byte("+"), "req_1")); got != "+"+want {
		t.Errorf("got  %s\nwant +%s", got, want)
	}
	if got := string(e.AppendEvent(nil, "req_1")); got != "data: "+want+"\n\n" {
		t.Errorf("event %q", got)
	}
	e = &Error{Type: TypeInvalidRequest, Param: "n", Message: "Bad."}
	if got := string(e.AppendJSON(nil, "")); got != `{"error":{"message":"Bad.","type":"invalid_request_error","param":"n","code":null}}` {
		t.Errorf("got %s", got)
	}
}

// TestErrorEventStandsAlone checks that an error behind what may have been cut off is an event of its own, and that no
// empty event comes of it.
func TestErrorEventStandsAlone(t *testing.T) {
	e := &Error{Type: TypeAPI, Message: "cut"}
	event := string(e.AppendEvent(nil, ""))
	for _, c := range []struct{ before, between string }{
		{"", ""}, {"data: a\n\n", ""}, {"data: a\r\n\r\n", ""}, {"data: a\r\r", ""}, {": hb\n", ""}, {"data: a\n\n: hb\n", ""},
		{"data: a\r\n\r\n: hb\r\n: hb\n", ""}, {": hb", "\n"}, {"data: a", "\n\n"}, {"data: a\n", "\n"}, {"data: a\r\n", "\n"},
		{"data: a\n: hb\n", "\n"}, {"data: a\n: hb", "\n\n"}, {"data: a\n\nevent: b\r", "\n"}, {"\n", ""}, {":", "\n"}, {"a", "\n\n"},
	} {
		if got := string(e.AppendEvent([]byte(c.before), "")); got != c.before+c.between+event {
			t.Errorf("behind %q: got %q", c.before, got)
		}
	}
}

func TestUpstreamError(t *testing.T) {
	long := strings.Repeat("é", maxErrorText)
	for _, c := range []struct {
		name, body string
		in         int
		want       Error
	}{
		{"OpenAI", `{"error":{"message":"Bad n.","type":"invalid_request_error","param":"n","code":"integer_below_min"}}`, 400,
			Error{Status: 400, Message: "Bad n.", Type: TypeInvalidRequest, Code: "integer_below_min", Param: "n"}},
		{"text in error", `{"error":"model is loading"}`, 422, Error{Status: 422, Message: "model is loading", Type: TypeInvalidRequest}},
		{"text in detail", `{"detail":"Not Found"}`, 404, Error{Status: 404, Message: "Not Found", Type: TypeNotFound}},
		{"list in detail", `{"detail":[{"loc":["body","messages"],"msg":"field required","type":"value_error.missing"}]}`, 422,
			Error{Status: 422, Message: "field required", Type: TypeInvalidRequest, Param: "messages"}},
		{"message", `{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}`, 400,
			Error{Status: 400, Message: "too long", Type: "BadRequestError"}},
		{"list", `[{"error":{"code":429,"message":"Slow down","status":"RESOURCE_EXHAUSTED"}}]`, 429, Error{Status: 429, Message: "Slow down", Type: TypeRateLimit}},
		{"error in detail", `{"detail":{"error":{"message":"deep"}}}`, 409, Error{Status: 409, Message: "deep", Type: TypeInvalidRequest}},
		{"text", "  nothing\tfor you\n", 418, Error{Status: 418, Message: "nothing for you", Type: TypeInvalidRequest}},
		{"page", "<html><h1>404</h1></html>", 404, Error{Status: 404, Message: "The model server refused the request with status 404.", Type: TypeNotFound}},
		{"nothing", "", 413, Error{Status: 413, Message: "The model server refused the request with status 413.", Type: TypeInvalidRequest}},
		{"broken JSON", `{"error":{"mess`, 400, Error{Status: 400, Message: "The model server refused the request with status 400.", Type: TypeInvalidRequest}},
		{"null", `{"error":null}`, 400, Error{Status: 400, Message: "The model server refused the request with status 400.", Type: TypeInvalidRequest}},
		{"500", `{"error":{"message":"CUDA","type":"server_error"}}`, 500, Error{Status: 502, Message: "The model server failed: CUDA", Type: TypeAPI, Code: "upstream_error"}},
		{"502 page", `<html>`, 502, Error{Status: 502, Message: "The model server failed.", Type: TypeAPI, Code: "upstream_error"}},
		{"503", `{"message":"loading"}`, 503, Error{Status: 503, Message: "The model server is not available: loading", Type: TypeAPI, Code: "upstream_unavailable"}},
		{"529", ``, 529, Error{Status: 503, Message: "The model server is not available.", Type: TypeAPI, Code: "upstream_unavailable"}},
		{"504", ``, 504, Error{Status: 504, Message: "The model server timed out.", Type: TypeAPI, Code: "upstream_timeout"}},
		{"408", ``, 408, Error{Status: 504, Message: "The model server timed out.", Type: TypeAPI, Code: "upstream_timeout"}},
		{"redirect", ``, 302, Error{Status: 502, Message: "The model server failed.", Type: TypeAPI, Code: "upstream_error"}},
		{"quota", `{"error":{"message":"check your plan and billing details","code":"insufficient_quota"}}`, 429,
			Error{Status: 429, Message: "The model server takes no more requests from the gateway at the moment.", Type: TypeRateLimit, Code: "upstream_quota"}},
		{"in a stream", `{"error":{"message":"Slow down","type":"RateLimit","code":429}}`, 200, Error{Status: 429, Message: "Slow down", Type: "RateLimit"}},
		{"in a stream, of ours", `{"error":{"message":"no","code":401}}`, 200,
			Error{Status: 502, Message: "The gateway is not set up correctly for this model: the model server refused its credentials.", Type: TypeAPI, Code: "upstream_auth"}},
		{"in a stream, without code", `{"error":{"message":"no","code":7}}`, 200, Error{Status: 502, Message: "The model server failed: no", Type: TypeAPI, Code: "upstream_error"}},
		{"Anthropic", `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"},"request_id":"req_1"}`, 400,
			Error{Status: 400, Message: "max_tokens: Field required", Type: TypeInvalidRequest}},
		{"Anthropic, too large", `{"type":"error","error":{"type":"request_too_large","message":"too large"}}`, 413, Error{Status: 413, Message: "too large", Type: "request_too_large"}},
		{"Anthropic, of ours", `{"type":"error","error":{"type":"permission_error","message":"no"}}`, 403,
			Error{Status: 502, Message: "The gateway is not set up correctly for this model: the model server refused its credentials.", Type: TypeAPI, Code: "upstream_auth"}},
		{"Anthropic, rate", `{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`, 429, Error{Status: 429, Message: "slow", Type: TypeRateLimit}},
		{"overloaded", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, 529, Error{Status: 503, Message: "The model server is not available: Overloaded", Type: TypeAPI, Code: "upstream_unavailable"}},
		{"overloaded, by its type", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, 500, Error{Status: 503, Message: "The model server is not available: Overloaded", Type: TypeAPI, Code: "upstream_unavailable"}},
		{"overloaded, in a stream", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, 200, Error{Status: 503, Message: "The model server is not available: Overloaded", Type: TypeAPI, Code: "upstream_unavailable"}},
		{"rate, in a stream", `{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`, 200, Error{Status: 429, Message: "slow", Type: TypeRateLimit}},
		{"timeout, in a stream", `{"type":"error","error":{"type":"timeout_error","message":"slow"}}`, 200, Error{Status: 504, Message: "The model server timed out: slow", Type: TypeAPI, Code: "upstream_timeout"}},
		{"bill, in a stream", `{"type":"error","error":{"type":"billing_error","message":"pay sk-1"}}`, 200,
			Error{Status: 502, Message: "The gateway is not set up correctly for this model: the model server refused its credentials.", Type: TypeAPI, Code: "upstream_auth"}},
		{"event of responses", `{"type":"error","code":"rate_limit_exceeded","message":"slow","param":null,"sequence_number":1}`, 200, Error{Status: 429, Message: "slow", Type: TypeRateLimit, Code: "rate_limit_exceeded"}},
		{"event of responses, bad", `{"type":"error","code":"invalid_prompt","message":"bad","param":"input"}`, 200, Error{Status: 400, Message: "bad", Type: TypeInvalidRequest, Code: "invalid_prompt", Param: "input"}},
		{"failed response in an event", `{"type":"response.failed","response":{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"broke"}}}`, 200,
			Error{Status: 502, Message: "The model server failed: broke", Type: TypeAPI, Code: "upstream_error"}},
		{"failed response", `{"id":"resp_1","object":"response","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}`, 200, Error{Status: 429, Message: "slow", Type: TypeRateLimit, Code: "rate_limit_exceeded"}},
		{"failed response without a word", `{"type":"response.failed","response":{"error":null}}`, 200, Error{Status: 502, Message: "The model server failed.", Type: TypeAPI, Code: "upstream_error"}},
		{"object in detail", `{"detail":{"msg":"bad value","type":"value_error","loc":["query","n"]}}`, 422, Error{Status: 422, Message: "bad value", Type: TypeInvalidRequest, Param: "n"}},
		{"object with message in detail", `{"detail":{"message":"no such model","code":"model_missing"}}`, 404, Error{Status: 404, Message: "no such model", Type: TypeNotFound, Code: "model_missing"}},
		{"texts in detail", `{"detail":["first","second"]}`, 400, Error{Status: 400, Message: "first", Type: TypeInvalidRequest}},
		{"faults in detail", `{"detail":[{"type":"missing","loc":["body","input"],"msg":"Field required","input":{"a":1}},{"type":"x","loc":["body"],"msg":"y"}]}`, 422,
			Error{Status: 422, Message: "Field required", Type: TypeInvalidRequest, Param: "input"}},
		{"place in a list", `{"detail":[{"type":"missing","loc":["body","messages",0,"role",1],"msg":"Field required"}]}`, 422, Error{Status: 422, Message: "Field required", Type: TypeInvalidRequest}},
		{"empty detail", `{"detail":[]}`, 422, Error{Status: 422, Message: "The model server refused the request with status 422.", Type: TypeInvalidRequest}},
		{"null detail", `{"detail":null,"message":"x"}`, 422, Error{Status: 422, Message: "x", Type: TypeInvalidRequest}},
		{"status goes before code", `{"error":{"message":"no","code":500}}`, 400, Error{Status: 400, Message: "no", Type: TypeInvalidRequest}},
		{"long", `{"error":{"message":"` + long + `"}}`, 400, Error{Status: 400, Message: long[:maxErrorText-2] + "…", Type: TypeInvalidRequest}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := *UpstreamError(c.in, []byte(c.body))
			if c.name == "long" {
				if len(got.Message) > maxErrorText+len("…") || !strings.HasSuffix(got.Message, "é…") {
					t.Errorf("message of %d bytes ends in %q", len(got.Message), got.Message[len(got.Message)-8:])
				}
				return
			}
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// TestUpstreamErrorKeepsCredentials checks that nothing of what a server says about our key comes through.
func TestUpstreamErrorKeepsCredentials(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
	}{
		{401, `{"error":{"message":"Incorrect API key provided: sk-secret","code":"invalid_api_key"}}`},
		{403, `sk-secret may not`}, {402, `{"detail":"sk-secret owes us"}`}, {407, `sk-secret`},
		{400, `[{"error":{"code":400,"message":"API key not valid: sk-secret","status":"INVALID_ARGUMENT"}}]`},
		{500, `{"error":"bad api_key sk-secret"}`},
		{404, `{"error":{"message":"sk-secret","type":"authentication_error"}}`},
	} {
		e := UpstreamError(c.status, []byte(c.body))
		if e.Status != 502 || e.Code != "upstream_auth" || e.Type != TypeAPI || strings.Contains(string(e.AppendJSON(nil, "")), "secret") {
			t.Errorf("%d %s: got %+v", c.status, c.body, *e)
		}
	}
}

func FuzzUpstreamError(f *testing.F) {
	for _, s := range []string{`{"error":{"message":"a","code":1}}`, `[{"error":"x"}]`, `{"detail":[{"loc":["a",1],"msg":"b"}]}`, "text \xff", strings.Repeat("0\xdd", 1<<11), `{"error":{"error":{"error":{"error":{}}}}}`,
		`{"type":"error","error":{"type":"overloaded_error","message":"a"}}`, `{"type":"response.failed","response":{"error":{"code":"server_error"}}}`} {
		f.Add(400, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := UpstreamError(status, body)
		if e.Status < 400 || e.Status > 599 || e.Message == "" || e.Type == "" || len(e.Message) > maxErrorText+100 {
			t.Fatalf("%d %q: %+v", status, body, *e)
		}
		if !json.Valid(e.AppendJSON(nil, "req")) {
			t.Fatalf("%d %q: %s", status, body, e.AppendJSON(nil, "req"))
		}
	})
}
