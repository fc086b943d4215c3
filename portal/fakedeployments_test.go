package portal_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/portal"
	"llmhub/secret"
)

// The real one does all that the API asks for.
var _ portal.Deployments = (*deployer.Service)(nil)

// deployments stands for deployer.Service: rights are judged as there, clusters and charts are not there.
type deployments struct {
	mu        sync.Mutex
	drafts    map[string]*draft
	workloads []deployer.Workload
	// fail holds what methods fail with, by their names.
	fail map[string]error
	// tokens are the credentials that came, "" for none; the last is that of the last call.
	tokens []string
	// licence is the last that was set, confirmed what Deploy was told.
	licence   string
	confirmed bool
	seq       int
	now       func() time.Time
}

type draft struct {
	deployer.Draft
	input form.Input
	clear []string
}

func newDeployments(now func() time.Time) *deployments {
	return &deployments{drafts: map[string]*draft{}, fail: map[string]error{}, now: now}
}

// begin is what every method begins with.
func (d *deployments) begin(method string, by identity.Actor, need identity.Right, creds ...deployer.Credential) error {
	for _, c := range creds {
		d.tokens = append(d.tokens, c.Token.Reveal())
	}
	if by.Kind == identity.Customer {
		if err := by.Require(by.TenantID, need, noWorkload()); err != nil {
			return err
		}
	}
	return d.fail[method]
}

func noWorkload() *fault.Error { return fault.New(fault.NotFound, "", "there is no such workload") }

func (d *deployments) Projects(_ context.Context, by identity.Actor, cred deployer.Credential) ([]identity.Project, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	projects := []identity.Project{{ID: deployer.ConfiguredProject, Name: "configured", Enabled: true}}
	if cred.Token.IsSet() {
		projects = append(projects, identity.Project{ID: "p1", Name: "eu-de", Enabled: true})
	}
	return projects, d.begin("Projects", by, identity.Subscribe, cred)
}

func (d *deployments) Clusters(_ context.Context, by identity.Actor, cred deployer.Credential, project string) ([]deployer.ClusterInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin("Clusters", by, identity.Subscribe, cred); err != nil {
		return nil, err
	}
	return []deployer.ClusterInfo{
		{ID: "c1", Name: "main", Version: "v1.29", Type: "CCE, VirtualMachine", Available: true, Phase: "Available"},
		{ID: "c2", Name: "old in " + project, Phase: "Hibernation", Message: "asleep"},
	}, nil
}

func (d *deployments) Cluster(_ context.Context, by identity.Actor, cred deployer.Credential, _, cluster string) (deployer.ClusterDetails, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin("Cluster", by, identity.Subscribe, cred); err != nil {
		return deployer.ClusterDetails{}, err
	}
	return deployer.ClusterDetails{
		Facts:          deployer.Facts{Version: "v1.29.3 of " + cluster, Nodes: -1, ReadyNodes: -1, FreeMilliCPU: -1, FreeMemoryMiB: 2048},
		Namespaces:     []deployer.Namespace{{Name: "default", Usable: true}},
		StorageClasses: []deployer.StorageClass{{Name: "csi-disk", Provisioner: "everest", Default: true}},
	}, nil
}

func (d *deployments) ProductForm(_ context.Context, product string) (*form.Form, error) {
	if product != "nginx" {
		return nil, fault.New(fault.NotFound, "", "there is no such product to deploy")
	}
	low, high := 1.0, 9.5
	text := map[string]string{"en": "A", "de": "B"}
	return &form.Form{Fields: []form.Field{
		{Path: "auth.user", Label: text, Kind: form.Text, Required: true, MaxLength: 20},
		{Path: "auth.password", Label: text, Kind: form.Secret},
		{Path: "replicas", Label: text, Kind: form.Number, Integer: true, Minimum: &low, Maximum: &high, Default: []string{"2"}, ChartDefault: "1"},
		{Path: "tls", Label: text, Kind: form.Switch, Group: text},
		{Path: "hosts", Label: text, Kind: form.List, ShowIf: &form.Condition{Path: "tls", Value: "true"}},
		{Path: "internal", Label: text, Kind: form.Text, Hidden: true, Default: []string{"x"}},
	}}, nil
}

func (d *deployments) newDraft(by identity.Actor, v deployer.Draft) deployer.Draft {
	d.seq++
	v.ID, v.TenantID, v.UserID = fmt.Sprintf("dra_%d", d.seq), by.TenantID, by.ID
	d.drafts[v.ID] = &draft{Draft: v}
	return v
}

func (d *deployments) NewDraft(_ context.Context, by identity.Actor, product string) (deployer.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin("NewDraft", by, identity.Subscribe); err != nil {
		return deployer.Draft{}, err
	}
	if by.Kind != identity.Customer {
		return deployer.Draft{}, fault.New(fault.Forbidden, "", "only a user of the tenant can accept its documents")
	}
	return d.newDraft(by, deployer.Draft{ProductID: product}), nil
}

