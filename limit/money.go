package limit

import (
	"math"
	"math/big"
	"math/bits"

	"llmhub/metering"
)

// money is an exact amount in units of 10^-18 of the billing currency. It is what metering.Amount is, without
// allocation; what goes beyond 128 bits stays at the largest number.
type money struct{ hi, lo uint64 }

var mostMoney = money{math.MaxUint64, math.MaxUint64}

func moneyOf(a metering.Amount) money {
	hi, lo := a.Uint128()
	return money{hi, lo}
}

func (m money) amount() metering.Amount { return metering.AmountOfUint128(m.hi, m.lo) }

func (m money) isZero() bool { return m == money{} }

func (m money) less(n money) bool { return m.hi < n.hi || m.hi == n.hi && m.lo < n.lo }

func (m money) plus(n money) money {
	lo, carry := bits.Add64(m.lo, n.lo, 0)
	hi, over := bits.Add64(m.hi, n.hi, carry)
	if over != 0 {
		return mostMoney
	}
	return money{hi, lo}
}

// minus returns m - n, nothing where n is more.
func (m money) minus(n money) money {
	lo, borrow := bits.Sub64(m.lo, n.lo, 0)
	hi, under := bits.Sub64(m.hi, n.hi, borrow)
	if under != 0 {
		return money{}
	}
	return money{hi, lo}
}

// times returns m for n tokens; n must not be negative.
func (m money) times(n int64) money {
	hi, lo := bits.Mul64(m.lo, uint64(n))
	over, top := bits.Mul64(m.hi, uint64(n))
	hi, carry := bits.Add64(hi, top, 0)
	if over != 0 || carry != 0 {
		return mostMoney
	}
	return money{hi, lo}
}

// halved returns m halved n times; n must be less than 64.
func (m money) halved(n uint) money { return money{m.hi >> n, m.lo>>n | m.hi<<(64-n)} }

// over returns how many times n fits into m, as far as it can be counted.
func (m money) over(n money) int64 {
	switch {
	case n.isZero():
		return math.MaxInt64
	case n.hi == 0 && m.hi < n.lo:
		q, _ := bits.Div64(m.hi, m.lo, n.lo)
		return int64(min(q, math.MaxInt64))
	case n.hi == 0:
		return math.MaxInt64
	}
	q := new(big.Int).Quo(m.big(), n.big())
	return q.Int64() // n has more than 64 bits, so that this has less
}

func (m money) big() *big.Int {
	n := new(big.Int).SetUint64(m.hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(m.lo))
}

// reached says whether m is so many per cent of a whole or more.
func (m money) reached(percent int64, whole money) bool {
	return !m.times(100).less(whole.times(percent))
}
