package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/proxy/proxytest"
	"llmhub/store"
)

// idempotentHub is a hub whose model "again" remembers its answers, and whose model "once" does not.
func idempotentHub(t *testing.T) *hub {
	return startHub(t, []string{"again", "once"}, func(cfg *config.Config) { cfg.Models[0].Idempotent = true })
}

// askAgain sends a request under an Idempotency-Key.
func (h *hub) askAgain(ctx context.Context, key, idempotency, path, body string) (*http.Response, error) {
	h.t.Helper()
	r := h.request(ctx, key, path, strings.NewReader(body))
	r.Header.Set("Idempotency-Key", idempotency)
	return h.client().Do(r)
}

// answerTo is askAgain, read to its end.
func (h *hub) answerTo(key, idempotency, path, body string) (status int, text string, replayed bool) {
	h.t.Helper()
	resp, err := h.askAgain(h.t.Context(), key, idempotency, path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header.Get("Idempotent-Replayed") == "true"
}

func chatBody(model, more string) string {
	return `{"model":"` + model + `",` + more + `"messages":[{"role":"user","content":"Say some words."}]}`
}

func TestIdempotencyKeyIsChargedOnce(t *testing.T) {
	for name, c := range map[string]struct{ path, body string }{
		"whole":     {"/v1/chat/completions", chatBody("again", "")},
		"streamed":  {"/v1/chat/completions", chatBody("again", `"stream":true,`)},
		"responses": {"/v1/responses", `{"model":"again","input":"x","stream":true}`},
		"messages":  {"/v2/messages", `{"model":"again","max_tokens":50,"messages":[{"role":"user","content":"x"}]}`},
		"speech":    {"/v1/audio/speech", `{"model":"again","input":"Guten Tag","voice":"alloy"}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := idempotentHub(t)
			key, id := h.key("client")
			status, first, replayed := h.answerTo(key, "k1", c.path, c.body)
			if status != 200 || replayed || first == "" {
				t.Fatalf("%d %q %v", status, first, replayed)
			}
			for range 3 {
				status, again, replayed := h.answerTo(key, "k1", c.path, c.body)
				if status != 200 || again != first || !replayed {
					t.Errorf("%d, replayed %v: %q, want %q", status, replayed, again, first)
				}
			}
			if events := h.settledEvents(id, 1); len(events) != 1 {
				t.Errorf("charged %d times", len(events))
			}
			if n := h.provider.Calls("again"); n != 1 {
				t.Errorf("%d calls upstream", n)
			}
			h.idle()
		})
	}
}

func TestIdempotencyKeysAreToldApart(t *testing.T) {
	h := idempotentHub(t)
	key, id := h.key("client")
	other, otherID := h.key("other client")
	path, body := "/v1/chat/completions", chatBody("again", "")
	h.answerTo(key, "k1", path, body)
	if _, _, replayed := h.answerTo(other, "k1", path, body); replayed {
		t.Error("another API key gets the answer")
	}
	if status, text, _ := h.answerTo(key, "k1", path, chatBody("again", `"n":1,`)); status != 422 || !strings.Contains(text, "idempotency_key_reused") {
		t.Errorf("another request: %d %s", status, text)
	}
	if status, _, _ := h.answerTo(key, "k1", "/v1/completions", `{"model":"again","prompt":"x"}`); status != 422 {
		t.Errorf("another endpoint: %d", status)
	}
	if status, _, _ := h.answerTo(key, strings.Repeat("k", 256), path, body); status != 400 {
		t.Errorf("a key that is too long: %d", status)
	}
	if _, _, replayed := h.answerTo(key, "k2", path, body); replayed {
		t.Error("another Idempotency-Key gets the answer")
	}
	for range 2 {
		if _, _, replayed := h.answerTo(key, "k3", path, chatBody("once", "")); replayed {
			t.Error("a model that has not been opted in replays")
		}
	}
	if n, m := len(h.settledEvents(id, 4)), len(h.settledEvents(otherID, 1)); n != 4 || m != 1 {
		t.Errorf("%d and %d entries", n, m)
	}
}

// TestIdempotentFormsMayHaveAnotherBoundary sends forms as clients do, which draw a boundary each time.
func TestIdempotentFormsMayHaveAnotherBoundary(t *testing.T) {
	h := idempotentHub(t)
	key, id := h.key("client")
	send := func(boundary, sound string) (int, bool) {
		form := "--" + boundary + "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nagain\r\n--" + boundary +
			"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n" + sound + "\r\n--" + boundary + "--\r\n"
		r := h.request(t.Context(), key, "/v1/audio/transcriptions", strings.NewReader(form))
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		r.Header.Set("Idempotency-Key", "k1")
		resp, err := h.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Idempotent-Replayed") == "true"
	}
	for i, boundary := range []string{"one", "another", "one"} {
		if status, replayed := send(boundary, "RIFF"); status != 200 || replayed != (i > 0) {
			t.Errorf("boundary %s: status %d, replayed %v", boundary, status, replayed)
		}
	}
	if status, _ := send("one", "RIFFs"); status != 422 {
		t.Errorf("another file: status %d", status)
	}
	if n := len(h.settledEvents(id, 1)); n != 1 {
		t.Errorf("charged %d times", n)
	}
}

func TestIdempotentRequestsFollowOneThatRuns(t *testing.T) {
	h := idempotentHub(t)
	h.provider.Script("again", proxytest.Script{Words: 60, Pace: 5 * time.Millisecond})
	key, id := h.key("client")
	texts := make([]string, 8)
	var all sync.WaitGroup
	for i := range texts {
		all.Go(func() {
			_, texts[i], _ = h.answerTo(key, "k", "/v1/chat/completions", chatBody("again", `"stream":true,`))
		})
	}
	all.Wait()
	for _, text := range texts {
		if text != texts[0] || !strings.HasSuffix(text, "data: [DONE]\n\n") {
			t.Errorf("got %q, want %q", text, texts[0])
		}
	}
	if events := h.settledEvents(id, 1); len(events) != 1 || events[0].Tokens.Output != 60 {
		t.Errorf("%+v", events)
	}
	h.idle()
}

func TestIdempotentAnswerOutlivesItsClient(t *testing.T) {
	h := idempotentHub(t)
	h.provider.Script("again", proxytest.Script{Words: 100, Pace: 5 * time.Millisecond})
	key, id := h.key("client")
	for i, body := range []string{chatBody("again", `"stream":true,`), chatBody("again", "")} {
		idempotency := []string{"streamed", "whole"}[i]
		ctx, leave := context.WithCancel(t.Context())
		if i == 0 {
			resp, err := h.askAgain(ctx, key, idempotency, "/v1/chat/completions", body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 500)); err != nil {
				t.Fatal(err)
			}
			leave()
			resp.Body.Close()
		} else {
			calls := h.provider.Calls("again")
			go func() {
				h.eventually("the request has not arrived", func() bool { return h.provider.Calls("again") > calls })
				leave()
			}()
			if resp, err := h.askAgain(ctx, key, idempotency, "/v1/chat/completions", body); err == nil {
				resp.Body.Close()
			}
		}
		status, text, replayed := h.answerTo(key, idempotency, "/v1/chat/completions", body)
		if status != 200 || !replayed || strings.Count(text, " the") == 0 || i == 0 && !strings.HasSuffix(text, "data: [DONE]\n\n") {
			t.Errorf("%s: %d, replayed %v: %q", idempotency, status, replayed, text)
		}
		leave()
	}
	events := h.settledEvents(id, 2)
	for _, e := range events {
		if len(events) != 2 || e.Tokens.Output != 100 || e.Tokens.Estimated != 0 || e.Provenance == store.FromPartial {
			t.Errorf("%+v", e)
		}
	}
	h.idle()
}

func TestIdempotentFailureIsForgotten(t *testing.T) {
	h := idempotentHub(t)
	key, id := h.key("client")
	h.provider.Script("again", proxytest.Script{Status: 400})
	path, body := "/v1/chat/completions", chatBody("again", `"stream":true,`)
	if status, _, _ := h.answerTo(key, "k", path, body); status != 400 {
		t.Fatal(status)
	}
	h.provider.Script("again", proxytest.Script{Cut: proxytest.Cut{At: proxytest.CutBetween, After: 3}})
	resp, err := h.askAgain(t.Context(), key, "k", path, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("an answer that breaks off looks whole")
	}
	resp.Body.Close()
	h.idle()
	h.provider.Script("again", proxytest.Script{})
	if status, text, replayed := h.answerTo(key, "k", path, body); status != 200 || replayed || !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("%d, replayed %v: %q", status, replayed, text)
	}
	if events := h.settledEvents(id, 2); len(events) != 2 {
		t.Errorf("%+v", events)
	}
}

func TestFollowersAreRevoked(t *testing.T) {
	h := idempotentHub(t)
	h.provider.Script("again", proxytest.Script{Cut: proxytest.Cut{At: proxytest.CutBetween, After: 4, How: proxytest.CutStall}})
	key, id := h.key("client")
	ends := make(chan error, 3)
	for range cap(ends) {
		go func() {
			resp, err := h.askAgain(t.Context(), key, "k", "/v1/chat/completions", chatBody("again", `"stream":true,`))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
				if err == nil && resp.StatusCode == 401 {
					err = errors.New("refused") // its answer had not begun
				}
			}
			ends <- err
		}()
	}
	h.eventually("nobody follows", func() bool { return h.server.proxy.Live() == 3 })
	if _, err := h.server.service.DeactivateKey(t.Context(), identity.Administrator(), id); err != nil {
		t.Fatal(err)
	}
	for range cap(ends) {
		if err := <-ends; err == nil {
			t.Error("an answer ends well under a key that was deactivated")
		}
	}
	h.idle()
	h.eventually("requests left", func() bool { return h.server.proxy.Live() == 0 })
}

// TestIdempotentAnswerThatIsChargedIsKept has a client leave while it takes what has been charged already: the held end of a
// stream, larger than what the sockets keep, and audio. Whoever asks again is not charged again.
func TestIdempotentAnswerThatIsChargedIsKept(t *testing.T) {
	const size = 12 << 20
	for name, c := range map[string]struct{ path, body, until string }{
		"end of a stream": {"/v1/responses", `{"model":"again","input":"x","stream":true}`, "event: response.completed"},
		"audio":           {"/v1/audio/speech", `{"model":"again","input":"Guten Tag","voice":"alloy"}`, "\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHub(t, []string{"again"}, func(cfg *config.Config) {
				cfg.Models[0].Idempotent, cfg.Limits.IdempotencyBytes = true, 1<<30
			})
			h.provider.Script("again", proxytest.Script{Deltas: []proxytest.Delta{{Text: strings.Repeat("x", size), Tokens: 9}}, Size: size})
			key, id := h.key("client")
			conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				c.path, key, len(c.body), c.body)
			skipTo(t, conn, c.until)
			h.settledEvents(id, 1)
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			status, text, replayed := h.answerTo(key, "k", c.path, c.body)
			if status != 200 || !replayed || len(text) < size {
				t.Errorf("%d, replayed %v, %d bytes", status, replayed, len(text))
			}
			if events := h.settledEvents(id, 1); len(events) != 1 {
				t.Errorf("charged %d times", len(events))
			}
			h.idle()
		})
	}
}

// skipTo reads up to a text, and no further than what has come with it.
func skipTo(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var seen []byte
	for p := make([]byte, 64<<10); !bytes.Contains(seen, []byte(text)); {
		n, err := r.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen[max(0, len(seen)-len(text)):], p[:n]...)
	}
}
