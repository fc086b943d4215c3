package web

import (
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"llmhub/fault"
	"llmhub/limit"
	"llmhub/subscription"
)

// limitsBox are the limits of one scope with what has been used of its budgets.
type limitsBox struct {
	// Model is whose use is limited; empty for all use together.
	Model   string
	Budgets []budgetMeter
	Rates   []limitRow
	DryRun  bool
	// Change leads to the form for these limits, empty where they cannot be changed.
	Change string
}

// Any says whether anything is limited.
func (b limitsBox) Any() bool { return len(b.Budgets)+len(b.Rates) > 0 }

type limitRow struct{ Name, Value string }

// budgetMeter is a budget of a month.
type budgetMeter struct {
	Name, Text string
	// Reserved says what requests under way hold; empty if that is nothing.
	Reserved string
	// Permille is how much has been used; it can be more than all of it.
	Permille int64
	// Class is the look: that of a budget which is nearly or wholly used up.
	Class  string
	Renews time.Time
}

// Filled is what a meter of a thousand shows.
func (b budgetMeter) Filled() int64 { return min(b.Permille, 1000) }

// limitsBox reads what has been used of a scope's budgets.
func (w *Web) limitsBox(v *visit, s limit.Scope, model string) (limitsBox, error) {
	b := limitsBox{Model: model}
	if s.Rules == nil {
		return b, nil
	}
	b.DryRun = s.Rules.DryRun
	for _, n := range s.Rules.Numbers() {
		if *n.Value > 0 && n.Name != "monthly_tokens" {
			b.Rates = append(b.Rates, limitRow{v.t("limits.rule." + n.Name), v.loc.Number(*n.Value)})
		}
	}
	var err error
	b.Budgets, err = w.budgetMeters(v, s)
	return b, err
}

// budgetMeters returns the budgets of a scope, money first; it reads nothing where there are none.
func (w *Web) budgetMeters(v *visit, s limit.Scope) ([]budgetMeter, error) {
	if s.Rules == nil || !s.Rules.HasBudget() {
		return nil, nil
	}
	state, err := w.Budget(v.ctx, s)
	if err != nil {
		return nil, err
	}
	var all []budgetMeter
	add := func(name, spent, of, reserved string, permille int64) {
		m := budgetMeter{Name: v.t("limits.rule." + name), Permille: permille, Renews: w.startOf((state.Month + 1).First())}
		m.Text = v.t("limits.used", "Spent", spent, "Limit", of, "Share", v.loc.Permille(permille))
		if reserved != "" {
			m.Reserved = v.t("limits.reserved", "Amount", reserved)
		}
		switch {
		case permille >= 1000:
			m.Class = "bad"
		case permille >= nearlyUsed:
			m.Class = "warn"
		}
		all = append(all, m)
	}
	if s.Rules.MonthlyAmount != "" {
		spent, reserved := state.SpentAmount.String(), ""
		if !state.ReservedAmount.IsZero() {
			reserved = v.loc.Money(state.ReservedAmount.String(), w.Currency)
		}
		add("monthly_amount", v.loc.Money(spent, w.Currency), v.loc.Price(s.Rules.MonthlyAmount, w.Currency), reserved, permilleOf(spent, s.Rules.MonthlyAmount))
	}
	if n := s.Rules.MonthlyTokens; n > 0 {
		reserved := ""
		if state.ReservedTokens > 0 {
			reserved = v.t("limits.tokens", "Count", state.ReservedTokens)
		}
		spent := strconv.FormatInt(state.SpentTokens, 10)
		add("monthly_tokens", v.loc.Number(state.SpentTokens), v.t("limits.tokens", "Count", n), reserved, permilleOf(spent, strconv.FormatInt(n, 10)))
	}
	return all, nil
}

// nearlyUsed is from how many permille on a budget is shown as nearly used up.
const nearlyUsed = 800

// permilleOf returns how much of a whole a part is, rounded down so that only a budget that is used up shows 100 %.
func permilleOf(part, whole string) int64 {
	p, ok1 := new(big.Rat).SetString(part)
	w, ok2 := new(big.Rat).SetString(whole)
	if !ok1 || !ok2 || w.Sign() == 0 {
		return 0
	}
	p.Quo(p.Mul(p, big.NewRat(1000, 1)), w)
	n := new(big.Int).Quo(p.Num(), p.Denom())
	if !n.IsInt64() {
		return 0
	}
	return n.Int64()
}

// subscriptionLimits returns the limits of a subscription and those of its models, only those there are.
func (w *Web) subscriptionLimits(v *visit, s subscription.Subscription) ([]limitsBox, error) {
	var all []limitsBox
	models := make([]string, 0, 1+len(s.ModelLimits))
	for m := range s.ModelLimits {
		models = append(models, m)
	}
	slices.Sort(models)
	for _, model := range append([]string{""}, models...) {
		b, err := w.limitsBox(v, s.Scope(model), model)
		if err != nil {
			return nil, err
		}
		if b.Any() {
			all = append(all, b)
		}
	}
	return all, nil
}

// limitsForm are the fields for the limits of one scope.
type limitsForm struct {
	Budgets, Rates []field
	DryRun         bool
	// Open says that something is filled in.
	Open bool
}

// limitsForm returns the fields, filled with what the form holds.
func (v *visit) limitsForm(faults map[string]string) limitsForm {
	f := limitsForm{DryRun: v.checked("dry_run")}
	add := func(to *[]field, name, label, mode string) {
		*to = append(*to, field{
			Name: name, Label: label, Type: "text", InputMode: mode, Value: v.value(name), Error: faults[name], Autocomplete: "off", MaxLength: 40,
		})
		f.Open = f.Open || v.value(name) != "" || faults[name] != ""
	}
	add(&f.Budgets, "monthly_amount", v.t("limits.monthly_amount.in", "Currency", v.web.Currency), "decimal")
	for _, n := range new(limit.Rules).Numbers() {
		to := &f.Rates
		if n.Name == "monthly_tokens" {
			to = &f.Budgets
		}
		add(to, n.Name, v.t("limits.rule."+n.Name), "numeric")
	}
	f.Budgets[0].Hint, f.Budgets[1].Hint = v.t("limits.monthly_amount.hint"), v.t("limits.monthly_tokens.hint")
	return f
}

// fields are all inputs, for the list of what is wrong.
func (f limitsForm) fields() []field { return append(slices.Clone(f.Budgets), f.Rates...) }

// fillLimits puts rules into the form, as a visitor would have written them.
func (v *visit) fillLimits(r limit.Rules) {
	v.form = url.Values{"monthly_amount": {r.MonthlyAmount}}
	for _, n := range r.Numbers() {
		if *n.Value > 0 {
			v.form.Set(n.Name, strconv.FormatInt(*n.Value, 10))
		}
	}
	if r.DryRun {
		v.form.Set("dry_run", "on")
	}
}

// readLimits returns the rules that a form gives, or all that is wrong with them.
func (v *visit) readLimits() (limit.Rules, error) {
	r := limit.Rules{MonthlyAmount: strings.TrimSpace(v.value("monthly_amount")), DryRun: v.checked("dry_run")}
	var wrong []error
	for _, n := range r.Numbers() {
		text := strings.TrimSpace(v.value(n.Name))
		if text == "" {
			continue
		}
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil || value < 1 || value > limit.MaxRule {
			wrong = append(wrong, fault.New(fault.Invalid, n.Name, "must be a whole number from 1 to %d", int64(limit.MaxRule)))
			continue
		}
		*n.Value = value
	}
	checked, err := r.Check()
	return checked, fault.Join(append(wrong, err)...)
}
