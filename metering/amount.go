package metering

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
)

const (
	// amountDigits is the precision of an Amount: prices have at most priceDigits decimals, and a token costs a
	// millionth of a price, as does what least of all other units is charged by, so that every charge is exact.
	amountDigits = 18
	priceDigits  = 12
	// maxAmountChars bounds the text of an amount.
	maxAmountChars = 40
)

var oneUnit = new(big.Int).Exp(big.NewInt(10), big.NewInt(amountDigits), nil)

// Amount is an exact, non-negative amount of money, in the currency kept beside it. The zero Amount is nothing; as a price
// it stands for none, other than a parsed "0".
type Amount struct {
	units *big.Int // of 10^-18; never changed; nil is 0
}

func (a Amount) int() *big.Int {
	if a.units == nil {
		return new(big.Int)
	}
	return a.units
}

// ParseAmount reads a decimal such as "0.15", with at most twelve decimals. There is no sign and no exponent.
func ParseAmount(s string) (Amount, error) {
	whole, fraction, point := strings.Cut(s, ".")
	if len(s) > maxAmountChars || whole == "" || point && fraction == "" || len(fraction) > priceDigits ||
		!digitsOnly(whole) || !digitsOnly(fraction) {
		return Amount{}, fmt.Errorf("%.50q is not an amount such as \"0.15\" (at most %d decimals)", s, priceDigits)
	}
	units, _ := new(big.Int).SetString(whole+fraction+strings.Repeat("0", amountDigits-len(fraction)), 10)
	return Amount{units}, nil
}

func digitsOnly(s string) bool { return strings.Trim(s, "0123456789") == "" }

// String returns the exact decimal, with two decimals at least.
func (a Amount) String() string {
	whole, rest := new(big.Int).QuoRem(a.int(), oneUnit, new(big.Int))
	digits := rest.String()
	fraction := strings.TrimRight(strings.Repeat("0", amountDigits-len(digits))+digits, "0")
	return whole.String() + "." + fraction + strings.Repeat("0", max(0, 2-len(fraction)))
}

// Add returns a + b.
func (a Amount) Add(b Amount) Amount { return Amount{new(big.Int).Add(a.int(), b.int())} }

// Cmp returns -1, 0 or +1 as a is less than, equal to or greater than b.
func (a Amount) Cmp(b Amount) int { return a.int().Cmp(b.int()) }

// IsZero says whether it is nothing.
func (a Amount) IsZero() bool { return a.int().Sign() == 0 }

// IsSet says whether it is a price: anything but the zero Amount.
func (a Amount) IsSet() bool { return a.units != nil }

// Uint128 returns the amount in units of 10^-18 as a number of 128 bits, the largest there is for an amount beyond it.
func (a Amount) Uint128() (hi, lo uint64) {
	n := a.int()
	if n.BitLen() > 128 {
		return math.MaxUint64, math.MaxUint64
	}
	var b [16]byte
	n.FillBytes(b[:])
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// AmountOfUint128 is the reverse of Amount.Uint128.
func AmountOfUint128(hi, lo uint64) Amount {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return Amount{new(big.Int).SetBytes(b[:])}
}

// of returns what n cost at the price a for so many of them, at most a million. Prices have at most twelve decimals, so
// that the division leaves no rest.
func (a Amount) of(n, many int64) Amount {
	units := new(big.Int).Mul(a.int(), big.NewInt(n))
	return Amount{units.Quo(units, big.NewInt(many))}
}
