package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/store"
)

// The bounds of the drill. A request may meet one bad server after another, at most outageTries in a row.
const (
	outageServers = 3
	outageRate    = 200 // requests a second
	outageSlow    = 150 * time.Millisecond
	outageTries   = 6
	outageBackoff = 20 * time.Millisecond
)

// mood is what is wrong with a server of the drill.
type mood int32

const (
	well    mood = iota
	dead         // nobody listens; what has not begun to be answered is reset
	slow         // each answer takes outageSlow to begin
	limited      // 429
	broken       // 500, or an error or nothing at all in place of the first event
	moods
)

var moodNames = [moods]string{"well", "dead", "slow", "limited", "broken"}

// outageServer is a model server that can be killed and comes back at the same address. What has begun to be answered is
// finished, since nobody but it could finish that.
type outageServer struct {
	address string
	mood    atomic.Int32
	begun   atomic.Int64 // requests that were answered with content
	tokens  atomic.Int64 // of answers that it finished
	meets   [moods]atomic.Int64

	mu     sync.Mutex
	ln     net.Listener
	killed chan struct{} // closed when it dies
	idle   map[net.Conn]bool
	server *http.Server
}

func newOutageServer(t *testing.T) *outageServer {
	s := &outageServer{idle: map[net.Conn]bool{}}
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ConnState: s.connState}
	s.live(t)
	t.Cleanup(func() { _ = s.server.Close() })
	return s
}

func (s *outageServer) connState(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.idle, c)
	if state == http.StateIdle || state == http.StateNew {
		s.idle[c] = true
	}
}

// live has it listen, at the address that it had.
func (s *outageServer) live(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	address := s.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	s.ln, s.address, s.killed = ln, ln.Addr().String(), make(chan struct{})
	go func() { _ = s.server.Serve(ln) }()
}

// kill closes the listener and resets the connections that no answer is on.
func (s *outageServer) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.ln.Close()
	close(s.killed)
	for c := range s.idle {
		reset(c)
	}
}

func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// set changes the mood.
func (s *outageServer) set(t *testing.T, m mood) {
	was := mood(s.mood.Swap(int32(m)))
	switch {
	case m == dead && was != dead:
		s.kill()
	case was == dead && m != dead:
		s.live(t)
	}
}

func (s *outageServer) serve(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Stream bool   `json:"stream"`
		User   string `json:"user"`
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m := mood(s.mood.Load())
	s.meets[m].Add(1)
	delay := time.Duration(1+rand.IntN(8)) * time.Millisecond
	if m == slow {
		delay = outageSlow
	}
	s.mu.Lock()
	killed := s.killed
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-killed:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			reset(conn)
		}
		return
	}
	switch m {
	case limited:
		if rand.IntN(2) == 0 {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(http.StatusTooManyRequests)
	case broken:
		s.fail(w, request.Stream)
	default:
		s.answer(w, request.Stream, request.User)
	}
}

// fail answers an error, or with a stream that is one.
func (s *outageServer) fail(w http.ResponseWriter, stream bool) {
	switch what := rand.IntN(3); {
	case !stream || what == 0:
		w.WriteHeader(http.StatusInternalServerError)
	case what == 1:
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n")
	default:
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
	}
}

