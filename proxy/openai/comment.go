package openai

import "bytes"

// AppendComments appends the comment lines in front of an event that is itself left out.
func AppendComments(dst []byte, ev Event) []byte {
	raw := ev.Raw
	for len(raw) > 0 && raw[0] == ':' {
		end := bytes.IndexAny(raw, "\r\n") + 1
		if end == 0 {
			break
		}
		if raw[end-1] == '\r' && end < len(raw) && raw[end] == '\n' {
			end++
		}
		dst = append(dst, raw[:end]...)
		raw = raw[end:]
	}
	return dst
}
