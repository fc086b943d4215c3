package openai

import "bytes"

// AppendComments appends the comment lines in front of an event that is itself left out.
func AppendComments(dst []byte, ev Event) []byte {
	raw := ev.Raw
	for len(raw) > 0 && raw[0] == ':' {
		end := bytes.IndexByte(raw, '\n') + 1
		if end == 0 {
			break
		}
		dst = append(dst, raw[:end]...)
		raw = raw[end:]
	}
	return dst
}
