package web

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
)

// organizationPage is the profile of a tenant: the values in force, the change under review, and the form.
type organizationPage struct {
	State                       identity.ProfileState
	StateText, StateNote, Class string
	Company, Domain, TenantID   string
	Since                       time.Time
	Reason                      string
	// Rows compare the values in force with those under review.
	Rows []profileRow
	// Compared says that there are both.
	Compared bool
	// MayEdit says that the visitor has the right to.
	MayEdit  bool
	Form     []field
	Problems []link
	// Withdraw says that a change can be taken back.
	Withdraw bool
	// Setup says that this is the first of the tenant's visits.
	Setup bool
}

type profileRow struct {
	Label, InForce, Change string
	Changed                bool
}

var organizationTemplate = newPage[organizationPage]("organization")

func (w *Web) organizationRoutes() []route {
	return []route{
		{fiber.MethodGet, "/setup", customers, w.showSetup},
		{fiber.MethodGet, "/organization", customers, w.showOrganization},
		{fiber.MethodPost, "/organization", customers, w.submitOrganization},
		{fiber.MethodPost, "/organization/withdraw", customers, w.withdrawOrganization},
	}
}

func (w *Web) showSetup(v *visit) error {
	p, err := w.Profiles.Get(v.ctx, v.Actor, v.Tenant.ID)
	if err != nil {
		return err
	}
	if p.State() != identity.ProfileNone {
		return v.redirect("/organization")
	}
	return w.answerOrganization(v, fiber.StatusOK, p, identity.ProfileData{}, nil, true)
}

func (w *Web) showOrganization(v *visit) error {
	p, err := w.Profiles.Get(v.ctx, v.Actor, v.Tenant.ID)
	if err != nil {
		return err
	}
	var data identity.ProfileData
	switch {
	case p.Change != nil:
		data = p.Change.Data
	case p.InForce != nil:
		data = *p.InForce
	}
	return w.answerOrganization(v, fiber.StatusOK, p, data, nil, false)
}

// submitOrganization hands the profile in for review. What was typed stays in the form if something is wrong with it.
func (w *Web) submitOrganization(v *visit) error {
	data := identity.ProfileData{
		Company: v.value("company"), Website: v.value("website"), SellerEmail: v.value("seller_email"),
		MarketplaceEmail: v.value("marketplace_email"), Phone: v.value("phone"),
	}
	_, err := w.Profiles.Submit(v.ctx, v.Actor, v.Tenant.ID, data)
	if err == nil {
		return v.redirect("/organization?done=profile-submitted")
	}
	faults, shown := v.faults(err)
	if !shown {
		return err
	}
	p, err := w.Profiles.Get(v.ctx, v.Actor, v.Tenant.ID)
	if err != nil {
		return err
	}
	return w.answerOrganization(v, fiber.StatusUnprocessableEntity, p, data, faults, p.State() == identity.ProfileNone)
}

func (w *Web) withdrawOrganization(v *visit) error {
	if _, err := w.Profiles.Withdraw(v.ctx, v.Actor, v.Tenant.ID); err != nil {
		return err
	}
	return v.redirect("/organization?done=profile-withdrawn")
}

func (w *Web) answerOrganization(v *visit, status int, p identity.Profile, data identity.ProfileData, faults map[string]string, setup bool) error {
	page := organizationPage{
		State: p.State(), StateText: v.t("profile.state." + string(p.State())), StateNote: v.t("profile.note." + string(p.State())),
		Company: v.Tenant.Name, Domain: v.Tenant.Domain, TenantID: v.Tenant.ID, Setup: setup,
		MayEdit: v.Actor.Has(v.Tenant.ID, identity.ManageProfile), Form: v.profileFields(data, faults),
		Withdraw: p.InForce != nil && p.Change != nil,
	}
	page.Class = map[identity.ProfileState]string{
		identity.ProfileNone: "off", identity.ProfileSubmitted: "warn", identity.ProfileApproved: "good", identity.ProfileRejected: "bad",
	}[page.State]
	if p.ApprovedAt != nil {
		page.Since = *p.ApprovedAt
	}
	if p.Change != nil {
		page.Reason = p.Change.Reason
		if p.InForce == nil {
			page.Since = p.Change.SubmittedAt
		}
	}
	page.Rows, page.Compared = v.profileRows(p)
	page.Problems = summary(faults, page.Form...)
	title := v.t("profile.title")
	if setup {
		title = v.t("profile.setup")
	}
	return organizationTemplate.render(v, status, frame{Title: title, Current: "/organization", Narrow: true}, page)
}

// profileFields returns the form, filled with data.
func (v *visit) profileFields(d identity.ProfileData, faults map[string]string) []field {
	return []field{
		{Name: "company", Label: v.t("profile.company"), Type: "text", Value: d.Company, Required: true, Autocomplete: "organization", MaxLength: 100, Error: faults["company"]},
		{Name: "website", Label: v.t("profile.website"), Type: "url", Value: d.Website, Required: true, Autocomplete: "url", MaxLength: 200, Hint: v.t("profile.website.hint"), Error: faults["website"]},
		{Name: "seller_email", Label: v.t("profile.seller_email"), Type: "email", Value: d.SellerEmail, Required: true, Autocomplete: "email", MaxLength: 254, Hint: v.t("profile.seller_email.hint"), Error: faults["seller_email"]},
		{Name: "marketplace_email", Label: v.t("profile.marketplace_email"), Type: "email", Value: d.MarketplaceEmail, Required: true, Autocomplete: "email", MaxLength: 254, Hint: v.t("profile.marketplace_email.hint"), Error: faults["marketplace_email"]},
		{Name: "phone", Label: v.t("profile.phone"), Type: "tel", Value: d.Phone, Autocomplete: "tel", MaxLength: 40, Hint: v.t("profile.phone.hint"), Error: faults["phone"]},
	}
}

// profileRows puts the values in force beside those under review, and says whether there are both.
func (v *visit) profileRows(p identity.Profile) ([]profileRow, bool) {
	var old, change identity.ProfileData
	if p.InForce != nil {
		old = *p.InForce
	}
	if p.Change != nil {
		change = p.Change.Data
	}
	if p.InForce == nil && p.Change == nil {
		return nil, false
	}
	rows := []profileRow{
		{v.t("profile.company"), old.Company, change.Company, false},
		{v.t("profile.website"), old.Website, change.Website, false},
		{v.t("profile.seller_email"), old.SellerEmail, change.SellerEmail, false},
		{v.t("profile.marketplace_email"), old.MarketplaceEmail, change.MarketplaceEmail, false},
		{v.t("profile.phone"), old.Phone, change.Phone, false},
	}
	both := p.InForce != nil && p.Change != nil
	for i := range rows {
		r := &rows[i]
		r.Changed = both && r.InForce != r.Change
		if p.InForce == nil {
			r.InForce = r.Change
		}
		r.InForce, r.Change = orUnknown(r.InForce), orUnknown(r.Change)
	}
	return rows, both
}
