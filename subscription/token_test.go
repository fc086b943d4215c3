package subscription

import (
	"bytes"
	"strings"
	"testing"
)

func TestTokenForm(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := newToken()
		if len(token) != tokenChars || !wellFormed(token) || !bytes.HasPrefix(token, []byte("sk-lh-")) {
			t.Fatalf("%s is not well-formed", token)
		}
		if rest := strings.Trim(string(token[len(Prefix):]), base32Digits); rest != "" {
			t.Fatalf("%s contains %q", token, rest)
		}
		if id := string(publicID(token)); seen[id] || len(id) != publicChars {
			t.Fatalf("public ID %q", id)
		} else {
			seen[id] = true
		}
	}
	if bits := secretChars * 5; bits < 160 {
		t.Errorf("the secret has %d bits", bits)
	}
}

// Any single wrong character, and any two swapped neighbours, must be found without a look-up.
func TestTokenChecksum(t *testing.T) {
	token := newToken()
	for i := range token {
		for _, c := range []byte(base32Digits + "A1-\x00\xff") {
			if c == token[i] {
				continue
			}
			wrong := bytes.Clone(token)
			wrong[i] = c
			if wellFormed(wrong) {
				t.Errorf("%s is well-formed", wrong)
			}
		}
		if i > 0 && token[i] != token[i-1] {
			wrong := bytes.Clone(token)
			wrong[i], wrong[i-1] = wrong[i-1], wrong[i]
			if wellFormed(wrong) {
				t.Errorf("%s is well-formed", wrong)
			}
		}
	}
}

func FuzzWellFormed(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(newToken())
	f.Add(newToken()[:tokenChars-1])
	f.Add(append(newToken(), 'a'))
	f.Add([]byte("sk-proj-something"))
	gate := NewGate(NewHasher(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if wellFormed(b) && !bytes.Equal(appendChecksum(bytes.Clone(b[:crcAt])), b) {
			t.Errorf("%q is well-formed", b)
		}
		if g, err := gate.Authenticate(b, testTime); g != nil || err != ErrBadKey {
			t.Errorf("%q: %v, %v", b, g, err)
		}
	})
}
