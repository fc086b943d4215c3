package proxytest

import (
	"net/http"
	"time"
)

// eventAPI is an API of streams whose events carry a type, as the cases see it.
type eventAPI struct {
	// name is in front of the cases' names; path is the endpoint.
	name, path string
	body       func(members string) string
	// prompt is what the body counts; errorBody an error as an event of the API, and final the event that ends a stream.
	prompt           int64
	errorBody, final string
	// stopped says that the answer is known to be complete before the event that ends the stream, usage and all.
	stopped bool
}

var responsesAPI = eventAPI{name: "responses", path: "/responses", prompt: legacyPrompt,
	body:      func(members string) string { return `{"model":"MODEL",` + members + `"input":"` + promptText + `"}` },
	errorBody: `{"type":"error","code":"server_error","message":"The engine died.","param":null,"sequence_number":9}`,
	final:     "response.completed"}

var messagesAPI = eventAPI{name: "messages", path: "/messages", prompt: casePrompt, stopped: true,
	body: func(members string) string {
		return `{"model":"MODEL","max_tokens":1024,` + members + `"messages":[{"role":"user","content":"` + promptText + `"}]}`
	},
	errorBody: messagesError("overloaded_error", "Overloaded"),
	final:     "message_stop"}

func (e *eventAPI) streamed() string { return e.body(`"stream":true,`) }

func (e *eventAPI) output(n int64) Usage { return Usage{Prompt: e.prompt, Output: n} }

func (e *eventAPI) exact(b Bytes, provenance string, n int64) Want {
	return exact(b, provenance, e.output(n))
}

// eventStreams has the cases that responses and messages share.
func eventStreams() []Case {
	var all []Case
	for _, e := range []*eventAPI{&responsesAPI, &messagesAPI} {
		for _, group := range [][]Case{e.wire(), e.parts(), e.broken(), e.errors(), e.leaving()} {
			for i := range group {
				c := &group[i]
				c.Name, c.Path = e.name+"-"+c.Name, e.path
				if c.Script.PromptTokens == 0 {
					c.Script.PromptTokens = e.prompt
				}
				if c.Body == "" {
					c.Body = e.streamed()
				}
			}
			all = append(all, group...)
		}
	}
	return all
}

// wire has good streams in strange forms.
func (e *eventAPI) wire() []Case {
	ping := ": ping\n\n"
	if e.name == "messages" {
		ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n"
	}
	var all []Case
	for _, f := range []struct {
		name, about string
		script      Script
	}{
		{"stream", "nothing goes wrong", Script{}},
		{"split-1", "one byte at a time", Script{Split: Split{Bytes: 1}}},
		{"split-7", "seven bytes at a time, apart in time", Script{Split: Split{Bytes: 7, Pause: 100 * time.Microsecond}}},
		{"split-random", "any number of bytes at a time", Script{Split: Split{Seed: 11}}},
		{"split-all", "all events at once", Script{Split: Split{Events: 1 << 20}}},
		{"crlf", "lines end with CR LF", Script{Format: Format{LineEnd: "\r\n"}}},
		{"crlf-split", "CR LF, one byte at a time", Script{Format: Format{LineEnd: "\r\n"}, Split: Split{Bytes: 1}}},
		{"no-space", "no space behind data:", Script{Format: Format{NoSpace: true}}},
		{"multi-line", "the data of an event in two lines", Script{Format: Format{MultiLine: true}}},
		{"ping-storm", "a ping in front of every event", Script{Format: Format{Comment: ping}}},
		{"bom", "a byte order mark in front", Script{Format: Format{BOM: true}}},
		{"no-length", "the body ends with the connection", Script{Framing: FramingClose}},
		{"final-no-blank", "no blank line behind the last event", Script{Done: DoneNoBlank}},
		{"slow-first", "silence before the first event", Script{FirstDelay: 300 * time.Millisecond}},
		{"huge-delta", "2 MB in one line", Script{Deltas: Huge(2<<20, 8)}},
	} {
		all = append(all, Case{Name: f.name, About: f.about, Script: f.script, Want: e.exact(Identical, "upstream", 8)})
	}
	return all
}

