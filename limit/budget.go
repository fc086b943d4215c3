package limit

import (
	"time"

	"llmhub/metering"
	"llmhub/store"
)

// BudgetState is how much of a scope's budgets has been used in a month.
type BudgetState struct {
	Month store.Month
	// RenewsAt is when the next month begins, with whole budgets.
	RenewsAt time.Time
	Tokens   TokenBudget
	Amount   AmountBudget
}

// TokenBudget is a budget of input and output tokens; Limit is 0 where there is none.
type TokenBudget struct{ Spent, Reserved, Limit int64 }

// AmountBudget is a budget of money in the billing currency; Limit is nothing where there is none.
type AmountBudget struct{ Spent, Reserved, Limit metering.Amount }
