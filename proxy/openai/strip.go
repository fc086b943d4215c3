package openai

import "bytes"

// AppendWithoutUsage appends the event without the usage member of its chunk c, and all else byte for byte. Where the
// data stands on several lines, its lines are written anew.
func AppendWithoutUsage(dst []byte, ev Event, c Chunk) []byte {
	if !c.UsageMember || c.usage.hi > len(ev.Data) {
		return append(dst, ev.Raw...)
	}
	if ev.dataAt < 0 || c.repeated {
		return appendRebuilt(dst, ev, withoutUsage(ev.Data, c))
	}
	cut := memberCut(ev.Data, c.usage)
	dst = append(dst, ev.Raw[:ev.dataAt+cut.lo]...)
	return append(dst, ev.Raw[ev.dataAt+cut.hi:]...)
}

// memberCut widens a member's span to the one comma that must go with it.
func memberCut(b []byte, member span) span {
	before := member.lo - 1
	for before > 0 && isSpace(b[before]) {
		before--
	}
	if before >= 0 && b[before] == ',' {
		return span{before, member.hi}
	}
	if after := skipSpace(b, member.hi); after < len(b) && b[after] == ',' {
		return span{member.lo, skipSpace(b, after+1)}
	}
	return member
}

// withoutUsage returns a copy of the data without any of its usage members.
func withoutUsage(data []byte, c Chunk) []byte {
	for c.UsageMember {
		cut := memberCut(data, c.usage)
		data = append(append([]byte(nil), data[:cut.lo]...), data[cut.hi:]...)
		r := chunkReader{walker: walker{b: data}}
		if !r.read() {
			break
		}
		c = r.chunk
	}
	return data
}

// appendRebuilt appends the event with its data replaced: at the place of the first data field, whole, and nothing at
// the others.
func appendRebuilt(dst []byte, ev Event, data []byte) []byte {
	if ev.Kind == PlainJSON {
		return append(dst, data...)
	}
	written := false
	for at := 0; at < len(ev.Raw); {
		l, _ := findLine(ev.Raw, at, true)
		text := bytes.TrimPrefix(ev.Raw[at:l.end], []byte(byteOrderMark))
		switch {
		case dataValue(text) < 0:
			dst = append(dst, ev.Raw[at:l.next]...)
		case !written:
			written = true
			for part := range bytes.SplitSeq(data, []byte("\n")) {
				dst = append(dst, "data: "...)
				dst = append(dst, part...)
				dst = append(dst, ev.Raw[l.end:l.next]...)
			}
		}
		at = l.next
	}
	return dst
}
