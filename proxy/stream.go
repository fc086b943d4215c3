package proxy

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
)

// heartbeat is a comment without a blank line behind it: older clients take the latter for an empty event.
const heartbeat = ": hb\n"

// phase is how far a stream has got.
type phase uint8

const (
	phaseOpen     phase = iota // events are passed on
	phaseFinish                // the model server has finished; to be settled before last leaves
	phaseEnd                   // everything has been given: end politely
	phaseBreakOff              // everything has been given: end so that the client sees a cut
)

// stream is the body of a streamed answer. fasthttp calls Read until it fails, each result leaving at once, and Close
// in every ending, from the goroutine of the client's connection. Close is the one place that settles a stream which
// did not come to its end.
type stream struct {
	x       *exchange
	scanner *openai.Scanner
	strip   bool   // usage was asked for by the gateway only
	out     []byte // whole events to give
	given   int    // how much of out has been given
	last    []byte // what ends the stream, held until the record is durable
	phase   phase
	final   bool      // what ends the stream is an event other than [DONE]
	faulty  bool      // the model server has sent an error in mid-stream
	plain   bool      // the last event was bare JSON
	content int64     // events with content in out
	seen    int       // events taken that are more than comments
	heard   time.Time // when the model server last sent something
	write   time.Time // write deadline of the client's connection
	closed  bool
}

var outBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// endWait is how long a finished answer's framing is waited for, to use the connection again.
const endWait = 20 * time.Millisecond

// maxPooled bounds the buffers that are kept for later.
const maxPooled = 64 << 10

// receiveStream waits for the first event of a stream, so that an error that comes instead keeps its status and
// another deployment can be tried.
func (x *exchange) receiveStream() *openai.Error {
	s := &stream{
		x: x, scanner: openai.NewScanner(x.p.Limits.EventBytes),
		strip: x.request.Stream && !x.request.IncludeUsage && x.endpoint.dialect == openai.DialectChat, out: *outBuffers.Get().(*[]byte), heard: time.Now(),
	}
	if refusal := s.awaitFirst(); refusal != nil {
		s.release()
		return refusal
	}
	x.begun = s
	return nil
}

// stream answers with the event stream that has begun.
func (x *exchange) stream(ctx *fasthttp.RequestCtx) {
	x.begin(ctx)
	h := &ctx.Response.Header
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	x.recordHead()
	ctx.Response.SetBodyStream(x.begun, -1)
	x.p.Metrics.streamBegun(x)
}

// awaitFirst reads up to the first event that is more than a comment; it leaves at once, before those behind it are
// looked at. After the heartbeat's time of silence it waits no longer, so that proxies in front do not give up.
func (s *stream) awaitFirst() *openai.Error {
	for {
		if e := s.takeWaiting(1); e != nil || s.seen > 0 || s.phase != phaseOpen {
			return e
		}
		err := s.fill()
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if s.stalled() {
				return errStalled
			}
			s.out = append(s.out, heartbeat...)
			return nil
		case errors.Is(err, openai.ErrEventTooLarge):
			return errAnswerTooLarge
		case err == io.EOF:
			return s.firstAtEnd()
		default:
			return s.x.brokenAnswer(err)
		}
	}
}

// takeWaiting takes the events that have come, until so many in all have been seen, or one is an error.
func (s *stream) takeWaiting(seen int) *openai.Error {
	for s.phase == phaseOpen && s.seen < seen {
		ev, ok := s.scanner.Next()
		if !ok {
			break
		}
		if e := s.take(ev); e != nil {
			return e
		}
	}
	return nil
}

// firstAtEnd judges a stream that ended before a whole event had come.
func (s *stream) firstAtEnd() *openai.Error {
	ev, ok := s.scanner.Tail()
	if !ok {
		return errTruncated
	}
	return s.take(ev)
}

// fill waits for more from the model server, at most until a heartbeat is due or it has been silent for too long.
func (s *stream) fill() error {
	call := s.x.call.Load()
	if err := call.Within(min(s.x.p.Limits.Heartbeat, s.x.idle())); err != nil {
		return err
	}
	_, err := s.scanner.Fill(s.x.source)
	if err == nil {
		s.heard = time.Now()
	}
	return err
}

// stalled says whether the model server has been silent for too long, as exactly as Call.Within waits.
func (s *stream) stalled() bool { return time.Since(s.heard) >= s.x.idle()*7/8 }

