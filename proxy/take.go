package proxy

import (
	"bytes"

	"llmhub/proxy/openai"
)

// take deals with one event: most are passed on as they are. It returns an error for one that comes in place of the
// first event, and for one that is no event at all.
func (s *stream) take(ev openai.Event) *openai.Error {
	wasPlain := s.plain
	s.plain = false
	switch ev.Kind {
	case openai.Comment:
		if wasPlain && len(bytes.TrimSpace(ev.Raw)) == 0 {
			return nil // the empty line behind bare JSON, which has one of its own now
		}
		s.out = append(s.out, ev.Raw...)
	case openai.Done:
		s.last = append(s.last[:0], ev.Raw...)
		s.phase = phaseFinish
	case openai.PlainJSON:
		return s.takePlain(ev)
	case openai.Data:
		return s.takeData(ev)
	default:
		s.out = append(s.out, ev.Raw...)
	}
	return nil
}

func (s *stream) takeData(ev openai.Event) *openai.Error {
	s.seen++
	c := s.x.meter.Event(ev.Data)
	if c.IsError && s.first() {
		return openai.UpstreamError(s.x.call.Load().Status, ev.Data)
	}
	if !c.IsError && !s.x.fits() {
		return s.x.budgetSpent()
	}
	s.noteFirst()
	s.faulty = s.faulty || c.IsError
	s.x.faulty = s.x.faulty || c.IsError && !c.Final
	if c.HasContent {
		s.content++
	}
	switch {
	case c.Final:
		// What ends the stream of a dialect without [DONE] is held as that is.
		s.last = s.x.meter.AppendEventWithIDs(s.last[:0], ev, s.x.sealID)
		s.phase, s.final = phaseFinish, true
	case s.x.endpoint.dialect == openai.DialectResponses:
		s.out = s.x.meter.AppendEventWithIDs(s.out, ev, s.x.sealID)
	case !s.strip || !c.UsageMember:
		s.out = append(s.out, ev.Raw...)
	case c.EmptyChoices && c.HasUsage:
		// The chunk that was asked for by the gateway.
		s.out = openai.AppendComments(s.out, ev)
	default:
		s.out = openai.AppendWithoutUsage(s.out, ev, c)
	}
	return nil
}

// takePlain deals with bare JSON in the stream, as some servers send their errors, which are put in OpenAI's form.
func (s *stream) takePlain(ev openai.Event) *openai.Error {
	s.seen++
	if s.x.meter.Event(ev.Data).IsError {
		return openai.UpstreamError(s.x.call.Load().Status, ev.Data)
	}
	s.noteFirst()
	s.plain = true
	s.out = openai.WrapPlain(s.out, ev.Data)
	return nil
}

// noteFirst notes when the answer began, if it does with the event just seen.
func (s *stream) noteFirst() {
	if s.seen == 1 {
		s.x.attempt.answered(s.heard)
	}
}

// first says whether nothing but comments has come so far.
func (s *stream) first() bool { return s.seen == 1 && s.write.IsZero() }
