package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/store"
)

// realtimeServer is a model server with realtime sessions. A client's response.create carries in "metadata" what to answer.
type realtimeServer struct {
	*httptest.Server
	t        *testing.T
	sessions atomic.Int32
	refuse   atomic.Int32 // status to refuse sessions with
	asked    atomic.Int32
	hold     atomic.Pointer[chan struct{}] // a handshake waits for its closing
	mu       sync.Mutex
	headers  []http.Header
	queries  []string
}

// realtimeAsk is how a client of the tests asks for a response.
type realtimeAsk struct {
	Type     string `json:"type"`
	Metadata struct {
		ID string `json:"id"`
		// Words are told one by one; HoldAt stops before the word of that number until the client sends anything, Cut closes there.
		Words, HoldAt int
		Cut           bool
	} `json:"metadata"`
}

func startRealtimeServer(t *testing.T) *realtimeServer {
	s := &realtimeServer{t: t}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *realtimeServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.headers, s.queries = append(s.headers, r.Header.Clone()), append(s.queries, r.URL.RawQuery)
	s.mu.Unlock()
	s.asked.Add(1)
	if hold := s.hold.Load(); hold != nil {
		<-*hold
	}
	if status := s.refuse.Load(); status != 0 {
		w.WriteHeader(int(status))
		fmt.Fprint(w, `{"error":{"message":"no sessions today","type":"server_error"}}`)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	s.sessions.Add(1)
	defer s.sessions.Add(-1)
	if conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"session.created","session":{"id":"sess_1"}}`)) != nil {
		return
	}
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var ask realtimeAsk
		switch {
		case kind == websocket.BinaryMessage:
			err = conn.WriteMessage(kind, data)
		case json.Unmarshal(data, &ask) == nil && ask.Type == "response.create":
			err = s.respond(conn, &ask)
		case ask.Type == "say":
			err = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"conversation.item.input_audio_transcription.completed","item_id":"item_1","transcript":"hello",`+
				`"usage":{"type":"tokens","total_tokens":9,"input_tokens":6,"output_tokens":3}}`))
		case ask.Type == "bye":
			_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "enough"), time.Now().Add(time.Second))
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *realtimeServer) respond(conn *websocket.Conn, ask *realtimeAsk) error {
	m := ask.Metadata
	send := func(format string, args ...any) error {
		return conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...))
	}
	if err := send(`{"type":"response.created","event_id":"e","response":{"id":%q,"status":"in_progress","usage":null}}`, m.ID); err != nil {
		return err
	}
	for i := range m.Words {
		if m.HoldAt > 0 && i == m.HoldAt {
			if m.Cut {
				return errors.New("cut")
			}
			if _, _, err := conn.ReadMessage(); err != nil {
				return err
			}
		}
		if err := send(`{"type":"response.output_text.delta","response_id":%q,"item_id":"i","output_index":0,"content_index":0,"delta":" the"}`, m.ID); err != nil {
			return err
		}
	}
	return send(`{"type":"response.done","event_id":"e","response":{"id":%q,"status":"completed","output":[],"usage":{"total_tokens":%d,"input_tokens":40,"output_tokens":%d,`+
		`"input_token_details":{"cached_tokens":16,"text_tokens":40,"audio_tokens":0},"output_token_details":{"text_tokens":%d,"audio_tokens":0}}}}`, m.ID, 40+m.Words, m.Words, m.Words)
}

// realtimeHub is a hub whose model "talk" is served by a realtime server.
func realtimeHub(t *testing.T, policy config.OnDisconnect) (*hub, *realtimeServer) {
	s := startRealtimeServer(t)
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := startHub(t, []string{"all"}, func(cfg *config.Config) {
		u := config.DefaultUpstream()
		u.Name, u.BaseURL, u.OnDisconnect = "talk", base, policy
		cfg.Upstreams = append(cfg.Upstreams, u)
		cfg.Models = append(cfg.Models, config.Model{Name: "talk", Deployments: []config.Deployment{{Upstream: "talk", Model: "talk-1"}}})
	})
	return h, s
}

// talk is a client's session.
type talk struct {
	*websocket.Conn
	t testing.TB
}

func (h *hub) talk(key string) *talk {
	h.t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(h.url, "http", "ws", 1)+"/v1/realtime?model=talk", http.Header{"Authorization": {"Bearer " + key}, "Openai-Beta": {"realtime=v1"}})
	if err != nil {
		h.t.Fatalf("%v %v", err, resp)
	}
	h.t.Cleanup(func() { conn.Close() })
	c := &talk{conn, h.t}
	if e := c.next(); e.Type != "session.created" {
		h.t.Fatalf("the session begins with %+v", e)
	}
	return c
}

type realtimeEvent struct {
	Type  string
	Error struct{ Code, Message string }
}

func (c *talk) next() realtimeEvent {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, data, err := c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	var e realtimeEvent
	if err := json.Unmarshal(data, &e); err != nil {
		c.t.Fatalf("%s: %v", data, err)
	}
	return e
}

