package web

import (
	"context"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/identity"
	"llmhub/secret"
)

// Deployments prepares deployments and keeps workloads: *deployer.Service.
type Deployments interface {
	Ready(ctx context.Context, by identity.Actor, tenantID string) error
	Projects(ctx context.Context, by identity.Actor, cred deployer.Credential) ([]identity.Project, error)
	Clusters(ctx context.Context, by identity.Actor, cred deployer.Credential, projectID string) ([]deployer.ClusterInfo, error)
	Cluster(ctx context.Context, by identity.Actor, cred deployer.Credential, projectID, clusterID string) (deployer.ClusterDetails, error)

	NewDraft(ctx context.Context, by identity.Actor, productID string) (deployer.Draft, error)
	NewUpgrade(ctx context.Context, by identity.Actor, workloadID string) (deployer.Draft, error)
	Draft(ctx context.Context, by identity.Actor, id string) (deployer.Draft, error)
	Drafts(ctx context.Context, by identity.Actor) ([]deployer.Draft, error)
	Discard(ctx context.Context, by identity.Actor, id string) error
	SetTarget(ctx context.Context, by identity.Actor, cred deployer.Credential, id string, t deployer.Target) (deployer.Draft, error)
	SetLicence(ctx context.Context, by identity.Actor, id, name string, licence secret.Text, later bool) (deployer.Draft, error)
	Form(ctx context.Context, by identity.Actor, id string) (*form.Form, error)
	SetInput(ctx context.Context, by identity.Actor, id string, in form.Input, clear []string) (deployer.Draft, error)
	YAML(ctx context.Context, by identity.Actor, id string) (string, error)
	Missing(ctx context.Context, d deployer.Draft) (deployer.Step, error)
	Review(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Review, error)
	Documents(productID, lang string) ([]identity.Document, error)
	Deploy(ctx context.Context, by identity.Actor, cred deployer.Credential, id, lang string, accepted []identity.Consent, confirmed bool) (deployer.Workload, error)

	Workloads(ctx context.Context, by identity.Actor, q deployer.WorkloadQuery) (deployer.WorkloadPage, error)
	Workload(ctx context.Context, by identity.Actor, id string) (deployer.Workload, error)
	Observe(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Observation, error)
	Revisions(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) ([]deployer.Release, error)
	Rollback(ctx context.Context, by identity.Actor, cred deployer.Credential, id string, revision int) (deployer.Workload, error)
	Uninstall(ctx context.Context, by identity.Actor, cred deployer.Credential, id, typed string, forget bool) (deployer.Workload, error)
	Continue(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Workload, error)
}

var _ Deployments = (*deployer.Service)(nil)

// credential is what the visitor has shown at sign-in; without a directory's token only configured clusters can be used.
func (v *visit) credential() (deployer.Credential, error) {
	if v.Session == nil {
		return deployer.Credential{}, errSignIn
	}
	token, err := v.web.Sessions.Token(*v.Session)
	return deployer.Credential{Token: token}, err
}

// productOrID returns a product of the catalog, or one that has nothing but its ID if it is not there any more.
func (w *Web) productOrID(id string) catalog.Product {
	if p, ok := w.Catalog().Product(id); ok {
		return p
	}
	return catalog.Product{ID: id, Name: id}
}
