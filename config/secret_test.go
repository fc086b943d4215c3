package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"llmhub/config"
)

func TestSecretCannotBePrinted(t *testing.T) {
	const text = "hunter2"
	s := config.NewSecret(text)
	type hidden struct{ s config.Secret }
	type open struct{ S config.Secret }
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%10.3s", "%U"} {
		fmt.Fprintf(&out, verb+verb+verb+verb+"\n", s, &s, hidden{s}, []open{{s}})
	}
	for _, v := range []any{s, &s, open{s}, map[string]config.Secret{"k": s}} {
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
	if s.Reveal() != text || !s.IsSet() || (config.Secret{}).IsSet() || (config.Secret{}).Reveal() != "" {
		t.Error("Reveal and IsSet")
	}
	if !s.Equal(config.NewSecret(text)) || s.Equal(config.NewSecret("other")) || s.Equal(config.Secret{}) {
		t.Error("Equal")
	}
}
