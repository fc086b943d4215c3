package subscription

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
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

const pepperBytes = 32

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

// LoadPepper returns the pepper kept in the data folder, and makes one if there is none. The file must not be lost:
// without it no key made with it is good any more.
func LoadPepper(dir string) ([]byte, error) {
	path := filepath.Join(dir, "pepper")
	pepper, err := readPepper(path)
	if err == nil {
		// Whoever made it may have died before its name was durable.
		return pepper, syncDir(dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := writePepper(dir, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make pepper: %w", err)
	}
	// Another process may have been faster: what the file says holds.
	return readPepper(path)
}

func readPepper(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s must be a file that only its owner can read: chmod 600 it, and make new keys if others may have read it", path)
	}
	if info.Size() != pepperBytes {
		return nil, fmt.Errorf("%s has %d bytes in place of %d: restore it from a backup", path, info.Size(), pepperBytes)
	}
	return os.ReadFile(path)
}

// writePepper makes the file whole or not at all, and durable.
func writePepper(dir, path string) error {
	tmp, err := os.CreateTemp(dir, "pepper-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	var pepper [pepperBytes]byte
	_, _ = rand.Read(pepper[:])
	_, err = tmp.Write(pepper[:])
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	// A link fails where the file exists, which a rename would replace.
	if err := os.Link(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
