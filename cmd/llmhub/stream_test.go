package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/proxy/proxytest"
	"llmhub/secret"
	"llmhub/store"
)

// Models of the tests of streams, and how the provider answers for each.
const (
	modelQuick  = "quick"  // eight words at once
	modelPaused = "paused" // three words, then nothing more
	modelTorn   = "torn"   // three words and a half event, then nothing more
	modelSilent = "silent" // headers, then nothing
	modelMute   = "mute"   // not even headers
	modelFlood  = "flood"  // more than buffers hold
)

func streamHub(t *testing.T, change func(*config.Config)) *hub {
	t.Helper()
	h := startHub(t, []string{modelQuick, modelPaused, modelTorn, modelSilent, modelMute, modelFlood}, change)
	stall := func(at proxytest.CutPoint) proxytest.Script {
		return proxytest.Script{Words: 8, Cut: proxytest.Cut{At: at, After: 3, How: proxytest.CutStall}}
	}
	h.provider.Script(modelPaused, stall(proxytest.CutBetween))
	h.provider.Script(modelTorn, stall(proxytest.CutMidEvent))
	h.provider.Script(modelSilent, stall(proxytest.CutAfterHeaders))
	h.provider.Script(modelMute, stall(proxytest.CutBeforeHeaders))
	flood := proxytest.Script{}
	for range 64 {
		flood.Deltas = append(flood.Deltas, proxytest.Huge(1<<20, 1)...)
	}
	h.provider.Script(modelFlood, flood)
	return h
}

