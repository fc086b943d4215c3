package proxytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, o Options) *Provider {
	t.Helper()
	o.Record = true
	p, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// post sends a request and returns status and body; err is how reading the answer ended.
func post(t *testing.T, p *Provider, path, body string) (int, string, error) {
	t.Helper()
	return postAs(t, p, path, "", body)
}

func postAs(t *testing.T, p *Provider, path, kind, body string) (int, string, error) {
	t.Helper()
	if kind == "" {
		kind = "application/json"
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Post(p.URL()+path, kind, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

const streamBody = `{"model":"m","user":"u","stream":true,"stream_options":{"include_usage":true},"messages":[]}`

// events returns the data of the events of a stream.
func events(body string) []string {
	var all []string
	for _, part := range strings.Split(body, "\n\n") {
		if data, ok := strings.CutPrefix(part, "data: "); ok {
			all = append(all, data)
		}
	}
	return all
}

// text returns the content of all chunks of choice 0 joined.
func text(t *testing.T, body string) string {
	t.Helper()
	var b strings.Builder
	for _, e := range events(body) {
		var c struct {
			Choices []struct {
				Index int
				Delta struct{ Content string }
			}
		}
		if e == "[DONE]" {
			continue
		}
		if err := json.Unmarshal([]byte(e), &c); err != nil {
			t.Fatalf("event %q: %v", e, err)
		}
		if len(c.Choices) > 0 && c.Choices[0].Index == 0 {
			b.WriteString(c.Choices[0].Delta.Content)
		}
	}
	return b.String()
}

func TestStreamIsTheSameInEverySplit(t *testing.T) {
	p := start(t, Options{})
	want := ""
	splits := []Split{{}, {Bytes: 1}, {Bytes: 7}, {Bytes: 1000}, {Events: 3}, {Events: 1000}, {Seed: 1}, {Seed: 99}}
	for _, framing := range []Framing{FramingDefault, FramingClose} {
		for i, split := range splits {
			p.Script("m", Script{Words: 20, PromptTokens: 9, Split: split, Framing: framing})
			status, body, err := post(t, p, "/chat/completions", streamBody)
			if status != 200 || err != nil {
				t.Fatalf("split %+v: status %d, error %v", split, status, err)
			}
			got := text(t, body)
			if want == "" {
				want = got
			}
			if got != want || !strings.HasSuffix(body, "data: [DONE]\n\n") || !strings.Contains(body, `"completion_tokens":20`) {
				t.Errorf("split %d %+v framing %d: body %q", i, split, framing, body)
			}
			last := p.Requests()[len(p.Requests())-1]
			sent, ok := p.Sent(last.ID)
			if !ok || string(sent.Wire) != body || !sent.Finished {
				t.Errorf("split %+v: recorded %q, client saw %q", split, sent.Wire, body)
			}
			checkEnds(t, sent)
		}
	}
	n := int64(2 * len(splits))
	c := p.Totals().ByUser["u"]
	if c.Requests != n || c.Finished != n || c.HandedOut != (Usage{Prompt: 9 * n, Output: 20 * n}) || c.FinishedUsage != c.HandedOut {
		t.Errorf("totals %+v", c)
	}
}

// checkEnds checks that event ends stand behind blank lines and that Visible misses exactly the usage chunk.
func checkEnds(t *testing.T, s Sent) {
	t.Helper()
	for _, e := range s.Events {
		if !strings.HasSuffix(string(s.Wire[:e]), "\n\n") {
			t.Errorf("event end %d is not behind a blank line", e)
		}
	}
	if len(s.Events) != len(s.VisibleEvents)+1 || strings.Contains(string(s.Visible), "usage") {
		t.Errorf("%d events, %d visible, visible %q", len(s.Events), len(s.VisibleEvents), s.Visible)
	}
}

func TestWholeAnswerAndKeepAlive(t *testing.T) {
	p := start(t, Options{APIKey: "k"})
	p.Script("m", Script{Words: 3, PromptTokens: 5, CachedTokens: 2})
	for i := range 3 {
		req, err := http.NewRequest("POST", p.URL()+"/chat/completions", strings.NewReader(`{"model":"m","user":"u"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer k")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Choices []struct{ Message struct{ Content string } }
			Usage   struct {
				Prompt     int64 `json:"prompt_tokens"`
				Completion int64 `json:"completion_tokens"`
			}
		}
		err = json.NewDecoder(resp.Body).Decode(&got)
		resp.Body.Close()
		if err != nil || got.Choices[0].Message.Content != " the of and" || got.Usage.Prompt != 5 || got.Usage.Completion != 3 {
			t.Fatalf("answer %d: %+v, %v", i, got, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if status, body, err := post(t, p, "/chat/completions", `{"model":"m"}`); status != 401 || err != nil {
		t.Errorf("without a key: %d %s %v", status, body, err)
	}
	if got := p.Totals().All; got.Finished != 3 || got.HandedOut.Total() != 24 {
		t.Errorf("totals %+v", got)
	}
}

func TestCuts(t *testing.T) {
	p := start(t, Options{})
	points := map[CutPoint]int64{CutBeforeHeaders: -1, CutAfterHeaders: 0, CutBetween: 4, CutMidEvent: 4, CutMidChunk: 4,
		CutMidChunkHeader: 4, CutBeforeDone: 8}
	for at, output := range points {
		for _, how := range []CutHow{CutClose, CutReset} {
			t.Run(fmt.Sprintf("at %d how %d", at, how), func(t *testing.T) {
				user := fmt.Sprintf("u-%d-%d", at, how)
				p.Script(user, Script{PromptTokens: 5, Cut: Cut{At: at, After: 4, How: how}})
				_, body, err := post(t, p, "/chat/completions", `{"model":"`+user+`","user":"`+user+`","stream":true}`)
				if err == nil {
					t.Errorf("the cut was not seen: %q", body)
				}
				got := p.Totals().ByUser[user]
				want := Usage{Prompt: 5, Output: output}
				if output < 0 {
					want = Usage{}
				}
				if got.HandedOut != want || got.Finished != 0 || got.Requests != 1 {
					t.Errorf("totals %+v, want %+v", got, want)
				}
				sent, ok := p.Sent(p.Requests()[len(p.Requests())-1].ID)
				if !ok || !strings.HasPrefix(string(sent.Wire), body) || sent.Finished {
					t.Errorf("recorded %q, client saw %q", sent.Wire, body)
				}
			})
		}
	}
}

func TestStallEndsWithTheClient(t *testing.T) {
	p := start(t, Options{})
	for i, s := range []Script{
		{Cut: Cut{At: CutBetween, After: 2, How: CutStall}},
		{Cut: Cut{At: CutBeforeHeaders, How: CutStall}},
		{Pace: time.Hour}, {HeaderDelay: time.Hour}, {FirstDelay: time.Hour},
	} {
		p.Script("m", s)
		ctx, cancel := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, "POST", p.URL()+"/chat/completions", strings.NewReader(streamBody))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		}()
		waitFor(t, func() bool { return p.Totals().All.Requests == int64(i+1) })
		cancel()
		<-done
		waitFor(t, func() bool { return p.Active() == 0 })
	}
	if got := p.Totals().All; got.Finished != 0 || got.Requests != 5 {
		t.Errorf("totals %+v", got)
	}
}

// waitFor waits until something is so, and fails after ten seconds.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it did not come to be so")
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	p, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.Script("m", Script{Cut: Cut{At: CutBetween, How: CutStall}})
	tr := &http.Transport{}
	var bodies []io.Closer
	for range 5 {
		resp, err := (&http.Client{Transport: tr}).Post(p.URL()+"/chat/completions", "application/json", strings.NewReader(streamBody))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, resp.Body)
	}
	if err := p.Close(); err != nil || p.Active() != 0 {
		t.Fatalf("close: %v, %d active", err, p.Active())
	}
	for _, b := range bodies {
		b.Close()
	}
	tr.CloseIdleConnections()
	waitFor(t, func() bool { return runtime.NumGoroutine() <= before })
}

func TestInlineScript(t *testing.T) {
	p := start(t, Options{})
	status, body, err := post(t, p, "/chat/completions",
		`{"model":"any","user":"a","x_script":{"tokens":12,"prompt_tokens":34,"cached_tokens":5,"reasoning_tokens":3}}`)
	if status != 200 || err != nil || !strings.Contains(body, `"reasoning_tokens":3`) {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if got, want := p.Totals().ByUser["a"].FinishedUsage, (Usage{Prompt: 34, Cached: 5, Output: 15, Reasoning: 3}); got != want {
		t.Errorf("usage %+v, want %+v", got, want)
	}
	for _, bad := range []string{`{"tokens":-1}`, `{"usage":"x"}`, `{"cut":"x"}`, `{"tokens":"x"}`, `7`} {
		if status, body, _ := post(t, p, "/chat/completions", `{"model":"any","x_script":`+bad+`}`); status != 400 {
			t.Errorf("x_script %s: %d %s", bad, status, body)
		}
	}
}
