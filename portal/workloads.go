package portal

import (
	"context"

	"llmhub/deployer"
	"llmhub/identity"
)

// newWorkload is the body that deploys.
type newWorkload struct {
	ProductID string    `json:"product_id" example:"valkey"`
	Target    newTarget `json:"target"`
	configuration
}

// newTarget says where to.
type newTarget struct {
	ProjectID    string `json:"project_id"`
	ClusterID    string `json:"cluster_id"`
	Namespace    string `json:"namespace" example:"web"`
	NewNamespace bool   `json:"new_namespace,omitempty" doc:"The namespace is to be made."`
	Release      string `json:"release,omitempty" doc:"The name of the Helm release; one is made if it is left out." example:"valkey-1"`
}

// prepare makes a draft of a new deployment.
func (p *Portal) prepare(r *request, in newWorkload, cred deployer.Credential) (deployer.Draft, error) {
	if err := needID("product_id", in.ProductID); err != nil {
		return deployer.Draft{}, err
	}
	d, err := p.deploying.NewDraft(r.ctx, r.by, in.ProductID)
	if err != nil {
		return deployer.Draft{}, err
	}
	t := in.Target
	_, err = p.deploying.SetTarget(r.ctx, r.by, cred, d.ID, deployer.Target{
		ProjectID: t.ProjectID, ClusterID: t.ClusterID, Namespace: t.Namespace, NewNamespace: t.NewNamespace, Release: t.Release,
	})
	return d, renamed(err, targetNames)
}

// targetNames are the fields of a target as the domain names them, and as the API does.
var targetNames = map[string]string{
	"project": "target.project_id", "cluster": "target.cluster_id", "namespace": "target.namespace",
	"new_namespace": "target.new_namespace", "release": "target.release",
}

// deployNames and removalNames are those of deploying and of uninstalling.
var (
	deployNames  = map[string]string{"confirmed": "confirm_warnings"}
	removalNames = map[string]string{"typed": "release"}
)

// prepareUpgrade makes a draft of an upgrade of the workload in the path.
func (p *Portal) prepareUpgrade(r *request) (deployer.Draft, error) {
	id, err := r.id()
	if err != nil {
		return deployer.Draft{}, err
	}
	return p.deploying.NewUpgrade(r.ctx, r.by, id)
}

// withDraft prepares and configures a draft and does something with it. Unless it has become a workload it is thrown away.
func (p *Portal) withDraft(
	r *request, c configuration, prepare func(deployer.Credential) (deployer.Draft, error), use func(deployer.Credential, deployer.Draft) (kept bool, err error),
) error {
	cred, err := p.credential(r)
	if err != nil {
		return err
	}
	d, err := prepare(cred)
	kept := false
	defer func() {
		if d.ID != "" && !kept {
			p.discard(r, d.ID)
		}
	}()
	if err != nil {
		return err
	}
	if err := p.configure(r, d, c); err != nil {
		return err
	}
	kept, err = use(cred, d)
	return err
}

// deploy makes the workload, or the upgrade, of a draft.
func (p *Portal) deploy(r *request, c configuration, prepare func(deployer.Credential) (deployer.Draft, error)) (v workloadDetailsView, err error) {
	err = p.withDraft(r, c, prepare, func(cred deployer.Credential, d deployer.Draft) (bool, error) {
		w, err := p.deploying.Deploy(r.ctx, r.by, cred, d.ID, "en", c.consents(), c.Confirm)
		v = viewWorkloadDetails(w)
		return err == nil, renamed(err, deployNames)
	})
	return v, err
}

// review says what would become of a draft.
func (p *Portal) review(r *request, c configuration, prepare func(deployer.Credential) (deployer.Draft, error)) (v reviewView, err error) {
	err = p.withDraft(r, c, prepare, func(cred deployer.Credential, d deployer.Draft) (bool, error) {
		found, err := p.deploying.Review(r.ctx, r.by, cred, d.ID)
		v = viewReview(found)
		return false, err
	})
	return v, err
}

func (p *Portal) createWorkload(r *request, in newWorkload) (workloadDetailsView, error) {
	return p.deploy(r, in.configuration, func(cred deployer.Credential) (deployer.Draft, error) { return p.prepare(r, in, cred) })
}

func (p *Portal) reviewWorkload(r *request, in newWorkload) (reviewView, error) {
	return p.review(r, in.configuration, func(cred deployer.Credential) (deployer.Draft, error) { return p.prepare(r, in, cred) })
}

