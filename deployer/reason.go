package deployer

import "strings"

// ReasonCode says what keeps a deployment from going on; pages have words for each.
type ReasonCode string

// The codes.
const (
	// Unreachable: the cluster does not answer.
	Unreachable ReasonCode = "unreachable"
	// AccessEnded: the token or certificate is not valid any more; somebody has to sign in and go on.
	AccessEnded ReasonCode = "access-ended"
	// AccessDenied: the user may not do this on the cluster.
	AccessDenied ReasonCode = "access-denied"
	// ClusterGone: the cluster is not there any more or not available.
	ClusterGone ReasonCode = "cluster-gone"
	// NamespaceGone: the namespace has vanished or is being deleted.
	NamespaceGone ReasonCode = "namespace-gone"

	// ChartMissing: the chart cannot be had.
	ChartMissing ReasonCode = "chart-missing"
	// ChartDigest: the chart is not the one that was reviewed.
	ChartDigest ReasonCode = "chart-digest"
	// ChartInvalid: the chart is not one, is too large, or wants another version of Kubernetes.
	ChartInvalid ReasonCode = "chart-invalid"
	// ValuesInvalid: the values do not satisfy the chart's schema.
	ValuesInvalid ReasonCode = "values-invalid"
	// RenderFailed: the templates cannot be rendered. RenderLimit: they take too long or too much memory.
	RenderFailed ReasonCode = "render-failed"
	RenderLimit  ReasonCode = "render-limit"

	// ReleaseExists: another release or another object of the same name is there.
	ReleaseExists ReasonCode = "release-exists"
	// ReleaseGone: the release is not there any more.
	ReleaseGone ReasonCode = "release-gone"
	// Rejected: the cluster does not take an object.
	Rejected ReasonCode = "rejected"
	// KubeVersion: the product does not run on this version of Kubernetes.
	KubeVersion ReasonCode = "kube-version"
	// ClusterScoped, HostAccess, OtherNamespace: an object reaches out of the namespace.
	ClusterScoped  ReasonCode = "cluster-scoped"
	HostAccess     ReasonCode = "host-access"
	OtherNamespace ReasonCode = "other-namespace"
	// StorageClassMissing: there is no such storage class, or none that is the default.
	StorageClassMissing ReasonCode = "storage-class-missing"
	// Resources: the nodes have less free than is asked for.
	Resources ReasonCode = "resources"

	// The pods' own reasons.
	ImagePull     ReasonCode = "image-pull"
	CrashLoop     ReasonCode = "crash-loop"
	Unschedulable ReasonCode = "unschedulable"
	Quota         ReasonCode = "quota"
	PodConfig     ReasonCode = "pod-config"
	Volume        ReasonCode = "volume"
	Balancer      ReasonCode = "balancer"
	HookFailed    ReasonCode = "hook-failed"

	// NotReady: the time limit has passed and the cluster tells no reason.
	NotReady ReasonCode = "not-ready"
	// Interrupted: the process that worked on it has died in a place it cannot be gone on from.
	Interrupted ReasonCode = "interrupted"
	// Internal: details are in the log.
	Internal ReasonCode = "internal"
)

// ReasonCodes returns all codes, for tests that every one has words.
func ReasonCodes() []ReasonCode {
	return []ReasonCode{
		Unreachable, AccessEnded, AccessDenied, ClusterGone, NamespaceGone,
		ChartMissing, ChartDigest, ChartInvalid, ValuesInvalid, RenderFailed, RenderLimit,
		ReleaseExists, ReleaseGone, Rejected, KubeVersion, ClusterScoped, HostAccess, OtherNamespace, StorageClassMissing, Resources,
		ImagePull, CrashLoop, Unschedulable, Quota, PodConfig, Volume, Balancer, HookFailed,
		NotReady, Interrupted, Internal,
	}
}

// Reason says what is wrong with a deployment, as an error too.
type Reason struct {
	Code ReasonCode `json:"code"`
	// Object is what it is about, such as "Pod/web-0"; empty for the whole.
	Object string `json:"object,omitempty"`
	// Detail is the text of the cluster or of Helm, of at most 1,000 characters, without any value that is a secret.
	Detail string `json:"detail,omitempty"`
}

// Error returns the reason for logs; pages and API have words of their own for it.
func (r *Reason) Error() string {
	s := string(r.Code)
	if r.Object != "" {
		s += " " + r.Object
	}
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	return s
}

// maxDetail bounds the detail of a reason in characters.
const maxDetail = 1000

// cut returns what of a text has room in the detail of a reason.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if r := []rune(text); len(r) > maxDetail {
		return string(r[:maxDetail-1]) + "…"
	}
	return text
}
