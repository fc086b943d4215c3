package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
)

// sound is the body of an answer of audio, passed on as it comes. What it costs is known once it begins, since it goes by the
// request: it is recorded, durably, before the first of it leaves, and in full, as model servers bill it.
type sound struct {
	x      *exchange
	held   []byte // that has come and has not been given
	size   int
	ended  bool // the model server has finished
	broken bool
	closed bool
}

// receiveSound waits for the beginning of the audio, so that another deployment can be tried until then.
func (x *exchange) receiveSound() *openai.Error {
	s := &sound{x: x, held: make([]byte, 0, 16<<10)}
	x.attempt.answered(time.Now())
	if e := s.fill(); e != nil {
		return e
	}
	if len(s.held) == 0 {
		return errTruncated
	}
	x.begunSound = s
	return nil
}

// sound answers with the audio that has begun, once it is recorded.
func (x *exchange) sound(ctx *fasthttp.RequestCtx) *openai.Error {
	x.answered = true
	if err := x.settleFinished(); err != nil {
		x.attempt.end(succeeded, "")
		x.leave()
		return errNotRecorded
	}
	x.begin(ctx)
	x.recordHead()
	ctx.Response.SetBodyStream(x.begunSound, -1)
	x.p.Metrics.streamBegun(x)
	return nil
}

// fill waits for more of the audio.
func (s *sound) fill() *openai.Error {
	call := s.x.call.Load()
	err := call.Within(s.x.idle())
	n := 0
	if err == nil {
		n, err = s.x.source.Read(s.held[:cap(s.held)])
		s.held = s.held[:n]
	}
	if s.size += n; s.size > s.x.p.Limits.AnswerBytes {
		return errAnswerTooLarge
	}
	switch {
	case err == io.EOF:
		s.ended = true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errStalled
	case err != nil:
		return s.x.brokenAnswer(err)
	}
	return nil
}

// Read gives the audio as it comes. An answer that breaks off ends so that the client sees a cut.
func (s *sound) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.x.p.Logger.Error("panic in an answer", "request", s.x.name, "panic", fmt.Sprint(r))
			s.broken, err = true, io.ErrUnexpectedEOF
		}
	}()
	for len(s.held) == 0 {
		if s.broken || s.x.unwantedNow() {
			return 0, io.ErrUnexpectedEOF
		}
		if s.ended {
			s.x.recordEnd()
			return 0, io.EOF
		}
		if e := s.fill(); e != nil {
			s.broken, s.x.failure = true, e
		}
	}
	n = copy(p, s.held)
	s.x.record(p[:n])
	s.held = s.held[:copy(s.held, s.held[n:])]
	return n, s.x.client.SetWriteDeadline(time.Now().Add(s.x.p.Limits.Write))
}

// Close lets go of everything. Only the first call counts.
func (s *sound) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.drain()
	switch {
	case s.ended:
		s.x.attempt.end(succeeded, "")
		s.x.call.Load().Finish(endWait)
	case s.x.failure != nil:
		s.x.attempt.endError(s.x.failure)
	}
	if !s.ended {
		s.x.p.Metrics.brokenOff(s.x)
	}
	s.x.p.Metrics.streamEnded(s.x)
	s.x.leave()
	return nil
}

// drain reads on to the end of an answer whose client has left, for whoever asks again: it has been charged in full.
func (s *sound) drain() {
	if s.x.recording == nil || s.broken || s.x.cut.Load() != nil {
		return
	}
	s.x.left.CompareAndSwap(0, time.Now().UnixNano())
	for end := time.Now().Add(s.x.p.Limits.Drain); ; {
		s.x.record(s.held)
		s.held = s.held[:0]
		if s.ended {
			s.x.recordEnd()
			return
		}
		if time.Now().After(end) || s.fill() != nil {
			return
		}
	}
}
