package proxytest

// end writes what follows the last delta: finish reasons, usage, [DONE].
func (s *streamer) end() error {
	pieces := s.form.closing()
	if s.script.Cut.At == CutBeforeDone {
		pieces = pieces[:len(pieces)-1]
		for _, p := range pieces {
			if err := s.w.add(p); err != nil {
				return err
			}
		}
		if err := s.w.flush(); err != nil {
			return err
		}
		return s.cut()
	}
	for i, p := range pieces {
		p.last = i == len(pieces)-1
		if err := s.w.add(p); err != nil {
			return err
		}
	}
	return s.w.finish()
}

// closing has finish reasons, usage, and [DONE].
func (s *streamer) closing() []piece {
	mode := s.script.Usage
	var pieces []piece
	for i := range s.choices {
		usage := ""
		switch {
		case mode == UsageInFinish && i == s.choices-1, mode == UsageCumulative:
			usage = s.usageJSON(s.given)
		case mode == UsageNullEach && s.asked():
			usage = "null"
		}
		pieces = append(pieces, s.own(s.event(s.choice(i, "", "null", quote(s.finish)), usage, false, Usage{})))
	}
	switch {
	case mode == UsageTwice:
		half := Usage{Output: s.given.Output / 2}
		pieces = append(pieces, s.own(s.event("", s.usageJSON(half), true, Usage{})))
		pieces = append(pieces, s.own(s.event("", s.usageJSON(s.given), true, Usage{})))
	case mode == UsageAlways, mode == UsageCumulative, (mode == UsageAsAsked || mode == UsageNullEach) && s.asked():
		pieces = append(pieces, s.own(s.event("", s.usageJSON(s.given), true, Usage{})))
	}
	return append(pieces, s.donePiece())
}

// own gives a piece buffers of its own, as the streamer's are used again.
func (s *streamer) own(p piece) piece {
	p.wire = append([]byte(nil), p.wire...)
	p.visible = append([]byte(nil), p.visible...)
	return p
}

func (s *streamer) donePiece() piece {
	done := s.data + "[DONE]"
	switch s.script.Done {
	case DoneMissing:
		done = ""
	case DoneNoBlank:
		done += s.lineEnd
	case DoneNormal:
		done += s.lineEnd + s.lineEnd
	}
	return piece{wire: []byte(done), same: true, event: done != ""}
}

// fault writes the script's error and ends the stream.
func (s *streamer) fault() error {
	f := s.script.Fault
	text := f.Body + s.lineEnd
	if !f.Plain {
		text = s.data + f.Body + s.lineEnd + s.lineEnd
		if f.Event != "" {
			text = "event: " + f.Event + s.lineEnd + text
		}
	}
	if err := s.w.add(piece{wire: []byte(text), same: !f.Plain, event: !f.Plain}); err != nil {
		return err
	}
	if f.Done {
		pieces := s.form.closing()
		if err := s.w.add(pieces[len(pieces)-1]); err != nil {
			return err
		}
	}
	if s.script.Cut.At != NoCut {
		if err := s.w.flush(); err != nil {
			return err
		}
		return s.cut()
	}
	return s.w.finish()
}

func (s *streamer) torn(i int) []byte {
	d := &s.deltas[i/s.choices]
	return s.event(s.choice(i%s.choices, s.member(d), "null", "null"), "", false, Usage{}).wire
}

// cutAt cuts the stream at delta i, which is written in part or not at all.
func (s *streamer) cutAt(i int) error {
	if err := s.w.flush(); err != nil {
		return err
	}
	at := s.script.Cut.At
	if at == CutBetween || i < 0 {
		return s.cut()
	}
	event := s.form.torn(i)
	var err error
	switch {
	case at == CutMidEvent:
		s.w.split = Split{}
		err = s.w.add(piece{wire: event[:len(event)/2], same: false})
	case at == CutMidChunk:
		err = s.w.tear(event, len(event)/2)
	default:
		err = s.w.tear(event, -1)
	}
	if err != nil {
		return err
	}
	s.w.chunked = s.w.chunked && at == CutMidEvent
	return s.cut()
}
