package deployer

import (
	"context"
	"time"

	"llmhub/secret"
)

// Kubernetes opens clusters. It may be used concurrently.
type Kubernetes interface {
	Open(a Access) (Cluster, error)
}

// Cluster is a Kubernetes cluster that has been opened. Its methods may be used concurrently and are bounded in time and in
// what they read; their errors are a *Reason where the cluster or the access is to blame.
type Cluster interface {
	// Facts tells version and free resources.
	Facts(ctx context.Context) (Facts, error)
	// Namespaces returns those that exist, in order of names.
	Namespaces(ctx context.Context) ([]Namespace, error)
	// StorageClasses returns those that exist, in order of names; none if the user may not read them.
	StorageClasses(ctx context.Context) ([]StorageClass, error)
	// Inspect says what rendered manifests mean for the cluster, without changing anything.
	Inspect(ctx context.Context, in Inspection) (Inventory, error)
	// CreateNamespace makes a namespace; that it is there already is no error.
	CreateNamespace(ctx context.Context, name string) error
	// PutSecret makes or replaces a Secret, labelled as the release's. One that is there and has not that label is
	// ReleaseExists.
	PutSecret(ctx context.Context, namespace, name, release string, data map[string]secret.Text) error
	// DeleteSecret removes a Secret that PutSecret has made; another or none is no error.
	DeleteSecret(ctx context.Context, namespace, name, release string) error
	// Observe says how the objects of a release are doing.
	Observe(ctx context.Context, namespace, release string, manifests []byte) (Observation, error)
}

// Facts are what preflight has to know of a cluster.
type Facts struct {
	// Version is such as v1.36.3; APIVersions are its groups and versions with kinds as Helm's .Capabilities wants them.
	Version     string
	APIVersions []string
	// Nodes and ReadyNodes count nodes, Free what pods can still ask for on ready, schedulable nodes together.
	// All are -1 where the user may not read nodes or pods.
	Nodes, ReadyNodes           int
	FreeMilliCPU, FreeMemoryMiB int64
}

// Namespace is a namespace of a cluster.
type Namespace struct {
	Name string
	// Usable is false while it is being deleted.
	Usable bool
}

// StorageClass is a class of volumes.
type StorageClass struct {
	Name, Provisioner   string
	Default, Expandable bool
}

// Inspection asks what rendered manifests mean.
type Inspection struct {
	// Namespace is where they go, and whether it exists already.
	Namespace       string
	NamespaceExists bool
	Release         string
	// Manifests are those that Helm makes, with hooks, and may hold secrets.
	Manifests []byte
	// Secrets are values that findings must not quote, besides those of the Secrets in Manifests.
	Secrets []secret.Text
	// OwnSecret is the name of the Secret that PutSecret will be asked to make for the release; empty if none.
	OwnSecret string
}

// Inventory is what rendered manifests mean for a cluster.
type Inventory struct {
	Objects   []Object
	Claims    []Claim
	Balancers []BalancerService
	// MilliCPU and MemoryMiB are what all pods ask for together.
	MilliCPU, MemoryMiB int64
	// Images are those of all pods, each once.
	Images []string
	// Findings are what is wrong with them here: what reaches out of the namespace, what the user may not create, what the
	// cluster refuses in a dry run, what exists and belongs to something else, a quota that is not enough, storage classes
	// that are missing, more resources than are free.
	Findings []Finding
}

// Object names an object of Kubernetes.
type Object struct {
	APIVersion string `json:"api_version"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// Claim is a volume that is billed to the tenant.
type Claim struct {
	Name string `json:"name"`
	// Count is how many there are, of SizeBytes each.
	Count     int   `json:"count"`
	SizeBytes int64 `json:"size_bytes"`
	// Class is the storage class; empty means the default of the cluster.
	Class string `json:"class,omitempty"`
}

// BalancerService is a service that gets a load balancer, which is billed to the tenant.
type BalancerService struct {
	Name  string  `json:"name"`
	Ports []int32 `json:"ports"`
}

// Finding is what a check has found: a failure keeps from deploying, a warning has to be confirmed.
type Finding struct {
	Fails  bool
	Reason Reason
}

// Observation is how the objects of a release are doing.
type Observation struct {
	Resources []Resource
	// Ready says that all objects are as they should be.
	Ready bool
	// Reason is what keeps it from being ready, as far as the cluster tells; nil if nothing is told. Where Ready, it is nil or
	// HookFailed: there is a hook that failed, of this revision or of an earlier one.
	Reason *Reason
	// Event is the last that happened to one of the objects.
	Event Event
}

// Resource is an object with how it is doing.
type Resource struct {
	Object
	// Ready and Wanted count pods for what has pods; for others they are 0 or 1 of 1.
	Ready, Wanted int
	Reason        *Reason
	// Address is where a load balancer or ingress is reached; empty if it has none.
	Address string
}

// CountsPods says whether Ready and Wanted count pods.
func (r Resource) CountsPods() bool {
	switch r.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod":
		return true
	}
	return false
}

// Event is something that Kubernetes tells of an object.
type Event struct {
	At      time.Time
	Object  string
	Reason  string
	Message string
}
