package openai

// identify consumes a value and notes it as the ID of a response if it is a string that is not empty.
func (r *chunkReader) identify() {
	if r.peek() != '"' {
		r.skip()
		return
	}
	s, escaped := r.text()
	if s.hi > s.lo {
		r.ids = append(r.ids, piece{span: s, escaped: escaped})
	}
}

// AppendWithIDs appends data, which must be what the meter took last, with each ID of a response in it (its own, and
// that of the one before it) replaced by what replace appends for it, and all else byte for byte. The ID given is valid
// during the call only. Only DialectResponses has such IDs.
func (m *Meter) AppendWithIDs(dst, data []byte, replace func(dst, id []byte) []byte) []byte {
	at := 0
	for _, p := range m.work().reader.ids {
		if p.hi > len(data) {
			break
		}
		dst = append(dst, data[at:p.lo]...)
		dst = appendReplaced(dst, data[p.lo:p.hi], p.escaped, replace)
		at = p.hi
	}
	return append(dst, data[at:]...)
}

// AppendEventWithIDs appends the event, whose data the meter took last, as AppendWithIDs does. Where the data stands on
// several lines and holds IDs, its lines are written anew.
func (m *Meter) AppendEventWithIDs(dst []byte, ev Event, replace func(dst, id []byte) []byte) []byte {
	switch {
	case len(m.work().reader.ids) == 0:
		return append(dst, ev.Raw...)
	case ev.dataAt < 0:
		return appendRebuilt(dst, ev, m.AppendWithIDs(nil, ev.Data, replace))
	}
	dst = append(dst, ev.Raw[:ev.dataAt]...)
	dst = m.AppendWithIDs(dst, ev.Data, replace)
	return append(dst, ev.Raw[ev.dataAt+len(ev.Data):]...)
}

// appendReplaced appends what stands for an ID within a JSON string.
func appendReplaced(dst, id []byte, escaped bool, replace func(dst, id []byte) []byte) []byte {
	if escaped {
		id = appendUnescaped(nil, id)
	}
	start := len(dst)
	dst = replace(dst, id)
	for _, c := range dst[start:] {
		if c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			quoted := appendQuoted(nil, string(dst[start:]))
			return append(dst[:start], quoted[1:len(quoted)-1]...)
		}
	}
	return dst
}
