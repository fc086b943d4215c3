package proxy

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"llmhub/limit"
	"llmhub/proxy/openai"
)

// realtimeEndpoint is GET /realtime, a websocket. It is none of the endpoints, since nothing of a request or an answer is as
// there; each of its responses is settled as one of theirs.
var realtimeEndpoint = endpoint{path: "/realtime", name: "realtime", streams: true, generates: true, dialect: openai.DialectResponses, units: audioUnits}

const (
	// realtimeDial bounds the handshake with a model server.
	realtimeDial = 20 * time.Second
	// realtimeMessage bounds a message in either direction, in bytes: audio comes in pieces of up to 15 MiB.
	realtimeMessage = 16 << 20
	// realtimeProtocol is what browsers ask for, and realtimeKey what they bring their key behind, since they cannot set headers.
	realtimeProtocol = "realtime"
	realtimeKey      = "openai-insecure-api-key."
)

var errNotWebsocket = &openai.Error{
	Status: http.StatusUpgradeRequired, Type: openai.TypeInvalidRequest, Code: "websocket_required",
	Message: "This endpoint is a websocket: connect to it with the headers Connection: Upgrade and Upgrade: websocket.",
}

var upgrader = websocket.FastHTTPUpgrader{
	HandshakeTimeout: realtimeDial,
	Subprotocols:     []string{realtimeProtocol},
	// A key is asked for, and no cookie: any page may come.
	CheckOrigin: func(*fasthttp.RequestCtx) bool { return true },
}

// realtime opens a session: it connects to a model server first, so that a failure is answered with a status.
func (p *Proxy) realtime(c *fiber.Ctx) error {
	ctx := c.Context()
	s := &session{p: p, arrived: time.Now(), client: ctx.Conn(), responses: map[string]*exchange{}}
	s.name = p.Recorder.NewID().String()
	refusal := s.open(ctx)
	if refusal == nil {
		ctx.Response.Header.Set("X-Request-Id", s.name)
		if err := upgrader.Upgrade(ctx, s.run); err == nil {
			s.unbegun = time.AfterFunc(sessionBegin, s.giveUp)
			return nil
		}
		s.giveUp()
		refusal = errNotWebsocket
	}
	p.Metrics.refusedQuery(refusal)
	answerError(ctx, refusal, openai.FormOpenAI, s.name)
	return nil
}

// open checks the caller and connects to a model server, or says why not.
func (s *session) open(ctx *fasthttp.RequestCtx) *openai.Error {
	key, ok := realtimeCredentials(&ctx.Request.Header)
	if !ok {
		return errNoKey
	}
	revocations := s.p.Gate.Revocations()
	grant, err := s.p.Gate.Authenticate(key, s.arrived)
	if err != nil {
		return authError(err)
	}
	s.key, s.grant = bytes.Clone(key), grant
	if !websocket.FastHTTPIsWebSocketUpgrade(ctx) {
		return errNotWebsocket // before a model server is asked
	}
	if s.p.draining.Load() {
		return errShutdown
	}
	name := string(ctx.QueryArgs().Peek("model"))
	if name == "" {
		return badParam("model", "The request must name a model: /v1/realtime?model=NAME.")
	}
	if s.model = s.p.routes.Load().models[name]; s.model == nil || !grant.Allows(name) {
		return modelNotFound(name)
	}
	if refusal := s.affordable(); refusal != nil {
		return refusal
	}
	if refusal := s.connect(&ctx.Request.Header); refusal != nil {
		return refusal
	}
	if !s.p.sessions.add(s, s.p.Limits.Requests) {
		s.close()
		return errBusy
	}
	// A key that was revoked, or a stop that began, before the session could be found is met here.
	if s.p.Gate.Revocations() != revocations {
		_, err = s.p.Gate.Authenticate(key, s.arrived)
	}
	if refusal := s.tooLate(err); refusal != nil {
		s.giveUp()
		return refusal
	}
	return nil
}

func (s *session) tooLate(revoked error) *openai.Error {
	switch {
	case revoked != nil:
		return authError(revoked)
	case s.p.draining.Load():
		return errShutdown
	}
	return nil
}

