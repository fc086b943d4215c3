package main

import (
	"fmt"
	"slices"
	"time"
)

// The targets of a measurement.
const (
	targetDirect = "direct"
	targetNginx  = "nginx"
	targetLLMHub = "llmhub"
)

// The kinds of answers.
const (
	kindWhole  = "whole answers"
	kindStream = "streams of 100 events"
	// The same by other APIs, whose streams end with an event of their own in place of [DONE].
	kindResponses = "responses, streams of 100 events"
	kindMessages  = "messages, streams of 100 events"
	kindPaced     = "paced streams of 100 events"
)

const (
	// streamWords makes a stream of streamEvents: one for the role, one for the finish, one for the usage, and [DONE].
	streamWords  = 96
	streamEvents = 100
	// responsesWords and messagesWords make streams of as many events.
	responsesWords = 92
	messagesWords  = 94
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
	whole, stream, slow, others := []int{1, 32, 64, 256}, []int{1, 32, 64, 256}, []int{1, 32, 64, 256}, []int{1, 64}
	if o.quick {
		length, rounds, paced = time.Second, 2, streamEvents*pace
		whole, stream, slow, others = []int{1, 64}, []int{1, 64}, []int{256}, []int{64}
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
		for _, n := range others {
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
	return all
}

// job returns what the load generator does for the scenario.
func (s scenario) job(target, addr, key string, length time.Duration) job {
	j := job{Addr: addr, Key: key, Path: "/v1/chat/completions", End: "DONE]\n\n", Clients: s.clients, For: length}
	switch s.kind {
	case kindWhole:
		j.Body = body(target, false, `"tokens":60,`)
	case kindStream:
		j.Events = streamEvents
		j.Body = body(target, true, fmt.Sprintf(`"tokens":%d,`, streamWords))
	case kindResponses:
		j.Events, j.Path, j.End = streamEvents, "/v1/responses", "}}\n\n"
		j.Body = otherBody(target, responsesWords, `"max_output_tokens":1024,"input":[`)
	case kindMessages:
		j.Events, j.Path, j.End = streamEvents, "/v1/messages", "top\"}\n\n"
		j.Body = otherBody(target, messagesWords, `"max_tokens":1024,"messages":[`)
	default:
		j.Events = streamEvents
		j.Spread = min(streamEvents*pace, length)
		j.Body = body(target, true, fmt.Sprintf(`"tokens":%d,"pace_ms":%d,`, streamWords, pace.Milliseconds()))
	}
	return j
}

// body returns a request of a chat's usual size, which is counted under the target's name.
func body(target string, stream bool, script string) string {
	mode := ""
	if stream {
		mode = `"stream":true,"stream_options":{"include_usage":true},`
	}
	return `{"model":"` + modelName + `","user":"` + target + `",` + mode + `"temperature":0.7,"max_tokens":1024,` +
		`"x_script":{` + script + fmt.Sprintf(`"prompt_tokens":%d,"cached_tokens":40},`, promptTokens) +
		`"messages":[{"role":"system","content":"You are a helpful assistant of a company that rents out computers. ` +
		`Answer briefly, name the source of each fact, and say so when you do not know."},` + question + `]}`
}

// question is what all requests ask.
const question = `{"role":"user","content":"How is a proxy measured? Consider the time it takes from the processor, the time it adds ` +
	`to an answer, and the memory that each open connection costs."}`

// otherBody returns a request for a stream of another API: members begins the list of its messages.
func otherBody(target string, words int, members string) string {
	return `{"model":"` + modelName + `","user":"` + target + `","stream":true,"temperature":0.7,` +
		fmt.Sprintf(`"x_script":{"tokens":%d,"prompt_tokens":%d},`, words, promptTokens) + members + question + `]}`
}

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
