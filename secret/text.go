// Package secret holds what must not be seen: texts that cannot be printed, key files that only their owner can read, and
// a sealer for what has to be kept and had again. It imports nothing of the product, so that every package can use it.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a text that cannot be printed: every verb of fmt, JSON, YAML and slog give a placeholder. Reveal is the
// only way to the text. The zero Text is not set.
type Text struct {
	// A pointer, so that fmt shows no more than an address where it cannot call methods (in unexported fields).
	text *string
}

// New returns a Text with the given text.
func New(text string) Text { return Text{text: &text} }

// IsSet says whether there is a text.
func (s Text) IsSet() bool { return s.text != nil && *s.text != "" }

// Reveal returns the text, empty if not set.
func (s Text) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Equal compares in constant time, given equal lengths.
func (s Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns a placeholder.
func (s Text) String() string { return redacted }

// GoString returns a placeholder.
func (s Text) GoString() string { return redacted }

// Format writes a placeholder, whatever the verb.
func (s Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder.
func (s Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns a placeholder.
func (s Text) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML returns a placeholder.
func (s Text) MarshalYAML() (any, error) { return redacted, nil }

// LogValue returns a placeholder.
func (s Text) LogValue() slog.Value { return slog.StringValue(redacted) }