// parts has what replies consist of, and how they tell what they used.
func (e *eventAPI) parts() []Case {
	call := append(Words(3), Call(0, "call_1", callName, callTokens, callArguments...)...)
	thought := append(Reason(5), Words(8)...)
	thoughtful, cached := e.output(13), e.output(8)
	if e.name == "responses" {
		thoughtful.Reasoning = 5
	}
	cached.Cached = 3
	mode := func(m UsageMode) Script { return Script{Usage: m} }
	upstream := func(n int64) Want { return e.exact(Identical, "upstream", n) }
	estimated := e.exact(Identical, "estimated", 8)
	return []Case{
		{Name: "whole", About: "a whole answer", Body: e.body(""), Want: upstream(8)},
		{Name: "reasoning", About: "reasoning, then text", Script: Script{Deltas: thought}, Want: exact(Identical, "upstream", thoughtful)},
		{Name: "reasoning-whole", About: "the same, whole", Script: Script{Deltas: thought}, Body: e.body(""),
			Want: exact(Identical, "upstream", thoughtful)},
		{Name: "tool-call", About: "text, then a tool call in fragments", Script: Script{Deltas: call}, Want: upstream(3 + callTokens)},
		{Name: "tool-call-whole", About: "the same, whole", Script: Script{Deltas: call}, Body: e.body(""), Want: upstream(3 + callTokens)},
		{Name: "length", About: "cut short by the limit of tokens: that is a good end", Script: Script{FinishReason: "length"}, Want: upstream(8)},
		{Name: "cached-tokens", About: "cached tokens are part of the input and not counted again", Script: Script{CachedTokens: 3},
			Want: exact(Identical, "upstream", cached)},
		{Name: "cached-tokens-whole", About: "the same, whole", Script: Script{CachedTokens: 3}, Body: e.body(""),
			Want: exact(Identical, "upstream", cached)},
		{Name: "usage-never", About: "no usage anywhere", Script: mode(UsageNever), Want: estimated},
		{Name: "usage-never-whole", About: "a whole answer without usage", Script: mode(UsageNever), Body: e.body(""), Want: estimated},
		{Name: "usage-running", About: "running totals: the last counts, never the sum", Script: mode(UsageCumulative), Want: upstream(8)},
		{Name: "usage-twice", About: "half of the output first, then all: the last counts", Script: mode(UsageTwice), Want: upstream(8)},
	}
}

// broken has streams that end before their time.
func (e *eventAPI) broken() []Case {
	cut := func(at CutPoint, how CutHow) Script { return Script{Cut: Cut{At: at, After: 4, How: how}} }
	partial := e.exact(ThenError, "partial", 4)
	gateway := Want{Bytes: HTTPError, Status: http.StatusBadGateway}
	silence := Want{Bytes: HTTPError, Status: http.StatusGatewayTimeout}
	unfinished := e.exact(ThenError, "partial", 8)
	if e.stopped {
		unfinished = e.exact(Whatever, "upstream", 8)
	}
	return []Case{
		{Name: "cut-between", About: "the connection ends between events", Script: cut(CutBetween, CutClose), Want: partial},
		{Name: "cut-mid-event", About: "it ends in an event", Script: cut(CutMidEvent, CutClose), Want: partial},
		{Name: "cut-mid-chunk", About: "it ends in a chunk", Script: cut(CutMidChunk, CutClose), Want: partial},
		{Name: "cut-chunk-header", About: "it ends in a chunk's header", Script: cut(CutMidChunkHeader, CutClose), Want: partial},
		{Name: "cut-orderly", About: "the body ends well, the answer does not", Script: cut(CutBetween, CutOrderly), Want: partial},
		{Name: "cut-mid-event-orderly", About: "the body ends well in an event", Script: cut(CutMidEvent, CutOrderly), Want: partial},
		{Name: "cut-before-final", About: "the connection ends before " + e.final, Script: cut(CutBeforeDone, CutClose), Want: unfinished},
		{Name: "final-missing", About: "the body ends well, but without " + e.final, Script: Script{Done: DoneMissing}, Want: unfinished},
		{Name: "cut-before-headers", About: "it ends before the status line", Script: cut(CutBeforeHeaders, CutClose), Want: gateway},
		{Name: "cut-after-headers", About: "it ends behind the headers", Script: cut(CutAfterHeaders, CutClose), Want: gateway},
		{Name: "empty-stream", About: "a body without any event", Script: cut(CutAfterHeaders, CutOrderly), Want: gateway},
		{Name: "cut-whole", About: "a whole answer ends in its body", Script: cut(CutMidBody, CutClose), Body: e.body(""), Want: gateway},
		{Name: "stall", About: "upstream falls silent", Script: cut(CutBetween, CutStall), ShortIdle: true, Want: partial},
		{Name: "stall-before-first-event", About: "upstream is silent behind the headers", Script: cut(CutAfterHeaders, CutStall),
			ShortIdle: true, Want: silence},
	}
}

