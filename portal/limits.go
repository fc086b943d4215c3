package portal

import (
	"context"
	"maps"
	"slices"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/subscription"
)

// limitsView are limit.Rules, taken and shown.
type limitsView struct {
	RequestsPerMinute     int64  `json:"requests_per_minute,omitempty" example:"600"`
	InputTokensPerMinute  int64  `json:"input_tokens_per_minute,omitempty"`
	OutputTokensPerMinute int64  `json:"output_tokens_per_minute,omitempty"`
	Concurrency           int64  `json:"concurrency,omitempty" doc:"Requests under way at once."`
	MonthlyTokens         int64  `json:"monthly_tokens,omitempty" doc:"Input and output tokens of a month of the billing time zone."`
	MonthlyAmount         string `json:"monthly_amount,omitempty" doc:"What a month may cost: an exact decimal in the billing currency." example:"25.00"`
	DryRun                bool   `json:"dry_run,omitempty" doc:"Requests beyond the limits are served all the same, and marked as those that would have been refused."`
}

// budgetView is how much of the budgets of a month has been used.
type budgetView struct {
	Month          string    `json:"month" example:"2026-11"`
	RenewsAt       time.Time `json:"renews_at" doc:"When the next month begins."`
	SpentTokens    int64     `json:"spent_tokens"`
	ReservedTokens int64     `json:"reserved_tokens" doc:"What requests under way may still use."`
	LimitTokens    int64     `json:"limit_tokens,omitempty" doc:"Absent where tokens have no budget."`
	SpentAmount    string    `json:"spent_amount" example:"12.345678"`
	ReservedAmount string    `json:"reserved_amount"`
	LimitAmount    string    `json:"limit_amount,omitempty" doc:"Absent where money has no budget."`
	Currency       string    `json:"currency" example:"EUR"`
}

// modelLimitsView are the limits of a subscription's use of one model.
type modelLimitsView struct {
	Model  string      `json:"model"`
	Limits limitsView  `json:"limits"`
	Budget *budgetView `json:"budget,omitempty"`
}

// budget returns the state of a scope's budgets, nil if it has none.
func (p *Portal) budget(ctx context.Context, s limit.Scope) (*budgetView, error) {
	if s.Rules == nil || !s.Rules.HasBudget() {
		return nil, nil
	}
	b, err := p.budgets(ctx, s)
	if err != nil {
		return nil, err
	}
	next := (b.Month + 1).First().Date()
	v := &budgetView{
		Month: b.Month.String(), RenewsAt: time.Date(next.Year(), next.Month(), 1, 0, 0, 0, 0, p.location).UTC(), Currency: p.currency,
		SpentTokens: b.SpentTokens, ReservedTokens: b.ReservedTokens, LimitTokens: s.Rules.MonthlyTokens,
		SpentAmount: b.SpentAmount.String(), ReservedAmount: b.ReservedAmount.String(), LimitAmount: s.Rules.MonthlyAmount,
	}
	return v, nil
}

// keyLimits is the body that sets the limits of a key, subscriptionLimits that of a subscription.
type keyLimits struct {
	Limits *limitsView `json:"limits" doc:"In place of all there were; an empty object ends them."`
}

type subscriptionLimits struct {
	Model  string      `json:"model,omitempty" doc:"For the use of this model; without it for all use together."`
	Limits *limitsView `json:"limits" doc:"In place of all there were; an empty object ends them."`
}

// rules returns the limits of a body. One that says nothing of limits ends none.
func (v *limitsView) rules() (limit.Rules, error) {
	if v == nil {
		return limit.Rules{}, fault.New(fault.Invalid, "limits", "must be given")
	}
	return limit.Rules(*v), nil
}

func (p *Portal) setKeyLimits(r *request, in keyLimits) (keyView, error) {
	rules, err := in.Limits.rules()
	if err != nil {
		return keyView{}, err
	}
	return p.key(r, func(ctx context.Context, by identity.Actor, id string) (subscription.Key, error) {
		return p.service.SetKeyLimits(ctx, by, id, rules)
	})
}

func (p *Portal) setSubscriptionLimits(r *request, in subscriptionLimits) (subscriptionView, error) {
	rules, err := in.Limits.rules()
	if err != nil {
		return subscriptionView{}, err
	}
	return p.subscription(r, func(ctx context.Context, by identity.Actor, id string) (subscription.Subscription, error) {
		return p.service.SetSubscriptionLimits(ctx, by, id, in.Model, rules)
	})
}

// viewModelLimits shows the limits of single models in the order of their names.
func viewModelLimits(s subscription.Subscription) []modelLimitsView {
	views := make([]modelLimitsView, 0, len(s.ModelLimits))
	for _, model := range slices.Sorted(maps.Keys(s.ModelLimits)) {
		views = append(views, modelLimitsView{Model: model, Limits: limitsView(s.ModelLimits[model])})
	}
	return views
}

// fillBudgets adds the states of all budgets to the view of a subscription.
func (p *Portal) fillBudgets(ctx context.Context, s subscription.Subscription, v *subscriptionView) (err error) {
	if v.Budget, err = p.budget(ctx, s.Scope("")); err != nil {
		return err
	}
	for i := range v.ModelLimits {
		m := &v.ModelLimits[i]
		if m.Budget, err = p.budget(ctx, s.Scope(m.Model)); err != nil {
			return err
		}
	}
	return nil
}
