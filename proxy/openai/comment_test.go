package openai

import "testing"

func TestAppendComments(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"data: a\n\n", ""},
		{": hb\ndata: a\n\n", ": hb\n"},
		{": a\r\n:\r\ndata: a\r\n: b\r\n\r\n", ": a\r\n:\r\n"},
		{": a\rdata: a\r\r", ": a\r"},
	} {
		if got := AppendComments([]byte("+"), Event{Raw: []byte(c.raw)}); string(got) != "+"+c.want {
			t.Errorf("%q: got %q, want +%q", c.raw, got, c.want)
		}
	}
}