// affordable says why the limits would refuse the first response; they are asked again for each.
func (s *session) affordable() *openai.Error {
	x := s.exchange()
	defer func() { x.reservation.Void() }()
	return x.take(fromNothing())
}

// fromNothing asks for a response of a session: there is no request of its own, and it grows as it comes.
func fromNothing() *limit.Ask { return &limit.Ask{Choices: 1, Growing: true} }

// realtimeCredentials returns the key that a session is opened with.
func realtimeCredentials(h *fasthttp.RequestHeader) ([]byte, bool) {
	if key, ok := bearer(h.Peek("Authorization")); ok {
		return key, true
	}
	for protocol := range strings.SplitSeq(string(h.Peek("Sec-WebSocket-Protocol")), ",") {
		if key, ok := strings.CutPrefix(strings.TrimSpace(protocol), realtimeKey); ok {
			return []byte(key), true
		}
	}
	return nil, false
}

// connect opens a websocket at one of the model's deployments, each of which is tried once. The slot that it takes there is
// held until the session ends.
func (s *session) connect(h *fasthttp.RequestHeader) *openai.Error {
	x := s.exchange()
	tried := x.unfit(s.model)
	if tried.Count() == len(s.model.Deployments) {
		return x.notServed()
	}
	refusal := errUpstreamBusy
	for {
		p := s.model.group.Pick(time.Now(), rand.Uint64(), &tried)
		slot := p.Slot
		if p.Ticket != nil {
			slot, _, _ = p.Ticket.Wait(nil)
		}
		if p.Index < 0 {
			return refusal
		}
		tried.Add(p.Index)
		if !slot.Held() {
			continue
		}
		s.deployment = s.model.Deployments[p.Index]
		s.attempt = s.deployment.begin(slot)
		if refusal = s.dial(h); refusal == nil {
			s.attempt.answered(time.Now())
			return nil
		}
		s.attempt.endError(refusal)
		s.p.Logger.Warn("realtime session refused upstream", "request", s.name, "deployment", s.deployment.Name(), "code", refusal.Code)
		if refusal.Status < 500 && refusal.Status != http.StatusTooManyRequests {
			return refusal // it is the same everywhere
		}
	}
}

// dial opens a websocket at the session's deployment.
func (s *session) dial(h *fasthttp.RequestHeader) *openai.Error {
	header := http.Header{}
	if beta := h.Peek("OpenAI-Beta"); len(beta) > 0 {
		header.Set("OpenAI-Beta", string(beta))
	}
	ctx, cancel := context.WithTimeout(context.Background(), realtimeDial)
	defer cancel()
	path := s.deployment.kind().prefix() + realtimeEndpoint.path + "?model=" + url.QueryEscape(s.deployment.Model)
	conn, refused, err := s.deployment.Client.DialWebSocket(ctx, path, header)
	if err != nil {
		return handshakeError(refused)
	}
	s.upstream = conn
	return nil
}

// close lets go of what a session that is not to be run holds.
func (s *session) close() {
	s.attempt.end(abandoned, "")
	s.upstream.Close()
}

// giveUp ends a session that is not to be run, or does not come to.
func (s *session) giveUp() {
	s.p.sessions.remove(s)
	s.close()
}

// handshakeError says why a model server did not open a session.
func handshakeError(refused *http.Response) *openai.Error {
	if refused == nil {
		return errUpstream
	}
	defer refused.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(refused.Body, maxErrorBody)) // the library has read its beginning
	return openai.UpstreamError(refused.StatusCode, body)
}

// exchange returns one response of the session, whose entry in the ledger has not begun.
func (s *session) exchange() *exchange {
	x := &exchange{p: s.p, id: s.p.Recorder.NewID(), endpoint: &realtimeEndpoint, request: openai.Request{N: 1, Stream: true}, arrived: time.Now(), client: s.client, grant: s.grant, model: s.model}
	x.name = x.id.String()
	x.meter.Dialect = realtimeEndpoint.dialect
	if s.deployment != nil {
		x.deployment.Store(s.deployment)
	}
	return x
}

// revokeSessions is Revoke for sessions.
func (p *Proxy) revokeSessions(keyID string, why error) {
	p.sessions.each(func(s *session) {
		if s.grant.KeyID == keyID {
			s.cutWith(authError(why))
		}
	})
}
