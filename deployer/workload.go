package deployer

import (
	"time"

	"llmhub/identity"
)

// State is where a workload stands.
type State string

// The states. All but Ready, Failed and Removed are pending: an operation is under way or waits for its turn.
const (
	Requested   State = "requested"
	Preparing   State = "preparing"
	Installing  State = "installing"
	Ready       State = "ready"
	Failed      State = "error"
	Upgrading   State = "upgrading"
	RollingBack State = "rolling-back"
	Removing    State = "removing"
	Removed     State = "removed"
)

// Pending says whether an operation is under way.
func (s State) Pending() bool { return s != Ready && s != Failed && s != Removed }

// Workload is a product on a customer's cluster.
type Workload struct {
	ID       string `json:"id"`
	TenantID string `json:"tenant_id"`
	Target   Target `json:"target"`
	// The product as it was deployed last.
	ProductID      string `json:"product_id"`
	ProductName    string `json:"product_name"`
	ProductVersion string `json:"product_version"`
	SellerID       string `json:"seller_id"`
	SellerName     string `json:"seller_name"`
	Licence        string `json:"licence"`
	// LicenceSecret is the Secret that the licence was put into; empty if none was.
	LicenceSecret string `json:"licence_secret,omitempty"`
	ChartName     string `json:"chart_name"`
	ChartVersion  string `json:"chart_version"`
	ChartDigest   string `json:"chart_digest"`
	// Values are those of the revision that is wanted, without secrets; SecretPaths are where secrets are.
	Values      map[string]any     `json:"values,omitempty"`
	SecretPaths []string           `json:"secret_paths,omitempty"`
	Consents    []identity.Consent `json:"consents,omitempty"`
	State       State              `json:"state"`
	// Reason says why the state is Failed, or why a pending one does not go on (AccessEnded).
	Reason    *Reason   `json:"reason,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	// ReadyAt is when it became ready last; zero if never.
	ReadyAt   time.Time `json:"ready_at,omitzero"`
	RemovedAt time.Time `json:"removed_at,omitzero"`
	// Revision is Helm's, of the last operation; 0 if nothing was installed.
	Revision int `json:"revision,omitempty"`
	// Operation is the one under way, nil if none is.
	Operation *Operation `json:"operation,omitempty"`
	// History are the operations that have ended, newest first, at most 50.
	History []Operation `json:"history,omitempty"`
	Lease   Lease       `json:"lease,omitzero"`
}

// Operation is something that is done to a workload.
type Operation struct {
	ID   string  `json:"id"`
	Kind JobKind `json:"kind"`
	// ByID and ByName are who asked for it, and when.
	ByID        string    `json:"by_id"`
	ByName      string    `json:"by_name"`
	RequestedAt time.Time `json:"requested_at"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	// Deadline is when the time limit of the product ends; set when it starts.
	Deadline time.Time `json:"deadline,omitzero"`
	// Version and Digest are the product's and its chart's; Revision is Helm's that came of it, or that is rolled back to.
	ProductVersion string `json:"product_version,omitempty"`
	ChartVersion   string `json:"chart_version,omitempty"`
	ChartDigest    string `json:"chart_digest,omitempty"`
	Revision       int    `json:"revision,omitempty"`
	// Made is the revision that came of it, which differs from Revision where one is rolled back to; 0 if none did.
	Made        int            `json:"made,omitempty"`
	Values      map[string]any `json:"values,omitempty"`
	SecretPaths []string       `json:"secret_paths,omitempty"`
	// Sealed holds secrets, licence and token as long as it is under way.
	Sealed []byte `json:"sealed,omitempty"`
	// Steps are what has been done, with times.
	Steps []StepDone `json:"steps,omitempty"`
	// ReadyPods, WantedPods and Event tell how it goes.
	ReadyPods  int     `json:"ready_pods,omitempty"`
	WantedPods int     `json:"wanted_pods,omitempty"`
	Event      *Event  `json:"event,omitempty"`
	Reason     *Reason `json:"reason,omitempty"`
}

// StepDone is a step of an operation that has been reached.
type StepDone struct {
	Name WorkStep  `json:"name"`
	At   time.Time `json:"at"`
}

// WorkStep names a step of an operation; pages have words for each.
type WorkStep string

// The steps, in order; an operation has those that apply to it.
const (
	WorkStarted   WorkStep = "started"
	WorkChart     WorkStep = "chart"
	WorkNamespace WorkStep = "namespace"
	WorkLicence   WorkStep = "licence"
	WorkRendered  WorkStep = "rendered"
	WorkApplied   WorkStep = "applied"
	WorkReady     WorkStep = "ready"
	WorkRemoved   WorkStep = "removed"
	WorkFailed    WorkStep = "failed"
	// WorkResumed: another process goes on with it.
	WorkResumed WorkStep = "resumed"
)

// Lease says which process works on a workload, and until when nobody else may.
type Lease struct {
	Holder string    `json:"holder,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}

// WorkloadQuery selects a page of workloads, newest first.
type WorkloadQuery struct {
	// TenantID is required for customers; empty means all, for operators.
	TenantID string
	// State is ready, error, pending or removed; empty means all but removed.
	State  string
	Search string
	// Page counts from 1; PerPage is at most 100, 0 means 10.
	Page, PerPage int
}

// WorkloadPage is a page of workloads with counts of what Search finds, whatever State says.
type WorkloadPage struct {
	Rows                                                []Workload
	Page, Pages, Total                                  int
	ReadyCount, FailedCount, PendingCount, RemovedCount int
}
