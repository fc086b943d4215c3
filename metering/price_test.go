package metering

import (
	"math"
	"math/big"
	"reflect"
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

// ratUnits is the definition of a charge of other units than tokens, and says whether all have a price.
func ratUnits(t interface{ Fatalf(string, ...any) }, prices map[store.Unit]string, q store.Quantities) (*big.Rat, bool) {
	sum, all := new(big.Rat), true
	for _, x := range q {
		price, priced := prices[x.Unit]
		per := int64(1)
		switch x.Unit {
		case store.UnitAudioMillisecond, store.UnitSearch:
			per = 1000
		case store.UnitCharacter:
			per = 1_000_000
		default:
			if !priced {
				price, priced = prices[store.UnitImage]
			}
		}
		if all = all && priced; priced {
			sum.Add(sum, new(big.Rat).Mul(rat(t, price), big.NewRat(x.N, per)))
		}
	}
	return sum, all
}

func TestChargeIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		input, cached, output := drawDecimal(rt, "input"), drawDecimal(rt, "cached"), drawDecimal(rt, "output")
		p := Price{InputPerMillion: amount(t, input), CachedInputPerMillion: amount(t, cached), OutputPerMillion: amount(t, output),
			Units: map[store.Unit]Amount{}}
		units := map[store.Unit]string{}
		for _, u := range rapid.SliceOfDistinct(rapid.SampledFrom(store.Units()), rapid.ID[store.Unit]).Draw(rt, "priced") {
			units[u] = drawDecimal(rt, u.String())
			p.Units[u] = amount(t, units[u])
		}
		want, got := new(big.Rat), Amount{}
		for range rapid.IntRange(1, 5).Draw(rt, "rows") {
			limit := rapid.SampledFrom([]int64{10, 1e6, 1e15, math.MaxInt64}).Draw(rt, "limit")
			u := store.Tokens{Input: rapid.Int64Range(0, limit).Draw(rt, "in"), Output: rapid.Int64Range(0, limit).Draw(rt, "out")}
			u.CachedInput = rapid.Int64Range(0, u.Input).Draw(rt, "cached")
			u.Reasoning = rapid.Int64Range(0, u.Output).Draw(rt, "reasoning") // part of the output, not charged again
			want.Add(want, ratCharge(rt, input, cached, output, u))
			var q store.Quantities
			for _, unit := range rapid.SliceOfDistinct(rapid.SampledFrom(store.Units()), rapid.ID[store.Unit]).Draw(rt, "used") {
				q = q.Plus(unit, rapid.Int64Range(1, limit).Draw(rt, "quantity"))
			}
			more, priced := ratUnits(rt, units, q)
			charge, complete := p.Charge(u, q)
			if complete != priced {
				rt.Fatalf("%v at %v: complete is %t", q, units, complete)
			}
			want.Add(want, more)
			got = got.Add(charge)
		}
		if rat(rt, got.String()).Cmp(want) != 0 {
			rt.Fatalf("charge %s, want %s", got, want.FloatString(18))
		}
	})
}

func charge(p Price, t store.Tokens) string {
	a, _ := p.Charge(t, nil)
	return a.String()
}

