package subscription

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretCannotBePrinted(t *testing.T) {
	text := string(tokenForm.New())
	secret := Secret{text: &text}
	type exported struct {
		S Secret
		P *Secret
		L []Secret
		M map[string]Secret
		A any
	}
	type hidden struct {
		s Secret
		p *Secret
		a any
	}
	values := []any{
		secret, &secret, []Secret{secret}, map[string]Secret{"a": secret}, map[Secret]int{secret: 1},
		exported{secret, &secret, []Secret{secret}, map[string]Secret{"a": secret}, secret},
		hidden{secret, &secret, secret}, &hidden{secret, &secret, secret}, fmt.Errorf("wrapped: %v", secret),
	}
	var out strings.Builder
	for _, v := range values {
		for verb := 'A'; verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", "0", " ", "-80", ".80"} {
				fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", v)
			}
		}
		fmt.Fprintln(&out, v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		if b, err := xml.Marshal(v); err == nil {
			out.Write(b)
		}
		_ = gob.NewEncoder(&out).Encode(v)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			l := slog.New(h)
			l.Info("message", "value", v)
			l.With("value", v).WithGroup("g").Info("message", slog.Group("g", "value", v))
			l.Info(fmt.Sprint(v))
		}
	}
	shown := out.String()
	for _, part := range []string{text, text[len(Prefix):secretAt], text[secretAt:crcAt], text[secretAt : secretAt+12], fmt.Sprintf("%x", text)} {
		if strings.Contains(shown, part) {
			t.Errorf("%q of %q is shown", part, text)
		}
	}
	if !strings.Contains(shown, redacted) {
		t.Error("nothing stands in its place")
	}
}

func TestSecretPlaceholder(t *testing.T) {
	text := "sk-lh-x"
	secret := Secret{text: &text}
	if secret.Reveal() != text || (Secret{}).Reveal() != "" {
		t.Error("Reveal does not give the text")
	}
	for form, got := range map[string]string{
		"String": secret.String(), "GoString": secret.GoString(), "%q": fmt.Sprintf("%q", secret),
		"LogValue": secret.LogValue().String(),
	} {
		if got != redacted {
			t.Errorf("%s gives %q", form, got)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	if err := e.Encode(secret); err != nil || b.String() != `"`+redacted+`"`+"\n" {
		t.Errorf("JSON: %s, %v", b.String(), err)
	}
}
