package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"llmhub/proxy/proxytest"
)

// kind is what a request asks for.
type kind int

const (
	streamed kind = iota
	wholeAnswer
	embedding
)

// plan is one request of the load, drawn at random.
type plan struct {
	kind     kind
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
	p.asks = p.kind == streamed && rng.IntN(2) == 0
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
	return proxytest.Usage{Prompt: 3 + 4 + text, Cached: int64(p.cached), Output: int64(p.words + p.thoughts),
		Reasoning: int64(p.thoughts)}
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
