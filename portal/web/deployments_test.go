package web_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

// Canaries are secrets that somebody has entered. No page shows them.
const (
	canaryPassword = "canary-form-password-1"
	canaryLicence  = "canary-licence-text"
)

// deployments plays a deployer.Service: what is on clusters is what the test says, drafts and workloads are kept in memory.
type deployments struct {
	buyers  *identity.Buyers
	catalog func() *catalog.Catalog

	mu        sync.Mutex
	drafts    map[string]deployer.Draft
	workloads map[string]deployer.Workload
	// fail are errors by the name of a method.
	fail     map[string]error
	projects []identity.Project
	clusters []deployer.ClusterInfo
	details  deployer.ClusterDetails
	form     *form.Form
	inputErr error
	yaml     string
	review   deployer.Review
	observed deployer.Observation
	releases []deployer.Release
	// asked are the credentials that came, licences what was uploaded, accepted and confirmed what came with the last deployment.
	asked []string
	// deadline is that of the last review or observation.
	deadline  time.Time
	licences  map[string]string
	cleared   []string
	accepted  []identity.Consent
	confirmed bool
}

func newDeployments(d store.Documents, profiles *identity.Profiles, products func() *catalog.Catalog) *deployments {
	return &deployments{
		buyers: identity.NewBuyers(d, profiles), catalog: products,
		drafts: map[string]deployer.Draft{}, workloads: map[string]deployer.Workload{}, fail: map[string]error{}, licences: map[string]string{},
		projects: []identity.Project{{ID: "p1", Name: "eu-de_production", Enabled: true}, {ID: "p2", Name: "eu-de_test", Enabled: true}},
		clusters: []deployer.ClusterInfo{
			{ID: "c1", Name: "prod-1", Version: "v1.29", Type: "CCE, VirtualMachine", Available: true, Phase: "Available"},
			{ID: "c2", Name: "prod-2", Version: "v1.28", Phase: "Upgrading", Message: "the control plane is being upgraded"},
		},
		details: deployer.ClusterDetails{
			Facts:          deployer.Facts{Version: "v1.29.6", Nodes: 3, ReadyNodes: 3, FreeMilliCPU: 5500, FreeMemoryMiB: 12 << 10},
			Namespaces:     []deployer.Namespace{{Name: "default", Usable: true}, {Name: "old-shop"}, {Name: "shop", Usable: true}},
			StorageClasses: []deployer.StorageClass{{Name: "csi-disk", Provisioner: "everest", Default: true}, {Name: "csi-nas", Provisioner: "everest"}},
		},
		form: &form.Form{}, yaml: "persistence:\n  size: 8Gi\n",
	}
}

// called says whether a method is to fail.
func (d *deployments) called(method string, cred ...deployer.Credential) error {
	for _, c := range cred {
		d.asked = append(d.asked, c.Token.Reveal())
	}
	return d.fail[method]
}

func noDraft() *fault.Error { return fault.New(fault.NotFound, "", "there is no such tenant") }

func (d *deployments) Ready(ctx context.Context, by identity.Actor, tenantID string) error {
	_, err := d.buyers.Require(ctx, by, tenantID)
	return err
}

func (d *deployments) Projects(_ context.Context, _ identity.Actor, cred deployer.Credential) ([]identity.Project, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.projects, d.called("Projects", cred)
}

func (d *deployments) Clusters(_ context.Context, _ identity.Actor, cred deployer.Credential, _ string) ([]deployer.ClusterInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clusters, d.called("Clusters", cred)
}

func (d *deployments) Cluster(_ context.Context, _ identity.Actor, cred deployer.Credential, _, _ string) (deployer.ClusterDetails, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.called("Cluster", cred); err != nil {
		return deployer.ClusterDetails{}, err
	}
	return d.details, nil
}

