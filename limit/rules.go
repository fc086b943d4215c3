// Package limit keeps requests within what a key, or a subscription's use of a model, may take: requests and tokens a
// minute, requests at once, and a budget of tokens or money a month.
//
// Rules are what operators and customers set; they are kept in the documents of package subscription. An Engine holds
// what has been used, in memory: rates and concurrency are forgotten with the process, budgets are read from the ledger.
// A budget is never overspent by requests that the engine has admitted: each holds a reservation of what it can cost,
// which grows while its answer streams and is let go of when its usage has been committed.
package limit

import (
	"llmhub/metering"
)

// Rules are the limits of one scope. The zero value limits nothing; nor does a zero field.
type Rules struct {
	RequestsPerMinute     int64 `json:"requests_per_minute,omitempty"`
	InputTokensPerMinute  int64 `json:"input_tokens_per_minute,omitempty"`
	OutputTokensPerMinute int64 `json:"output_tokens_per_minute,omitempty"`
	// Concurrency bounds the requests under way at once.
	Concurrency int64 `json:"concurrency,omitempty"`
	// MonthlyTokens bounds input and output tokens together, MonthlyAmount what they and other units cost, a decimal such
	// as "25.00" in the billing currency. A month is one of the billing time zone.
	MonthlyTokens int64  `json:"monthly_tokens,omitempty"`
	MonthlyAmount string `json:"monthly_amount,omitempty"`
	// DryRun has requests beyond the limits served all the same, and counted and marked as those that would have been refused.
	DryRun bool `json:"dry_run,omitempty"`
}

// IsZero says whether nothing is limited.
func (r Rules) IsZero() bool {
	r.DryRun = false
	return r == Rules{}
}

// Amount returns the budget in money, nothing where there is none.
func (r Rules) Amount() metering.Amount {
	a, err := metering.ParseAmount(r.MonthlyAmount)
	if err != nil {
		return metering.Amount{}
	}
	return a
}
