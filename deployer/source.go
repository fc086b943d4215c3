package deployer

import (
	"context"

	"llmhub/identity"
	"llmhub/secret"
)

// ConfiguredProject is the ID of what stands in the place of a project for clusters that the operator has configured.
const ConfiguredProject = "configured"

// ClusterInfo is a cluster as a list of them tells.
type ClusterInfo struct {
	ID, Name string
	// Version is such as v1.29; empty if it is not told.
	Version string
	// Type is such as "CCE, VirtualMachine"; empty if it is not told.
	Type string
	// Available says whether it can be chosen; Phase is the service's word for its state.
	Available bool
	Phase     string
	// Message is the service's own text on a state other than available; may be empty.
	Message string
}

// Source finds the clusters of a project at the cloud, and opens them. token is that of the project. Errors are a *Reason.
type Source interface {
	Clusters(ctx context.Context, p identity.Project, token secret.Text) ([]ClusterInfo, error)
	Access(ctx context.Context, p identity.Project, clusterID string, token secret.Text) (Access, error)
}

// ConfiguredCluster is one that the operator has configured for a tenant.
type ConfiguredCluster struct {
	// Name is its ID, too.
	Name string
	// Domain is the tenant's domain name, or TenantID its ID.
	Domain, TenantID string
	Access           Access
}
