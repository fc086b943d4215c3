package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"llmhub/proxy/proxytest"
)

// kind is what a request asks for.
type kind int

const (
	streamed kind = iota
	wholeAnswer
	embedding
)

// api is what a streamed answer is asked for by.
type api int

const (
	apiChat api = iota
	apiResponses
	apiMessages
)

// plan is one request of the load, drawn at random.
type plan struct {
	kind     kind
	api      api
	model    string
	words    int // of reply, without reasoning
	thoughts int // words of reasoning
	cached   int
	paceMS   int
	delayMS  int
	mode     string // in which the provider reports usage
	asks     bool   // for usage in the stream
	leaves   int    // after that many events with content; -1 not before the end
	prompt   string
}

// promptText is what prompts are beginnings of. Its tokens have more than four bytes each, so that no estimate of
// a prompt comes to more than the provider counts.
var promptText = func() string {
	var b strings.Builder
	for _, d := range proxytest.Words(1000) {
		b.WriteString(d.Text)
	}
	return b.String()
}()

// draw makes up a request.
func (l *load) draw(rng *rand.Rand) plan {
	p := plan{model: "cancel", leaves: -1, prompt: promptText[:600+rng.IntN(len(promptText)-600)],
		mode: []string{"as_asked", "as_asked", "always", "finish", "cumulative"}[rng.IntN(5)]}
	if rng.IntN(2) == 0 {
		p.model = "drain"
	}
	switch n := rng.IntN(20); {
	case n < 12:
		p.kind = streamed
	case n < 19:
		p.kind = wholeAnswer
	default:
		p.kind = embedding
		return p
	}
	if p.kind == streamed {
		p.api = []api{apiChat, apiChat, apiResponses, apiMessages}[rng.IntN(4)]
	}
	p.words = 1 + rng.IntN(12)
	if !l.storm {
		p.words, p.paceMS, p.delayMS = 1+rng.IntN(150), rng.IntN(4), rng.IntN(20)
	}
	if rng.IntN(4) == 0 {
		p.thoughts = 1 + rng.IntN(20)
	}
	if rng.IntN(3) == 0 {
		p.cached = 1 + rng.IntN(100)
	}
	p.asks = p.kind == streamed && p.api == apiChat && rng.IntN(2) == 0
	if p.kind == streamed && rng.IntN(6) == 0 {
		p.leaves = 1 + rng.IntN(p.words+p.thoughts)
	}
	return p
}

func (p plan) summary() string {
	p.prompt = fmt.Sprintf("%d bytes", len(p.prompt))
	return fmt.Sprintf("%+v", struct{ plan }{p})
}

// usage is what the provider counts for the request: for the prompt, a quarter of its bytes and some for the framing.
func (p *plan) usage() proxytest.Usage {
	text := int64(len(strings.TrimSpace(p.prompt))+3) / 4
	if p.kind == embedding {
		return proxytest.Usage{Prompt: 3 + text}
	}
	u := proxytest.Usage{Prompt: 3 + 4 + text, Cached: int64(p.cached), Output: int64(p.words + p.thoughts), Reasoning: int64(p.thoughts)}
	switch p.api {
	case apiResponses:
		u.Prompt = 3 + text
	case apiMessages:
		u.Reasoning = 0 // is not told apart
	}
	return u
}

// body is the request without what is the same in all.
func (p *plan) body(user string) (path string, body map[string]any) {
	body = map[string]any{"model": p.model, "user": user}
	messages := []map[string]string{{"role": "user", "content": p.prompt}}
	switch {
	case p.kind == embedding:
		body["input"] = p.prompt
		return "/v1/embeddings", body
	case p.api == apiResponses:
		path, body["input"] = "/v1/responses", p.prompt
	case p.api == apiMessages:
		path, body = "/v1/messages", map[string]any{"model": p.model, "metadata": map[string]string{"user_id": user}, "messages": messages, "max_tokens": 1000}
	default:
		path, body["messages"] = "/v1/chat/completions", messages
	}
	body["x_script"] = map[string]any{"tokens": p.words, "reasoning_tokens": p.thoughts, "cached_tokens": p.cached,
		"pace_ms": p.paceMS, "delay_ms": p.delayMS, "usage": p.mode}
	if p.kind == streamed {
		body["stream"] = true
	}
	if p.asks {
		body["stream_options"] = map[string]bool{"include_usage": true}
	}
	return path, body
}

// streamMarks are what events of a stream are known by: the last one by its beginning, those with content by what they
// contain, one of which is enough.
type streamMarks struct {
	end     string
	content []string
}

var marksOf = map[api]streamMarks{
	apiChat:      {"[DONE]", []string{`content":" `}},
	apiResponses: {`{"type":"response.completed"`, []string{`"delta":" `}},
	apiMessages:  {`{"type":"message_stop"`, []string{`"text_delta","text":" `, `"thinking_delta","thinking":" `}},
}

func (m streamMarks) hasContent(data []byte) bool {
	return slices.ContainsFunc(m.content, func(mark string) bool { return bytes.Contains(data, []byte(mark)) })
}

// usageJSON is the usage object of the API.
type usageJSON struct {
	Prompt  int64 `json:"prompt_tokens"`
	Output  int64 `json:"completion_tokens"`
	Details struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	OutputDetails struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// checkUsage compares the usage in a piece of JSON with the plan's.
func (p *plan) checkUsage(text []byte) error {
	var v struct{ Usage *usageJSON }
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("%w: %.200q", err, text)
	}
	if v.Usage == nil {
		return fmt.Errorf("no usage in %.200q", text)
	}
	got := proxytest.Usage{Prompt: v.Usage.Prompt, Cached: v.Usage.Details.Cached, Output: v.Usage.Output,
		Reasoning: v.Usage.OutputDetails.Reasoning}
	if got != p.usage() {
		return fmt.Errorf("usage %+v, want %+v", got, p.usage())
	}
	return nil
}

// remembered are requests that were sent with an Idempotency-Key, so that they can be sent again.
type remembered struct {
	mu   sync.Mutex
	n    int
	asks []ask
}

// ask is a request with its Idempotency-Key.
type ask struct {
	name string
	key  *loadKey
	plan plan
}

// maxRemembered bounds them: the last ones count, as they may be under way.
const maxRemembered = 64

// draw gives a request an Idempotency-Key: a new one, or all of a request before.
func (m *remembered) draw(rng *rand.Rand, s *sight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.asks) > 0 && rng.IntN(2) == 0 {
		a := m.asks[rng.IntN(len(m.asks))]
		a.plan.leaves = -1
		s.again, s.key, s.plan = a.name, a.key, a.plan
		return
	}
	m.n++
	s.again, s.plan.model = fmt.Sprintf("again-%d", m.n), "again"
	m.asks = append(m.asks[max(0, len(m.asks)-maxRemembered+1):], ask{s.again, s.key, s.plan})
}
