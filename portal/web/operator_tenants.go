package web

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
	"llmhub/identity"
	"llmhub/subscription"
)

// tenantsPage is the list of all tenants.
type tenantsPage struct {
	Search string
	Rows   []tenantRow
	Total  int
	Pager  pager
}

type tenantRow struct {
	Href, Name, Domain, ID, Class, State string
	CreatedAt                            time.Time
}

var tenantsTemplate = newPage[tenantsPage]("operator-tenants")

func (w *Web) showTenants(v *visit) error {
	found, err := w.Tenants.Find(v.ctx, v.Actor, v.query("q"))
	if err != nil {
		return err
	}
	page, pages := v.pageNumber(), max(1, (len(found)+operatorPerPage-1)/operatorPerPage)
	page = min(page, pages)
	p := tenantsPage{Search: v.query("q"), Total: len(found), Pager: newPager("/operator/tenants", v.allQuery(), page, pages, len(found))}
	for _, t := range found[(page-1)*operatorPerPage : min(page*operatorPerPage, len(found))] {
		p.Rows = append(p.Rows, v.tenantRow(t))
	}
	return tenantsTemplate.render(v, fiber.StatusOK, frame{Title: v.t("tenants.title"), Current: "/operator/tenants"}, p)
}

func (v *visit) tenantRow(t identity.Tenant) tenantRow {
	r := tenantRow{Href: "/operator/tenants/" + t.ID, Name: t.Name, Domain: orUnknown(t.Domain), ID: t.ID, CreatedAt: t.CreatedAt, Class: "good", State: v.t("tenants.state." + string(t.State))}
	if t.State != identity.TenantActive {
		r.Class = "bad"
	}
	return r
}

// tenantPage is everything an operator has to know of a tenant.
type tenantPage struct {
	tenantRow
	Suspended     bool
	SuspendedAt   time.Time
	SuspendReason string
	Profile       string
	ProfileRows   []profileRow
	Users         []userRow
	Subscriptions []operatorSubscriptionRow
	More          bool
	// Workloads are the newest, WorkloadCount is how many have not been removed.
	Workloads     []workloadRow
	WorkloadCount int
	History       []auditRow
	Reason        string
	Fault         string
	// ActiveKeys is how many keys a suspension would refuse.
	ActiveKeys int
}

type userRow struct {
	Name, Rights string
	LastSignInAt time.Time
}

var tenantTemplate = newPage[tenantPage]("operator-tenant")

func (w *Web) showTenant(v *visit) error { return w.answerTenant(v, fiber.StatusOK, "", nil) }

func (w *Web) answerTenant(v *visit, status int, reason string, faults map[string]string) error {
	t, err := w.Tenants.Get(v.ctx, v.param("tenant"))
	if err != nil {
		return err
	}
	p := tenantPage{tenantRow: v.tenantRow(t), Suspended: t.State != identity.TenantActive, SuspendReason: t.SuspendReason, Reason: reason, Fault: faults["reason"]}
	if t.SuspendedAt != nil {
		p.SuspendedAt = *t.SuspendedAt
	}
	profile, err := w.Profiles.Get(v.ctx, v.Actor, t.ID)
	if err != nil {
		return err
	}
	p.Profile = v.t("profile.state." + string(profile.State()))
	p.ProfileRows, _ = v.profileRows(profile)
	if p.Users, err = w.userRows(v, t); err != nil {
		return err
	}
	subs, err := w.Service.SubscriptionPage(v.ctx, v.Actor, subscription.SubscriptionQuery{TenantID: t.ID, PerPage: operatorPerPage})
	if err != nil {
		return err
	}
	p.Subscriptions, p.More = v.operatorSubscriptionRows(subs.Rows), subs.Pages > 1
	for _, s := range subs.Rows {
		p.ActiveKeys += s.Keys.Active
	}
	workloads, err := w.Deployments.Workloads(v.ctx, v.Actor, deployer.WorkloadQuery{TenantID: t.ID, PerPage: operatorPerPage})
	if err != nil {
		return err
	}
	p.Workloads, p.WorkloadCount = v.workloadRows(workloads.Rows), workloads.Total
	if p.History, _, err = w.auditRows(v, identity.AuditQuery{TenantID: t.ID}, "", 20); err != nil {
		return err
	}
	return tenantTemplate.render(v, status, frame{
		Title: t.Name, Current: "/operator/tenants", Crumbs: []link{{"/operator/tenants", v.t("tenants.title")}, {"", t.Name}},
	}, p)
}

func (w *Web) userRows(v *visit, t identity.Tenant) ([]userRow, error) {
	users, err := w.Users.List(v.ctx, v.Actor, t.ID)
	if err != nil {
		return nil, err
	}
	rows := make([]userRow, len(users))
	for i, u := range users {
		var rights []string
		for _, r := range identity.RightsOf(u, t) {
			rights = append(rights, v.t("right."+string(r)))
		}
		rows[i] = userRow{u.Name, orUnknown(strings.Join(rights, ", ")), u.LastSignInAt}
	}
	return rows, nil
}

func (w *Web) suspendTenant(v *visit) error {
	_, err := w.Tenants.Suspend(v.ctx, v.Actor, v.param("tenant"), v.value("reason"))
	if err == nil {
		return v.redirect("/operator/tenants/" + v.param("tenant") + "?done=tenant-suspended")
	}
	faults, shown := v.faults(err)
	if !shown || faults["reason"] == "" {
		return err
	}
	return w.answerTenant(v, fiber.StatusUnprocessableEntity, v.value("reason"), faults)
}

