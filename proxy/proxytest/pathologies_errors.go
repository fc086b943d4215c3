package proxytest

import "net/http"

// prettyError is an error as some endpoints send it in the middle of a stream: on several lines and without "data:".
const prettyError = "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"The model is overloaded.\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}"

// faultsInStreams has errors behind the status 200.
func faultsInStreams() []Case {
	inBand := apiError("server_error", "", "The engine died.")
	// Nothing has been sent to the client yet, so that a gateway may try again.
	early := Want{Bytes: HTTPError, Status: ServerError}
	named := Want{Bytes: HTTPError, Status: http.StatusServiceUnavailable}
	// The error is content neither of the client's nor of the ledger's.
	kept := exact(Stripped, "partial", output(4))
	return []Case{
		{Name: "error-event", About: "an error event, and the end", Script: Script{Fault: Fault{Body: inBand, After: 4}},
			Body: streamed(), Want: kept},
		{Name: "error-event-named", About: "an error event with a name", Script: Script{Fault: Fault{Body: inBand, After: 4, Event: "error"}},
			Body: streamed(), Want: kept},
		{Name: "error-event-done", About: "an error event, and [DONE] behind it", Script: Script{Fault: Fault{Body: inBand, After: 4, Done: true}},
			Body: streamed(), Want: exact(Whatever, "partial", output(4))},
		{Name: "error-first", About: "the first event is an error: it gets a status", Script: Script{Fault: Fault{Body: inBand, After: -1}},
			Body: streamed(), Want: early},
		{Name: "error-plain", About: "an error in plain lines: it is made an event", Script: Script{Fault: Fault{Body: prettyError, After: 4, Plain: true}},
			Body: streamed(), Want: exact(ThenError, "partial", output(4))},
		{Name: "error-plain-first", About: "an error in plain lines instead of a stream: it gets the status it names",
			Script: Script{Fault: Fault{Body: prettyError, After: -1, Plain: true}}, Body: streamed(), Want: named},
	}
}

// earlyErrors has errors with a status, which they keep: but a model server that refuses the gateway's own credentials
// is no fault of the caller's, so that is 502.
func earlyErrors() []Case {
	fastAPI := `{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":null}]}`
	answers := []struct {
		name         string
		status, want int
		body, kind   string
		retryAfter   string
	}{
		{"400", 400, 400, "", "", ""},
		{"400-fastapi", 400, 400, `{"detail":"max_tokens is too large"}`, "", ""},
		{"400-vllm", 400, 400, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}`, "", ""},
		{"401", 401, 502, "", "", ""},
		{"403", 403, 502, "", "", ""},
		{"404", 404, 404, "", "", ""},
		{"413", 413, 413, "<html><body>413 Request Entity Too Large</body></html>", "text/html", ""},
		{"422-fastapi", 422, 422, fastAPI, "", ""},
		{"429", 429, 429, "", "", "17"},
		{"500", 500, 500, "", "", ""},
		{"500-plain", 500, 500, "Internal Server Error", "text/plain", ""},
		{"502-html", 502, 502, "<html><body>Bad Gateway</body></html>", "text/html", ""},
		{"503", 503, 503, `{"error":{"message":"overloaded","type":"overloaded_error"}}`, "", "3"},
		{"529", 529, 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, "", ""},
	}
	var all []Case
	for _, e := range answers {
		s := Script{Status: e.status, ErrorBody: e.body, ContentType: e.kind}
		if e.retryAfter != "" {
			s.Header = []Header{{Name: "Retry-After", Value: e.retryAfter}}
		}
		want := Want{Bytes: HTTPError, Status: e.want, RetryAfter: e.retryAfter}
		all = append(all,
			Case{Name: "status-" + e.name, About: "an early error", Script: s, Body: chat(""), Want: want},
			Case{Name: "status-" + e.name + "-stream", About: "an early error instead of a stream", Script: s, Body: streamed(), Want: want})
	}
	return all
}

// otherShapes has whole answers in other framings, and the other endpoints.
func otherShapes() []Case {
	legacy := Usage{Prompt: legacyPrompt, Output: 8}
	prompt := Script{PromptTokens: legacyPrompt}
	silent := Script{PromptTokens: legacyPrompt, Usage: UsageNever}
	completion := func(members string) string { return `{"model":"MODEL",` + members + `"prompt":"` + promptText + `"}` }
	embedding := `{"model":"MODEL","input":["` + promptText + `"]}`
	return []Case{
		{Name: "whole", About: "nothing goes wrong", Body: chat(""), Want: exact(Identical, "upstream", output(8))},
		{Name: "whole-chunked", About: "a whole answer in chunks", Script: Script{Framing: FramingChunked}, Body: chat(""),
			Want: exact(Identical, "upstream", output(8))},
		{Name: "whole-no-length", About: "a whole answer that ends with the connection", Script: Script{Framing: FramingClose}, Body: chat(""),
			Want: exact(Identical, "upstream", output(8))},
		{Name: "whole-split", About: "a whole answer in pieces of 13 bytes", Script: Script{Framing: FramingChunked, Split: Split{Bytes: 13}},
			Body: chat(""), Want: exact(Identical, "upstream", output(8))},
		{Name: "whole-max-tokens", About: "cut short by max_tokens", Body: chat(`"max_tokens":5,`),
			Want: exact(Identical, "upstream", output(5))},
		{Name: "unknown-members", About: "members nobody knows are passed on", Body: chat(`"x_unknown":{"a":[1,2.50,"\u00e9"]},"temperature":0.70,`),
			Want: exact(Identical, "upstream", output(8))},
		{Name: "completion", About: "a legacy completion", Path: "/completions", Script: prompt, Body: completion(""),
			Want: exact(Identical, "upstream", legacy)},
		{Name: "completion-stream", About: "a legacy completion, streamed", Path: "/completions", Script: prompt,
			Body: completion(`"stream":true,`), Want: exact(Stripped, "upstream", legacy)},
		{Name: "completion-stream-estimated", About: "a legacy completion without usage", Path: "/completions", Script: silent,
			Body: completion(`"stream":true,`), Want: exact(Identical, "estimated", legacy)},
		{Name: "embeddings", About: "embeddings have input only", Path: "/embeddings", Script: prompt, Body: embedding,
			Want: exact(Identical, "upstream", Usage{Prompt: legacyPrompt})},
		{Name: "embeddings-estimated", About: "embeddings without usage", Path: "/embeddings", Script: silent, Body: embedding,
			Want: exact(Identical, "estimated", Usage{Prompt: legacyPrompt})},
	}
}
