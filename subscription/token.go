package subscription

import (
	"crypto/rand"
	"hash/crc32"
)

// The text of a key is Prefix, a public ID, a secret and a checksum, in base 32 (RFC 4648, lower case):
//
//	sk-lh-  16 characters (80 bits)  40 characters (200 bits)  7 characters (CRC-32 of all before)
const (
	// Prefix starts every key, so that secret scanners find them.
	Prefix       = "sk-lh-"
	publicChars  = 16
	secretChars  = 40
	crcChars     = 7
	tokenChars   = len(Prefix) + publicChars + secretChars + crcChars
	secretAt     = len(Prefix) + publicChars
	crcAt        = secretAt + secretChars
	base32Digits = "abcdefghijklmnopqrstuvwxyz234567"
)

// newToken returns a fresh key.
func newToken() []byte {
	random := make([]byte, publicChars+secretChars)
	_, _ = rand.Read(random) // never fails: it would end the process
	token := make([]byte, 0, tokenChars)
	token = append(token, Prefix...)
	for _, b := range random {
		// 256 is a multiple of 32, so no digit is likelier than another.
		token = append(token, base32Digits[b&31])
	}
	return appendChecksum(token)
}

// appendChecksum appends the CRC-32 (IEEE) of b in seven digits, the lowest bits last.
func appendChecksum(b []byte) []byte {
	digits := checksum(b)
	return append(b, digits[:]...)
}

func checksum(b []byte) (digits [crcChars]byte) {
	sum := crc32.ChecksumIEEE(b)
	for i := crcChars - 1; i >= 0; i-- {
		digits[i] = base32Digits[sum&31]
		sum >>= 5
	}
	return digits
}

// wellFormed says whether b can be a key at all. Typing errors and foreign keys end here, without a look-up.
func wellFormed(b []byte) bool {
	return len(b) == tokenChars && string(b[:len(Prefix)]) == Prefix && checksum(b[:crcAt]) == [crcChars]byte(b[crcAt:])
}

// publicID returns the public part of a well-formed key.
func publicID(b []byte) []byte { return b[len(Prefix):secretAt] }
