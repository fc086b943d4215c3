package openai

import (
	"strings"
	"testing"
)

func TestWholeText(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"plain":     {"It rains.\n", "It rains.\n"},
		"srt":       {"1\r\n00:00:00,000 --> 00:00:02,000\r\nIt rains.\r\n\r\n2\r\n00:00:02,000 --> 00:00:04,000\r\nStill.\r\n", "It rains.\r\n\r\nStill.\r\n"},
		"vtt":       {"WEBVTT\n\n00:00.000 --> 00:02.000\nIt rains.\n", "WEBVTT\n\nIt rains.\n"},
		"no end":    {"It rains", "It rains"},
		"empty":     {"", ""},
		"years too": {"It was 1984.\n", "It was 1984.\n"},
	} {
		m := Meter{Dialect: DialectTranscriptions}
		m.WholeText([]byte(c.body))
		got := ""
		for text := range m.Texts() {
			got += string(text.Bytes)
		}
		if _, ok := m.Usage(); got != c.want || ok {
			t.Errorf("%s: %q, want %q; usage %v", name, got, c.want, ok)
		}
	}
	m := Meter{Dialect: DialectTranscriptions}
	m.WholeText([]byte(strings.Repeat("It rains and rains.\n", maxText/10)))
	if m.Unkept() == 0 || m.kept > maxText {
		t.Errorf("%d bytes kept, %d not", m.kept, m.Unkept())
	}
}
