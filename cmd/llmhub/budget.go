package main

import (
	"context"
	"strings"
	"time"

	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/store"
	"llmhub/subscription"
)

// budget tells how much of a scope's budgets has been used this month, by what has been committed.
func (s *server) budget(ctx context.Context, scope limit.Scope) (limit.BudgetState, error) {
	month := store.DayOf(time.Now(), s.cfg.Billing.TimeZone).Month()
	state := limit.BudgetState{Month: month}
	id, model, _ := strings.Cut(scope.ID, "/")
	keys := []string{id}
	if strings.HasPrefix(id, "sub_") {
		names, err := s.service.KeysOf(ctx, identity.Administrator(), subscription.KeyFilter{SubscriptionID: id})
		if err != nil {
			return state, err
		}
		keys = make([]string, len(names))
		for i, k := range names {
			keys[i] = k.ID
		}
	}
	rows, err := metering.Report(ctx, s.store, *s.prices.Load(), store.UsageQuery{Keys: keys, From: month.First(), To: (month + 1).First(), ByModel: true})
	for _, r := range rows {
		if r.Model != "" && (model == "" || r.Model == model) {
			state.SpentTokens += r.Tokens.Total()
			state.SpentAmount = state.SpentAmount.Add(r.Amount)
		}
	}
	return state, err
}
