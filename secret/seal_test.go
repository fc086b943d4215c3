package secret_test

import (
	"bytes"
	"errors"
	"testing"

	"llmhub/secret"
)

func TestSealer(t *testing.T) {
	key := bytes.Repeat([]byte{7}, secret.KeyBytes)
	s, err := secret.NewSealer(key, "session")
	if err != nil {
		t.Fatal(err)
	}
	text := secret.New("a token of some length")
	sealed := s.Seal("ses_1", text)
	if bytes.Contains(sealed, []byte("token")) || bytes.Equal(sealed, s.Seal("ses_1", text)) {
		t.Error("sealed text shows, or is the same each time")
	}
	if got, err := s.Open("ses_1", sealed); err != nil || got.Reveal() != text.Reveal() {
		t.Errorf("%q, %v", got.Reveal(), err)
	}
	other, err := secret.NewSealer(key, "draft")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open("ses_1", sealed); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("opened for another purpose: %v", err)
	}
	if _, err := s.Open("ses_2", sealed); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("opened at another place: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open("ses_1", changed); !errors.Is(err, secret.ErrSealed) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for n := range sealed {
		if _, err := s.Open("ses_1", sealed[:n]); !errors.Is(err, secret.ErrSealed) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}
