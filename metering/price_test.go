package metering

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"llmhub/store"
)

func amount(t testing.TB, s string) Amount {
	t.Helper()
	a, err := ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func day(t testing.TB, s string) store.Day {
	t.Helper()
	d, err := store.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func rat(t interface{ Fatalf(string, ...any) }, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q is no number", s)
	}
	return r
}

func TestParseAmount(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0.00", "0.15": "0.15", "1": "1.00", "1.5": "1.50", "007.10": "7.10", "0.000000000001": "0.000000000001",
		"999999999.999999999": "999999999.999999999", "0.075": "0.075", "12345678901234567890": "12345678901234567890.00",
	} {
		if got := amount(t, in).String(); got != want {
			t.Errorf("%q gives %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{
		"", ".", ".5", "5.", "-1", "+1", "1e3", "0x1", "1,5", "1.2.3", " 1", "1 ", "1_000", "NaN", "Inf", "٣", "½",
		"0.0000000000001", strings.Repeat("1", 41), strings.Repeat("9", 1<<20), "1\n", "1\x00",
	} {
		a, err := ParseAmount(in)
		if err == nil || !a.IsZero() {
			t.Errorf("%.50q gives %s", in, a)
		} else if len(err.Error()) > 500 {
			t.Errorf("the error repeats %d bytes", len(err.Error()))
		}
	}
	if s := (Amount{}).String(); s != "0.00" {
		t.Errorf("the zero Amount is %s", s)
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"0.15", "1", "00.10", "-1", "1e9", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAmount(s)
		if err != nil {
			return
		}
		if rat(t, s).Cmp(rat(t, a.String())) != 0 {
			t.Errorf("%q gives %s", s, a)
		}
	})
}

// drawDecimal draws the text of a price.
func drawDecimal(t *rapid.T, label string) string {
	return rapid.StringMatching(`[0-9]{1,9}(\.[0-9]{1,12})?`).Draw(t, label)
}

// ratCharge is the definition of a charge.
func ratCharge(t interface{ Fatalf(string, ...any) }, input, cached, output string, u store.Tokens) *big.Rat {
	sum := new(big.Rat)
	for price, n := range map[*big.Rat]int64{
		rat(t, input): u.Input - u.CachedInput, rat(t, cached): u.CachedInput, rat(t, output): u.Output,
	} {
		sum.Add(sum, new(big.Rat).Mul(price, big.NewRat(n, 1_000_000)))
	}
	return sum
}

func TestChargeIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		input, cached, output := drawDecimal(rt, "input"), drawDecimal(rt, "cached"), drawDecimal(rt, "output")
		p := Price{InputPerMillion: amount(t, input), CachedInputPerMillion: amount(t, cached), OutputPerMillion: amount(t, output)}
		want, got := new(big.Rat), Amount{}
		for range rapid.IntRange(1, 5).Draw(rt, "rows") {
			limit := rapid.SampledFrom([]int64{10, 1e6, 1e15, math.MaxInt64}).Draw(rt, "limit")
			u := store.Tokens{Input: rapid.Int64Range(0, limit).Draw(rt, "in"), Output: rapid.Int64Range(0, limit).Draw(rt, "out")}
			u.CachedInput = rapid.Int64Range(0, u.Input).Draw(rt, "cached")
			u.Reasoning = rapid.Int64Range(0, u.Output).Draw(rt, "reasoning") // part of the output, not charged again
			want.Add(want, ratCharge(rt, input, cached, output, u))
			got = got.Add(p.Charge(u))
		}
		if rat(rt, got.String()).Cmp(want) != 0 {
			rt.Fatalf("charge %s, want %s", got, want.FloatString(18))
		}
	})
}

func TestChargeOfCachedInput(t *testing.T) {
	u := store.Tokens{Input: 3_000_000, CachedInput: 1_000_000, Output: 1_000_000, Reasoning: 1_000_000}
	p := Price{InputPerMillion: amount(t, "2"), OutputPerMillion: amount(t, "10")}
	if got := p.Charge(u).String(); got != "16.00" {
		t.Errorf("without a price of its own cached input is charged as input: %s, want 16.00", got)
	}
	p.CachedInputPerMillion = amount(t, "0")
	if got := p.Charge(u).String(); got != "14.00" {
		t.Errorf("cached input for nothing: %s, want 14.00", got)
	}
	p.CachedInputPerMillion = amount(t, "0.5")
	if got := p.Charge(u).String(); got != "14.50" {
		t.Errorf("got %s, want 14.50", got)
	}
	// A model server that reports more cached than there was must not make the charge fall.
	u.CachedInput = 5_000_000
	if got := p.Charge(u).String(); got != "11.50" {
		t.Errorf("got %s, want 11.50", got)
	}
}

func TestPriceListAt(t *testing.T) {
	list := PriceList{"m": {
		{From: day(t, "2026-01-01"), InputPerMillion: amount(t, "1")},
		{From: day(t, "2026-11-10"), InputPerMillion: amount(t, "2")},
		{From: day(t, "2027-01-01"), InputPerMillion: amount(t, "3")},
	}}
	for d, want := range map[string]string{
		"2025-12-31": "", "2026-01-01": "1.00", "2026-11-09": "1.00", "2026-11-10": "2.00", "2026-12-31": "2.00",
		"2027-01-01": "3.00", "2999-01-01": "3.00",
	} {
		p, ok := list.At("m", day(t, d))
		if ok != (want != "") || ok && p.InputPerMillion.String() != want {
			t.Errorf("%s: %s, %t; want %q", d, p.InputPerMillion, ok, want)
		}
	}
	for _, l := range []PriceList{nil, {}, list} {
		if _, ok := l.At("other", day(t, "2026-11-10")); ok {
			t.Error("a model without prices has one")
		}
	}
}

func TestAmountOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x, y := drawDecimal(rt, "x"), drawDecimal(rt, "y")
		a, b := amount(t, x), amount(t, y)
		if a.Cmp(b) != rat(rt, x).Cmp(rat(rt, y)) || a.Add(b).Cmp(b.Add(a)) != 0 || a.IsZero() != (rat(rt, x).Sign() == 0) {
			rt.Fatalf("%s and %s", a, b)
		}
		if a.String() != amount(t, x).String() {
			rt.Fatal("Add has changed its operand")
		}
	})
}
