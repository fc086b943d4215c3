package web

import (
	"github.com/gofiber/fiber/v2"

	"llmhub/subscription"
)

// cancelPage asks whether a subscription is to be cancelled.
type cancelPage struct {
	Action, Back, Product, ID string
	// Keys is how many keys stop working.
	Keys                int
	Reason, ReasonFault string
	Problems            []link
}

var cancelTemplate = newPage[cancelPage]("cancel")

func (w *Web) confirmCancel(v *visit) error {
	s, ok, err := w.changeable(v)
	if !ok {
		return err
	}
	return w.answerCancel(v, fiber.StatusOK, s, nil)
}

func (w *Web) answerCancel(v *visit, status int, s subscription.Subscription, faults map[string]string) error {
	keys, err := w.Service.KeyPage(v.ctx, v.Actor, subscription.KeyQuery{SubscriptionID: s.ID, PerPage: 1})
	if err != nil {
		return err
	}
	path := subscriptionPath(s.ID)
	p := cancelPage{
		Action: path + "/cancel", Back: path, Product: w.productName(s), ID: s.ID, Keys: keys.Counts.Active,
		Reason: v.form.Get("reason"), ReasonFault: faults["reason"],
	}
	p.Problems = summary(faults, field{Name: "reason", Label: v.t("subscription.reason"), Error: p.ReasonFault})
	return cancelTemplate.render(v, status, frame{
		Title: v.t("subscription.cancel"), Current: "/subscriptions", Narrow: true,
		Crumbs: []link{{"/subscriptions", v.t("subscription.list")}, {path, p.Product}, {"", v.t("subscription.cancel")}},
	}, p)
}

func (w *Web) cancelSubscription(v *visit) error {
	s, err := w.subscription(v)
	if err != nil {
		return err
	}
	_, err = w.Service.CancelSubscription(v.ctx, v.Actor, s.ID, v.value("reason"))
	if err == nil {
		return v.redirect(subscriptionPath(s.ID) + "?done=subscription-cancelled")
	}
	if faults, shown := v.faults(err); shown && faults["reason"] != "" {
		return w.answerCancel(v, fiber.StatusUnprocessableEntity, s, faults)
	}
	return err
}
