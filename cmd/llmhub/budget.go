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
	next := (month + 1).First().Date()
	state := limit.BudgetState{Month: month, RenewsAt: time.Date(next.Year(), next.Month(), 1, 0, 0, 0, 0, s.cfg.Billing.TimeZone)}
	state.Tokens.Limit, state.Amount.Limit = scope.Rules.MonthlyTokens, scope.Rules.Amount()
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
			state.Tokens.Spent += r.Tokens.Total()
			state.Amount.Spent = state.Amount.Spent.Add(r.Amount)
		}
	}
	return state, err
}
