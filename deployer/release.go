package deployer

import (
	"context"
	"time"

	"llmhub/catalog"
	"llmhub/secret"
)

// Releases is Helm. It may be used concurrently; charts are loaded and rendered apart from this process, bounded in time and
// memory. Errors are a *Reason where chart, values or cluster are to blame, and never contain a value.
type Releases interface {
	// Fetch returns the chart that a product names. One whose digest is not the one that ref demands is ChartDigest.
	Fetch(ctx context.Context, ref catalog.ChartRef) (Chart, error)
	// Render returns the manifests that a chart gives, hooks included, without a cluster.
	Render(ctx context.Context, in RenderInput) ([]byte, error)
	// Run does one operation to its end. tell is called as it goes on, by one goroutine. When ctx ends, it ends within StopTime, and
	// the release is left as failed. The outcome is to be read from the cluster by Get.
	Run(ctx context.Context, job Job, tell func(Stage)) error
	// Get returns what the cluster holds of a release, and whether it holds anything.
	Get(ctx context.Context, a Access, namespace, release string) (Release, bool, error)
	// History returns the revisions that the cluster holds, newest first, without their Manifests.
	History(ctx context.Context, a Access, namespace, release string) ([]Release, error)
}

// StopTime is how long Releases.Run may still work on a cluster when its context has ended.
const StopTime = 10 * time.Second

// Chart is a chart with its files.
type Chart struct {
	Name, Version, AppVersion string
	// Digest is "sha256:" and the hexadecimal digest, of the archive or as catalog.ChartRef says of folders.
	Digest string
	Files  []catalog.ChartFile
}

// RenderInput is what a chart is rendered with.
type RenderInput struct {
	Chart              Chart
	Namespace, Release string
	// Values is a JSON object, and may hold secrets.
	Values secret.Text
	// SecretPaths are the dotted paths of the secrets in Values, which errors never contain; nil means all of Values.
	SecretPaths []string
	// KubeVersion and APIVersions are those of the cluster, from Facts.
	KubeVersion string
	APIVersions []string
	// Upgrade renders as an upgrade does.
	Upgrade bool
}

// JobKind is what Helm does.
type JobKind string

// The kinds.
const (
	JobInstall   JobKind = "install"
	JobUpgrade   JobKind = "upgrade"
	JobRollback  JobKind = "rollback"
	JobUninstall JobKind = "uninstall"
)

// Job is one operation on a release.
type Job struct {
	Kind               JobKind
	Access             Access
	Namespace, Release string
	// Operation is the ID that the release's revision is labelled with, by which it is known again.
	Operation string
	// Chart and Values are for JobInstall and JobUpgrade.
	Chart  Chart
	Values secret.Text
	// SecretPaths are the dotted paths of the secrets in Values, which errors never contain; nil means all of Values. What
	// is kept is a secret, too.
	SecretPaths []string
	// Keep are dotted paths that an upgrade takes from the values of the release that is there.
	Keep []string
	// Revision is the one that JobRollback goes back to.
	Revision int
	// Timeout bounds hooks, and the wait until everything is ready, each.
	Timeout time.Duration
	// Repair says that a process has died in the middle of this operation: a revision that is pending is taken for failed, and
	// an installation is done again over what is there.
	Repair bool
}

// Stage is how far an operation has come.
type Stage string

// The stages, in order.
const (
	StageRendered Stage = "rendered"
	// StageApplied: all objects have been given to the cluster; what follows is waiting.
	StageApplied Stage = "applied"
)

// ReleaseStatus is Helm's word for the state of a release.
type ReleaseStatus string

// The states.
const (
	StatusDeployed        ReleaseStatus = "deployed"
	StatusFailed          ReleaseStatus = "failed"
	StatusSuperseded      ReleaseStatus = "superseded"
	StatusUninstalled     ReleaseStatus = "uninstalled"
	StatusUninstalling    ReleaseStatus = "uninstalling"
	StatusPendingInstall  ReleaseStatus = "pending-install"
	StatusPendingUpgrade  ReleaseStatus = "pending-upgrade"
	StatusPendingRollback ReleaseStatus = "pending-rollback"
)

// Pending says whether an operation is under way, or its process has died.
func (s ReleaseStatus) Pending() bool {
	return s == StatusPendingInstall || s == StatusPendingUpgrade || s == StatusPendingRollback || s == StatusUninstalling
}

// Release is what a cluster holds of a release.
type Release struct {
	Namespace, Name string
	Revision        int
	Status          ReleaseStatus
	// Operation is that of the Job that made the revision; empty if somebody else did.
	Operation               string
	ChartName, ChartVersion string
	UpdatedAt               time.Time
	// Description is Helm's text on the revision, without any value.
	Description string
	// Manifests are the objects of the revision, without hooks.
	Manifests []byte
}
