package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"llmhub/limit"
)

// sight is what a client saw of one request.
type sight struct {
	id       string // of the request, empty if no answer has come
	key      *loadKey
	plan     plan
	content  int  // events with content
	finished bool // the end of a stream, or a whole body
	left     bool // the client closed the connection itself
	refused  bool // before the model server was asked
	limited  bool // the end of a stream is the error that a limit of the key is reached
	// again is the Idempotency-Key; replayed says that the answer is that of a request before, whose ID it carries.
	again    string
	replayed bool
}

// cut says whether an answer has begun and has no end that anybody wanted.
func (s *sight) cut() bool { return s.content > 0 && !s.finished && !s.left && !s.limited }

// loadKey is an API key of the load; its name is the member "user" of its requests.
type loadKey struct {
	name, id, secret string
	// limits of the key; such a key asks for streams only, since whole answers are bounded by what is left.
	limits limit.Rules
}

// refusedFor is how long a client waits that was refused because of a limit.
const refusedFor = 5 * time.Millisecond

// load is many clients at once, for one run of the server.
type load struct {
	url  string
	keys []*loadKey
	seed uint64
	// storm has all clients ask for short answers at full speed, so that commits follow one another.
	storm bool
	// again has some requests sent again under an Idempotency-Key; nil has none.
	again *remembered

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
		if s.key.limits.HasBudget() {
			s.plan.kind = streamed
		} else if l.again != nil && rng.IntN(6) == 0 {
			l.again.draw(rng, s)
		}
		err := l.send(s)
		if s.key.limits.HasBudget() && beyondLimit(err) {
			err = nil
			time.Sleep(refusedFor) // so that those who are served have the machine
		}
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

// beyondLimit says whether a request was refused, or its answer ended, because of a limit of its key.
func beyondLimit(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.Code == "budget_exceeded" || r.Code == "rate_limit_exceeded")
}

// request makes the request.
func (l *load) request(ctx context.Context, s *sight) (*http.Request, error) {
	path, body := s.plan.body(s.key.name)
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
	if s.again != "" {
		r.Header.Set("Idempotency-Key", s.again)
	}
	return r, nil
}

// refusal is an error in OpenAI's form.
type refusal struct {
	status int // 0 in mid-stream
	text   string
	// Type, Code and Message are empty in what is not in OpenAI's form.
	Type, Code, Message string
}

func (r *refusal) Error() string { return fmt.Sprintf("status %d: %s", r.status, r.text) }

func newRefusal(status int, text []byte) *refusal {
	var body struct{ Error refusal }
	if json.Unmarshal(text, &body) != nil {
		body.Error = refusal{}
	}
	body.Error.status, body.Error.text = status, string(text)
	return &body.Error
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
	s.id, s.replayed = answer.Header.Get("X-Request-Id"), answer.Header.Get("Idempotent-Replayed") == "true"
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		r := newRefusal(answer.StatusCode, text)
		s.refused = beyondLimit(r) || r.Code == "shutting_down" || r.Code == "insufficient_storage"
		return r
	}
	if s.plan.kind == streamed {
		return s.readStream(answer.Body)
	}
	return s.readWhole(answer.Body)
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
	lines, marks := bufio.NewScanner(body), marksOf[s.plan.api]
	var last []byte // the last event with usage, if it was asked for
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		switch {
		case !ok:
		case bytes.HasPrefix(data, []byte(marks.end)):
			s.finished = true
			if s.plan.asks {
				return s.plan.checkUsage(last)
			}
			return nil
		case bytes.HasPrefix(data, []byte(`{"error"`)), bytes.HasPrefix(data, []byte(`{"type":"error"`)):
			r := newRefusal(0, data)
			s.limited = beyondLimit(r)
			return r
		case marks.hasContent(data):
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
