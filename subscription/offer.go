package subscription

import (
	"llmhub/catalog"
	"llmhub/fault"
	"llmhub/identity"
)

// OfferOf returns what is subscribed to with a product on a day, such as 2026-01-31, its documents named in the language
// in which they were shown; or a fault about product_id if it cannot be subscribed to.
func OfferOf(p catalog.Product, lang, day string) (Offer, error) {
	switch {
	case p.LLM == nil:
		return Offer{}, fault.New(fault.Invalid, "product_id", "is a product that is deployed, not subscribed to")
	case !p.OnSale(day):
		return Offer{}, fault.New(fault.State, "product_id", "the product is not on sale")
	}
	o := Offer{ProductID: p.ID, Version: p.Version, Name: p.Name, Models: p.LLM.Models}
	for _, d := range p.Consents() {
		o.Documents = append(o.Documents, identity.Document{ID: d.ID, Title: d.Title.In(lang), Version: d.Version, Digest: d.Digest})
	}
	return o, nil
}

// AcceptAll returns consents to all documents of the offer.
func (o Offer) AcceptAll() []identity.Consent {
	accepted := make([]identity.Consent, len(o.Documents))
	for i, d := range o.Documents {
		accepted[i] = identity.Consent{DocumentID: d.ID, Digest: d.Digest}
	}
	return accepted
}
