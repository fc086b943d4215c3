package proxy

import (
	"errors"
	"io"
	"os"
	"time"

	"llmhub/proxy/openai"
)

// Close settles a stream that has not come to its end, and lets go of everything. Only the first call counts.
func (s *stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.release()
	defer s.x.leave()
	if s.phase == phaseEnd {
		s.x.call.Load().Finish(endWait)
		// It has been charged, be it that the client left before it had all of it.
		s.x.record(s.out[s.given:])
		s.x.recordEnd()
	}
	if !s.x.ended || s.x.failure != nil {
		s.x.p.Metrics.brokenOff(s.x)
	}
	if !s.x.ended {
		var err error
		func() {
			defer s.recoverPanic(&err)
			s.drain()
		}()
		s.x.settlePartial()
	}
	s.judge()
	s.x.p.Metrics.streamEnded(s.x)
	return nil
}

// judge says how the model server did, unless the answer was broken off for reasons that are none of its own.
func (s *stream) judge() {
	a := &s.x.attempt
	switch {
	case s.faulty:
		a.end(failed, errorInAnswer)
	case s.phase == phaseFinish, s.phase == phaseEnd:
		a.end(succeeded, "")
	case s.x.failure != nil:
		a.endError(s.x.failure)
	}
}

// drain reads on to the usage of an answer whose client has left, if the upstream's policy says so.
func (s *stream) drain() {
	x := s.x
	if s.phase == phaseBreakOff && !x.gone() || x.cut.Load() != nil || x.policy() != Drain {
		return
	}
	x.left.CompareAndSwap(0, time.Now().UnixNano())
	x.record(s.out[s.given:])
	s.out, s.given = s.out[:0], 0
	end := time.Now().Add(x.p.Limits.Drain)
	events := int64(0)
	for s.phase != phaseFinish && !x.overBudget && time.Now().Before(end) && events < x.p.Limits.DrainEvents {
		ev, ok := s.scanner.Next()
		if ok {
			events++
			s.drop(ev)
			continue
		}
		err := s.fill()
		if err == io.EOF {
			s.drainEnd()
			break
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	if s.phase == phaseFinish && !s.faulty && !x.overBudget {
		s.drained()
	}
}

// drained settles an answer that was read on to its end. Where nobody waits for the end, the record need not be durable
// before Close returns; whoever asks again sees it only then.
func (s *stream) drained() {
	if s.x.recording == nil {
		s.x.settleDrained()
	} else if s.x.settleFinished() == nil {
		s.x.record(s.last)
		s.x.recordEnd()
	}
}

// drop counts an event that nobody will see, unless somebody asks again.
func (s *stream) drop(ev openai.Event) {
	if s.x.recording != nil {
		if e := s.take(ev); e != nil {
			s.faulty = true
		}
		s.x.record(s.out)
		s.out = s.out[:0]
		return
	}
	switch ev.Kind {
	case openai.Done:
		s.phase = phaseFinish
	case openai.Data, openai.PlainJSON:
		c := s.x.meter.Event(ev.Data)
		s.faulty = c.IsError || s.faulty
		if c.Final {
			s.phase = phaseFinish
		}
		s.x.fits()
	}
}

// trail passes on the [DONE] that some servers send behind an end that needs none. Nothing else is: what comes behind the end
// has not been recorded.
func (s *stream) trail() {
	if !s.final {
		return
	}
	s.final = false
	call := s.x.call.Load()
	for range 4 {
		ev, ok := s.scanner.Next()
		if !ok {
			err := call.Within(endWait)
			if err == nil {
				_, err = s.scanner.Fill(s.x.source)
			}
			if err == nil {
				continue
			}
			ev, _ = s.scanner.Tail()
		}
		if ev.Kind == openai.Done {
			s.out = append(s.out, ev.Raw...)
		}
		return
	}
}

func (s *stream) drainEnd() {
	if ev, ok := s.scanner.Tail(); ok {
		s.drop(ev)
	}
	if s.x.meter.Finished() {
		s.phase = phaseFinish
	}
}

func (s *stream) release() {
	s.scanner.Release()
	if cap(s.out) <= maxPooled && s.out != nil {
		b := s.out[:0]
		outBuffers.Put(&b)
	}
	s.out, s.given = nil, 0
}
