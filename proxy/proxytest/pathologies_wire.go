package proxytest

import (
	"net/http"
	"time"
)

// callArguments are a tool call's arguments in fragments that are no tokens. The name and the joined arguments count
// callTokens.
var callArguments = []string{`{"ci`, `ty":"Bo`, `nn","da`, `ys":3}`}

const (
	callName   = "get_weather"
	callTokens = 12
)

// partsOfReplies has reasoning, tools, refusals, several choices.
func partsOfReplies() []Case {
	thought := append(Reason(5), Words(8)...)
	call := Call(0, "call_1", callName, callTokens, callArguments...)
	two := append(Call(0, "call_1", callName, callTokens, callArguments...), Call(1, "call_2", callName, callTokens, callArguments...)...)
	refusal := Refuse(" I", " will", " not", " do", " that", ".")
	thoughtful := Usage{Prompt: casePrompt, Output: 13, Reasoning: 5}
	silent := func(d []Delta) Script { return Script{Deltas: d, Usage: UsageNever} }
	return []Case{
		{Name: "reasoning", About: "reasoning is inside the completion's tokens", Script: Script{Deltas: thought},
			Body: streamed(), Want: exact(Stripped, "upstream", thoughtful)},
		{Name: "reasoning-whole", About: "the same, whole", Script: Script{Deltas: thought}, Body: chat(""),
			Want: exact(Identical, "upstream", thoughtful)},
		{Name: "reasoning-estimated", About: "reasoning text is counted where no usage comes", Script: silent(thought),
			Body: streamed(), Want: Want{Bytes: Identical, Status: 200, Provenance: "estimated", Least: output(13), Most: thoughtful, Calls: 1}},
		{Name: "tool-call", About: "a tool call in fragments", Script: Script{Deltas: call}, Body: streamed(),
			Want: exact(Stripped, "upstream", output(callTokens))},
		{Name: "tool-call-whole", About: "a tool call, whole", Script: Script{Deltas: call}, Body: chat(""),
			Want: exact(Identical, "upstream", output(callTokens))},
		{Name: "tool-call-estimated", About: "fragments are counted joined, with the name", Script: silent(call), Body: streamed(),
			Want: exact(Identical, "estimated", output(callTokens))},
		{Name: "tool-calls-parallel", About: "two calls, told apart by their index", Script: silent(two), Body: streamed(),
			Want: exact(Identical, "estimated", output(2*callTokens))},
		{Name: "refusal", About: "a refusal is text as well", Script: silent(refusal), Body: streamed(),
			Want: exact(Identical, "estimated", output(6))},
		{Name: "choices", About: "three choices interleaved", Body: chat(`"stream":true,"n":3,`),
			Want: exact(Stripped, "upstream", output(24))},
		{Name: "choices-estimated", About: "three choices interleaved, gathered by index", Script: Script{Usage: UsageNever},
			Body: chat(`"stream":true,"n":3,`), Want: exact(Identical, "estimated", output(24))},
		{Name: "choices-whole", About: "three choices, whole, without usage", Script: Script{Usage: UsageNever}, Body: chat(`"n":3,`),
			Want: exact(Identical, "estimated", output(24))},
		{Name: "logprobs", About: "log probabilities repeat the text and are not counted",
			Script: Script{Usage: UsageNever, Logprobs: true}, Body: chat(`"stream":true,"logprobs":true,`),
			Want: exact(Identical, "estimated", output(8))},
	}
}

// bytesOnTheWire has good answers in strange forms.
func bytesOnTheWire() []Case {
	forms := []struct {
		name, about string
		script      Script
	}{
		{"split-1", "one byte at a time", Script{Split: Split{Bytes: 1}}},
		{"split-7", "seven bytes at a time, apart in time", Script{Split: Split{Bytes: 7, Pause: 200 * time.Microsecond}}},
		{"split-events", "three events at a time", Script{Split: Split{Events: 3}}},
		{"split-all", "all events at once", Script{Split: Split{Events: 1 << 20}}},
		{"split-random", "any number of bytes at a time", Script{Split: Split{Seed: 7}}},
		{"crlf", "lines end with CR LF", Script{Format: Format{LineEnd: "\r\n"}}},
		{"crlf-split", "CR LF, one byte at a time", Script{Format: Format{LineEnd: "\r\n"}, Split: Split{Bytes: 1}}},
		{"no-space", "no space behind data:", Script{Format: Format{NoSpace: true}}},
		{"bom", "a byte order mark in front", Script{Format: Format{BOM: true}}},
		{"multi-line", "the data of an event in two lines", Script{Format: Format{MultiLine: true}}},
		{"multi-line-crlf", "two data lines with CR LF", Script{Format: Format{MultiLine: true, LineEnd: "\r\n"}}},
		{"event-fields", "other fields in the events", Script{Format: Format{Fields: []string{"event: message", "id: 1", "retry: 5"}}}},
		{"comments", "a comment as an event of its own", Script{Format: Format{Comment: ": PROCESSING\n\n", CommentEvery: 3}}},
		{"comment-line", "a comment line in front of events", Script{Format: Format{Comment: ": ping\n"}}},
		{"blank-lines", "blank lines in front", Script{Format: Format{Leading: "\n\n\n"}}},
		{"done-missing", "no [DONE], but a finish reason", Script{Done: DoneMissing}},
		{"done-no-blank", "no blank line behind [DONE]", Script{Done: DoneNoBlank}},
		{"done-no-line-end", "no line end behind [DONE]", Script{Done: DoneNoLineEnd}},
		{"no-length", "the body ends with the connection", Script{Framing: FramingClose}},
		{"slow-first", "silence before the first event", Script{FirstDelay: 300 * time.Millisecond}},
	}
	var all []Case
	for _, f := range forms {
		f.script.Words = 8
		all = append(all, Case{Name: f.name, About: f.about, Script: f.script, Body: streamed(),
			Want: exact(Stripped, "upstream", output(8))})
		if f.script.Framing == FramingDefault && f.script.FirstDelay == 0 {
			all = append(all, Case{Name: f.name + "-asked", About: f.about + ", usage asked for", Script: f.script,
				Body: streamedUsage(), Want: exact(Identical, "upstream", output(8))})
		}
	}
	return append(all,
		Case{Name: "huge-delta", About: "8 MB in one line", Script: Script{Deltas: Huge(8<<20, 1290)}, Body: streamed(),
			Want: exact(Stripped, "upstream", output(1290))},
		Case{Name: "done-missing-estimated", About: "neither [DONE] nor usage, but a finish reason",
			Script: Script{Done: DoneMissing, Usage: UsageNever}, Body: streamed(), Want: exact(Identical, "estimated", output(8))},
	)
}

