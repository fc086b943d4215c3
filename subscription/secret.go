package subscription

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = Prefix + "…redacted"

// Secret is the text of an API key. It exists when the key is made and is never kept. Printing it in whatever way
// gives a placeholder; Reveal is the only way to the text.
type Secret struct {
	// A pointer, since fmt prints unexported fields without calling their methods.
	text *string
}

// Reveal returns the key itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// Format writes a placeholder for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder, for JSON, YAML and the like.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
