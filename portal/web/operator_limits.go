package web

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"llmhub/subscription"
)

// operatorLimitsPage shows the limits of a subscription and is the form for those of one scope of it.
type operatorLimitsPage struct {
	Path, ID, Product, Tenant string
	Boxes                     []limitsBox
	// Model is whose limits the form is for; empty for all use together. Models can be chosen instead.
	Model    string
	Models   []choice
	Limits   limitsForm
	Problems []link
}

var operatorLimitsTemplate = newPage[operatorLimitsPage]("operator-limits")

func operatorLimitsPath(id string) string { return "/operator/subscriptions/" + id + "/limits" }

// limitableSubscription returns the subscription in the path. One that has been cancelled cannot be limited: ok is false,
// and the visitor is sent to the list.
func (w *Web) limitableSubscription(v *visit) (s subscription.Subscription, ok bool, err error) {
	s, err = w.Service.GetSubscription(v.ctx, v.Actor, v.param("subscription"))
	if err == nil && s.State != subscription.Active {
		return s, false, v.redirect("/operator/subscriptions?state=cancelled&q=" + s.ID)
	}
	return s, err == nil, err
}

func (w *Web) showOperatorLimits(v *visit) error {
	s, ok, err := w.limitableSubscription(v)
	if !ok {
		return err
	}
	model := v.query("model")
	if model != "" && s.ModelLimits[model].IsZero() && !slices.Contains(w.modelsOf(s), model) {
		return errNoPage
	}
	rules := s.Limits
	if model != "" {
		rules = s.ModelLimits[model]
	}
	v.fillLimits(rules)
	return w.answerOperatorLimits(v, fiber.StatusOK, s, model, nil)
}

// modelsOf returns the names of all models that a subscription can use.
func (w *Web) modelsOf(s subscription.Subscription) []string {
	if len(s.Models) > 0 {
		return s.Models
	}
	var names []string
	for _, m := range w.Models() {
		names = append(names, m.Name)
	}
	return names
}

func (w *Web) answerOperatorLimits(v *visit, status int, s subscription.Subscription, model string, faults map[string]string) error {
	tenant, err := w.Tenants.Get(v.ctx, s.TenantID)
	if err != nil {
		return err
	}
	p := operatorLimitsPage{
		Path: operatorLimitsPath(s.ID), ID: s.ID, Product: w.productName(s), Tenant: tenant.Name, Model: model, Limits: v.limitsForm(faults),
		Models: []choice{{"", v.t("limits.all"), model == ""}},
	}
	for _, m := range w.modelsOf(s) {
		p.Models = append(p.Models, choice{m, m, m == model})
	}
	if p.Boxes, err = w.subscriptionLimits(v, s); err != nil {
		return err
	}
	for i := range p.Boxes {
		p.Boxes[i].Change = withQuery(p.Path, nil, "model", p.Boxes[i].Model) + "#form"
	}
	p.Problems = summary(faults, p.Limits.fields()...)
	if text := faults["model"]; text != "" {
		p.Problems = append(p.Problems, link{"#model", v.t("limits.for") + ": " + text})
	}
	return operatorLimitsTemplate.render(v, status, frame{
		Title: v.t("limits.title"), Current: "/operator/subscriptions", Narrow: true,
		Crumbs: []link{{"/operator/subscriptions", v.t("opsubs.title")}, {"", v.t("limits.title")}},
	}, p)
}

func (w *Web) setOperatorLimits(v *visit) error {
	s, ok, err := w.limitableSubscription(v)
	if !ok {
		return err
	}
	model := v.value("model")
	rules, err := v.readLimits()
	if err == nil {
		_, err = w.Service.SetSubscriptionLimits(v.ctx, v.Actor, s.ID, model, rules)
	}
	if err == nil {
		return v.redirect(operatorLimitsPath(s.ID) + "?done=limits-saved")
	}
	faults, shown := v.faults(err)
	if !shown {
		return err
	}
	return w.answerOperatorLimits(v, fiber.StatusUnprocessableEntity, s, model, faults)
}
