package proxytest

// segment is a run of deltas that belong together: an item of a response, a block of a message.
type segment struct {
	part         Part
	tool         int
	callID, name string
	text         string
	// first is the index of its first delta, end that behind its last.
	first, end int
}

// segments divides deltas where part or tool call change.
func segments(deltas []Delta) []segment {
	var all []segment
	for i := range deltas {
		d := &deltas[i]
		if n := len(all); n == 0 || all[n-1].part != d.Part || d.Part == ToolCall && all[n-1].tool != d.Tool {
			all = append(all, segment{part: d.Part, tool: d.Tool, callID: d.CallID, name: d.Name, first: i})
		}
		s := &all[len(all)-1]
		s.end = i + 1
	}
	for i := range all {
		s := &all[i]
		n := 0
		for _, d := range deltas[s.first:s.end] {
			n += len(d.Text)
		}
		text := make([]byte, 0, n)
		for _, d := range deltas[s.first:s.end] {
			text = append(text, d.Text...)
		}
		s.text = string(text)
	}
	return all
}

// typed is the state of a stream whose events carry a type.
type typed struct {
	*streamer
	segments []segment
	// at is the index of the segment that is open, -1 before the first.
	at int
}

func (a *answer) newTyped() typed {
	return typed{streamer: a.newStreamer(), segments: segments(a.deltas), at: -1}
}

// say writes an event of which a client sees all.
func (t *typed) say(name, data string, u Usage) error { return t.w.add(t.typedEvent(name, data, u)) }

// typedEvent builds an event with a name.
func (s *streamer) typedEvent(name, data string, u Usage) piece {
	s.buf = s.comment(s.buf[:0])
	s.buf = append(append(s.buf, "event: "+name...), s.lineEnd...)
	s.buf = s.frame(s.buf, data)
	s.written++
	return piece{wire: s.buf, same: true, event: true, usage: u}
}

// ending makes a piece the one that ends the stream, as the script's Done has it.
func (s *streamer) ending(p piece) piece {
	p = s.own(p)
	n := len(p.wire)
	switch s.script.Done {
	case DoneMissing:
		return piece{wire: nil, same: true}
	case DoneNoBlank:
		p.wire = p.wire[:n-len(s.lineEnd)]
	case DoneNoLineEnd:
		p.wire = p.wire[:n-2*len(s.lineEnd)]
	}
	return p
}
