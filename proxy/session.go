package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"llmhub/metering"
	"llmhub/proxy/openai"
	"llmhub/subscription"
)

const (
	// sessionPing is between two pings, to either side, and sessionSilence how long neither an answer to one nor anything else
	// may be heard.
	sessionPing    = 20 * time.Second
	sessionSilence = time.Minute
	// maxResponses bounds those of a session that run at once: servers make one for the conversation, and some beside it.
	maxResponses = 16
	// sessionBegin is how soon a session must run behind its handshake: it never does where that cannot be sent.
	sessionBegin = 5 * time.Second
	// maxCloseReason is what fits into a close frame beside its code, in bytes.
	maxCloseReason = 120
)

var errSessionOver = errors.New("session is over")

// session is a realtime session: two websockets, and between them every message as it comes. Each response in it has an entry
// of its own in the ledger, which begins with the server's response.created; its response.done leaves once that is durable.
type session struct {
	p          *Proxy
	name       string
	arrived    time.Time
	client     net.Conn
	key        []byte // asked about again for each response: it may have expired, and its limits have changed
	grant      *subscription.Grant
	model      *Model
	deployment *Deployment
	attempt    attempted // at the deployment
	upstream   *websocket.Conn
	down       *websocket.Conn
	unbegun    *time.Timer // gives the session up that does not come to run

	cut      atomic.Pointer[openai.Error] // why it is broken off
	retiring atomic.Bool                  // it ends as soon as no response runs
	running  atomic.Int32                 // responses that run
	left     atomic.Bool                  // the client has gone

	responses map[string]*exchange // by ID; of the goroutine that reads upstream
}

// sessionList holds the sessions that are open.
type sessionList struct {
	vacancy
	all map[*session]struct{}
}

// add adds a session, unless there are as many as limit; 0 is no limit.
func (l *sessionList) add(s *session, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit > 0 && len(l.all) >= limit {
		return false
	}
	if l.all == nil {
		l.all = map[*session]struct{}{}
	}
	l.all[s] = struct{}{}
	return true
}

func (l *sessionList) remove(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, s)
	if len(l.all) == 0 {
		l.vacated()
	}
}

// each calls f for every session, none of which ends meanwhile. f must not block nor come back to the list.
func (l *sessionList) each(f func(*session)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.all {
		f(s)
	}
}

// wait waits until there is no session, and says whether that came before ctx ended.
func (l *sessionList) wait(ctx context.Context) bool {
	return l.await(ctx, func() bool { return len(l.all) == 0 })
}

func (l *sessionList) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// cutWith breaks the session off with an error.
func (s *session) cutWith(e *openai.Error) {
	if s.cut.CompareAndSwap(nil, e) {
		s.wake()
	}
}

// retire ends the session as soon as no response runs.
func (s *session) retire() {
	s.retiring.Store(true)
	if s.running.Load() == 0 {
		s.wake()
	}
}

// wake ends a wait for the model server. What it waits with is set before the flags are looked at.
func (s *session) wake() { _ = s.upstream.NetConn().SetReadDeadline(time.Unix(1, 0)) }

// run passes messages on until either side ends the session, or it is cut. It is called once the client is connected, which
// fasthttp does not do where the handshake could not be sent.
func (s *session) run(down *websocket.Conn) {
	if !s.unbegun.Stop() {
		return // it has been given up
	}
	s.down = down
	s.p.Metrics.sessions.Inc()
	defer s.p.Metrics.sessions.Dec()
	defer s.p.sessions.remove(s)
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(s.upward)
	others.Go(func() { s.ping(stop) })
	s.downward()
	close(stop)
	s.upstream.Close()
	down.Close()
	others.Wait()
	s.settleOpen()
	s.attempt.end(succeeded, "") // unless it has been judged
}

// ping keeps both connections from being taken for dead, and notices when they are.
func (s *session) ping(stop <-chan struct{}) {
	t := time.NewTicker(sessionPing)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			end := now.Add(s.p.Limits.Write)
			_ = s.down.WriteControl(websocket.PingMessage, nil, end) // a broken connection is found by reading
			_ = s.upstream.WriteControl(websocket.PingMessage, nil, end)
		}
	}
}

// upward passes on what the client sends.
func (s *session) upward() {
	s.down.SetReadLimit(realtimeMessage)
	heard := func(string) error { return s.down.SetReadDeadline(time.Now().Add(sessionSilence)) }
	s.down.SetPongHandler(heard)
	for {
		_ = heard("")
		kind, data, err := s.down.ReadMessage()
		if err != nil {
			break
		}
		_ = s.upstream.SetWriteDeadline(time.Now().Add(s.p.Limits.Write))
		if err := s.upstream.WriteMessage(kind, data); err != nil {
			break
		}
	}
	s.left.Store(true)
	if s.deployment.OnDisconnect == Cancel || s.running.Load() == 0 {
		s.wake()
	}
}

// patience returns how long the model server may be silent.
func (s *session) patience() time.Duration {
	if s.left.Load() {
		return s.p.Limits.Drain
	}
	return sessionSilence
}

// over says whether nothing more is to be read, for what is not the model server's doing.
func (s *session) over() bool {
	if s.cut.Load() != nil || s.retiring.Load() && s.running.Load() == 0 {
		return true
	}
	return s.left.Load() && (s.deployment.OnDisconnect == Cancel || s.running.Load() == 0)
}

