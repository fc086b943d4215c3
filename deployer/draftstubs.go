package deployer

import (
	"context"

	"llmhub/deployer/form"
	"llmhub/identity"
	"llmhub/secret"
)

// Ready returns nil if the actor can deploy for the tenant, or else what keeps from it.
func (s *Service) Ready(ctx context.Context, by identity.Actor, tenantID string) error {
	panic("not built yet")
}

// Projects returns the projects that can be chosen: the user's, and ConfiguredProject if there are configured clusters.
func (s *Service) Projects(ctx context.Context, by identity.Actor, cred Credential) ([]identity.Project, error) {
	panic("not built yet")
}

// Clusters returns the clusters of a project, available ones first.
func (s *Service) Clusters(ctx context.Context, by identity.Actor, cred Credential, projectID string) ([]ClusterInfo, error) {
	panic("not built yet")
}

// Cluster returns what is read live of a cluster.
func (s *Service) Cluster(ctx context.Context, by identity.Actor, cred Credential, projectID, clusterID string) (ClusterDetails, error) {
	panic("not built yet")
}

// NewDraft begins a deployment of a product.
func (s *Service) NewDraft(ctx context.Context, by identity.Actor, productID string) (Draft, error) {
	panic("not built yet")
}

// NewUpgrade begins an upgrade of a workload to the product's current version, with the values that it has.
func (s *Service) NewUpgrade(ctx context.Context, by identity.Actor, workloadID string) (Draft, error) {
	panic("not built yet")
}

// Draft returns a draft of the actor's own.
func (s *Service) Draft(ctx context.Context, by identity.Actor, id string) (Draft, error) {
	panic("not built yet")
}

// Drafts returns the drafts of the actor that have not become a workload, newest first.
func (s *Service) Drafts(ctx context.Context, by identity.Actor) ([]Draft, error) {
	panic("not built yet")
}

// Discard throws a draft away.
func (s *Service) Discard(ctx context.Context, by identity.Actor, id string) error {
	panic("not built yet")
}

// SetTarget sets where the product goes: the cluster is opened, and namespace and release are checked. What is wrong are
// faults whose Field is project, cluster, namespace, new_namespace or release. An empty Release gets a name.
func (s *Service) SetTarget(ctx context.Context, by identity.Actor, cred Credential, id string, t Target) (Draft, error) {
	panic("not built yet")
}

// MaxLicenceBytes bounds a licence: a Secret holds 1 MiB, with its other parts.
const MaxLicenceBytes = 512 << 10

// SetLicence sets the licence; name is that of its file, or "text". later says that it is entered after the deployment, where
// the product allows that. Without both the one that is there stays, or it is a fault of the field licence.
func (s *Service) SetLicence(ctx context.Context, by identity.Actor, id, name string, licence secret.Text, later bool) (Draft, error) {
	panic("not built yet")
}

// Form returns the configuration form of a draft's product.
func (s *Service) Form(ctx context.Context, by identity.Actor, id string) (*form.Form, error) {
	panic("not built yet")
}

// SetInput keeps what was entered, and then returns what is wrong with it as faults by path. Secrets that are not entered
// again stay; clear names those that are to be forgotten.
func (s *Service) SetInput(ctx context.Context, by identity.Actor, id string, in form.Input, clear []string) (Draft, error) {
	panic("not built yet")
}

// YAML returns the values that the draft gives, secrets masked.
func (s *Service) YAML(ctx context.Context, by identity.Actor, id string) (string, error) {
	panic("not built yet")
}

// Missing returns the first step that has to be done before the review, StepReview if none.
func (s *Service) Missing(ctx context.Context, d Draft) (Step, error) { panic("not built yet") }

// Review looks at everything that can be found out before deploying. What is wrong is in the checks; an error is that of
// the draft.
func (s *Service) Review(ctx context.Context, by identity.Actor, cred Credential, id string) (Review, error) {
	panic("not built yet")
}

// Documents returns what has to be accepted to deploy a product, its titles in a language.
func (s *Service) Documents(productID, lang string) ([]identity.Document, error) {
	panic("not built yet")
}

// Deploy makes the workload, or the upgrade, of a draft. It reviews once more: a failed check is a fault of kind State, and so
// is a warning unless confirmed. Sending it twice returns the one workload.
func (s *Service) Deploy(ctx context.Context, by identity.Actor, cred Credential, id, lang string, accepted []identity.Consent, confirmed bool) (Workload, error) {
	panic("not built yet")
}
