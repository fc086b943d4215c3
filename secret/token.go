package secret

import (
	"crypto/rand"
	"hash/crc32"
)

// TokenForm is the prefix of a kind of tokens. The text of a token is the prefix, a public ID, a secret and a checksum,
// in base 32 (RFC 4648, lower case):
//
//	PREFIX  16 characters (80 bits)  40 characters (200 bits)  7 characters (CRC-32 of all before)
//
// The prefix lets secret scanners find it, the checksum ends typing errors without a look-up.
type TokenForm string

const (
	tokenPublic  = 16
	tokenSecret  = 40
	tokenCRC     = 7
	base32Digits = "abcdefghijklmnopqrstuvwxyz234567"
)

// New returns a fresh token.
func (f TokenForm) New() []byte {
	random := make([]byte, tokenPublic+tokenSecret)
	_, _ = rand.Read(random) // never fails: it would end the process
	token := make([]byte, 0, f.size())
	token = append(token, f...)
	for _, b := range random {
		// 256 is a multiple of 32, so no digit is likelier than another.
		token = append(token, base32Digits[b&31])
	}
	digits := tokenChecksum(token)
	return append(token, digits[:]...)
}

func (f TokenForm) size() int { return len(f) + tokenPublic + tokenSecret + tokenCRC }

// tokenChecksum returns the CRC-32 (IEEE) of b in seven digits, the lowest bits last.
func tokenChecksum(b []byte) (digits [tokenCRC]byte) {
	sum := crc32.ChecksumIEEE(b)
	for i := tokenCRC - 1; i >= 0; i-- {
		digits[i] = base32Digits[sum&31]
		sum >>= 5
	}
	return digits
}

// WellFormed says whether b can be a token of this form at all.
func (f TokenForm) WellFormed(b []byte) bool {
	crcAt := f.size() - tokenCRC
	return len(b) == f.size() && string(b[:len(f)]) == string(f) && tokenChecksum(b[:crcAt]) == [tokenCRC]byte(b[crcAt:])
}

// PublicID returns the public ID of a well-formed token.
func (f TokenForm) PublicID(b []byte) []byte { return b[len(f) : len(f)+tokenPublic] }

// Shown returns the beginning of a well-formed token, to recognise it by: all but the secret.
func (f TokenForm) Shown(b []byte) string { return string(b[:len(f)+tokenPublic]) }
