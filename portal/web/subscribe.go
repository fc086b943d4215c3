package web

import (
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/subscription"
)

func (w *Web) subscribeRoutes() []route {
	return []route{
		{fiber.MethodPost, "/catalog/:product/subscribe", customers, w.subscribe},
	}
}

// subscribe makes a subscription of a product with the consents that were ticked. A form that is sent twice leads to the
// one subscription that there is.
func (w *Web) subscribe(v *visit) error {
	p, err := w.product(v)
	if err != nil {
		return err
	}
	offer, err := subscription.OfferOf(p, v.loc.Language(), w.today().String())
	if err != nil {
		return err
	}
	s, err := w.Service.Subscribe(v.ctx, v.Actor, subscription.Subscribe{
		TenantID: v.Tenant.ID, Product: offer, Accepted: acceptedConsents(v.form["consent"]),
	})
	if err == nil {
		return v.redirect("/subscriptions/" + s.ID + "?done=subscribed")
	}
	if errors.Is(err, subscription.ErrSubscribed) {
		if existing, ok, err := w.Service.Existing(v.ctx, v.Actor, v.Tenant.ID, p.ID); err == nil && ok {
			return v.redirect("/subscriptions/" + existing.ID)
		}
	}
	faults, shown := v.faults(err)
	if !shown {
		return err
	}
	return w.answerProduct(v, fiber.StatusUnprocessableEntity, p, faults)
}

// acceptedConsents reads the boxes that were ticked: the ID of a document and the digest of the text that was offered.
func acceptedConsents(values []string) []identity.Consent {
	var list []identity.Consent
	for _, value := range values {
		id, digest, ok := strings.Cut(value, " ")
		if ok && len(list) < 20 {
			list = append(list, identity.Consent{DocumentID: id, Digest: digest})
		}
	}
	return list
}
