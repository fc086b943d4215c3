package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"llmhub/secret"
)

func TestTextCannotBePrinted(t *testing.T) {
	const text = "hunter2"
	s := secret.New(text)
	type hidden struct{ s secret.Text }
	type open struct{ S secret.Text }
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%10.3s", "%U"} {
		fmt.Fprintf(&out, verb+verb+verb+verb+"\n", s, &s, hidden{s}, []open{{s}})
	}
	for _, v := range []any{s, &s, open{s}, map[string]secret.Text{"k": s}} {
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
		out.Write(y)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "o", open{s}, "h", hidden{s})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "o", open{s})
	fmt.Fprint(&out, s.String(), s.GoString(), fmt.Errorf("wrapped %w %v", fmt.Errorf("inner %v", s), s))
	for _, leak := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the secret shows:\n%s", out.String())
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("no placeholder was printed")
	}
	if s.Reveal() != text || !s.IsSet() || (secret.Text{}).IsSet() || (secret.Text{}).Reveal() != "" {
		t.Error("Reveal and IsSet")
	}
	if !s.Equal(secret.New(text)) || s.Equal(secret.New("other")) || s.Equal(secret.Text{}) {
		t.Error("Equal")
	}
}
