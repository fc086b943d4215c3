package web

import (
	"context"
	"html/template"
	"regexp"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
	"llmhub/identity"
)

// workloadPage is a workload: how it goes, what it is, and what can be done with it.
type workloadPage struct {
	Tabs                                    workloadTabs
	ID, Product, ProductHref, Version       string
	Seller, Licence, Chart, Digest, Support string
	StateText, Class                        string
	Target                                  deployer.Target
	Revision                                int
	Since, ReadyAt, RemovedAt               time.Time
	CreatedBy                               string
	// Progress is set while an operation is under way, and where the last one has failed.
	Progress *progressView
	// Failed says why it has failed, Waiting why an operation does not go on; Continue goes on with it.
	Failed, Waiting *reasonNote
	Continue        string
	// Live are the objects as the cluster tells; it is nil while an operation is under way, and after the removal.
	Live    *liveView
	Values  []valueRow
	Guide   template.HTML
	History []operationRow
	Actions workloadActions
}

// workloadTabs leads to the pages of one workload.
type workloadTabs struct{ ID, Current string }

// workloadActions are where a workload can be changed; each is empty where that is not possible.
type workloadActions struct {
	Upgrade, UpgradeText, Rollback, Uninstall string
	// NoRight says that the visitor may only look.
	NoRight bool
}

// liveView is what the cluster says of the objects.
type liveView struct {
	Resources []resourceRow
	// Unreadable says why the cluster says nothing; Reason what keeps the objects from being ready.
	Unreadable, Reason *reasonNote
	Event              string
}

type resourceRow struct {
	Kind, Name, Address string
	Ready, Wanted       int
	Good                bool
	// Counted says that Ready and Wanted count pods.
	Counted bool
	Reason  *reasonNote
}

var workloadTemplate = newPage[workloadPage]("workload")

func (w *Web) workloadRoutes() []route {
	return []route{
		{fiber.MethodGet, "/workloads", customers, w.showWorkloads},
		{fiber.MethodGet, "/workloads/:workload", customers, w.showWorkload},
		{fiber.MethodGet, "/workloads/:workload/agreement", customers, w.showWorkloadAgreement},
		{fiber.MethodPost, "/workloads/:workload/upgrade", customers, w.upgradeWorkload},
		{fiber.MethodPost, "/workloads/:workload/continue", customers, w.continueWorkload},
		{fiber.MethodGet, "/workloads/:workload/rollback", customers, w.chooseRevision},
		{fiber.MethodPost, "/workloads/:workload/rollback", customers, w.rollbackWorkload},
		{fiber.MethodGet, "/workloads/:workload/uninstall", customers, w.confirmUninstall},
		{fiber.MethodPost, "/workloads/:workload/uninstall", customers, w.uninstallWorkload},
		{fiber.MethodGet, "/workloads/:workload/forget", customers, w.confirmForget},
		{fiber.MethodPost, "/workloads/:workload/forget", customers, w.forgetWorkload},
	}
}

// workload returns the workload in the path.
func (w *Web) workload(v *visit) (deployer.Workload, error) {
	return w.Deployments.Workload(v.ctx, v.Actor, v.param("workload"))
}

func (w *Web) showWorkload(v *visit) error { return w.answerWorkload(v, fiber.StatusOK, nil) }

// answerWorkload shows the workload in the path; problem is why something that was asked for cannot be done.
func (w *Web) answerWorkload(v *visit, status int, problem *reasonNote) error {
	l, err := w.workload(v)
	if err != nil {
		return err
	}
	p := w.workloadPage(v, l)
	if problem != nil {
		p.Waiting, p.Continue = problem, ""
	}
	if !l.State.Pending() && l.State != deployer.Removed {
		if p.Live, err = w.live(v, l); err != nil {
			return err
		}
	}
	p.Guide = w.guide(v, l, p.Live)
	return workloadTemplate.render(v, status, frame{
		Title: p.Product, Current: "/workloads", Settled: !l.State.Pending(), Crumbs: []link{{"/workloads", v.t("workloads.title")}, {"", p.Product}},
	}, p)
}

