package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The targets of a measurement.
const (
	targetDirect = "direct"
	targetNginx  = "nginx"
	targetLLMHub = "llmhub"
	// targetLimited is llmhub with rules on key and subscription; it is measured with whole answers only.
	targetLimited = "llmhub, limits"
)

// The kinds of answers.
const (
	kindWhole     = "whole answers"
	kindStream    = "streams of 100 events"
	kindResponses = "responses, streams of 100 events"
	kindMessages  = "messages, streams of 100 events"
	kindPaced     = "paced streams of 100 events"
)

// kinds are all of them, in the order of the report.
var kinds = []string{kindWhole, kindStream, kindResponses, kindMessages, kindPaced}

const (
	streamEvents = 100
	// streamWords makes a stream of streamEvents: one for the role, one for the finish, one for the usage, and [DONE].
	streamWords = streamEvents - 4
	// responsesWords does so among the eight events that begin and end a response, its item and its part; messagesWords
	// among the six that begin and end a message and its block.
	responsesWords = streamEvents - 8
	messagesWords  = streamEvents - 6
	pace           = 20 * time.Millisecond
	promptTokens   = 120
)

// scenario is one kind of answer at one number of clients.
type scenario struct {
	kind    string
	clients int
	length  time.Duration
	rounds  int
}

// scenarios returns what is measured.
func scenarios(o options) []scenario {
	length, rounds, paced := 2*time.Second, 3, 2*streamEvents*pace
	whole, stream, other, slow := []int{1, 32, 64, 256}, []int{1, 32, 64, 256}, []int{1, 64, 256}, []int{1, 32, 64, 256}
	if o.quick {
		length, rounds, paced = time.Second, 2, streamEvents*pace
		whole, stream, other, slow = []int{1, 64}, []int{1, 64}, []int{64}, []int{256}
	}
	if o.duration > 0 {
		length, paced = o.duration, o.duration
	}
	if o.rounds > 0 {
		rounds = o.rounds
	}
	var all []scenario
	for _, n := range whole {
		all = append(all, scenario{kindWhole, n, length, rounds})
	}
	for _, n := range stream {
		all = append(all, scenario{kindStream, n, length, rounds})
	}
	for _, kind := range []string{kindResponses, kindMessages} {
		for _, n := range other {
			all = append(all, scenario{kind, n, length, rounds})
		}
	}
	for _, n := range slow {
		// Long as they are, paced streams vary little: one round less, and one alone where there are few.
		times := max(1, rounds-1)
		if n < slow[len(slow)-1] {
			times = 1
		}
		all = append(all, scenario{kindPaced, n, paced, times})
	}
	return slices.DeleteFunc(all, func(s scenario) bool { return !strings.Contains(s.kind, o.kind) })
}

// measures says whether a target is measured in the scenario.
func (s scenario) measures(t *target) bool { return t.name != targetLimited || s.kind == kindWhole }

// user is the name under which a target's requests are counted.
func (t *target) user() string {
	if t.name == targetLimited {
		return targetLLMHub // one ledger has them all
	}
	return t.name
}

// job returns what the load generator does for the scenario.
func (s scenario) job(t *target, length time.Duration) job {
	j := job{Path: chatPath, Addr: t.addr, Key: t.key, Clients: s.clients, For: length, Events: streamEvents, End: chatEnd}
	switch s.kind {
	case kindWhole:
		j.Events, j.End = 0, wholeEnd
		j.Body = body(t.user(), false, `"tokens":60,`)
	case kindStream:
		j.Body = body(t.user(), true, fmt.Sprintf(`"tokens":%d,`, streamWords))
	case kindResponses:
		j.Path, j.End = "/v1/responses", responsesEnd
		j.Body = otherBody(`"user":"`+t.user()+`","max_output_tokens"`, "input", responsesWords)
	case kindMessages:
		j.Path, j.End = "/v1/messages", messagesEnd
		j.Body = otherBody(`"metadata":{"user_id":"`+t.user()+`"},"max_tokens"`, "messages", messagesWords)
	default:
		j.Spread = min(streamEvents*pace, length)
		j.Body = body(t.user(), true, fmt.Sprintf(`"tokens":%d,"pace_ms":%d,`, streamWords, pace.Milliseconds()))
	}
	return j
}

const chatPath = "/v1/chat/completions"

// What answers end with: the last bytes of the body, at most eight.
const (
	wholeEnd     = "}"
	chatEnd      = "DONE]\n\n"
	responsesEnd = "}}\n\n"
	messagesEnd  = "stop\"}\n\n"
)

// body returns a request of a chat's usual size, which is counted under the target's name.
func body(user string, stream bool, script string) string {
	mode := ""
	if stream {
		mode = `"stream":true,"stream_options":{"include_usage":true},`
	}
	return `{"model":"` + modelName + `","user":"` + user + `",` + mode + `"temperature":0.7,"max_tokens":1024,` +
		`"x_script":{` + script + fmt.Sprintf(`"prompt_tokens":%d,"cached_tokens":40},`, promptTokens) +
		`"messages":[{"role":"system","content":"` + instructions + `"},{"role":"user","content":"` + question + `"}]}`
}

// otherBody returns a streamed request of the same size in the form of responses or messages. Members end with the name
// of the one that bounds the output; the prompt is in the one that is called input.
func otherBody(members, input string, words int) string {
	system := "instructions"
	if input == "messages" {
		system = "system"
	}
	return `{"model":"` + modelName + `","stream":true,"temperature":0.7,` + members +
		fmt.Sprintf(`:1024,"x_script":{"tokens":%d,"prompt_tokens":%d,"cached_tokens":40},`, words, promptTokens) +
		`"` + system + `":"` + instructions + `","` + input + `":[{"role":"user","content":"` + question + `"}]}`
}

// The prompt.
const (
	instructions = `You are a helpful assistant of a company that rents out computers. ` +
		`Answer briefly, name the source of each fact, and say so when you do not know.`
	question = `How is a proxy measured? Consider the time it takes from the processor, the time it adds to an answer, ` +
		`and the memory that each open connection costs.`
)

// sample is one round of one target in a scenario.
type sample struct {
	result
	cpu time.Duration
}

// series is all rounds of one target in a scenario.
type series []sample

func (s series) requests() (n int64) {
	for _, x := range s {
		n += x.Requests
	}
	return n
}

// cpuPerRequest returns processor time over all rounds, in microseconds per request.
func (s series) cpuPerRequest() float64 {
	var cpu time.Duration
	for _, x := range s {
		cpu += x.cpu
	}
	return microseconds(cpu) / float64(max(1, s.requests()))
}

// perSecond returns the requests per second over all rounds.
func (s series) perSecond() float64 {
	var elapsed time.Duration
	for _, x := range s {
		elapsed += x.Elapsed
	}
	if elapsed == 0 {
		return 0
	}
	return float64(s.requests()) / elapsed.Seconds()
}

// median returns the median over the rounds of a duration, in microseconds.
func (s series) median(of func(result) time.Duration) float64 {
	all := make([]time.Duration, len(s))
	for i, x := range s {
		all[i] = of(x.result)
	}
	slices.Sort(all)
	n := len(all)
	if n == 0 {
		return 0
	}
	return microseconds(all[(n-1)/2]+all[n/2]) / 2
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// The durations that are reported.
func latencyP50(r result) time.Duration { return r.Latency.P50 }
func latencyP99(r result) time.Duration { return r.Latency.P99 }
func firstP50(r result) time.Duration   { return r.First.P50 }
func firstP99(r result) time.Duration   { return r.First.P99 }
