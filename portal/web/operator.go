package web

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
)

// operatorPerPage is how many rows a page of an operator's list shows.
const operatorPerPage = 50

func (w *Web) operatorRoutes() []route {
	return []route{
		{fiber.MethodGet, "/operator", operators, func(v *visit) error { return v.redirect("/operator/approvals") }},
		{fiber.MethodGet, "/operator/approvals", operators, w.showApprovals},
		{fiber.MethodGet, "/operator/approvals/:tenant", operators, w.showReview},
		{fiber.MethodPost, "/operator/approvals/:tenant/approve", operators, w.approveProfile},
		{fiber.MethodPost, "/operator/approvals/:tenant/reject", operators, w.rejectProfile},
		{fiber.MethodGet, "/operator/tenants", operators, w.showTenants},
		{fiber.MethodGet, "/operator/tenants/:tenant", operators, w.showTenant},
		{fiber.MethodPost, "/operator/tenants/:tenant/suspend", operators, w.suspendTenant},
		{fiber.MethodPost, "/operator/tenants/:tenant/resume", operators, w.resumeTenant},
		{fiber.MethodGet, "/operator/subscriptions", operators, w.showAllSubscriptions},
		{fiber.MethodGet, "/operator/subscriptions/:subscription/cancel", operators, w.showOperatorCancel},
		{fiber.MethodPost, "/operator/subscriptions/:subscription/cancel", operators, w.operatorCancel},
		{fiber.MethodGet, "/operator/subscriptions/:subscription/limits", operators, w.showOperatorLimits},
		{fiber.MethodPost, "/operator/subscriptions/:subscription/limits", operators, w.setOperatorLimits},
		{fiber.MethodGet, "/operator/usage", operators, w.showTenantUsage},
		{fiber.MethodGet, "/operator/usage.csv", operators, w.exportTenantUsage},
		{fiber.MethodGet, "/operator/upstreams", operators, w.showUpstreams},
		{fiber.MethodPost, "/operator/upstreams/drain", operators, w.drainUpstream},
		{fiber.MethodPost, "/operator/upstreams/resume", operators, w.resumeUpstream},
		{fiber.MethodGet, "/operator/audit", operators, w.showAudit},
		{fiber.MethodGet, "/operator/audit.csv", operators, w.exportAudit},
		{fiber.MethodGet, "/operator/account", operators, w.showOperatorAccount},
		{fiber.MethodPost, "/operator/account/password", operators, w.changeOperatorPassword},
		{fiber.MethodPost, "/operator/account/sessions", operators, w.endOtherOperatorSessions},
	}
}

// approvalsPage is the queue of profiles that wait for their review.
type approvalsPage struct {
	Rows []approvalRow
	Next string
}

type approvalRow struct {
	Href, Company, Website, Domain, By string
	SubmittedAt                        time.Time
	Age                                string
	// Again says that values in force are to be changed.
	Again bool
}

var approvalsTemplate = newPage[approvalsPage]("operator-approvals")

func (w *Web) showApprovals(v *visit) error {
	queue, next, err := w.Profiles.Queue(v.ctx, v.Actor, v.query("after"), operatorPerPage)
	if err != nil {
		return err
	}
	var p approvalsPage
	for _, profile := range queue {
		tenant, err := w.Tenants.Get(v.ctx, profile.TenantID)
		if err != nil {
			return err
		}
		c := profile.Change
		p.Rows = append(p.Rows, approvalRow{
			Href: "/operator/approvals/" + profile.TenantID, Company: c.Data.Company, Website: c.Data.Website, Domain: tenant.Domain,
			By: c.SubmittedBy, SubmittedAt: c.SubmittedAt, Age: v.age(c.SubmittedAt), Again: profile.InForce != nil,
		})
	}
	if next != "" {
		p.Next = withQuery("/operator/approvals", nil, "after", next)
	}
	return approvalsTemplate.render(v, fiber.StatusOK, frame{Title: v.t("approvals.title"), Current: "/operator/approvals"}, p)
}

// age says how long ago something was.
func (v *visit) age(t time.Time) string {
	d := v.web.Now().Sub(t)
	switch {
	case d < time.Hour:
		return v.t("age.minutes", "Count", int(d/time.Minute))
	case d < 48*time.Hour:
		return v.t("age.hours", "Count", int(d/time.Hour))
	}
	return v.t("age.days", "Count", int(d/(24*time.Hour)))
}

// reviewPage is one profile under review.
type reviewPage struct {
	TenantID, Company, Domain, By, Website string
	SubmittedAt                            time.Time
	// Submitted identifies what is seen, so that nothing else is approved.
	Submitted string
	State     identity.ProfileState
	StateText string
	Rows      []profileRow
	Compared  bool
	Waiting   bool
	Reason    string
	Fault     string
	History   []auditRow
}

var reviewTemplate = newPage[reviewPage]("operator-review")

func (w *Web) showReview(v *visit) error {
	return w.answerReview(v, fiber.StatusOK, "", nil)
}

func (w *Web) answerReview(v *visit, status int, reason string, faults map[string]string) error {
	tenant, err := w.Tenants.Get(v.ctx, v.param("tenant"))
	if err != nil {
		return err
	}
	profile, err := w.Profiles.Get(v.ctx, v.Actor, tenant.ID)
	if err != nil {
		return err
	}
	p := reviewPage{
		TenantID: tenant.ID, Company: tenant.Name, Domain: tenant.Domain, State: profile.State(), StateText: v.t("profile.state." + string(profile.State())),
		Reason: reason, Fault: faults["reason"],
	}
	if c := profile.Change; c != nil {
		p.Company, p.By, p.SubmittedAt, p.Submitted, p.Website = c.Data.Company, c.SubmittedBy, c.SubmittedAt, c.SubmittedAt.Format(time.RFC3339Nano), c.Data.Website
		p.Waiting = c.State == identity.ProfileSubmitted
	}
	p.Rows, p.Compared = v.profileRows(profile)
	if p.History, _, err = w.auditRows(v, identity.AuditQuery{TenantID: tenant.ID}, "", 20); err != nil {
		return err
	}
	return reviewTemplate.render(v, status, frame{
		Title: p.Company, Current: "/operator/approvals", Crumbs: []link{{"/operator/approvals", v.t("approvals.title")}, {"", p.Company}},
	}, p)
}

// submittedAt reads what the operator has seen.
func (v *visit) submittedAt() (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, v.value("submitted"))
	if err != nil {
		return at, fault.New(fault.Invalid, "", "the form is not understood")
	}
	return at, nil
}

func (w *Web) approveProfile(v *visit) error {
	at, err := v.submittedAt()
	if err != nil {
		return err
	}
	if _, err := w.Profiles.Approve(v.ctx, v.Actor, v.param("tenant"), at); err != nil {
		return err
	}
	return v.redirect("/operator/approvals?done=profile-approved")
}

func (w *Web) rejectProfile(v *visit) error {
	at, err := v.submittedAt()
	if err != nil {
		return err
	}
	_, err = w.Profiles.Reject(v.ctx, v.Actor, v.param("tenant"), at, v.value("reason"))
	if err == nil {
		return v.redirect("/operator/approvals?done=profile-rejected")
	}
	var domain *fault.Error
	if errors.As(err, &domain) && domain.Kind == fault.Invalid {
		faults, _ := v.faults(err)
		return w.answerReview(v, fiber.StatusUnprocessableEntity, v.value("reason"), faults)
	}
	return err
}
