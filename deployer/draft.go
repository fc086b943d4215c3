package deployer

import (
	"time"

	"llmhub/deployer/form"
)

// Target is where a product goes.
type Target struct {
	ProjectID, ProjectName string
	ClusterID, ClusterName string
	Namespace              string
	// NewNamespace says that the namespace is to be made.
	NewNamespace bool
	Release      string
}

// Draft is a deployment or an upgrade that a user prepares. Only that user sees it.
type Draft struct {
	ID        string `json:"id"`
	TenantID  string `json:"tenant_id"`
	UserID    string `json:"user_id"`
	ProductID string `json:"product_id"`
	// ProductVersion and Digest are those of the product and its chart when the draft was begun; Digest is empty until
	// a remote chart has been fetched.
	ProductVersion string `json:"product_version"`
	Digest         string `json:"digest,omitempty"`
	// WorkloadID is set for an upgrade, whose Target cannot be changed.
	WorkloadID string     `json:"workload_id,omitempty"`
	Target     Target     `json:"target"`
	Input      form.Input `json:"input,omitempty"`
	// SecretPaths are the fields for which a secret has been entered. Sealed holds them and the licence.
	SecretPaths []string `json:"secret_paths,omitempty"`
	Sealed      []byte   `json:"sealed,omitempty"`
	// ClearedPaths are the secrets that the workload has and an upgrade leaves to the chart.
	ClearedPaths []string `json:"cleared_paths,omitempty"`
	// LicenceName is the file's name, or "text"; LicenceBytes its size; LicenceLater says that it is entered after the deployment.
	LicenceName  string    `json:"licence_name,omitempty"`
	LicenceBytes int       `json:"licence_bytes,omitempty"`
	LicenceLater bool      `json:"licence_later,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	// EndsAt is when it is thrown away.
	EndsAt time.Time `json:"ends_at"`
	// WorkloadMade is the workload that it has become; a draft becomes one only once.
	WorkloadMade string `json:"workload_made,omitempty"`
}

// Step is a part of preparing a draft.
type Step string

// The steps, in order.
const (
	StepTarget        Step = "target"
	StepLicence       Step = "licence"
	StepConfiguration Step = "configuration"
	StepReview        Step = "review"
)

// ClusterDetails is what is read live of a cluster to choose from.
type ClusterDetails struct {
	Facts          Facts
	Namespaces     []Namespace
	StorageClasses []StorageClass
}

// CheckName names a check of preflight; pages have words for each.
type CheckName string

// The checks, in the order in which they are shown.
const (
	CheckReachable    CheckName = "reachable"
	CheckVersion      CheckName = "version"
	CheckChart        CheckName = "chart"
	CheckNamespace    CheckName = "namespace"
	CheckRelease      CheckName = "release"
	CheckValues       CheckName = "values"
	CheckScope        CheckName = "scope"
	CheckRights       CheckName = "rights"
	CheckDryRun       CheckName = "dry-run"
	CheckStorageClass CheckName = "storage-class"
	CheckResources    CheckName = "resources"
	CheckQuota        CheckName = "quota"
)

// Check is the outcome of a check of preflight.
type Check struct {
	Name CheckName
	// State is one of the four below.
	State   CheckState
	Reasons []Reason
}

// CheckState says how a check went.
type CheckState string

// The states. CheckSkipped is for what could not be looked at, because another check failed or the user may not read it.
const (
	CheckPassed  CheckState = "passed"
	CheckWarned  CheckState = "warned"
	CheckFailed  CheckState = "failed"
	CheckSkipped CheckState = "skipped"
)

// Review is what a user sees before deploying.
type Review struct {
	Checks []Check
	// Blocked says that a check failed; Warned that warnings have to be confirmed.
	Blocked, Warned bool
	Inventory       Inventory
	// YAML are the values with secrets masked.
	YAML string
	// Diff is what an upgrade changes; empty for a new deployment.
	Diff []Difference
}

// Difference is an object that an upgrade changes.
type Difference struct {
	Object
	// Change is added, removed or changed.
	Change string
}