// Read gives whole events as they come.
func (s *stream) Read(p []byte) (n int, err error) {
	defer s.recoverPanic(&err)
	for s.given == len(s.out) {
		s.out, s.given = s.out[:0], 0
		switch s.phase {
		case phaseEnd:
			if s.trail(); len(s.out) == 0 {
				s.x.recordEnd()
				return 0, io.EOF
			}
		case phaseBreakOff:
			return 0, io.ErrUnexpectedEOF
		case phaseFinish:
			s.finish()
		case phaseOpen:
			s.advance()
		}
	}
	if err := s.ready(); err != nil {
		return 0, err
	}
	n = copy(p, s.out[s.given:])
	s.given += n
	s.x.record(p[:n])
	return n, nil
}

// ready makes sure that what is about to leave will be paid for, else an error leaves instead, and that the client has
// time to take it.
func (s *stream) ready() error {
	if s.content > 0 {
		s.x.entry.Delivered(s.content)
		s.content = 0
		if err := s.x.entry.Ensure(); err != nil {
			s.x.p.Logger.Error("stream broken off", "request", s.x.name, "err", err)
			s.out = s.out[:0]
			s.breakOff(errNotRecorded)
		}
	}
	limit := s.x.p.Limits.Write
	if s.x.cut.Load() != nil {
		limit = min(limit, cutWait)
	}
	if t := time.Now().Add(limit); t.Sub(s.write).Abs() > limit/8 {
		s.write = t
		return s.x.client.SetWriteDeadline(t)
	}
	return nil
}

// advance brings the next events into out, or changes the phase.
func (s *stream) advance() {
	if e := s.x.cut.Load(); e != nil {
		s.breakOff(e)
		return
	}
	if s.x.gone() {
		s.phase = phaseBreakOff
		return
	}
	if s.takeOrBreak() {
		return
	}
	before := s.heard
	err := s.fill()
	switch {
	case err == nil:
		s.x.p.Metrics.event(s.x, s.heard.Sub(before))
		s.takeOrBreak()
	case errors.Is(err, os.ErrDeadlineExceeded):
		if s.stalled() {
			s.breakOff(errStalled)
			return
		}
		s.out = append(s.out, heartbeat...)
	case errors.Is(err, openai.ErrEventTooLarge):
		s.breakOff(errAnswerTooLarge)
	case err == io.EOF:
		s.atEnd()
	default:
		s.failed(s.x.brokenAnswer(err))
	}
}

// takeOrBreak takes the events that have come, and says whether there is something to give or the phase changed.
func (s *stream) takeOrBreak() bool {
	if e := s.takeWaiting(math.MaxInt); e != nil {
		s.breakOff(e)
	}
	return len(s.out) > 0 || s.phase != phaseOpen
}

// failed ends a stream whose model server failed.
func (s *stream) failed(e *openai.Error) {
	if e == errClientLeft {
		s.phase = phaseBreakOff
		return
	}
	s.breakOff(e)
}

// atEnd judges a stream that the model server ended without [DONE].
func (s *stream) atEnd() {
	if ev, ok := s.scanner.Tail(); ok {
		if e := s.take(ev); e != nil {
			s.breakOff(e)
			return
		}
	}
	if s.phase == phaseFinish {
		return
	}
	if s.x.meter.Finished() || s.faulty {
		s.phase = phaseFinish
		return
	}
	s.breakOff(errTruncated)
}

// finish makes the record durable before what ends the stream leaves. Behind an error in mid-stream there is no
// finished answer, whatever ends it.
func (s *stream) finish() {
	s.judge()
	if s.faulty {
		s.x.settlePartial()
	} else if err := s.x.settleFinished(); err != nil {
		s.x.p.Logger.Error("end of a stream withheld", "request", s.x.name, "err", err)
		s.breakOff(errNotRecorded)
		return
	}
	s.out = append(s.out, s.last...)
	s.phase = phaseEnd
}

// breakOff ends the stream with an error event and no polite end.
func (s *stream) breakOff(e *openai.Error) {
	s.x.failure = e
	s.out = e.AppendEventIn(s.x.endpoint.form, s.out, s.x.name)
	s.phase = phaseBreakOff
}

// recoverPanic turns a panic into a broken stream, since fasthttp would leave the request's slot behind.
func (s *stream) recoverPanic(err *error) {
	if r := recover(); r != nil {
		s.x.p.Logger.Error("panic in a stream", "request", s.x.name, "panic", fmt.Sprint(r))
		s.phase = phaseBreakOff
		*err = io.ErrUnexpectedEOF
	}
}
