package limit

import (
	"llmhub/metering"
	"llmhub/store"
)

// BudgetState is how far the budgets of a scope have been used this month.
type BudgetState struct {
	Month store.Month
	// SpentTokens and SpentAmount have been committed, ReservedTokens and ReservedAmount are held by requests under way.
	// They are known whether there is a budget or not.
	SpentTokens, ReservedTokens int64
	SpentAmount, ReservedAmount metering.Amount
}
