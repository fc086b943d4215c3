package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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

// sight is what a client saw of one request.
type sight struct {
	id       string // of the request, empty if no answer has come
	key      *loadKey
	plan     plan
	content  int  // events with content
	finished bool // [DONE], or a whole body
	left     bool // the client closed the connection itself
	shut     bool // a refusal since the gateway is shutting down
}

// loadKey is an API key of the load; its name is the member "user" of its requests.
type loadKey struct{ name, id, secret string }

// load is many clients at once, for one run of the server.
type load struct {
	url    string
	keys   []*loadKey
	prompt string // text of which prompts are beginnings
	seed   uint64
	// storm has all clients ask for short answers at full speed, so that commits follow one another.
	storm bool

	client *http.Client
	// ending is set before the server is killed or stopped: from then on failures are no surprise.
	ending atomic.Bool
	stop   chan struct{}
	wg     sync.WaitGroup

	mu       sync.Mutex
	sights   []*sight
	failures []string
}

// begin starts n clients.
func (l *load) begin(n int) {
	l.stop = make(chan struct{})
	l.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n, DisableCompression: true}}
	for i := range n {
		l.wg.Go(func() { l.run(rand.New(rand.NewPCG(l.seed, uint64(i)))) })
	}
}

// end waits until the clients are through with what they are doing.
func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
	l.client.CloseIdleConnections()
}

// run sends one request after the other until the load ends.
func (l *load) run(rng *rand.Rand) {
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		s := &sight{key: l.keys[rng.IntN(len(l.keys))], plan: l.draw(rng)}
		err := l.send(s)
		surprise := err != nil && !l.ending.Load()
		l.mu.Lock()
		l.sights = append(l.sights, s)
		if surprise {
			l.failures = append(l.failures, fmt.Sprintf("%s %+v: %v", s.id, s.plan.summary(), err))
		}
		l.mu.Unlock()
		if err != nil && l.ending.Load() {
			return
		}
	}
}

// draw makes up a request.
func (l *load) draw(rng *rand.Rand) plan {
	p := plan{model: "cancel", leaves: -1, prompt: l.prompt[:600+rng.IntN(len(l.prompt)-600)],
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

// request makes the request.
func (l *load) request(ctx context.Context, s *sight) (*http.Request, error) {
	p := &s.plan
	path := "/v1/chat/completions"
	body := map[string]any{"model": p.model, "user": s.key.name}
	if p.kind == embedding {
		path = "/v1/embeddings"
		body["input"] = p.prompt
	} else {
		body["messages"] = []map[string]string{{"role": "user", "content": p.prompt}}
		body["x_script"] = map[string]any{"tokens": p.words, "reasoning_tokens": p.thoughts, "cached_tokens": p.cached,
			"pace_ms": p.paceMS, "delay_ms": p.delayMS, "usage": p.mode}
	}
	if p.kind == streamed {
		body["stream"] = true
	}
	if p.asks {
		body["stream_options"] = map[string]bool{"include_usage": true}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.key.secret)
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// send sends one request and notes what comes of it. An error is one that nobody planned.
func (l *load) send(s *sight) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := l.request(ctx, s)
	if err != nil {
		return err
	}
	answer, err := l.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	s.id = answer.Header.Get("X-Request-Id")
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		s.shut = answer.StatusCode == http.StatusServiceUnavailable && bytes.Contains(text, []byte("shutting_down"))
		return fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	if s.plan.kind == streamed {
		return s.readStream(answer.Body)
	}
	return s.readWhole(answer.Body)
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

func (s *sight) readWhole(body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	s.finished = true
	return s.plan.checkUsage(text)
}

func (s *sight) readStream(body io.Reader) error {
	lines := bufio.NewScanner(body)
	var last []byte // the last event with usage, if it was asked for
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		switch {
		case !ok:
		case string(data) == "[DONE]":
			s.finished = true
			if s.plan.asks {
				return s.plan.checkUsage(last)
			}
			return nil
		case bytes.HasPrefix(data, []byte(`{"error"`)):
			return fmt.Errorf("stream broken off: %s", data)
		case bytes.Contains(data, []byte(`content":" `)):
			if s.content++; s.content == s.plan.leaves {
				s.left = true
				return nil
			}
		}
		if s.plan.asks && bytes.Contains(data, []byte(`"usage":{`)) {
			last = append(last[:0], data...)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}