// until reads to an event of a type, and returns how many came before it.
func (c *talk) until(kind string) (n int) {
	c.t.Helper()
	for c.next().Type != kind {
		n++
	}
	return n
}

// closed reads to the end of the session and returns how it was closed, and the last event's error code.
func (c *talk) closed() (code int, last string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		_, data, err := c.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code, last
		}
		if err != nil {
			c.t.Fatal(err)
		}
		var e realtimeEvent
		if json.Unmarshal(data, &e) == nil && e.Type == "error" {
			last = e.Error.Code
		}
	}
}

func (c *talk) ask(id string, words, holdAt int, cut bool) {
	c.t.Helper()
	var a realtimeAsk
	a.Type = "response.create"
	a.Metadata.ID, a.Metadata.Words, a.Metadata.HoldAt, a.Metadata.Cut = id, words, holdAt, cut
	if err := c.WriteJSON(a); err != nil {
		c.t.Fatal(err)
	}
}

func (c *talk) say(text string) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func TestRealtimeSettlesEachResponse(t *testing.T) {
	h, s := realtimeHub(t, config.Cancel)
	key, id := h.key("talker")
	c := h.talk(key)
	for i := range 3 {
		c.ask(fmt.Sprint("resp_", i), 5+i, 0, false)
		if n := c.until("response.done"); n != 6+i {
			t.Errorf("%d events before the end of response %d", n, i)
		}
		// What the client has seen finished is in the ledger.
		events, _, err := h.server.store.Events(t.Context(), store.EventQuery{Key: id})
		if err != nil || len(events) != i+1 {
			t.Fatalf("%d entries behind response %d, %v", len(events), i, err)
		}
		e := events[0]
		if want := (store.Tokens{Input: 40, CachedInput: 16, Output: int64(5 + i)}); e.Tokens != want || e.Provenance != store.FromUpstream || e.Deployment != "talk/talk-1" {
			t.Errorf("%+v", e)
		}
	}
	c.say(`{"type":"say"}`)
	c.until("conversation.item.input_audio_transcription.completed")
	events := h.settledEvents(id, 4)
	if want := (store.Tokens{Input: 6, Output: 3}); len(events) != 4 || events[0].Tokens != want {
		t.Errorf("the transcription: %+v", events[0])
	}
	if err := c.WriteMessage(websocket.BinaryMessage, []byte{0, 1, 255}); err != nil {
		t.Fatal(err)
	}
	if kind, data, err := c.ReadMessage(); kind != websocket.BinaryMessage || string(data) != "\x00\x01\xff" || err != nil {
		t.Errorf("%d %v %v", kind, data, err)
	}
	c.say(`{"type":"bye"}`)
	if code, _ := c.closed(); code != 4001 {
		t.Errorf("closed with %d", code)
	}
	h.eventually("sessions left", func() bool { return s.sessions.Load() == 0 && h.server.recorder.Live() == 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queries[0] != "model=talk-1" || s.headers[0].Get("Openai-Beta") != "realtime=v1" || s.headers[0].Get("Authorization") != "" {
		t.Errorf("%v %v", s.queries, s.headers)
	}
}

func TestRealtimeBrokenOff(t *testing.T) {
	for name, c := range map[string]struct {
		policy config.OnDisconnect
		end    func(*hub, *talk, string)
		code   int
		event  string
		want   store.Provenance
		output int64
	}{
		"client leaves, cancelled": {config.Cancel, func(_ *hub, c *talk, _ string) { c.Close() }, 0, "", store.FromPartial, 4},
		"client leaves, drained":   {config.Drain, func(_ *hub, c *talk, _ string) { c.say("go on"); c.Close() }, 0, "", store.FromDrained, 10},
		"key revoked": {config.Cancel, func(h *hub, _ *talk, id string) {
			if _, err := h.server.service.DeactivateKey(h.t.Context(), identity.Administrator(), id); err != nil {
				h.t.Error(err)
			}
		}, websocket.ClosePolicyViolation, "key_deactivated", store.FromPartial, 4},
		"stop": {config.Cancel, func(h *hub, c *talk, _ string) {
			h.stop()
			h.eventually("no stop", h.server.proxy.Draining)
			c.say("go on")
		},
			websocket.CloseServiceRestart, "shutting_down", store.FromUpstream, 10},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := realtimeHub(t, c.policy)
			key, id := h.key("talker")
			session := h.talk(key)
			session.ask("resp_1", 10, 4, false)
			session.until("response.created")
			for range 4 {
				session.next()
			}
			c.end(h, session, id)
			if c.code != 0 {
				if code, event := session.closed(); code != c.code || event != c.event {
					t.Errorf("closed with %d, error %q", code, event)
				}
			}
			h.eventually("sessions left", func() bool { return s.sessions.Load() == 0 })
			if name == "stop" {
				return // the store is closed by and by; that the client saw response.done is the proof
			}
			events := h.settledEvents(id, 1)
			if e := events[0]; len(events) != 1 || e.Provenance != c.want || e.Tokens.Output != c.output {
				t.Errorf("%+v", events)
			}
			h.idle()
		})
	}
}

