package secret

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrSealed says that something sealed cannot be opened: made with another key, for another place, or changed since.
var ErrSealed = errors.New("sealed by another key or changed since")

// Sealer seals texts that have to be had again, with XChaCha20-Poly1305. It may be used concurrently.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a sealer for one purpose: what is sealed for one cannot be opened for another. key is that of LoadKey.
func NewSealer(key []byte, purpose string) (*Sealer, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "llmhub seal "+purpose, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	aead, err := chacha20poly1305.NewX(derived)
	if err != nil {
		return nil, fmt.Errorf("make sealer: %w", err)
	}
	return &Sealer{aead}, nil
}

// Seal returns the sealed form of a text. place, such as the ID of the document it is kept in, must be given again to
// open it, so that sealed texts cannot be exchanged.
func (s *Sealer) Seal(place string, t Text) []byte {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(t.Reveal())+s.aead.Overhead())
	_, _ = rand.Read(nonce)
	return s.aead.Seal(nonce, nonce, []byte(t.Reveal()), []byte(place))
}

// Open returns the text, or an error that wraps ErrSealed.
func (s *Sealer) Open(place string, sealed []byte) (Text, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return Text{}, ErrSealed
	}
	text, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(place))
	if err != nil {
		return Text{}, ErrSealed
	}
	return New(string(text)), nil
}
