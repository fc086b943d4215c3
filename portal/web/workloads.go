package web

import (
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
	"llmhub/identity"
)

// workloadsPerPage is how many workloads a page shows.
const workloadsPerPage = 10

// maxSearchBytes bounds what workloads are searched for.
const maxSearchBytes = 200

// workloadsPage is the list of a tenant's workloads, with what the visitor has begun to deploy.
type workloadsPage struct {
	State, Search string
	Tabs          []tab
	Rows          []workloadRow
	Total         int
	Pager         pager
	Drafts        []draftRow
}

// workloadRow is a workload in a list.
type workloadRow struct {
	Href, Product, Version, Seller, Licence string
	Release, Cluster, Namespace             string
	State, Class, Reason                    string
	At                                      time.Time
	// Guide and Support lead to the text after deployment and to the seller's support; each is empty where there is none.
	Guide, Support string
}

// draftRow is a deployment that has been begun.
type draftRow struct {
	Href, Discard, Product, Target string
	Upgrade                        bool
	At, EndsAt                     time.Time
}

var workloadsTemplate = newPage[workloadsPage]("workloads")

// workloadStates are what the list can be narrowed to; the first is all that have not been removed.
var workloadStates = []string{"", "ready", "pending", "error", "removed"}

func (w *Web) showWorkloads(v *visit) error {
	state := v.query("state")
	if !slices.Contains(workloadStates, state) {
		state = ""
	}
	search := v.query("q")
	if len(search) > maxSearchBytes {
		search = strings.ToValidUTF8(search[:maxSearchBytes], "")
	}
	list, err := w.Deployments.Workloads(v.ctx, v.Actor, deployer.WorkloadQuery{
		TenantID: v.Tenant.ID, State: state, Search: search, Page: v.pageNumber(), PerPage: workloadsPerPage,
	})
	if err != nil {
		return err
	}
	p := workloadsPage{
		State: state, Search: search, Total: list.Total, Rows: v.workloadRows(list.Rows),
		Pager: newPager("/workloads", v.allQuery(), list.Page, list.Pages, list.Total),
	}
	counts := map[string]int{
		"": list.ReadyCount + list.FailedCount + list.PendingCount, "ready": list.ReadyCount, "pending": list.PendingCount,
		"error": list.FailedCount, "removed": list.RemovedCount,
	}
	for _, s := range workloadStates {
		text := v.t("workloads.tab.all")
		if s != "" {
			text = v.t("workloads.tab." + s)
		}
		p.Tabs = append(p.Tabs, tab{withQuery("/workloads", v.allQuery(), "state", s), text, int64(counts[s]), s == state})
	}
	if p.Drafts, err = w.draftRows(v); err != nil {
		return err
	}
	return workloadsTemplate.render(v, fiber.StatusOK, frame{Title: v.t("workloads.title"), Current: "/workloads"}, p)
}

// draftRows returns what the visitor has begun, for those who may go on with it.
func (w *Web) draftRows(v *visit) ([]draftRow, error) {
	if !v.Actor.Has(v.Tenant.ID, identity.Subscribe) {
		return nil, nil
	}
	drafts, err := w.Deployments.Drafts(v.ctx, v.Actor)
	if err != nil {
		return nil, err
	}
	rows := make([]draftRow, len(drafts))
	for i, d := range drafts {
		rows[i] = draftRow{
			Href: draftPath(d.ID), Discard: draftPath(d.ID) + "/discard", Product: w.productOrID(d.ProductID).Name, Upgrade: d.WorkloadID != "",
			At: d.CreatedAt, EndsAt: d.EndsAt,
		}
		if d.Target.ClusterName != "" {
			rows[i].Target = d.Target.ClusterName + " / " + d.Target.Namespace
		}
	}
	return rows, nil
}

func (v *visit) workloadRows(list []deployer.Workload) []workloadRow {
	rows := make([]workloadRow, len(list))
	for i, l := range list {
		r := workloadRow{
			Href: workloadPath(l.ID), Product: l.ProductName, Version: l.ProductVersion, Seller: l.SellerName, Licence: v.licenceWord(l.Licence),
			Release: l.Target.Release, Cluster: l.Target.ClusterName, Namespace: l.Target.Namespace,
			State: v.t("workload.state." + string(l.State)), Class: workloadClass(l), At: l.CreatedAt,
		}
		if l.Reason != nil {
			r.Reason = v.t("reason." + string(l.Reason.Code))
		}
		if p, ok := v.web.Catalog().Product(l.ProductID); ok {
			r.Support = supportOf(p.Seller)
			if p.PostDeployment.In(v.loc.Language()) != "" {
				r.Guide = r.Href + "#guide"
			}
		}
		rows[i] = r
	}
	return rows
}

// workloadClass is the colour of a workload's state, beside which stands the word.
func workloadClass(l deployer.Workload) string {
	switch {
	case l.State == deployer.Ready:
		return "good"
	case l.State == deployer.Failed:
		return "bad"
	case l.State == deployer.Removed:
		return "off"
	case l.Reason != nil:
		return "warn" // it waits for somebody
	}
	return ""
}

func workloadPath(id string) string { return "/workloads/" + id }

func draftPath(id string) string { return "/deploy/" + id }
