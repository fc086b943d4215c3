package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"llmhub/fault"
	"llmhub/secret"
)

// Passwords are hashed by argon2id with the least that OWASP recommends, 19 MiB in two passes. RFC 9106 prefers 64 MiB,
// but the memory is that of the gateway, whose callers must not feel that operators sign in: twelve characters
// and the throttle make up for it. The text of a hash holds its parameters, so that they can be raised.
const (
	argonPasses   = 2
	argonKiB      = 19 * 1024
	argonThreads  = 1
	argonSalt     = 16
	argonHash     = 32
	maxArgonKiB   = 256 * 1024
	maxArgonTimes = 16
	// maxHashing bounds how many passwords are hashed at once, and with it the memory: 38 MiB.
	maxHashing = 2
)

// Limits of passwords.
const (
	minPasswordRunes = 12
	maxPasswordBytes = 256
)

var errPasswordHash = errors.New("a password's hash is not in PHC form")

// hashing admits those who hash passwords.
type hashing chan struct{}

// enter waits for a place; leave gives it back.
func (h hashing) enter(ctx context.Context) error {
	select {
	case h <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h hashing) leave() { <-h }

// checkPassword refuses passwords that are too short to withstand guessing.
func checkPassword(p secret.Text) error {
	text := p.Reveal()
	switch {
	case !utf8.ValidString(text):
		return fault.New(fault.Invalid, "password", "must be UTF-8")
	case utf8.RuneCountInString(text) < minPasswordRunes:
		return fault.New(fault.Invalid, "password", "must have at least %d characters", minPasswordRunes)
	case len(text) > maxPasswordBytes:
		return fault.New(fault.Invalid, "password", "must have at most %d bytes", maxPasswordBytes)
	}
	return nil
}

// hash returns the PHC text of a password's hash with a fresh salt.
func (h hashing) hash(ctx context.Context, p secret.Text) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt)
	sum := argon2.IDKey([]byte(p.Reveal()), salt, argonPasses, argonKiB, argonThreads, argonHash)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, argonKiB, argonPasses, argonThreads, b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}

// matches says whether a password is that of a hash.
func (h hashing) matches(ctx context.Context, p secret.Text, phc string) (bool, error) {
	a, err := parseHash(phc)
	if err != nil {
		return false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	sum := argon2.IDKey([]byte(p.Reveal()), a.salt, a.passes, a.kib, a.threads, uint32(len(a.sum)))
	return subtle.ConstantTimeCompare(sum, a.sum) == 1, nil
}

// argonText is what the PHC text of a hash says.
type argonText struct {
	passes, kib uint32
	threads     uint8
	salt, sum   []byte
}

// parseHash reads what hash writes, with any parameters that are not absurd.
func parseHash(phc string) (a argonText, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return a, errPasswordHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &a.kib, &a.passes, &a.threads); err != nil {
		return a, errPasswordHash
	}
	a.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return a, errPasswordHash
	}
	a.sum, err = base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(a.salt) < 8 || len(a.sum) < 16 || len(a.sum) > 64 ||
		a.kib < 8 || a.kib > maxArgonKiB || a.passes < 1 || a.passes > maxArgonTimes || a.threads < 1 {
		return a, errPasswordHash
	}
	return a, nil
}