// broken has answers that end before their time.
func broken() []Case {
	cut := func(at CutPoint, how CutHow) Script {
		return Script{Cut: Cut{At: at, After: 4, How: how}}
	}
	partial := exact(ThenError, "partial", output(4))
	gateway := Want{Bytes: HTTPError, Status: http.StatusBadGateway}
	silence := Want{Bytes: HTTPError, Status: http.StatusGatewayTimeout}
	stalled := Case{Name: "stall", About: "upstream falls silent", Script: cut(CutBetween, CutStall), Body: streamed(),
		ShortIdle: true, Want: partial}
	return []Case{
		{Name: "cut-between", About: "the connection ends between events", Script: cut(CutBetween, CutClose), Body: streamed(), Want: partial},
		{Name: "cut-between-asked", About: "the same, usage asked for", Script: cut(CutBetween, CutClose), Body: streamedUsage(), Want: partial},
		{Name: "cut-mid-event", About: "it ends in an event", Script: cut(CutMidEvent, CutClose), Body: streamed(), Want: partial},
		{Name: "cut-mid-chunk", About: "it ends in a chunk", Script: cut(CutMidChunk, CutClose), Body: streamed(), Want: partial},
		{Name: "cut-chunk-header", About: "it ends in a chunk's header", Script: cut(CutMidChunkHeader, CutClose), Body: streamed(), Want: partial},
		{Name: "cut-reset", About: "it is reset", Body: streamed(),
			Script: Script{Words: 400, Pace: 5 * time.Millisecond, Cut: Cut{At: CutBetween, After: 4, How: CutReset}},
			Want:   Want{Bytes: SomeThenError, Status: 200, Provenance: "partial", Least: output(0), Most: output(4), Calls: 1}},
		{Name: "cut-orderly", About: "the body ends well, but without a finish reason: that is not an end", Script: cut(CutBetween, CutOrderly),
			Body: streamed(), Want: partial},
		{Name: "cut-mid-event-orderly", About: "the body ends well in an event", Script: cut(CutMidEvent, CutOrderly), Body: streamed(), Want: partial},
		{Name: "cut-before-done", About: "finish reason and usage are there; the connection ends before [DONE]", Script: cut(CutBeforeDone, CutClose),
			Body: streamed(), Want: exact(Whatever, "upstream", output(8))},
		{Name: "cut-before-headers", About: "it ends before the status line", Script: cut(CutBeforeHeaders, CutClose), Body: streamed(), Want: gateway},
		{Name: "reset-before-headers", About: "it is reset before the status line", Script: cut(CutBeforeHeaders, CutReset), Body: streamed(), Want: gateway},
		{Name: "cut-after-headers", About: "it ends behind the headers: an early error keeps its status", Script: cut(CutAfterHeaders, CutClose),
			Body: streamed(), Want: gateway},
		{Name: "empty-stream", About: "a body without any event", Script: cut(CutAfterHeaders, CutOrderly), Body: streamed(), Want: gateway},
		{Name: "cut-whole", About: "a whole answer ends in its body", Script: cut(CutMidBody, CutClose), Body: chat(""), Want: gateway},
		stalled,
		{Name: "stall-before-first-event", About: "upstream is silent behind the headers", Script: cut(CutAfterHeaders, CutStall),
			Body: streamed(), ShortIdle: true, Want: silence},
		{Name: "stall-before-headers", About: "upstream never answers", Script: cut(CutBeforeHeaders, CutStall),
			Body: streamed(), ShortIdle: true, Want: silence},
		{Name: "stall-whole", About: "a whole answer stops in its body", Script: cut(CutMidBody, CutStall),
			Body: chat(""), ShortIdle: true, Want: silence},
	}
}
