package iamtest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"
)

// step is how long a passcode is shown.
const step = 30 * time.Second

// Passcode returns what a virtual MFA device with the seed shows at a time: six digits, as of RFC 6238 with SHA-1.
func Passcode(seed string, at time.Time) string {
	mac := hmac.New(sha1.New, []byte(seed))
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/int64(step/time.Second))
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[offset:])&0x7fffffff)%1_000_000)
}

// DeviceKey returns the seed in the form that authenticator apps, and Keystone, take it in.
func (u User) DeviceKey() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(u.Seed))
}
