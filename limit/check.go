package limit

import (
	"strconv"

	"llmhub/fault"
	"llmhub/metering"
)

const (
	// MaxRule bounds each number and the amount of a rule: more limits nothing that could be reached.
	MaxRule = 1_000_000_000_000
	// amountDecimals is how many decimals a budget in money can have.
	amountDecimals = 12
)

var maxAmount = func() metering.Amount {
	a, err := metering.ParseAmount(strconv.FormatInt(MaxRule, 10))
	if err != nil {
		panic(err)
	}
	return a
}()

// Numbers are the rules that are whole numbers, by their JSON names, in the order in which they are shown.
func (r *Rules) Numbers() []Number {
	return []Number{
		{"requests_per_minute", &r.RequestsPerMinute}, {"input_tokens_per_minute", &r.InputTokensPerMinute},
		{"output_tokens_per_minute", &r.OutputTokensPerMinute}, {"concurrency", &r.Concurrency}, {"monthly_tokens", &r.MonthlyTokens},
	}
}

// Number is a rule that is a whole number; 0 limits nothing.
type Number struct {
	Name  string
	Value *int64
}

// HasBudget says whether a month's use is bounded.
func (r Rules) HasBudget() bool { return r.MonthlyTokens > 0 || r.MonthlyAmount != "" }

// Check returns the rules as they are kept, or all that is wrong with them as fault.Faults: its fields are the JSON names
// of the rules. Rules that limit nothing are the zero value, whatever DryRun says.
func (r Rules) Check() (Rules, error) {
	var wrong []error
	for _, n := range r.Numbers() {
		if *n.Value < 0 || *n.Value > MaxRule {
			wrong = append(wrong, fault.New(fault.Invalid, n.Name, "must be a whole number from 1 to %d", int64(MaxRule)))
		}
	}
	if r.MonthlyAmount != "" {
		a, err := metering.ParseAmount(r.MonthlyAmount)
		if err != nil || a.IsZero() || a.Cmp(maxAmount) > 0 {
			wrong = append(wrong, fault.New(fault.Invalid, "monthly_amount", "must be an amount such as 25.00, more than 0 and at most %d, with at most %d decimals", int64(MaxRule), amountDecimals))
		}
		r.MonthlyAmount = a.String()
	}
	if err := fault.Join(wrong...); err != nil {
		return Rules{}, err
	}
	if r.IsZero() {
		return Rules{}, nil
	}
	return r, nil
}