// TestChargeSaysWhatHasNoPrice: what was used and has no price is left out, and said to be.
func TestChargeSaysWhatHasNoPrice(t *testing.T) {
	some := store.Tokens{Input: 1_000_000, CachedInput: 500_000, Output: 1_000_000}
	units := func(pairs ...any) map[store.Unit]Amount {
		m := map[store.Unit]Amount{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(store.Unit)] = amount(t, pairs[i+1].(string))
		}
		return m
	}
	used := func(u store.Unit, n int64) store.Quantities { return store.Quantities{}.Plus(u, n) }
	one := amount(t, "1")
	for _, c := range []struct {
		name  string
		price Price
		t     store.Tokens
		q     store.Quantities
		want  string
		all   bool
	}{
		{"nothing used", Price{}, store.Tokens{}, nil, "0.00", true},
		{"no price", Price{}, some, nil, "0.00", false},
		{"no output price", Price{InputPerMillion: one}, some, nil, "1.00", false},
		{"no output", Price{InputPerMillion: one}, store.Tokens{Input: 5}, nil, "0.000005", true},
		{"no input price", Price{OutputPerMillion: one}, some, nil, "1.00", false},
		{"cached alone", Price{CachedInputPerMillion: one}, store.Tokens{Input: 7, CachedInput: 7}, nil, "0.000007", true},
		{"no unit price", Price{InputPerMillion: one, OutputPerMillion: one}, some, used(store.UnitImage, 1), "2.00", false},
		{"for nothing", Price{Units: units(store.UnitImage, "0")}, store.Tokens{}, used(store.UnitImage1024, 3), "0.00", true},
		{"tokens of an image model", Price{Units: units(store.UnitImage, "0.04")}, store.Tokens{Input: 9}, used(store.UnitImage, 2), "0.08", false},
		{"its own size", Price{Units: units(store.UnitImage, "0.04", store.UnitImageTall, "0.08")}, store.Tokens{}, used(store.UnitImageTall, 2), "0.16", true},
		{"another size", Price{Units: units(store.UnitImageTall, "0.08")}, store.Tokens{}, used(store.UnitImage, 2), "0.00", false},
		{"a millisecond", Price{Units: units(store.UnitAudioMillisecond, "0.000000000001")}, store.Tokens{}, used(store.UnitAudioMillisecond, 1), "0.000000000000001", true},
		{"a character", Price{Units: units(store.UnitCharacter, "0.000000000001")}, store.Tokens{}, used(store.UnitCharacter, 1), "0.000000000000000001", true},
		{"searches", Price{Units: units(store.UnitSearch, "2")}, store.Tokens{}, used(store.UnitSearch, 1500), "3.00", true},
		{"audio is no image", Price{Units: units(store.UnitImage, "2")}, store.Tokens{}, used(store.UnitAudioMillisecond, 1), "0.00", false},
	} {
		a, all := c.price.Charge(c.t, c.q)
		if a.String() != c.want || all != c.all {
			t.Errorf("%s: %s, %t; want %s, %t", c.name, a, all, c.want, c.all)
		}
		if _, all := (PriceList{}).Charge("m", 1, c.t, c.q); all {
			t.Errorf("%s: a model without prices has one", c.name)
		}
	}
}

// TestQuantityCountsNameAllUnits: the words that the API's document gives are those of all units.
func TestQuantityCountsNameAllUnits(t *testing.T) {
	var words []string
	for _, u := range store.Units() {
		words = append(words, CountQuantities(store.Quantities{{Unit: u, N: 1}}).Quantities[0].Unit)
	}
	f, _ := reflect.TypeFor[QuantityCount]().FieldByName("Unit")
	if got, want := f.Tag.Get("enum"), strings.Join(words, ","); got != want {
		t.Errorf("the document says %s, want %s", got, want)
	}
}

func TestChargeOfCachedInput(t *testing.T) {
	u := store.Tokens{Input: 3_000_000, CachedInput: 1_000_000, Output: 1_000_000, Reasoning: 1_000_000}
	p := Price{InputPerMillion: amount(t, "2"), OutputPerMillion: amount(t, "10")}
	if got := charge(p, u); got != "16.00" {
		t.Errorf("without a price of its own cached input is charged as input: %s, want 16.00", got)
	}
	p.CachedInputPerMillion = amount(t, "0")
	if got := charge(p, u); got != "14.00" {
		t.Errorf("cached input for nothing: %s, want 14.00", got)
	}
	p.CachedInputPerMillion = amount(t, "0.5")
	if got := charge(p, u); got != "14.50" {
		t.Errorf("got %s, want 14.50", got)
	}
	// A model server that reports more cached than there was must not make the charge fall.
	u.CachedInput = 5_000_000
	if got := charge(p, u); got != "11.50" {
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
