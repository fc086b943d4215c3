package web

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
	"llmhub/identity"
)

// agreementPage is the evidence of what was accepted with a subscription.
type agreementPage struct {
	Tabs                   subscriptionTabs
	Product, Version, ID   string
	CreatedBy, CancelledBy string
	Since, Ended           time.Time
	Consents               []consentRow
}

// consentRow is a document that somebody has accepted.
type consentRow struct {
	Title, Version, Digest, Who, WhoID string
	At                                 time.Time
	// Href leads to the document, Changed says that it is another text by now; without Href there is none any more.
	Href    string
	Changed bool
}

var agreementTemplate = newPage[agreementPage]("agreement")

func (w *Web) showAgreement(v *visit) error {
	s, err := w.subscription(v)
	if err != nil {
		return err
	}
	p := agreementPage{
		Tabs: subscriptionTabs{s.ID, "agreement"}, Product: w.productName(s), Version: orUnknown(s.ProductVersion), ID: s.ID,
		CreatedBy: s.CreatedBy, CancelledBy: s.CancelledBy, Since: s.CreatedAt,
	}
	if s.CancelledAt != nil {
		p.Ended = *s.CancelledAt
	}
	p.Consents = w.consentRows(s.ProductID, s.Consents)
	return agreementTemplate.render(v, fiber.StatusOK, frame{
		Title: v.t("subscription.agreement"), Current: "/subscriptions",
		Crumbs: []link{{"/subscriptions", v.t("subscription.list")}, {subscriptionPath(s.ID), p.Product}, {"", v.t("subscription.agreement")}},
	}, p)
}

// consentRows returns the evidence of what was accepted for a product, with where the documents are read now.
func (w *Web) consentRows(productID string, consents []identity.Consent) []consentRow {
	product, known := w.Catalog().Product(productID)
	rows := make([]consentRow, len(consents))
	for i, c := range consents {
		rows[i] = consentRow{Title: c.Title, Version: c.Version, Digest: c.Digest, Who: c.ByName, WhoID: c.ByID, At: c.AcceptedAt}
		if known {
			rows[i].Href, rows[i].Changed = offeredDocument(product, c)
		}
	}
	return rows
}

// workloadAgreementPage is the evidence of what was accepted with a workload.
type workloadAgreementPage struct {
	Tabs                            workloadTabs
	Product, Version, ID, CreatedBy string
	Since                           time.Time
	Consents                        []consentRow
}

var workloadAgreementTemplate = newPage[workloadAgreementPage]("workloadagreement")

func (w *Web) showWorkloadAgreement(v *visit) error {
	l, err := w.workload(v)
	if err != nil {
		return err
	}
	return workloadAgreementTemplate.render(v, fiber.StatusOK, frame{
		Title: v.t("subscription.agreement"), Current: "/workloads",
		Crumbs: []link{{"/workloads", v.t("workloads.title")}, {workloadPath(l.ID), l.ProductName}, {"", v.t("subscription.agreement")}},
	}, workloadAgreementPage{
		Tabs: workloadTabs{l.ID, "agreement"}, Product: l.ProductName, Version: l.ProductVersion, ID: l.ID, CreatedBy: l.CreatedBy,
		Since: l.CreatedAt, Consents: w.consentRows(l.ProductID, l.Consents),
	})
}

// offeredDocument returns where the document that was accepted is read now, and whether its text has changed since.
func offeredDocument(p catalog.Product, c identity.Consent) (href string, changed bool) {
	for _, d := range p.Documents {
		if d.ID == c.DocumentID {
			return documentPath(p, d), d.Digest != c.Digest
		}
	}
	return "", false
}