// workloadPage returns the page without what the cluster says.
func (w *Web) workloadPage(v *visit, l deployer.Workload) workloadPage {
	p := workloadPage{
		Tabs: workloadTabs{l.ID, "overview"}, ID: l.ID, Product: l.ProductName, Version: l.ProductVersion, Seller: l.SellerName,
		Licence: v.licenceWord(l.Licence), Chart: strings.TrimSpace(l.ChartName + " " + l.ChartVersion), Digest: l.ChartDigest,
		StateText: v.t("workload.state." + string(l.State)), Class: workloadClass(l), Target: l.Target, Revision: l.Revision,
		Since: l.CreatedAt, ReadyAt: l.ReadyAt, RemovedAt: l.RemovedAt, CreatedBy: l.CreatedBy,
		Values: valueRows(l.Values, l.SecretPaths), History: v.operationRows(l.History), Progress: v.progress(l), Actions: w.workloadActions(v, l),
	}
	if product, ok := w.Catalog().Product(l.ProductID); ok {
		p.ProductHref, p.Support = "/catalog/"+product.ID, supportOf(product.Seller)
	}
	switch {
	case l.State == deployer.Failed:
		p.Failed = v.reason(l.Reason)
	case l.State.Pending():
		p.Waiting = v.reason(l.Reason)
		if l.Reason != nil && l.Reason.Code == deployer.AccessEnded && !p.Actions.NoRight {
			p.Continue = workloadPath(l.ID) + "/continue"
		}
	}
	return p
}

func (w *Web) workloadActions(v *visit, l deployer.Workload) workloadActions {
	path := workloadPath(l.ID)
	if l.State == deployer.Removed {
		return workloadActions{}
	}
	if !v.Actor.Has(l.TenantID, identity.Subscribe) {
		return workloadActions{NoRight: true}
	}
	var a workloadActions
	if l.State != deployer.Removing {
		a.Uninstall = path + "/uninstall"
	}
	if l.State.Pending() || l.Revision == 0 {
		return a
	}
	if p, ok := w.Catalog().Product(l.ProductID); ok {
		a.Upgrade, a.UpgradeText = path+"/upgrade", v.t("workload.reconfigure")
		if p.Version != l.ProductVersion {
			a.UpgradeText = v.t("workload.upgrade", "Version", p.Version)
		}
	}
	if l.Revision > 1 {
		a.Rollback = path + "/rollback"
	}
	return a
}

// liveTimeout bounds how long a page waits for what the cluster says beside what is known anyway.
const liveTimeout = 8 * time.Second

// live asks the cluster how the objects are doing. A cluster that cannot be read is said on the page, and is no error.
func (w *Web) live(v *visit, l deployer.Workload) (*liveView, error) {
	cred, err := v.credential()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(v.ctx, liveTimeout)
	defer cancel()
	seen, err := w.Deployments.Observe(ctx, v.Actor, cred, l.ID)
	if err != nil {
		note, err := v.trouble(err)
		return &liveView{Unreadable: note}, err
	}
	live := &liveView{Reason: v.reason(seen.Reason), Event: eventText(&seen.Event)}
	for _, r := range seen.Resources {
		live.Resources = append(live.Resources, resourceRow{
			Kind: r.Kind, Name: r.Name, Address: r.Address, Ready: r.Ready, Wanted: r.Wanted, Good: r.Ready >= r.Wanted, Counted: r.CountsPods(), Reason: v.reason(r.Reason),
		})
	}
	return live, nil
}

// address is what a guide may be filled in with: no text of a cluster can bring markup into it.
var address = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$`)

// guide returns what is to be done after the deployment, with this workload's names in the places that sellers leave for
// them. HOST stays where no address is known.
func (w *Web) guide(v *visit, l deployer.Workload, live *liveView) template.HTML {
	product, ok := w.Catalog().Product(l.ProductID)
	text := product.PostDeployment.In(v.loc.Language())
	if !ok || text == "" || l.State == deployer.Removed {
		return ""
	}
	names := []string{"RELEASE", l.Target.Release, "NAMESPACE", l.Target.Namespace}
	if live != nil {
		for _, r := range live.Resources {
			if r.Address != "" {
				names = append(names, "HOST", r.Address)
				break
			}
		}
	}
	for i := 0; i < len(names); i += 2 {
		if address.MatchString(names[i+1]) {
			text = strings.ReplaceAll(text, names[i], names[i+1])
		}
	}
	return markdown(sectionText, text)
}

// eventText is something that Kubernetes tells, in one line; empty if it tells nothing.
func eventText(e *deployer.Event) string {
	if e == nil || e.Message == "" && e.Reason == "" {
		return ""
	}
	text := e.Message
	if e.Reason != "" {
		text = strings.TrimSuffix(e.Reason+": "+text, ": ")
	}
	if e.Object != "" {
		text = e.Object + " – " + text
	}
	return text
}