// errors has errors in the stream and instead of it.
func (e *eventAPI) errors() []Case {
	fault := func(after int, done bool) Script {
		return Script{Fault: Fault{Body: e.errorBody, After: after, Event: "error", Done: done}}
	}
	all := []Case{
		{Name: "error-event", About: "an error event in the middle, and the end", Script: fault(4, false), Want: e.exact(Identical, "partial", 4)},
		{Name: "error-event-final", About: "an error event, and behind it the event of a good end", Script: fault(4, true),
			Want: e.exact(Whatever, "partial", 4)},
		{Name: "error-first", About: "the first event is an error: it gets a status", Script: fault(-1, false),
			Want: Want{Bytes: HTTPError, Status: ServerError}},
	}
	for _, s := range []struct {
		name         string
		status, want int
	}{{"400", 400, 400}, {"401", 401, 502}, {"404", 404, 404}, {"429", 429, 429}, {"500", 500, 500}, {"529", 529, 529}} {
		c := Case{Name: "status-" + s.name, About: "an early error, in the form of the API", Script: Script{Status: s.status},
			Want: Want{Bytes: HTTPError, Status: s.want}}
		if s.status == 429 {
			c.Script.Header, c.Want.RetryAfter = []Header{{"Retry-After", "17"}}, "17"
		}
		all = append(all, c)
	}
	return all
}

// leaving has the clients that do not stay, and the key that does not.
func (e *eventAPI) leaving() []Case {
	slow := Script{Words: 400, Pace: 10 * time.Millisecond}
	short := Script{Words: 30, Pace: 5 * time.Millisecond}
	part := Want{Bytes: Prefix, Status: 200, Provenance: "partial", Least: e.output(4), Most: e.output(400), Calls: 1}
	revoked := part
	revoked.Bytes = SomeThenError
	return []Case{
		{Name: "leave-midstream-cancel", About: "the client leaves: what was sent is counted, upstream is ended",
			Script: slow, Leave: LeaveAfter, LeaveEvents: 12, Want: part},
		{Name: "leave-midstream-drain", About: "the client leaves: upstream is read on to its usage",
			Script: short, Leave: LeaveAfter, LeaveEvents: 12, Drain: true, Want: e.exact(Whatever, "drained", 30)},
		{Name: "leave-before-first-event", About: "the client leaves before the first token", Script: Script{HeaderDelay: time.Hour},
			Leave: LeaveWaiting, Want: Want{Bytes: Whatever, Provenance: "partial", Most: Usage{Prompt: e.prompt}, Calls: 1}},
		{Name: "leave-at-end", About: "the client closes at once behind the last event", Leave: LeaveAtEnd, Want: e.exact(Identical, "upstream", 8)},
		{Name: "revoked-midstream", About: "the key is deactivated while an answer streams", Script: slow, LeaveEvents: 12, Revoke: true, Want: revoked},
	}
}
