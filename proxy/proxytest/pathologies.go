package proxytest

import (
	"strings"
	"time"
)

// promptText counts casePrompt tokens as a chat of one message: 3 for the message, 1 for the role, 4 for the text, 3 for
// the reply (the rule OpenAI gives for its chat models).
const (
	promptText = "Say some words."
	casePrompt = 11
	// legacyPrompt is the same text as the prompt of a legacy completion or an embedding.
	legacyPrompt = 4
)

// Pathologies returns every case. Models are named after the cases, so that all scripts can be set at once.
func Pathologies() []Case {
	var all []Case
	for _, group := range [][]Case{leaving(), usageChunks(), usageShapes(), partsOfReplies(), bytesOnTheWire(), broken(),
		faultsInStreams(), earlyErrors(), otherShapes(), eventStreams(), onlyResponses(), onlyMessages(), mediaAndRanking()} {
		all = append(all, group...)
	}
	for i := range all {
		c := &all[i]
		c.Model = "case-" + c.Name
		c.Body = strings.ReplaceAll(c.Body, "MODEL", c.Model)
		if c.Path == "" {
			c.Path = "/chat/completions"
		}
		if c.Script.PromptTokens == 0 {
			c.Script.PromptTokens = casePrompt
		}
	}
	return all
}

// The request bodies of the cases. Members may be added in front of the messages.
func chat(members string) string {
	return `{"model":"MODEL",` + members + `"messages":[{"role":"user","content":"` + promptText + `"}]}`
}

func streamed() string      { return chat(`"stream":true,`) }
func streamedUsage() string { return chat(`"stream":true,"stream_options":{"include_usage":true},`) }

// exact wants an entry with just these tokens.
func exact(b Bytes, provenance string, u Usage) Want {
	return Want{Bytes: b, Status: 200, Provenance: provenance, Least: u, Most: u, Calls: 1}
}

// output is a usage with the cases' prompt.
func output(n int64) Usage { return Usage{Prompt: casePrompt, Output: n} }

// leaving has the clients that do not stay, and the key that does not.
func leaving() []Case {
	slow := Script{Words: 400, Pace: 10 * time.Millisecond}
	short := Script{Words: 30, Pace: 5 * time.Millisecond}
	never := Script{HeaderDelay: time.Hour}
	part := Want{Bytes: Prefix, Status: 200, Provenance: "partial", Least: output(4), Most: output(400), Calls: 1}
	nothing := Want{Bytes: Whatever, Provenance: "partial", Most: Usage{Prompt: casePrompt}, Calls: 1}
	revoked := part
	revoked.Bytes = SomeThenError
	drained := exact(Whatever, "drained", output(30))
	late := Script{Words: 30, HeaderDelay: 2 * time.Second}
	return []Case{
		{Name: "leave-midstream-cancel", About: "the client leaves: what was sent is counted, upstream is ended",
			Script: slow, Body: streamed(), Leave: LeaveAfter, LeaveEvents: 5, Want: part},
		{Name: "leave-midstream-drain", About: "the client leaves: upstream is read on to its usage",
			Script: short, Body: streamed(), Leave: LeaveAfter, LeaveEvents: 5, Drain: true, Want: drained},
		{Name: "leave-midstream-drain-no-usage", About: "the client leaves, and upstream never reports usage",
			Script: with(short, func(s *Script) { s.Usage = UsageNever }), Body: streamed(), Leave: LeaveAfter, LeaveEvents: 5,
			Drain: true, Want: exact(Whatever, "estimated", output(30))},
		{Name: "leave-before-first-event", About: "the client leaves before the first token: it is not charged in full",
			Script: never, Body: streamed(), Leave: LeaveWaiting, Want: nothing},
		{Name: "leave-silent-stream", About: "the client leaves in a silence behind the first events, when nothing is written to it",
			Script: Script{Cut: Cut{At: CutBetween, After: 4, How: CutStall}}, Body: streamed(), Leave: LeaveAfter, LeaveEvents: 5,
			Want: exact(Prefix, "partial", output(4))},
		{Name: "leave-whole-cancel", About: "the client of a whole answer leaves while the model works",
			Script: never, Body: chat(""), Leave: LeaveWaiting, Want: nothing},
		{Name: "leave-whole-drain", About: "the client of a whole answer leaves, and the model server bills all the same",
			Script: late, Body: chat(""), Leave: LeaveWaiting, Drain: true, Want: drained},
		{Name: "leave-at-the-end", About: "the client closes right behind the last event: that is an answer it has had",
			Body: streamed(), Leave: LeaveAtEnd, Want: exact(Stripped, "upstream", output(8))},
		{Name: "revoked-midstream", About: "the key is deactivated while an answer streams: cut with an error, and counted",
			Script: slow, Body: streamed(), LeaveEvents: 5, Revoke: true, Want: revoked},
		{Name: "revoked-silent", About: "the key is deactivated while upstream says nothing",
			Script: Script{Cut: Cut{At: CutBetween, After: 4, How: CutStall}}, Body: streamed(), LeaveEvents: 5, Revoke: true,
			Want: exact(SomeThenError, "partial", output(4))},
	}
}

func with(s Script, change func(*Script)) Script {
	change(&s)
	return s
}