// answer counts as many tokens for input as the user's number says, so that entries cannot be mistaken.
func (s *outageServer) answer(w http.ResponseWriter, stream bool, user string) {
	var n int64
	_, _ = fmt.Sscanf(user, "drill-%d", &n)
	usage := fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":3,"total_tokens":%d}`, n, n+3)
	s.begun.Add(1)
	if !stream {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"a b c"},"finish_reason":"stop"}],%s}`, usage)
		s.tokens.Add(n)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, word := range []string{"a", " b", " c"} {
		_, _ = fmt.Fprintf(w, "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", word)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(2 * time.Millisecond)
	}
	_, _ = fmt.Fprintf(w, "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":[],%s}\n\ndata: [DONE]\n\n", usage)
	s.tokens.Add(n)
}

// outage changes the servers' moods at random until ctx ends; one of them, another each time, is well throughout.
func outage(ctx context.Context, t *testing.T, servers []*outageServer) (changes int) {
	healthy := 0
	for {
		select {
		case <-ctx.Done():
			return changes
		case <-time.After(time.Duration(20+rand.IntN(150)) * time.Millisecond):
		}
		// The next to be well is so before the one before may stop being it.
		if rand.IntN(3) == 0 {
			next := rand.IntN(len(servers))
			servers[next].set(t, well)
			healthy = next
			continue
		}
		if i := rand.IntN(len(servers)); i != healthy {
			servers[i].set(t, mood(rand.IntN(int(moods))))
			changes++
		}
	}
}

// drilled is what a client saw of a request.
type drilled struct {
	n    int64
	took time.Duration
	err  error
}

// drill sends one request and insists on the whole of its answer.
func (a *account) drill(client *http.Client, n int64, stream bool) (d drilled) {
	d.n = n
	body := fmt.Sprintf(`{"model":"m","user":"drill-%d","stream":%t,"messages":[{"role":"user","content":"Hello"}]}`, n, stream)
	if stream {
		body = strings.Replace(body, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
	}
	start := time.Now()
	defer func() { d.took = time.Since(start) }()
	resp, err := client.Do(a.h.request(context.Background(), a.text, "/v1/chat/completions", strings.NewReader(body)))
	if err != nil {
		d.err = err
		return d
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(bufio.NewReader(resp.Body))
	want := fmt.Sprintf(`"prompt_tokens":%d,`, n)
	switch {
	case err != nil:
		d.err = err
	case resp.StatusCode != http.StatusOK, !bytes.Contains(text, []byte(want)), stream && !bytes.HasSuffix(text, []byte("data: [DONE]\n\n")):
		d.err = fmt.Errorf("status %d: %.300s", resp.StatusCode, text)
	}
	return d
}

// TestOutageDrill kills, slows and limits three model servers at random, one of them always being well, at 200 requests a
// second: no request may fail, and each is charged once. LLMHUB_DRILL is how long, such as 1m.
func TestOutageDrill(t *testing.T) {
	length := 8 * time.Second
	if text := os.Getenv("LLMHUB_DRILL"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	var servers []*outageServer
	for range outageServers {
		servers = append(servers, newOutageServer(t))
	}
	h := startHub(t, nil, func(cfg *config.Config) {
		m := config.DefaultModel()
		m.Name, m.Retries = "m", config.Retries{Attempts: outageTries, Backoff: outageBackoff, MaxElapsed: 30 * time.Second}
		for i, s := range servers {
			u := config.DefaultUpstream()
			u.Name, u.BaseURL = fmt.Sprintf("drill%d", i), &url.URL{Scheme: "http", Host: s.address, Path: "/v1"}
			cfg.Upstreams = append(cfg.Upstreams, u)
			d := config.DefaultDeployment()
			d.Upstream, d.Model = u.Name, "m"
			d.Breaker.Open = time.Second
			m.Deployments = append(m.Deployments, d)
		}
		cfg.Models = append(cfg.Models, m)
	})
	a := h.account("drill")
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	changes := make(chan int, 1)
	go func() { changes <- outage(ctx, t, servers) }()
	seen := a.load(ctx)
	t.Logf("%d changes of mood; met: %s", <-changes, met(servers))

	h.idle()
	checkDrill(t, a, servers, seen)
	for _, d := range h.server.proxy.Health() {
		if d.InFlight != 0 || d.Queued != 0 {
			t.Errorf("left behind: %+v", d)
		}
	}
}

// load sends requests at the drill's rate, half of them streamed, until ctx ends, and returns what became of each.
func (a *account) load(ctx context.Context) []drilled {
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var seen []drilled
	tick := time.NewTicker(time.Second / outageRate)
	defer tick.Stop()
	for n := int64(1); ; n++ {
		select {
		case <-ctx.Done():
			wg.Wait()
			return seen
		case <-tick.C:
		}
		wg.Go(func() {
			d := a.drill(client, n, n%2 == 0)
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, d)
		})
	}
}

func met(servers []*outageServer) string {
	var parts []string
	for m, name := range moodNames {
		n := int64(0)
		for _, s := range servers {
			n += s.meets[m].Load()
		}
		parts = append(parts, fmt.Sprintf("%s %d", name, n))
	}
	return strings.Join(parts, ", ")
}

// allEvents returns the account's entries, page by page.
func (a *account) allEvents(t *testing.T) (all []store.Event) {
	t.Helper()
	for cursor := ""; ; {
		page, next, err := a.h.server.store.Events(t.Context(), store.EventQuery{Key: a.id, Cursor: cursor, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, page...); next == "" {
			return all
		}
		cursor = next
	}
}

// checkDrill compares what clients saw, the ledger and the servers, and bounds how long a request took.
func checkDrill(t *testing.T, a *account, servers []*outageServer, seen []drilled) {
	t.Helper()
	failed := 0
	want, took := map[int64]int{}, []time.Duration{}
	var charged, begun, tokens int64
	for _, d := range seen {
		took = append(took, d.took)
		charged += d.n
		want[d.n]++
		if d.err != nil {
			if failed++; failed <= 10 {
				t.Errorf("request %d failed after %s: %v", d.n, d.took, d.err)
			}
		}
	}
	for _, s := range servers {
		begun += s.begun.Load()
		tokens += s.tokens.Load()
	}
	events := a.allEvents(t)
	if failed == 0 {
		for _, e := range events {
			want[e.Tokens.Input]--
		}
		for n, left := range want {
			if left != 0 {
				t.Errorf("request %d: charged %d times", n, 1-left)
			}
		}
	}
	if len(events) != len(seen)-failed || begun < int64(len(events)) || tokens < charged && failed == 0 {
		t.Errorf("%d requests, %d failed, %d entries, %d answers begun", len(seen), failed, len(events), begun)
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%d requests, %d failed; p50 %s, p99 %s, most %s", len(seen), failed, p50, p99, took[len(took)-1])
	// Each try may meet a slow server and wait before; beyond that there is only the machine.
	if bound := outageTries*(outageSlow+32*outageBackoff) + time.Second; p99 > bound {
		t.Errorf("p99 is %s, more than %s", p99, bound)
	}
}
