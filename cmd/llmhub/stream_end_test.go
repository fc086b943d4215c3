package main

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/store"
)

// dial opens a connection to the hub.
func (h *hub) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// TestSlowClient has a client that does not read: it is cut, and what it was sent is settled.
func TestSlowClient(t *testing.T) {
	h := streamHub(t, func(cfg *config.Config) { cfg.Stream.WriteTimeout = 200 * time.Millisecond })
	a := h.account("slow")
	conn := h.dial(t)
	if _, err := io.WriteString(conn, post("/v1/chat/completions", authorization(a.text)+jsonType, a.chat(modelFlood, true))); err != nil {
		t.Fatal(err)
	}
	e := h.settledEvents(a.id, 1)[0]
	if e.Provenance != store.FromPartial || e.Tokens.Output == 0 {
		t.Errorf("entry %+v, want a partial one", e)
	}
	a.settled(t, 1)
	h.eventually("the provider still answers", func() bool { return h.provider.Active() == 0 })
	if tail := rest(conn); strings.Contains(tail, "[DONE]") || strings.HasSuffix(tail, "\r\n0\r\n\r\n") {
		t.Error("the stream looks finished to the client")
	}
	h.shutDown(t)
}

// TestConnectionAfterStream uses one connection for streams and whole answers in turn.
func TestConnectionAfterStream(t *testing.T) {
	h := streamHub(t, nil)
	a := h.account("kept")
	conn := h.dial(t)
	r := bufio.NewReader(conn)
	for i, stream := range []bool{true, true, false, true, false} {
		if _, err := io.WriteString(conn, post("/v1/chat/completions", authorization(a.text)+jsonType, a.chat(modelQuick, stream))); err != nil {
			t.Fatal(err)
		}
		got := readAnswers(t, r, 1)
		if len(got) != 1 || got[0].status != 200 || strings.HasSuffix(string(got[0].body), "[DONE]\n\n") != stream {
			t.Fatalf("answer %d: %v", i, got)
		}
	}
	a.wantExact(t, 5)
	h.shutDown(t)
}

// TestRevocation cuts what is under way: a running stream, one that is silent, and whole answers that are waited for.
func TestRevocation(t *testing.T) {
	for _, c := range []struct {
		name   string
		revoke func(*hub, *account) error
		status int
		code   string
	}{
		{"key deactivated", func(h *hub, a *account) error {
			_, err := h.server.service.DeactivateKey(context.Background(), identity.Administrator(), a.id)
			return err
		}, http.StatusUnauthorized, "key_deactivated"},
		{"subscription cancelled", func(h *hub, _ *account) error {
			_, err := h.server.service.CancelSubscription(context.Background(), identity.Administrator(), h.sub.ID, "")
			return err
		}, http.StatusForbidden, "subscription_cancelled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := streamHub(t, nil)
			a, others := h.account("first"), []*account{h.account("second"), h.account("third")}
			stream := a.ask(t, t.Context(), a.chat(modelPaused, true))
			before := readUntil(t, stream.Body, events(4))
			waiting := make(chan *http.Response, 2)
			for _, model := range []string{modelMute, modelSilent} {
				go func() { waiting <- a.ask(t, t.Context(), a.chat(model, false)) }()
			}
			var untouched []*http.Response
			for _, o := range others {
				untouched = append(untouched, o.ask(t, t.Context(), o.chat(modelPaused, true)))
			}
			h.eventually("requests have not reached the provider", func() bool { return h.provider.Active() == 5 })
			if err := c.revoke(h, a); err != nil {
				t.Fatal(err)
			}
			wantErrorEvent(t, string(before)+rest(stream.Body), len(before), c.code)
			for range 2 {
				resp := <-waiting
				wantRefusal(t, answer{resp.StatusCode, resp.Header, []byte(rest(resp.Body))}, c.status, c.code)
			}
			again := h.exchange(t, 1, post("/v1/chat/completions", authorization(a.text)+jsonType, a.chat(modelQuick, false)))
			wantRefusal(t, again[0], c.status, c.code)
			for i := range others {
				if c.code == "subscription_cancelled" {
					wantErrorEvent(t, rest(untouched[i].Body), 0, c.code)
					continue
				}
				readUntil(t, untouched[i].Body, events(4))
				untouched[i].Body.Close()
			}
			for _, o := range append(others, a) {
				wantPartial(t, o, 3)
			}
			h.eventually("the provider still answers", func() bool { return h.provider.Active() == 0 })
			h.shutDown(t)
		})
	}
}

// wantErrorEvent insists that a stream ends with one error event, behind at least so many bytes.
func wantErrorEvent(t *testing.T, body string, least int, code string) {
	t.Helper()
	at := strings.LastIndex(body, "data: ")
	if at < least || !strings.HasPrefix(body[at:], `data: {"error":{`) || !strings.Contains(body[at:], `"code":"`+code+`"`) || !strings.HasSuffix(body, "}}\n\n") {
		t.Errorf("ends with %.400q, want an error event with %s", body[max(0, at):], code)
	}
	if strings.Contains(body, "[DONE]") {
		t.Error("the stream looks finished")
	}
}

// TestCrowdLeaves opens streams and drops each at a moment of its own.
func TestCrowdLeaves(t *testing.T) {
	const crowd = 200
	h := streamHub(t, func(cfg *config.Config) {
		for i := range cfg.Upstreams {
			cfg.Upstreams[i].MaxConnections = crowd // each slot that is not given back is missed below
		}
	})
	a := h.account("crowd")
	models := []string{modelQuick, modelPaused, modelTorn, modelSilent, modelMute}
	for round := range 2 {
		var wg sync.WaitGroup
		for i := range crowd {
			wg.Go(func() { h.leaveEarly(t, a, models[i%len(models)], rand.IntN(9)) })
		}
		wg.Wait()
		h.idle()
		h.eventually("the provider still answers", func() bool { return h.provider.Active() == 0 })
		if n := len(h.settledEvents(a.id, 0)); n > (round+1)*crowd {
			t.Errorf("%d entries of %d requests", n, (round+1)*crowd)
		}
	}
	if seen := h.metric(t, "llmhub_live_streams"); seen != 0 {
		t.Errorf("%v live streams", seen)
	}
	// Every slot is free again: as many as ever may wait at once.
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range crowd {
		wg.Go(func() {
			resp, err := h.client().Do(h.request(ctx, a.text, "/v1/chat/completions", strings.NewReader(a.chat(modelMute, true))))
			if err == nil {
				t.Errorf("answered %d", resp.StatusCode)
				resp.Body.Close()
			}
		})
	}
	h.eventually("a slot is missing", func() bool { return h.provider.Active() == crowd })
	leave()
	wg.Wait()
	h.shutDown(t)
}

// leaveEarly opens a stream and closes its connection after so many reads, or at once.
func (h *hub) leaveEarly(t *testing.T, a *account, model string, reads int) {
	conn := h.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, post("/v1/chat/completions", authorization(a.text)+jsonType+"Connection: close\r\n", a.chat(model, true))); err != nil {
		t.Error(err)
	}
	if model != modelQuick {
		reads = min(reads, 1)
	}
	if model == modelMute || model == modelSilent {
		reads = 0
	}
	for buf := make([]byte, 700); reads > 0; reads-- {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
	if rand.IntN(2) == 0 {
		if err := conn.SetLinger(0); err != nil { // a reset instead of an orderly end
			t.Error(err)
		}
	}
}
