package web

import (
	"errors"
	"html/template"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
	"llmhub/fault"
	"llmhub/subscription"
)

// productPage is what there is to know of a product, and the way to buy it.
type productPage struct {
	Name, Version, Type, Licence, LicenceFee, LicenceInfo, PriceInfo, Chart string
	Icon                                                                    template.HTML
	Seller                                                                  catalog.Seller
	Sections                                                                []productSection
	Software                                                                []catalog.Software
	Documents                                                               []documentLink
	Models                                                                  priceTable
	DocumentationURL, ShopURL                                               string
	EndOfLife                                                               string
	Buy                                                                     purchase
}

// productSection is a text of the seller's.
type productSection struct {
	ID, Heading string
	Text        template.HTML
}

type documentLink struct{ Href, Title, Version, Date string }

// purchase is the way to a product: a form, or what stands in its way and where that can be mended.
type purchase struct {
	// LLM says that it is subscribed to, otherwise it is deployed.
	LLM bool
	// Manage leads to the subscription there is already.
	Manage string
	// Reason says why it cannot be bought now; Mend and MendText lead to where that can be changed.
	Reason, Mend, MendText string
	SignIn                 string
	Action                 string
	Consents               []consentBox
	Problems               []link
}

// consentBox is a document that has to be accepted, with the digest of what was shown.
type consentBox struct {
	ID, Title, Version, Href, Digest string
}

var productTemplate = newPage[productPage]("product")

func (w *Web) showProduct(v *visit) error {
	p, err := w.product(v)
	if err != nil {
		return err
	}
	return w.answerProduct(v, fiber.StatusOK, p, nil)
}

// answerProduct shows a product; faults are those of a subscription that was not made.
func (w *Web) answerProduct(v *visit, status int, p catalog.Product, faults map[string]string) error {
	lang := v.loc.Language()
	page := productPage{
		Name: p.Name, Version: p.Version, Type: v.t("product.type." + string(p.Type)), Licence: v.licence(p), Icon: v.productIcon(p), Seller: p.Seller,
		LicenceFee: p.LicenceFee.In(lang), LicenceInfo: p.LicenceInfo.In(lang), PriceInfo: p.PriceInfo.In(lang), Software: p.UsedSoftware, EndOfLife: p.EndOfLife,
	}
	for _, s := range []struct {
		id   string
		text catalog.Text
	}{{"description", p.Description}, {"before", p.PreDeployment}, {"deployment", p.Deployment}, {"after", p.PostDeployment}} {
		if text := s.text.In(lang); text != "" {
			page.Sections = append(page.Sections, productSection{s.id, v.t("product.section." + string(p.Type) + "." + s.id), markdown(sectionText, w.filledIn(text))})
		}
	}
	for _, d := range p.Documents {
		page.Documents = append(page.Documents, documentLink{documentPath(p, d), d.Title.In(lang), d.Version, v.day(d.Date)})
	}
	if p.LLM != nil {
		page.DocumentationURL = p.LLM.DocumentationURL
		page.Models = w.modelPrices(v, p.LLM.Models)
	}
	if p.CCE != nil {
		page.Chart = p.CCE.Chart.Name + " " + p.CCE.Chart.Version
		if p.CCE.BYOL != nil {
			page.ShopURL = p.CCE.BYOL.ShopURL
		}
	}
	var err error
	if page.Buy, err = w.purchase(v, p, faults); err != nil {
		return err
	}
	return productTemplate.render(v, status, frame{
		Title: p.Name, Current: "/catalog", Crumbs: []link{{"/catalog", v.t("catalog.title")}, {"", p.Name}},
	}, page)
}

// filledIn puts this gateway's address in the place that sellers leave for it in their texts.
func (w *Web) filledIn(text string) string {
	return strings.ReplaceAll(text, "https://HOST", w.PublicURL.String())
}

// day returns a date such as 2026-01-31 as the visitor's language writes it.
func (v *visit) day(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return v.loc.ShortDate(t)
}

func documentPath(p catalog.Product, d catalog.Document) string {
	return "/catalog/" + p.ID + "/documents/" + d.ID
}

// purchase finds out whether the visitor can buy the product, by the same checks that the purchase itself makes.
func (w *Web) purchase(v *visit, p catalog.Product, faults map[string]string) (purchase, error) {
	b := purchase{LLM: p.LLM != nil, Action: "/catalog/" + p.ID + "/subscribe"}
	if !b.LLM {
		b.Action = "/catalog/" + p.ID + "/deploy"
	}
	switch {
	case v.IsOperator():
		b.Reason = v.t("product.operator")
		return b, nil
	case !v.SignedIn():
		b.Reason, b.SignIn = v.t("product.signin"), "/login?next=/catalog/"+p.ID
		return b, nil
	}
	if b.LLM {
		existing, ok, err := w.Service.Existing(v.ctx, v.Actor, v.Tenant.ID, p.ID)
		if err != nil && !errors.Is(err, &fault.Error{Kind: fault.Forbidden}) {
			return b, err
		}
		if ok {
			b.Manage = "/subscriptions/" + existing.ID
			return b, nil
		}
	}
	if b.LLM {
		if _, err := subscription.OfferOf(p, v.loc.Language(), w.today().String()); err != nil {
			b.Reason, err = v.sayFault(err)
			return b, err
		}
	}
	ready := w.Service.Ready
	if !b.LLM {
		ready = w.Deployments.Ready
	}
	if err := ready(v.ctx, v.Actor, v.Tenant.ID); err != nil {
		var domain *fault.Error
		if !errors.As(err, &domain) {
			return b, err
		}
		b.Reason = v.say(domain)
		if domain.Kind == fault.State && v.Tenant.State == "active" {
			b.Mend, b.MendText = "/organization", v.t("banner.organization")
		}
		return b, nil
	}
	if b.LLM {
		b.Consents = v.consentBoxes(p)
	}
	for _, text := range faults {
		b.Problems = append(b.Problems, link{"", sentence(text)})
	}
	return b, nil
}

func (v *visit) consentBoxes(p catalog.Product) []consentBox {
	var boxes []consentBox
	for _, d := range p.Consents() {
		boxes = append(boxes, consentBox{ID: d.ID, Title: d.Title.In(v.loc.Language()), Version: d.Version, Href: documentPath(p, d), Digest: d.Digest})
	}
	return boxes
}
