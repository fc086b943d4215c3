package limit_test

import (
	"errors"
	"slices"
	"testing"

	"llmhub/fault"
	"llmhub/limit"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		in, out limit.Rules
		wrong   []string
	}{
		"nothing":            {},
		"dry run of nothing": {in: limit.Rules{DryRun: true}},
		"the largest": {
			in:  limit.Rules{RequestsPerMinute: limit.MaxRule, MonthlyAmount: "1000000000000"},
			out: limit.Rules{RequestsPerMinute: limit.MaxRule, MonthlyAmount: "1000000000000.00"},
		},
		"the smallest": {
			in:  limit.Rules{Concurrency: 1, MonthlyTokens: 1, MonthlyAmount: "0.000000000001", DryRun: true},
			out: limit.Rules{Concurrency: 1, MonthlyTokens: 1, MonthlyAmount: "0.000000000001", DryRun: true},
		},
		"an amount is kept in one form": {in: limit.Rules{MonthlyAmount: "025.5"}, out: limit.Rules{MonthlyAmount: "25.50"}},
		"all wrong": {
			in: limit.Rules{RequestsPerMinute: -1, InputTokensPerMinute: limit.MaxRule + 1, OutputTokensPerMinute: -5, Concurrency: -1, MonthlyTokens: -1, MonthlyAmount: "x"},
			wrong: []string{
				"requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute", "concurrency", "monthly_tokens", "monthly_amount",
			},
		},
		"no money":         {in: limit.Rules{MonthlyAmount: "0.00"}, wrong: []string{"monthly_amount"}},
		"negative money":   {in: limit.Rules{MonthlyAmount: "-1"}, wrong: []string{"monthly_amount"}},
		"a comma":          {in: limit.Rules{MonthlyAmount: "25,00"}, wrong: []string{"monthly_amount"}},
		"an exponent":      {in: limit.Rules{MonthlyAmount: "1e3"}, wrong: []string{"monthly_amount"}},
		"too many digits":  {in: limit.Rules{MonthlyAmount: "0.0000000000001"}, wrong: []string{"monthly_amount"}},
		"too much":         {in: limit.Rules{MonthlyAmount: "1000000000000.01"}, wrong: []string{"monthly_amount"}},
		"a very long text": {in: limit.Rules{MonthlyAmount: string(make([]byte, 1<<20))}, wrong: []string{"monthly_amount"}},
	} {
		got, err := c.in.Check()
		var wrong []string
		var faults fault.Faults
		if errors.As(err, &faults) {
			for _, f := range faults {
				wrong = append(wrong, f.Field)
			}
		}
		if got != c.out || !slices.Equal(wrong, c.wrong) || (err != nil) != (c.wrong != nil) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if again, err := got.Check(); again != got || err != nil {
			t.Errorf("%s: checked again it is %+v, %v", name, again, err)
		}
	}
}