func (d *deployments) NewDraft(ctx context.Context, by identity.Actor, productID string) (deployer.Draft, error) {
	if err := d.Ready(ctx, by, by.TenantID); err != nil {
		return deployer.Draft{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.catalog().Product(productID)
	if !ok {
		return deployer.Draft{}, noDraft()
	}
	id := fmt.Sprintf("dft_%d", len(d.drafts)+1)
	d.drafts[id] = deployer.Draft{
		ID: id, TenantID: by.TenantID, UserID: by.ID, ProductID: productID, ProductVersion: p.Version, CreatedAt: time.Now(), EndsAt: time.Now().Add(24 * time.Hour),
	}
	return d.drafts[id], nil
}

func (d *deployments) NewUpgrade(ctx context.Context, by identity.Actor, workloadID string) (deployer.Draft, error) {
	l, err := d.changeable(ctx, by, workloadID)
	if err != nil {
		return deployer.Draft{}, err
	}
	n, err := d.NewDraft(ctx, by, l.ProductID)
	if err != nil {
		return deployer.Draft{}, err
	}
	return d.change(n.ID, func(n *deployer.Draft) { n.WorkloadID, n.Target = l.ID, l.Target }), nil
}

func (d *deployments) change(id string, change func(*deployer.Draft)) deployer.Draft {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.drafts[id]
	change(&n)
	d.drafts[id] = n
	return n
}

func (d *deployments) Draft(_ context.Context, by identity.Actor, id string) (deployer.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.drafts[id]
	if !ok || n.UserID != by.ID {
		return deployer.Draft{}, noDraft()
	}
	return n, nil
}

func (d *deployments) Drafts(_ context.Context, by identity.Actor) ([]deployer.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []deployer.Draft
	for _, n := range d.drafts {
		if n.UserID == by.ID && n.WorkloadMade == "" {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b deployer.Draft) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (d *deployments) Discard(ctx context.Context, by identity.Actor, id string) error {
	if _, err := d.Draft(ctx, by, id); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.drafts, id)
	return nil
}

func (d *deployments) SetTarget(ctx context.Context, by identity.Actor, cred deployer.Credential, id string, t deployer.Target) (deployer.Draft, error) {
	if _, err := d.Draft(ctx, by, id); err != nil {
		return deployer.Draft{}, err
	}
	d.mu.Lock()
	err := d.called("SetTarget", cred)
	d.mu.Unlock()
	switch {
	case err != nil:
		return deployer.Draft{}, err
	case t.Namespace == "" || strings.ContainsAny(t.Namespace, " <"):
		return deployer.Draft{}, fault.Faults{fault.New(fault.Invalid, "new_namespace", "must not be empty")}
	}
	if t.Release == "" {
		t.Release = "made-up-1"
	}
	t.ProjectName, t.ClusterName = "eu-de_production", "prod-1"
	return d.change(id, func(n *deployer.Draft) { n.Target = t }), nil
}

func (d *deployments) SetLicence(ctx context.Context, by identity.Actor, id, name string, licence secret.Text, later bool) (deployer.Draft, error) {
	n, err := d.Draft(ctx, by, id)
	switch {
	case err != nil:
		return n, err
	case !licence.IsSet() && !later && n.LicenceName == "":
		return n, fault.Faults{fault.New(fault.Invalid, "licence", "must not be empty")}
	case !licence.IsSet() && !later:
		return n, nil
	}
	d.mu.Lock()
	d.licences[name] = licence.Reveal()
	d.mu.Unlock()
	return d.change(id, func(n *deployer.Draft) {
		n.LicenceName, n.LicenceBytes, n.LicenceLater = name, len(licence.Reveal()), later
	}), nil
}

func (d *deployments) Form(ctx context.Context, by identity.Actor, id string) (*form.Form, error) {
	_, err := d.Draft(ctx, by, id)
	return d.form, err
}

func (d *deployments) SetInput(ctx context.Context, by identity.Actor, id string, in form.Input, clear []string) (deployer.Draft, error) {
	n, err := d.Draft(ctx, by, id)
	if err != nil {
		return n, err
	}
	plain, secrets := form.Input{}, n.SecretPaths
	for path, values := range in {
		if slices.ContainsFunc(d.form.Fields, func(f form.Field) bool { return f.Path == path && f.Kind == form.Secret }) {
			secrets = append(secrets, path)
			continue
		}
		plain[path] = values
	}
	d.cleared = clear
	secrets = slices.DeleteFunc(secrets, func(path string) bool { return slices.Contains(clear, path) })
	return d.change(id, func(n *deployer.Draft) { n.Input, n.SecretPaths, n.Sealed = plain, secrets, []byte(canaryPassword) }), d.inputErr
}

func (d *deployments) YAML(context.Context, identity.Actor, string) (string, error) {
	return d.yaml, nil
}

func (d *deployments) Missing(_ context.Context, n deployer.Draft) (deployer.Step, error) {
	p, _ := d.catalog().Product(n.ProductID)
	switch {
	case n.Target.ClusterID == "":
		return deployer.StepTarget, nil
	case p.CCE != nil && p.CCE.BYOL != nil && n.LicenceName == "" && !n.LicenceLater && n.WorkloadID == "":
		return deployer.StepLicence, nil
	case n.Input == nil && n.WorkloadID == "":
		return deployer.StepConfiguration, nil
	}
	return deployer.StepReview, nil
}

func (d *deployments) Review(ctx context.Context, _ identity.Actor, cred deployer.Credential, _ string) (deployer.Review, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deadline, _ = ctx.Deadline()
	return d.review, d.called("Review", cred)
}

func (d *deployments) Documents(productID, lang string) ([]identity.Document, error) {
	p, _ := d.catalog().Product(productID)
	var list []identity.Document
	for _, x := range p.Consents() {
		list = append(list, identity.Document{ID: x.ID, Title: x.Title.In(lang), Version: x.Version, Digest: x.Digest})
	}
	return list, nil
}

func (d *deployments) Deploy(ctx context.Context, by identity.Actor, cred deployer.Credential, id, lang string, accepted []identity.Consent, confirmed bool) (deployer.Workload, error) {
	n, err := d.Draft(ctx, by, id)
	if err != nil {
		return deployer.Workload{}, err
	}
	documents, _ := d.Documents(n.ProductID, lang)
	consents, err := by.Accept(documents, accepted, time.Now())
	if err != nil {
		return deployer.Workload{}, err
	}
	p, _ := d.catalog().Product(n.ProductID)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.called("Deploy", cred); err != nil {
		return deployer.Workload{}, err
	}
	d.accepted, d.confirmed = consents, confirmed
	l := deployer.Workload{
		ID: "wl_" + id, TenantID: by.TenantID, Target: n.Target, ProductID: p.ID, ProductName: p.Name, ProductVersion: p.Version, SellerName: p.Seller.Name,
		Licence: string(p.Licence), ChartName: p.ID, ChartVersion: "1.0.0", State: deployer.Requested, CreatedAt: time.Now(), CreatedBy: by.Name, Consents: consents,
		Operation: &deployer.Operation{ID: "op_1", Kind: deployer.JobInstall, ByName: by.Name, RequestedAt: time.Now()},
	}
	d.workloads[l.ID] = l
	n.WorkloadMade = l.ID
	d.drafts[id] = n
	return l, nil
}

func (d *deployments) Workloads(_ context.Context, by identity.Actor, q deployer.WorkloadQuery) (deployer.WorkloadPage, error) {
	if !by.Has(q.TenantID, identity.Reports) {
		return deployer.WorkloadPage{}, noDraft()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var p deployer.WorkloadPage
	var found []deployer.Workload
	for _, l := range d.workloads {
		if l.TenantID != q.TenantID || !strings.Contains(strings.ToLower(l.ProductName+l.Target.Release), strings.ToLower(q.Search)) {
			continue
		}
		count, state := &p.PendingCount, "pending"
		switch l.State {
		case deployer.Ready:
			count, state = &p.ReadyCount, "ready"
		case deployer.Failed:
			count, state = &p.FailedCount, "error"
		case deployer.Removed:
			count, state = &p.RemovedCount, "removed"
		}
		*count++
		if state == q.State || q.State == "" && state != "removed" {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b deployer.Workload) int { return strings.Compare(a.ID, b.ID) })
	per := max(q.PerPage, 1)
	p.Total, p.Pages, p.Page = len(found), max(1, (len(found)+per-1)/per), max(q.Page, 1)
	p.Page = min(p.Page, p.Pages)
	p.Rows = found[(p.Page-1)*per : min(p.Page*per, len(found))]
	return p, nil
}

func (d *deployments) Workload(_ context.Context, by identity.Actor, id string) (deployer.Workload, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.workloads[id]
	if !ok || !by.Has(l.TenantID, identity.Reports) {
		return deployer.Workload{}, noDraft()
	}
	return l, nil
}

// changeable is Workload for those who may change it.
func (d *deployments) changeable(ctx context.Context, by identity.Actor, id string) (deployer.Workload, error) {
	l, err := d.Workload(ctx, by, id)
	if err != nil {
		return l, err
	}
	return l, by.Require(l.TenantID, identity.Subscribe, noDraft())
}

func (d *deployments) Observe(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Observation, error) {
	if _, err := d.Workload(ctx, by, id); err != nil {
		return deployer.Observation{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deadline, _ = ctx.Deadline()
	return d.observed, d.called("Observe", cred)
}

func (d *deployments) Revisions(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) ([]deployer.Release, error) {
	if _, err := d.Workload(ctx, by, id); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.releases, d.called("Revisions", cred)
}

// begin puts a workload into a state.
func (d *deployments) begin(ctx context.Context, by identity.Actor, cred deployer.Credential, method, id string, state deployer.State) (deployer.Workload, error) {
	l, err := d.changeable(ctx, by, id)
	if err != nil {
		return l, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.called(method, cred); err != nil {
		return l, err
	}
	l.State, l.Reason = state, nil
	d.workloads[id] = l
	return l, nil
}

func (d *deployments) Rollback(ctx context.Context, by identity.Actor, cred deployer.Credential, id string, _ int) (deployer.Workload, error) {
	return d.begin(ctx, by, cred, "Rollback", id, deployer.RollingBack)
}

func (d *deployments) Uninstall(ctx context.Context, by identity.Actor, cred deployer.Credential, id, typed string, forget bool) (deployer.Workload, error) {
	l, err := d.changeable(ctx, by, id)
	switch {
	case err != nil:
		return l, err
	case typed != l.Target.Release:
		return l, fault.New(fault.Invalid, "typed", "must not be empty")
	case forget:
		return d.begin(ctx, by, cred, "Uninstall", id, deployer.Removed)
	}
	return d.begin(ctx, by, cred, "Uninstall", id, deployer.Removing)
}

func (d *deployments) Continue(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Workload, error) {
	return d.begin(ctx, by, cred, "Continue", id, deployer.Installing)
}

// put adds a workload of a tenant, as it is when change has been made to it.
func (d *deployments) put(tenantID, id string, change func(*deployer.Workload)) {
	l := deployer.Workload{
		ID: id, TenantID: tenantID, ProductID: "valkey", ProductName: "Valkey", ProductVersion: "9.1.0", SellerName: "Sample Seller", Licence: "open-source",
		Target:    deployer.Target{ProjectID: "p1", ProjectName: "eu-de_production", ClusterID: "c1", ClusterName: "prod-1", Namespace: "shop", Release: "cache"},
		ChartName: "valkey", ChartVersion: "1.0.0", ChartDigest: "sha256:" + strings.Repeat("ab", 32), State: deployer.Ready,
		CreatedAt: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC), ReadyAt: time.Date(2026, 11, 21, 9, 33, 0, 0, time.UTC), CreatedBy: "jana.weber", Revision: 1,
	}
	if change != nil {
		change(&l)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.workloads[id] = l
}
