package deployer

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"llmhub/secret"
)

func TestSeal(t *testing.T) {
	f := newFixture(t)
	licence := "\x00\xff\xfe binary"
	in := sealed{
		Token: secret.New("tok"), TokenEnds: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC),
		Secrets: map[string]secret.Text{"a.b": secret.New("canary"), "c": secret.New("ü")}, Licence: secret.New(licence),
	}
	box, err := f.seal("wl_1", in)
	if err != nil || bytes.Contains(box, []byte("canary")) {
		t.Fatal(err, "sealed in clear?")
	}
	out, err := f.open("wl_1", box)
	if err != nil || out.Token.Reveal() != "tok" || !out.TokenEnds.Equal(in.TokenEnds) || out.Licence.Reveal() != licence ||
		len(out.Secrets) != 2 || out.Secrets["a.b"].Reveal() != "canary" || out.Secrets["c"].Reveal() != "ü" {
		t.Errorf("%+v, %v", out, err)
	}
	for name, c := range map[string]struct {
		id  string
		box []byte
	}{"another document": {"wl_2", box}, "changed": {"wl_1", append(bytes.Clone(box[:len(box)-1]), box[len(box)-1]^1)}, "short": {"wl_1", box[:3]}} {
		if got, err := f.open(c.id, c.box); !errors.Is(err, secret.ErrSealed) || got.Token.IsSet() || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if box, err := f.seal("wl_1", sealed{Licence: secret.New("")}); err != nil || box != nil {
		t.Errorf("nothing is sealed as %d bytes, %v", len(box), err)
	}
	if got, err := f.open("wl_1", nil); err != nil || got.Secrets == nil || got.Licence.IsSet() {
		t.Errorf("nothing opens as %v, %v", got, err)
	}
}