func TestRealtimeServerBreaksOff(t *testing.T) {
	h, _ := realtimeHub(t, config.Cancel)
	key, id := h.key("talker")
	c := h.talk(key)
	c.ask("resp_1", 10, 3, true)
	if code, event := c.closed(); code != websocket.CloseInternalServerErr || event != "upstream_truncated" {
		t.Errorf("closed with %d, error %q", code, event)
	}
	if events := h.settledEvents(id, 1); events[0].Provenance != store.FromPartial || events[0].Tokens.Output != 3 {
		t.Errorf("%+v", events)
	}
}

func TestRealtimeRefusals(t *testing.T) {
	h, s := realtimeHub(t, config.Cancel)
	key, _ := h.key("talker")
	base := strings.Replace(h.url, "http", "ws", 1)
	for name, c := range map[string]struct {
		path, key, protocol string
		upstream, status    int
		code                string
	}{
		"no key":           {"/v1/realtime?model=talk", "", "", 0, 401, "invalid_api_key"},
		"bad key":          {"/v1/realtime?model=talk", "sk-lh-x", "", 0, 401, "invalid_api_key"},
		"no model":         {"/v1/realtime", key, "", 0, 400, ""},
		"unknown model":    {"/v1/realtime?model=none", key, "", 0, 404, "model_not_found"},
		"server refuses":   {"/v1/realtime?model=talk", key, "", 503, 503, "upstream_unavailable"},
		"credentials":      {"/v1/realtime?model=talk", key, "", 401, 502, "upstream_auth"},
		"key of a browser": {"/v2/realtime?model=talk", "", "realtime, openai-insecure-api-key." + key, 0, 101, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.refuse.Store(int32(c.upstream))
			header := http.Header{}
			if c.key != "" {
				header.Set("Authorization", "Bearer "+c.key)
			}
			if c.protocol != "" {
				header.Set("Sec-WebSocket-Protocol", c.protocol)
			}
			conn, resp, err := websocket.DefaultDialer.Dial(base+c.path, header)
			if conn != nil {
				defer conn.Close()
			}
			if resp == nil || resp.StatusCode != c.status {
				t.Fatalf("%v %v", resp, err)
			}
			if c.status == 101 {
				if got := resp.Header.Get("Sec-Websocket-Protocol"); got != "realtime" {
					t.Errorf("protocol %q", got)
				}
				return
			}
			var body struct{ Error struct{ Code string } }
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Error.Code != c.code {
				t.Errorf("%+v, %v", body, err)
			}
		})
	}
	s.refuse.Store(0)
	s.mu.Lock()
	asked := len(s.headers)
	s.mu.Unlock()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/v1/realtime?model=talk", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := h.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("without an upgrade: %d", resp.StatusCode)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.headers) != asked {
		t.Error("the model server is asked without an upgrade")
	}
	h.eventually("sessions left", func() bool { return s.sessions.Load() == 0 })
}

// TestRealtimeWithoutItsHandshake lets go of all that a session holds whose client has left before the handshake could be
// answered, so that it never runs.
func TestRealtimeWithoutItsHandshake(t *testing.T) {
	h, s := realtimeHub(t, config.Cancel)
	key, _ := h.key("talker")
	hold := make(chan struct{})
	s.hold.Store(&hold)
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /v1/realtime?model=talk HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", key)
	h.eventually("no session is asked for", func() bool { return s.asked.Load() > 0 })
	_ = conn.(*net.TCPConn).SetLinger(0) // so that the answer cannot even be sent
	conn.Close()
	close(hold)
	h.eventually("a session is left", func() bool {
		return s.sessions.Load() == 0 && h.deployment(t, "talk/talk-1").InFlight == 0
	})
	h.shutDown(t)
}

// TestRealtimeFollowsTheKey holds each response to what the key may do when it begins, not when the session did.
func TestRealtimeFollowsTheKey(t *testing.T) {
	h, _ := realtimeHub(t, config.Cancel)
	key, id := h.key("talker")
	c := h.talk(key)
	c.ask("resp_1", 5, 0, false)
	c.until("response.done")
	if _, err := h.server.service.SetKeyLimits(t.Context(), identity.Administrator(), id, limit.Rules{MonthlyTokens: 46}); err != nil {
		t.Fatal(err)
	}
	c.ask("resp_2", 5, 0, false)
	if code, event := c.closed(); code != websocket.ClosePolicyViolation || event != "budget_exceeded" {
		t.Errorf("closed with %d, error %q", code, event)
	}
	if events := h.settledEvents(id, 1); len(events) > 2 || events[0].Tokens.Output > 5 {
		t.Errorf("%+v", events)
	}
	h.shutDown(t)
}
