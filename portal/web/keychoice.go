package web

import (
	"github.com/gofiber/fiber/v2"

	"llmhub/subscription"
)

// maxKeyChoice is how many subscriptions there are to choose from; more are found in their list.
const maxKeyChoice = 50

// keyChoicePage leads to the keys of one of several subscriptions, or to the catalog if there is none.
type keyChoicePage struct {
	Rows []subscriptionRow
	// More says that there are further ones.
	More bool
}

var keyChoiceTemplate = newPage[keyChoicePage]("keychoice")

// showKeys leads to the keys of the tenant's only subscription.
func (w *Web) showKeys(v *visit) error {
	list, err := w.Service.SubscriptionPage(v.ctx, v.Actor, subscription.SubscriptionQuery{
		TenantID: v.Tenant.ID, State: subscription.Active, PerPage: maxKeyChoice,
	})
	if err != nil {
		return err
	}
	if list.Total == 1 {
		return v.redirect(subscriptionPath(list.Rows[0].ID))
	}
	p := keyChoicePage{More: list.Pages > 1}
	if p.Rows, err = w.subscriptionRows(v, list.Rows); err != nil {
		return err
	}
	return keyChoiceTemplate.render(v, fiber.StatusOK, frame{Title: v.t("keys.title"), Current: "/keys"}, p)
}