// chat is the body of a chat completion.
func (a *account) chat(model string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"user":%q,"stream":%t,"messages":[{"role":"user","content":"Hello"}]}`, model, a.user, stream)
}

// ask sends a chat completion and returns the answer, whose body is closed with the test.
func (a *account) ask(t *testing.T, ctx context.Context, body string) *http.Response {
	t.Helper()
	resp, err := a.h.client().Do(a.h.request(ctx, a.text, "/v1/chat/completions", strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// readUntil reads until what has come satisfies enough, and fails when the body ends before.
func readUntil(t *testing.T, r io.Reader, enough func([]byte) bool) []byte {
	t.Helper()
	var got []byte
	for buf := make([]byte, 512); !enough(got); {
		n, err := r.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil && !enough(got) {
			t.Fatalf("ended with %v behind %.600q", err, got)
		}
	}
	return got
}

func events(n int) func([]byte) bool {
	return func(b []byte) bool { return bytes.Count(b, []byte("\n\n")) >= n }
}

// rest reads to the end, however it comes.
func rest(r io.Reader) string {
	b, _ := io.ReadAll(r)
	return string(b)
}

// sent is what the provider has written for the last request for a model.
func (h *hub) sent(t *testing.T, model string) proxytest.Sent {
	t.Helper()
	sent, ok := h.provider.LastSent(model)
	if !ok {
		t.Fatal("the provider has not been asked")
	}
	return sent
}

func TestStreamHeaders(t *testing.T) {
	h := streamHub(t, nil)
	a := h.account("headers")
	r := h.request(t.Context(), a.text, "/v1/chat/completions", strings.NewReader(a.chat(modelQuick, true)))
	r.Header.Set("Accept-Encoding", "gzip, br, deflate, zstd")
	resp, err := h.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := rest(resp.Body)
	if want := string(h.sent(t, modelQuick).Visible); body != want {
		t.Errorf("body %q, want %q", body, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
		"Content-Encoding": "", "Content-Length": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	a.wantExact(t, 1)
	entry := h.settledEvents(a.id, 1)[0]
	if id, err := store.ParseRequestID(resp.Header.Get("X-Request-Id")); err != nil || id != entry.ID {
		t.Errorf("x-request-id %q, the entry has %v", resp.Header.Get("X-Request-Id"), entry.ID)
	}
	wantTiming(t, resp.Header.Get("Server-Timing"), "gateway", "upstream")

	whole := a.ask(t, t.Context(), a.chat(modelQuick, false))
	if got, want := rest(whole.Body), string(h.sent(t, modelQuick).Wire); got != want {
		t.Errorf("whole answer %q, want %q", got, want)
	}
	wantTiming(t, whole.Header.Get("Server-Timing"), "gateway", "upstream", "commit")
	h.shutDown(t)
}

// wantTiming insists on a Server-Timing header with just these metrics, each with a duration.
func wantTiming(t *testing.T, header string, names ...string) {
	t.Helper()
	var want []string
	for _, n := range names {
		want = append(want, n+`;dur=\d+(\.\d+)?`)
	}
	if !regexp.MustCompile("^" + strings.Join(want, ", ") + "$").MatchString(header) {
		t.Errorf("Server-Timing %q, want %q", header, names)
	}
}

// TestEventByEvent proves that events are delivered while the model server pauses: it never goes on by itself.
func TestEventByEvent(t *testing.T) {
	h := streamHub(t, nil)
	for _, model := range []string{modelPaused, modelTorn} {
		a := h.account(model)
		ctx, leave := context.WithCancel(t.Context())
		resp := a.ask(t, ctx, a.chat(model, true))
		got := readUntil(t, resp.Body, events(4)) // the role and three words
		sent := h.sent(t, model)
		if want := sent.Wire[:sent.Events[3]]; !bytes.Equal(got, want) {
			t.Errorf("%s: %q, want %q", model, got, want)
		}
		if h.provider.Active() != 1 {
			t.Error("the provider is not at work any more")
		}
		leave()
		wantPartial(t, a, 3)
	}
	h.shutDown(t)
}

func TestHeartbeats(t *testing.T) {
	h := streamHub(t, func(cfg *config.Config) { cfg.Stream.Heartbeat = 30 * time.Millisecond })
	beats := func(n int) func([]byte) bool {
		return func(b []byte) bool { return bytes.Count(b, []byte(proxytest.Heartbeat)) >= n }
	}
	for _, c := range []struct {
		model  string
		events int
	}{{modelPaused, 4}, {modelTorn, 4}, {modelSilent, 0}} {
		a := h.account(c.model)
		resp := a.ask(t, t.Context(), a.chat(c.model, true))
		got := readUntil(t, resp.Body, beats(3))
		sent, end := h.sent(t, c.model), 0
		if c.events > 0 {
			end = sent.Events[c.events-1]
		}
		if clean, want := withoutBeats(t, string(got)), string(sent.Wire[:end]); clean != want {
			t.Errorf("%s: %q, want %q", c.model, clean, want)
		}
		// What follows the heartbeats is an event of its own: nothing of the torn one.
		if _, err := h.server.service.DeactivateKey(t.Context(), identity.Administrator(), a.id); err != nil {
			t.Fatal(err)
		}
		if tail := withoutBeats(t, string(got)+rest(resp.Body))[end:]; !strings.HasPrefix(tail, `data: {"error":`) {
			t.Errorf("%s: ends with %q", c.model, tail)
		}
	}
	h.shutDown(t)
}

// withoutBeats removes heartbeats, which may stand at the beginning and between events only.
func withoutBeats(t *testing.T, body string) string {
	t.Helper()
	var events strings.Builder
	for _, event := range strings.SplitAfter(body, "\n\n") {
		for strings.HasPrefix(event, proxytest.Heartbeat) {
			event = event[len(proxytest.Heartbeat):]
		}
		if strings.Contains(event, proxytest.Heartbeat) {
			t.Errorf("a heartbeat within the event %q", event)
		}
		events.WriteString(event)
	}
	return events.String()
}

// TestWhatReachesTheModelServer looks at requests from the provider's side.
func TestWhatReachesTheModelServer(t *testing.T) {
	const upstreamKey = "upstream-secret-0123456789"
	h := streamHub(t, func(cfg *config.Config) {
		for i := range cfg.Upstreams {
			cfg.Upstreams[i].APIKey = secret.New(upstreamKey)
		}
		cfg.Models = append(cfg.Models, config.Model{Name: "alias", Deployments: []config.Deployment{{Upstream: "cancel", Model: modelQuick}}})
	})
	a := h.account("reach")
	const odd = "{ \"x_unknown\" : {\"a\":[1.0e0, -0, \"\\u00e9\\/\",null ] , \"a\":2},\n\t\"model\" : \"alias\" ,\"messages\":[],\"user\":\"reach\",\"seed\":12345678901234567890 "
	for _, c := range []struct{ name, body, want string }{
		{"whole", odd + "}", odd + "}"},
		{"stream", odd + `,"stream":true}`, strings.Replace(odd, `"alias" `, `"alias","stream_options":{"include_usage":true} `, 1) + `,"stream":true}`},
		{"usage refused", odd + `,"stream":true,"stream_options":{"include_usage": false , "x":1}}`, odd + `,"stream":true,"stream_options":{"include_usage": true , "x":1}}`},
		{"usage asked for", odd + `,"stream":true,"stream_options":{"x":1,"include_usage": true}}`, odd + `,"stream":true,"stream_options":{"x":1,"include_usage": true}}`},
		{"options null", odd + `,"stream_options":null,"stream":true}`, odd + `,"stream_options":{"include_usage":true},"stream":true}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := h.request(t.Context(), a.text, "/v1/chat/completions", strings.NewReader(c.body))
			r.Header.Set("Cookie", "session=secret")
			r.Header.Set("X-Forwarded-For", "10.0.0.1")
			r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			resp, err := h.client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer := rest(resp.Body)
			reached := h.provider.Requests()[len(h.provider.Requests())-1]
			if want := strings.Replace(c.want, `"alias"`, `"quick"`, 1); string(reached.Body) != want {
				t.Errorf("body\n%s\nwant\n%s", reached.Body, want)
			}
			wantHeaders(t, reached, a.text, upstreamKey)
			if strings.Contains(answer, `"usage"`) != (c.name == "whole" || c.name == "usage asked for") {
				t.Errorf("answer %q", answer)
			}
			a.wantExact(t, 1)
		})
	}
	h.shutDown(t)
}

// wantHeaders insists that the model server sees its own key, a trace, and nothing that is between client and gateway.
func wantHeaders(t *testing.T, r proxytest.Request, clientKey, upstreamKey string) {
	t.Helper()
	seen := http.Header{}
	for _, hd := range r.Header {
		seen.Add(hd.Name, hd.Value)
	}
	all, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(all)+fmt.Sprint(seen), clientKey) || strings.Contains(string(r.Body), clientKey) {
		t.Error("the client's key reaches the model server")
	}
	if got := seen["Authorization"]; len(got) != 1 || got[0] != "Bearer "+upstreamKey {
		t.Errorf("Authorization %q", got)
	}
	if seen.Get("Cookie") != "" || seen.Get("X-Forwarded-For") != "" || seen.Get("Traceparent") == "" || seen.Get("Accept-Encoding") != "identity" {
		t.Errorf("headers %v", seen)
	}
}