func (p *Portal) upgradeWorkload(r *request, in configuration) (workloadDetailsView, error) {
	return p.deploy(r, in, func(deployer.Credential) (deployer.Draft, error) { return p.prepareUpgrade(r) })
}

func (p *Portal) reviewUpgrade(r *request, in configuration) (reviewView, error) {
	return p.review(r, in, func(deployer.Credential) (deployer.Draft, error) { return p.prepareUpgrade(r) })
}

// workloadPageView is a page of workloads.
type workloadPageView struct {
	numberedPage[workloadView]
	Counts workloadCountsView `json:"counts" doc:"Of what the search finds, whatever the state asked for."`
}

type workloadCountsView struct {
	Ready   int `json:"ready"`
	Error   int `json:"error"`
	Pending int `json:"pending"`
	Removed int `json:"removed"`
}

func (p *Portal) listWorkloads(r *request) (workloadPageView, error) {
	tenant, err := p.tenantAsked(r)
	if err != nil {
		return workloadPageView{}, err
	}
	found, err := p.deploying.Workloads(r.ctx, r.by, deployer.WorkloadQuery{
		TenantID: tenant, State: r.query("state"), Search: r.query("search"), Page: r.number("page", 1), PerPage: r.number("per_page", 0),
	})
	return workloadPageView{
		numberedPage[workloadView]{Data: pageOf(found.Rows, "", viewWorkload).Data, Page: found.Page, Pages: found.Pages, Total: found.Total},
		workloadCountsView{Ready: found.ReadyCount, Error: found.FailedCount, Pending: found.PendingCount, Removed: found.RemovedCount},
	}, err
}

func (p *Portal) getWorkload(r *request) (workloadDetailsView, error) {
	id, err := r.id()
	if err != nil {
		return workloadDetailsView{}, err
	}
	w, err := p.deploying.Workload(r.ctx, r.by, id)
	return viewWorkloadDetails(w), err
}

func (p *Portal) listResources(r *request) (resourcesView, error) {
	id, cred, err := p.onCluster(r)
	if err != nil {
		return resourcesView{}, err
	}
	seen, err := p.deploying.Observe(r.ctx, r.by, cred, id)
	return viewResources(seen), err
}

func (p *Portal) listRevisions(r *request) (page[revisionView], error) {
	id, cred, err := p.onCluster(r)
	if err != nil {
		return page[revisionView]{}, err
	}
	list, err := p.deploying.Revisions(r.ctx, r.by, cred, id)
	return pageOf(list, "", viewRevision), err
}

// rollback is the body that goes back.
type rollback struct {
	Revision int `json:"revision" doc:"One of the workload's revisions." example:"3"`
}

func (p *Portal) rollbackWorkload(r *request, in rollback) (workloadDetailsView, error) {
	return p.operate(r, func(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Workload, error) {
		return p.deploying.Rollback(ctx, by, cred, id, in.Revision)
	})
}

// removal is the body that uninstalls.
type removal struct {
	Release string `json:"release" doc:"The name of the workload's release, to be sure that it is the right one." example:"valkey-1"`
	Forget  bool   `json:"forget,omitempty" doc:"Only forget it, where the cluster cannot be reached any more: nothing is removed there."`
}

func (p *Portal) uninstallWorkload(r *request, in removal) (workloadDetailsView, error) {
	return p.operate(r, func(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Workload, error) {
		w, err := p.deploying.Uninstall(ctx, by, cred, id, in.Release, in.Forget)
		return w, renamed(err, removalNames)
	})
}

func (p *Portal) continueWorkload(r *request) (workloadDetailsView, error) {
	return p.operate(r, p.deploying.Continue)
}

// onCluster returns the workload in the path and what its cluster is reached with.
func (p *Portal) onCluster(r *request) (string, deployer.Credential, error) {
	id, err := r.id()
	if err != nil {
		return "", deployer.Credential{}, err
	}
	cred, err := p.credential(r)
	return id, cred, err
}

// operate begins an operation on the workload in the path.
func (p *Portal) operate(r *request, begin func(context.Context, identity.Actor, deployer.Credential, string) (deployer.Workload, error)) (workloadDetailsView, error) {
	id, cred, err := p.onCluster(r)
	if err != nil {
		return workloadDetailsView{}, err
	}
	w, err := begin(r.ctx, r.by, cred, id)
	return viewWorkloadDetails(w), err
}
