package subscription

import "llmhub/catalog"

// OfferOf returns what is subscribed to with a product, its documents named in the language in which they were shown.
func OfferOf(p catalog.Product, lang string) Offer {
	o := Offer{ProductID: p.ID, Version: p.Version, Name: p.Name}
	if p.LLM != nil {
		o.Models = p.LLM.Models
	}
	for _, d := range p.Consents() {
		o.Documents = append(o.Documents, Document{ID: d.ID, Title: d.Title.In(lang), Version: d.Version, Digest: d.Digest})
	}
	return o
}

// AcceptAll returns consents to all documents of the offer.
func (o Offer) AcceptAll() []Consent {
	accepted := make([]Consent, len(o.Documents))
	for i, d := range o.Documents {
		accepted[i] = Consent{DocumentID: d.ID, Digest: d.Digest}
	}
	return accepted
}
