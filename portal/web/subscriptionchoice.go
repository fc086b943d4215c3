package web

import (
	"github.com/gofiber/fiber/v2"

	"llmhub/subscription"
)

// maxChoice is how many subscriptions there are to choose from; more are found in their list.
const maxChoice = 50

// subscriptionChoicePage leads to a page of one of several subscriptions, or to the catalog if there is none.
type subscriptionChoicePage struct {
	Title, Lead, None, NoneText, Icon string
	Rows                              []subscriptionRow
	// More says that there are further ones.
	More bool
}

var subscriptionChoiceTemplate = newPage[subscriptionChoicePage]("subscriptionchoice")

// showKeys leads to the keys of the tenant's only subscription.
func (w *Web) showKeys(v *visit) error {
	return w.chooseSubscription(v, "", "/keys", subscriptionChoicePage{
		Title: v.t("keys.title"), Lead: v.t("keys.choice.lead"), None: v.t("keys.choice.none"), NoneText: v.t("keys.choice.none.text"), Icon: "key",
	})
}

// chooseConsumption leads to the consumption of the tenant's only subscription.
func (w *Web) chooseConsumption(v *visit) error {
	return w.chooseSubscription(v, "/consumption", "/consumption", subscriptionChoicePage{
		Title: v.t("consumption.title"), Lead: v.t("consumption.choice.lead"), None: v.t("consumption.choice.none"),
		NoneText: v.t("consumption.choice.none.text"), Icon: "chart",
	})
}

// chooseSubscription leads to a page below the tenant's only active subscription; of several the visitor chooses one.
// current is the entry of the navigation.
func (w *Web) chooseSubscription(v *visit, page, current string, p subscriptionChoicePage) error {
	list, err := w.Service.SubscriptionPage(v.ctx, v.Actor, subscription.SubscriptionQuery{
		TenantID: v.Tenant.ID, State: subscription.Active, PerPage: maxChoice,
	})
	if err != nil {
		return err
	}
	if list.Total == 1 {
		return v.redirect(subscriptionPath(list.Rows[0].ID) + page)
	}
	p.More = list.Pages > 1
	if p.Rows, err = w.subscriptionRows(v, list.Rows); err != nil {
		return err
	}
	for i := range p.Rows {
		p.Rows[i].Href += page
	}
	return subscriptionChoiceTemplate.render(v, fiber.StatusOK, frame{Title: p.Title, Current: current}, p)
}