// downward passes on what the model server sends, until the session is over, and tells the client why it is.
func (s *session) downward() {
	defer func() {
		if r := recover(); r != nil {
			s.p.Logger.Error("panic in a session", "request", s.name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	s.upstream.SetReadLimit(realtimeMessage)
	heard := func(string) error { return s.upstream.SetReadDeadline(time.Now().Add(s.patience())) }
	s.upstream.SetPongHandler(func(string) error {
		err := heard("")
		if s.over() {
			return errSessionOver // whoever woke this up may have done so before the deadline was set anew
		}
		return err
	})
	for {
		_ = heard("")
		if s.over() {
			s.farewell(nil)
			return
		}
		kind, data, err := s.upstream.ReadMessage()
		if err != nil {
			s.farewell(err)
			return
		}
		if kind == websocket.TextMessage {
			if refusal := s.take(data); refusal != nil {
				s.cut.CompareAndSwap(nil, refusal)
				continue
			}
		}
		if !s.left.Load() {
			s.give(kind, data)
		}
	}
}

// give sends a message to the client.
func (s *session) give(kind int, data []byte) {
	_ = s.down.SetWriteDeadline(time.Now().Add(s.p.Limits.Write))
	if err := s.down.WriteMessage(kind, data); err != nil {
		s.left.Store(true)
	}
}

// farewell tells the client why the session ends: err is why the model server cannot be read from any more.
func (s *session) farewell(err error) {
	if s.left.Load() {
		return
	}
	code, reason := websocket.CloseNormalClosure, ""
	e := s.cut.Load()
	var closed *websocket.CloseError
	switch {
	case e != nil:
	case s.retiring.Load():
		e = errShutdown
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		if code, reason = closed.Code, closed.Text; code == websocket.CloseNoStatusReceived {
			code = websocket.CloseNormalClosure
		}
	default:
		e = errTruncated
		s.attempt.endError(e)
	}
	if e != nil {
		code, reason = closeCode(e), e.Message
		s.give(websocket.TextMessage, appendSessionError(nil, e, s.name))
	}
	end := time.Now().Add(cutWait)
	_ = s.down.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason[:min(len(reason), maxCloseReason)]), end)
}

// closeCode returns how a websocket is closed for an error.
func closeCode(e *openai.Error) int {
	switch {
	case e == errShutdown:
		return websocket.CloseServiceRestart
	case e.Status == http.StatusServiceUnavailable:
		return websocket.CloseTryAgainLater
	case e.Status < 500:
		return websocket.ClosePolicyViolation
	}
	return websocket.CloseInternalServerErr
}

// appendSessionError appends an error as an event of the server.
func appendSessionError(dst []byte, e *openai.Error, id string) []byte {
	dst = append(dst, `{"type":"error",`...)
	start := len(dst)
	dst = e.AppendJSON(dst, id)
	return append(dst[:start], dst[start+1:]...) // without its opening brace: a member of this object
}

// take deals with an event of the model server before it is passed on, or says why it must not be.
func (s *session) take(data []byte) *openai.Error {
	switch kind, id := openai.PeekRealtime(data); kind {
	case openai.RealtimeCreated:
		_, refusal := s.begin(string(id))
		return refusal
	case openai.RealtimePart:
		return s.part(s.responses[string(id)], data)
	case openai.RealtimeDone:
		return s.finish(string(id), openai.DialectResponses, data)
	case openai.RealtimeTranscribed:
		return s.finish(string(id), openai.DialectTranscriptions, data)
	}
	return nil
}

// part counts an event within a response, nil for one that is not known.
func (s *session) part(x *exchange, data []byte) *openai.Error {
	if x == nil || !x.meter.Event(data).HasContent {
		return nil
	}
	if !x.fits() {
		return x.budgetSpent()
	}
	x.entry.Delivered(1)
	if err := x.entry.Ensure(); err != nil {
		return errNotRecorded
	}
	return nil
}

// begin opens the entry of a response.
func (s *session) begin(id string) (*exchange, *openai.Error) {
	if x := s.responses[id]; x != nil {
		return x, nil
	}
	if len(s.responses) >= maxResponses {
		return nil, errBadAnswer
	}
	x := s.exchange()
	if refusal := x.renew(s.key); refusal != nil {
		return nil, refusal
	}
	if refusal := x.take(fromNothing()); refusal != nil {
		return nil, refusal
	}
	entry, err := s.p.Recorder.Begin(metering.Begun{
		ID: x.id, Key: s.grant.KeyID, Model: s.model.Name, Deployment: s.deployment.Name(), Arrived: x.arrived,
	})
	if err != nil {
		x.reservation.Void()
		return nil, beginError(err)
	}
	x.entry = entry
	s.responses[id] = x
	s.running.Add(1)
	return x, nil
}

// renew has a response begin under what its key grants now.
func (x *exchange) renew(key []byte) *openai.Error {
	grant, err := x.p.Gate.Authenticate(key, x.arrived)
	switch {
	case err != nil:
		return authError(err)
	case !grant.Allows(x.model.Name):
		return modelNotFound(x.model.Name)
	}
	x.grant = grant
	return nil
}

// finish settles a response, or a transcription, which is not announced.
func (s *session) finish(id string, d openai.Dialect, data []byte) *openai.Error {
	x, refusal := s.begin(id)
	if refusal != nil {
		return refusal
	}
	delete(s.responses, id)
	defer s.running.Add(-1)
	x.meter.Dialect = d
	x.meter.Event(data)
	if err := x.settleFinished(); err != nil {
		s.p.Logger.Error("end of a response withheld", "request", x.name, "err", err)
		return errNotRecorded
	}
	return nil
}

// settleOpen records what was delivered of the responses that have not come to their end.
func (s *session) settleOpen() {
	for _, x := range s.responses {
		x.settlePartial()
	}
}