// usageChunks has the ways in which streams report usage.
func usageChunks() []Case {
	mode := func(m UsageMode) Script { return Script{Usage: m} }
	upstream := func(b Bytes) Want { return exact(b, "upstream", output(8)) }
	retried := exact(Identical, "estimated", output(8))
	retried.Calls = 2
	refused := Want{Bytes: HTTPError, Status: 400, Calls: 1}
	return []Case{
		{Name: "usage-not-asked", About: "the gateway asks on its own and takes the chunk out", Body: streamed(),
			Want: upstream(Stripped)},
		{Name: "usage-asked", About: "the client asks and gets the chunk", Body: streamedUsage(), Want: upstream(Identical)},
		{Name: "usage-asked-false", About: "an explicit false stays false for the client",
			Body: chat(`"stream":true,"stream_options":{"include_usage":false},`), Want: upstream(Stripped)},
		{Name: "usage-options-null", About: "stream_options is null", Body: chat(`"stream":true,"stream_options":null,`),
			Want: upstream(Stripped)},
		{Name: "usage-options-kept", About: "other members of stream_options are kept",
			Body: chat(`"stream":true,"stream_options":{"include_obfuscation":false},`), Want: upstream(Stripped)},
		{Name: "usage-always", About: "sent without being asked", Script: mode(UsageAlways), Body: streamed(), Want: upstream(Stripped)},
		{Name: "usage-never", About: "asked for and not sent", Script: mode(UsageNever), Body: streamed(),
			Want: exact(Identical, "estimated", output(8))},
		{Name: "usage-never-asked", About: "asked for by the client and not sent", Script: mode(UsageNever), Body: streamedUsage(),
			Want: exact(Identical, "estimated", output(8))},
		{Name: "usage-rejected", About: "stream_options is refused: one retry without", Script: mode(UsageReject), Body: streamed(),
			Want: retried},
		{Name: "usage-rejected-asked", About: "the client's own stream_options is refused: that is the client's error",
			Script: mode(UsageReject), Body: streamedUsage(), Want: refused},
		{Name: "usage-in-finish", About: "in the chunk with the finish reason: only the member goes", Script: mode(UsageInFinish),
			Body: streamed(), Want: upstream(Stripped)},
		{Name: "usage-in-finish-asked", About: "in the chunk with the finish reason, asked for", Script: mode(UsageInFinish),
			Body: streamedUsage(), Want: upstream(Identical)},
		{Name: "usage-null-each", About: "null in each chunk: only the member goes", Script: mode(UsageNullEach), Body: streamed(),
			Want: upstream(Stripped)},
		{Name: "usage-null-each-asked", About: "null in each chunk, asked for", Script: mode(UsageNullEach), Body: streamedUsage(),
			Want: upstream(Identical)},
		{Name: "usage-cumulative", About: "running totals in each chunk: the last counts, never the sum",
			Script: mode(UsageCumulative), Body: streamed(), Want: upstream(Stripped)},
		{Name: "usage-cumulative-asked", About: "running totals in each chunk, asked for", Script: mode(UsageCumulative),
			Body: streamedUsage(), Want: upstream(Identical)},
		{Name: "usage-twice", About: "two usage chunks: the last counts", Script: mode(UsageTwice), Body: streamed(),
			Want: upstream(Stripped)},
		{Name: "usage-never-whole", About: "a whole answer without usage", Script: mode(UsageNever), Body: chat(""),
			Want: exact(Identical, "estimated", output(8))},
	}
}

// usageShapes has usage objects that say too little, or nonsense, and those that count in another way.
func usageShapes() []Case {
	var all []Case
	for name, raw := range map[string]string{
		"null":      `null`,
		"empty":     `{}`,
		"strings":   `{"prompt_tokens":"11","completion_tokens":"8","total_tokens":"19"}`,
		"negative":  `{"prompt_tokens":-11,"completion_tokens":-8,"total_tokens":-19}`,
		"array":     `[11,8,19]`,
		"number":    `19`,
		"too-large": `{"prompt_tokens":1e300,"completion_tokens":1e300,"total_tokens":1e300}`,
	} {
		s := Script{RawUsage: raw}
		all = append(all, Case{Name: "usage-shape-" + name, About: "usage is " + raw, Script: s, Body: chat(""),
			Want: exact(Identical, "estimated", output(8))})
	}
	cached := `{"prompt_tokens":11,"completion_tokens":8,"total_tokens":19,"prompt_tokens_details":null,"completion_tokens_details":null}`
	outside := `{"prompt_tokens":11,"completion_tokens":8,"total_tokens":24,"completion_tokens_details":{"reasoning_tokens":5}}`
	return append(all,
		Case{Name: "usage-details-null", About: "the details are null", Script: Script{RawUsage: cached}, Body: streamed(),
			Want: exact(Stripped, "upstream", output(8))},
		Case{Name: "cached-tokens", About: "cached tokens are part of the prompt's and not counted again",
			Script: Script{CachedTokens: 7}, Body: streamed(),
			Want: exact(Stripped, "upstream", Usage{Prompt: casePrompt, Cached: 7, Output: 8})},
		Case{Name: "reasoning-outside", About: "reasoning tokens beside the completion's, as the total shows",
			Script: Script{RawUsage: outside}, Body: streamed(),
			Want: exact(Stripped, "upstream", Usage{Prompt: casePrompt, Output: 13, Reasoning: 5})},
	)
}
