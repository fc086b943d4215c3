package subscription

import (
	"hash/crc32"
	"strings"
	"testing"
)

// Where the parts of a key's text begin.
const (
	secretAt = len(Prefix) + 16
	crcAt    = secretAt + 40
)

const base32Digits = "abcdefghijklmnopqrstuvwxyz234567"

// appendChecksum makes a text well-formed.
func appendChecksum(b []byte) []byte {
	sum := crc32.ChecksumIEEE(b)
	for shift := 30; shift >= 0; shift -= 5 {
		b = append(b, base32Digits[sum>>shift&31])
	}
	return b
}

func TestKeyText(t *testing.T) {
	text := string(tokenForm.New())
	if !strings.HasPrefix(text, "sk-lh-") || string(appendChecksum([]byte(text[:crcAt]))) != text {
		t.Errorf("a key is %s", text)
	}
}

func FuzzAuthenticate(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(tokenForm.New())
	f.Add([]byte("sk-proj-something"))
	gate := NewGate(NewHasher(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := gate.Authenticate(b, testTime); g != nil || err != ErrBadKey {
			t.Errorf("%q: %v, %v", b, g, err)
		}
	})
}