func (d *deployments) NewUpgrade(_ context.Context, by identity.Actor, id string) (deployer.Draft, error) {
	w, err := d.find("NewUpgrade", by, id, identity.Subscribe)
	if err != nil {
		return deployer.Draft{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newDraft(by, deployer.Draft{ProductID: w.ProductID, WorkloadID: id, Input: form.Input{"auth.user": {"before"}, "replicas": {"3"}}}), nil
}

func (d *deployments) Discard(_ context.Context, _ identity.Actor, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.drafts, id)
	return d.fail["Discard"]
}

func (d *deployments) Form(ctx context.Context, _ identity.Actor, _ string) (*form.Form, error) {
	return d.ProductForm(ctx, "nginx")
}

func (d *deployments) SetTarget(_ context.Context, by identity.Actor, cred deployer.Credential, id string, t deployer.Target) (deployer.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin("SetTarget", by, identity.Subscribe, cred); err != nil {
		return deployer.Draft{}, err
	}
	if t.Namespace == "" {
		return deployer.Draft{}, fault.New(fault.Invalid, "namespace", "must not be empty")
	}
	if t.Release == "" {
		t.Release = "made-up"
	}
	d.drafts[id].Target = t
	return d.drafts[id].Draft, nil
}

func (d *deployments) SetLicence(_ context.Context, by identity.Actor, id, name string, licence secret.Text, later bool) (deployer.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !licence.IsSet() && !later {
		return deployer.Draft{}, fault.New(fault.Invalid, "licence", "must not be empty")
	}
	d.licence, d.drafts[id].LicenceName, d.drafts[id].LicenceLater = licence.Reveal(), name, later
	return d.drafts[id].Draft, d.begin("SetLicence", by, identity.Subscribe)
}

func (d *deployments) SetInput(_ context.Context, by identity.Actor, id string, in form.Input, _ []string) (deployer.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drafts[id].input = in
	return d.drafts[id].Draft, d.begin("SetInput", by, identity.Subscribe)
}

func (d *deployments) ClearSecrets(_ context.Context, by identity.Actor, id string, paths []string) (deployer.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drafts[id].clear = paths
	return d.drafts[id].Draft, d.begin("ClearSecrets", by, identity.Subscribe)
}

func (d *deployments) Review(_ context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Review, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	object := deployer.Object{APIVersion: "v1", Kind: "Service", Name: "web"}
	v := deployer.Review{
		Warned: true, YAML: "auth:\n  password: ••••••\n",
		Checks: []deployer.Check{
			{Name: deployer.CheckReachable, State: deployer.CheckPassed},
			{Name: deployer.CheckResources, State: deployer.CheckWarned, Reasons: []deployer.Reason{{Code: deployer.Resources, Detail: "1 CPU"}}},
		},
		Inventory: deployer.Inventory{
			Objects: []deployer.Object{object}, Claims: []deployer.Claim{{Name: "data", Count: 2, SizeBytes: 8 << 30}},
			Balancers: []deployer.BalancerService{{Name: "web", Ports: []int32{443}}}, MilliCPU: 500, MemoryMiB: 256, Images: []string{"nginx:1"},
		},
	}
	if d.drafts[id].WorkloadID != "" {
		v.Diff = []deployer.Difference{{Object: object, Change: "changed"}}
	}
	return v, d.begin("Review", by, identity.Subscribe, cred)
}

func (d *deployments) Deploy(_ context.Context, by identity.Actor, cred deployer.Credential, id, lang string, accepted []identity.Consent, confirmed bool) (deployer.Workload, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.confirmed = confirmed
	if err := d.begin("Deploy", by, identity.Subscribe, cred); err != nil {
		return deployer.Workload{}, err
	}
	consents, err := by.Accept([]identity.Document{{ID: "eula", Title: "EULA in " + lang, Version: "1", Digest: "sha256:1"}}, accepted, d.now())
	if err != nil {
		return deployer.Workload{}, err
	}
	v := d.drafts[id]
	if v.WorkloadID != "" {
		w := d.workload(v.WorkloadID)
		return d.operate(w, by, deployer.JobUpgrade, deployer.Upgrading), nil
	}
	d.workloads = append(d.workloads, deployer.Workload{
		ID: fmt.Sprintf("wkl_%d", len(d.workloads)), TenantID: by.TenantID, Target: v.Target, ProductID: v.ProductID, ProductName: "Nginx",
		ProductVersion: "1.0.0", SellerID: "acme", SellerName: "Acme", Licence: "open-source", ChartName: "nginx", ChartVersion: "1.2.3",
		Values: map[string]any{"replicas": 2.0, "tls": map[string]any{"on": true}}, SecretPaths: []string{"auth.password"},
		Consents: consents, CreatedAt: d.now(), CreatedBy: by.Name, Lease: deployer.Lease{Holder: "canary-holder"},
	})
	return d.operate(&d.workloads[len(d.workloads)-1], by, deployer.JobInstall, deployer.Requested), nil
}

// operate begins an operation; the one before has ended.
func (d *deployments) operate(w *deployer.Workload, by identity.Actor, kind deployer.JobKind, state deployer.State) deployer.Workload {
	if w.Operation != nil {
		w.Operation.EndedAt, w.Operation.Reason = d.now(), &deployer.Reason{Code: deployer.ImagePull, Object: "Pod/web-0", Detail: "no such image"}
		w.History = append([]deployer.Operation{*w.Operation}, w.History...)
	}
	w.State = state
	w.Operation = &deployer.Operation{
		ID: fmt.Sprintf("opn_%d", len(w.History)), Kind: kind, ByID: by.ID, ByName: by.Name, RequestedAt: d.now(), Sealed: []byte("canary-sealed"),
		Steps: []deployer.StepDone{{Name: deployer.WorkStarted, At: d.now()}}, WantedPods: 1, Event: &deployer.Event{Object: "Pod/web-0", Reason: "Pulling"},
	}
	return *w
}

func (d *deployments) workload(id string) *deployer.Workload {
	i := slices.IndexFunc(d.workloads, func(w deployer.Workload) bool { return w.ID == id })
	if i < 0 {
		return nil
	}
	return &d.workloads[i]
}

// find returns a workload that exists for who asks.
func (d *deployments) find(method string, by identity.Actor, id string, need identity.Right, creds ...deployer.Credential) (*deployer.Workload, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.workload(id)
	if w == nil {
		return nil, noWorkload()
	}
	if err := by.Require(w.TenantID, need, noWorkload()); err != nil {
		return nil, err
	}
	return w, d.begin(method, by, need, creds...)
}

func (d *deployments) Workloads(_ context.Context, by identity.Actor, q deployer.WorkloadQuery) (deployer.WorkloadPage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	page := deployer.WorkloadPage{Page: q.Page, Pages: 1}
	for _, w := range d.workloads {
		if q.TenantID == "" || w.TenantID == q.TenantID {
			page.Rows = append(page.Rows, w)
		}
	}
	page.Total, page.PendingCount = len(page.Rows), len(page.Rows)
	return page, d.begin("Workloads", by, identity.Reports)
}

func (d *deployments) Workload(_ context.Context, by identity.Actor, id string) (deployer.Workload, error) {
	w, err := d.find("Workload", by, id, identity.Reports)
	if err != nil {
		return deployer.Workload{}, err
	}
	return *w, nil
}

func (d *deployments) Observe(_ context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Observation, error) {
	_, err := d.find("Observe", by, id, identity.Reports, cred)
	reason := &deployer.Reason{Code: deployer.Balancer, Object: "Service/web"}
	return deployer.Observation{
		Reason: reason, Event: deployer.Event{Object: "Service/web", Reason: "Ensuring", At: d.now()},
		Resources: []deployer.Resource{{Object: deployer.Object{APIVersion: "v1", Kind: "Service", Namespace: "web", Name: "web"}, Wanted: 1, Address: "192.0.2.10", Reason: reason}},
	}, err
}

func (d *deployments) Revisions(_ context.Context, by identity.Actor, cred deployer.Credential, id string) ([]deployer.Release, error) {
	_, err := d.find("Revisions", by, id, identity.Reports, cred)
	return []deployer.Release{{Revision: 1, Status: deployer.StatusDeployed, ChartName: "nginx", ChartVersion: "1.2.3", UpdatedAt: d.now(), Manifests: []byte("canary-manifest")}}, err
}

func (d *deployments) Rollback(_ context.Context, by identity.Actor, cred deployer.Credential, id string, revision int) (deployer.Workload, error) {
	w, err := d.find("Rollback", by, id, identity.Subscribe, cred)
	if err == nil && revision < 1 {
		err = fault.New(fault.Invalid, "revision", "must be one of the workload's")
	}
	if err != nil {
		return deployer.Workload{}, err
	}
	return d.operate(w, by, deployer.JobRollback, deployer.RollingBack), nil
}

func (d *deployments) Uninstall(_ context.Context, by identity.Actor, cred deployer.Credential, id, typed string, _ bool) (deployer.Workload, error) {
	w, err := d.find("Uninstall", by, id, identity.Subscribe, cred)
	if err == nil && typed != w.Target.Release {
		err = fault.New(fault.Invalid, "typed", "is not the name of the release")
	}
	if err != nil {
		return deployer.Workload{}, err
	}
	return d.operate(w, by, deployer.JobUninstall, deployer.Removing), nil
}

func (d *deployments) Continue(_ context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Workload, error) {
	w, err := d.find("Continue", by, id, identity.Subscribe, cred)
	if err != nil {
		return deployer.Workload{}, err
	}
	return *w, nil
}