func (w *Web) resumeTenant(v *visit) error {
	if _, err := w.Tenants.Resume(v.ctx, v.Actor, v.param("tenant")); err != nil {
		return err
	}
	return v.redirect("/operator/tenants/" + v.param("tenant") + "?done=tenant-resumed")
}

// operatorSubscriptionsPage is the list of all tenants' subscriptions.
type operatorSubscriptionsPage struct {
	Search string
	Tabs   []tab
	Rows   []operatorSubscriptionRow
	Pager  pager
	State  string
}

type operatorSubscriptionRow struct {
	ID, Product, Tenant, TenantHref, Class, State, Cancel, Limits string
	CreatedAt                                                     time.Time
	CancelledAt                                                   *time.Time
	CancelledBy, CancelReason                                     string
	ActiveKeys, Keys                                              int
}

var operatorSubscriptionsTemplate = newPage[operatorSubscriptionsPage]("operator-subscriptions")

func (w *Web) showAllSubscriptions(v *visit) error {
	state := subscription.State(v.query("state"))
	if state != subscription.Active && state != subscription.Cancelled {
		state = ""
	}
	found, err := w.Service.SubscriptionPage(v.ctx, v.Actor, subscription.SubscriptionQuery{
		State: state, Search: v.query("q"), Page: v.pageNumber(), PerPage: operatorPerPage,
	})
	if err != nil {
		return err
	}
	const path = "/operator/subscriptions"
	query := v.allQuery()
	p := operatorSubscriptionsPage{
		Search: v.query("q"), State: string(state), Rows: v.operatorSubscriptionRows(found.Rows),
		Pager: newPager(path, query, found.Page, found.Pages, found.Total),
		Tabs: []tab{
			{withQuery(path, query, "state", ""), v.t("opsubs.all"), int64(found.Active + found.Cancelled), state == ""},
			{withQuery(path, query, "state", "active"), v.t("opsubs.active"), int64(found.Active), state == subscription.Active},
			{withQuery(path, query, "state", "cancelled"), v.t("opsubs.cancelled"), int64(found.Cancelled), state == subscription.Cancelled},
		},
	}
	return operatorSubscriptionsTemplate.render(v, fiber.StatusOK, frame{Title: v.t("opsubs.title"), Current: path}, p)
}

func (v *visit) operatorSubscriptionRows(rows []subscription.SubscriptionRow) []operatorSubscriptionRow {
	list := make([]operatorSubscriptionRow, len(rows))
	for i, s := range rows {
		list[i] = operatorSubscriptionRow{
			ID: s.ID, Product: v.web.productName(s.Subscription), Tenant: s.TenantName, TenantHref: "/operator/tenants/" + s.TenantID, Class: "good",
			State: v.t("opsubs.state." + string(s.State)), CreatedAt: s.CreatedAt, CancelledAt: s.CancelledAt, CancelledBy: s.CancelledBy,
			CancelReason: s.CancelReason, ActiveKeys: s.Keys.Active, Keys: s.Keys.All(),
		}
		if s.State == subscription.Active {
			list[i].Cancel, list[i].Limits = "/operator/subscriptions/"+s.ID+"/cancel", operatorLimitsPath(s.ID)
		} else {
			list[i].Class = "off"
		}
	}
	return list
}

// operatorCancelPage asks before a subscription is cancelled.
type operatorCancelPage struct {
	ID, Product, Tenant, Reason, Fault string
	Keys                               int
}

var operatorCancelTemplate = newPage[operatorCancelPage]("operator-cancel")

func (w *Web) showOperatorCancel(v *visit) error {
	return w.answerOperatorCancel(v, fiber.StatusOK, "", "")
}

func (w *Web) answerOperatorCancel(v *visit, status int, reason, problem string) error {
	s, err := w.Service.GetSubscription(v.ctx, v.Actor, v.param("subscription"))
	if err != nil {
		return err
	}
	if s.State != subscription.Active {
		return v.redirect("/operator/subscriptions?state=cancelled&q=" + s.ID)
	}
	keys, err := w.Service.KeyPage(v.ctx, v.Actor, subscription.KeyQuery{SubscriptionID: s.ID, PerPage: 1})
	if err != nil {
		return err
	}
	tenant, err := w.Tenants.Get(v.ctx, s.TenantID)
	if err != nil {
		return err
	}
	return operatorCancelTemplate.render(v, status, frame{
		Title: v.t("opcancel.title"), Current: "/operator/subscriptions", Narrow: true,
		Crumbs: []link{{"/operator/subscriptions", v.t("opsubs.title")}, {"", v.t("opcancel.title")}},
	}, operatorCancelPage{ID: s.ID, Product: w.productName(s), Tenant: tenant.Name, Reason: reason, Fault: problem, Keys: keys.Counts.Active})
}

func (w *Web) operatorCancel(v *visit) error {
	reason := strings.TrimSpace(v.value("reason"))
	if reason == "" {
		return w.answerOperatorCancel(v, fiber.StatusUnprocessableEntity, "", v.t("opcancel.reason.missing"))
	}
	_, err := w.Service.CancelSubscription(v.ctx, v.Actor, v.param("subscription"), reason)
	if err == nil {
		return v.redirect("/operator/subscriptions?done=operator-cancelled")
	}
	faults, shown := v.faults(err)
	if !shown || faults["reason"] == "" {
		return err
	}
	return w.answerOperatorCancel(v, fiber.StatusUnprocessableEntity, reason, faults["reason"])
}
