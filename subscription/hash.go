package subscription

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// The schemes by which keys are hashed, as they are stored.
const (
	// schemeHMAC begins the scheme of HMAC-SHA-256 with a pepper: a stolen database alone does not help to test guesses.
	// A colon and the pepper's fingerprint follow, so that a lost or exchanged pepper is noticed.
	schemeHMAC = "hmac-sha256"
	// schemeSHA256 is a bare SHA-256. A secret of 200 random bits needs no salt and no slow hash.
	schemeSHA256 = "sha256"
)

// Hasher hashes the texts of keys. It may be used concurrently.
type Hasher struct {
	scheme string
	states sync.Pool // of *hashState
}

// hashState is a hash and the room for its result.
type hashState struct {
	hash.Hash
	sum [sha256.Size]byte
}

// NewHasher returns a hasher with a pepper, or one for bare hashes if the pepper is nil.
func NewHasher(pepper []byte) *Hasher {
	h := &Hasher{scheme: schemeSHA256}
	h.states.New = func() any { return &hashState{Hash: sha256.New()} }
	if pepper != nil {
		secret := append([]byte(nil), pepper...)
		h.states.New = func() any { return &hashState{Hash: hmac.New(sha256.New, secret)} }
		fingerprint := h.sum([]byte("llmhub pepper"))
		h.scheme = schemeHMAC + ":" + hex.EncodeToString(fingerprint[:4])
	}
	return h
}

// Scheme returns the name of the scheme, as it is stored with keys.
func (h *Hasher) Scheme() string { return h.scheme }

// accepts returns nil if the key was hashed as the hasher hashes, or else what to set right.
func (h *Hasher) accepts(k Key) error {
	peppered, peppers := strings.HasPrefix(k.Scheme, schemeHMAC+":"), h.scheme != schemeSHA256
	switch {
	case k.Scheme == h.scheme:
		return nil
	case peppered && peppers:
		return fmt.Errorf("key %s was made with another pepper: restore the file pepper of the data folder", k.ID)
	case peppered:
		return fmt.Errorf("key %s was made with a pepper, but none is in use: set keys.pepper as it was", k.ID)
	case k.Scheme == schemeSHA256:
		return fmt.Errorf("key %s was made without a pepper, but one is in use: set keys.pepper as it was", k.ID)
	}
	return fmt.Errorf("key %s was hashed by %q, which is not known here", k.ID, k.Scheme)
}

// sum returns the hash of a key's text.
func (h *Hasher) sum(token []byte) [sha256.Size]byte {
	s := h.states.Get().(*hashState)
	s.Reset()
	s.Write(token)
	s.Hash.Sum(s.sum[:0])
	sum := s.sum
	h.states.Put(s)
	return sum
}
