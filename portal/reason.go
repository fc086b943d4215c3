package portal

import (
	"cmp"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
)

// deploymentReasonView says what keeps a deployment from going on.
type deploymentReasonView struct {
	Code    string `json:"code" doc:"For programs; stays the same." enum:"unreachable,access-ended,access-denied,cluster-gone,namespace-gone,chart-missing,chart-digest,chart-invalid,values-invalid,render-failed,render-limit,release-exists,release-gone,rejected,kube-version,cluster-scoped,host-access,other-namespace,storage-class-missing,resources,image-pull,crash-loop,unschedulable,quota,pod-config,volume,balancer,hook-failed,not-ready,interrupted,internal" example:"image-pull"`
	Message string `json:"message" doc:"For people; may change." example:"an image cannot be pulled"`
	Object  string `json:"object,omitempty" doc:"What it is about; absent for the whole." example:"Pod/web-0"`
	Detail  string `json:"detail,omitempty" doc:"The text of the cluster or of Helm."`
}

func viewReason(r deployer.Reason) deploymentReasonView {
	return deploymentReasonView{Code: string(r.Code), Message: reasons[r.Code].words, Object: r.Object, Detail: r.Detail}
}

// maybeReason is viewReason for what need not have one.
func maybeReason(r *deployer.Reason) *deploymentReasonView {
	if r == nil {
		return nil
	}
	v := viewReason(*r)
	return &v
}

// reasons say each code in words, and how a request is answered that fails for it: 422, because what was asked cannot be
// done, if nothing else is said. A token of the directory that is not good is no 401: who asks is known here.
var reasons = map[deployer.ReasonCode]struct {
	words  string
	status int
}{
	deployer.Unreachable:   {"the cluster does not answer", fiber.StatusBadGateway},
	deployer.AccessEnded:   {"the access to the cluster has ended: sign in again, or get another token of the identity service, and continue", fiber.StatusForbidden},
	deployer.AccessDenied:  {"the user may not do this on the cluster", fiber.StatusForbidden},
	deployer.ClusterGone:   {"the cluster does not exist or is not available", 0},
	deployer.NamespaceGone: {"the namespace has vanished or is being deleted", 0},

	deployer.ChartMissing:  {"the chart of the product cannot be had", fiber.StatusBadGateway},
	deployer.ChartDigest:   {"the chart is not the one that was reviewed", 0},
	deployer.ChartInvalid:  {"the chart of the product cannot be used", 0},
	deployer.ValuesInvalid: {"the values do not satisfy the chart", 0},
	deployer.RenderFailed:  {"the templates of the chart cannot be rendered with these values", 0},
	deployer.RenderLimit:   {"the templates of the chart take too long or too much memory", 0},

	deployer.ReleaseExists:       {"something of this name is in the namespace already", 0},
	deployer.ReleaseGone:         {"the release is not in the cluster any more", 0},
	deployer.Rejected:            {"the cluster does not take an object", 0},
	deployer.KubeVersion:         {"the product does not run on the cluster's version of Kubernetes", 0},
	deployer.ClusterScoped:       {"the product would make objects outside of any namespace", 0},
	deployer.HostAccess:          {"the product would reach into the nodes of the cluster", 0},
	deployer.OtherNamespace:      {"the product would make objects in another namespace", 0},
	deployer.StorageClassMissing: {"the cluster has no such storage class, or none that is the default", 0},
	deployer.Resources:           {"the nodes have less free than the product asks for", 0},

	deployer.ImagePull:     {"an image cannot be pulled", 0},
	deployer.CrashLoop:     {"a container ends again and again", 0},
	deployer.Unschedulable: {"no node can take a pod", 0},
	deployer.Quota:         {"a quota of the namespace is used up", 0},
	deployer.PodConfig:     {"a container cannot be started as it is configured", 0},
	deployer.Volume:        {"a volume cannot be made or mounted", 0},
	deployer.Balancer:      {"a load balancer cannot be made", 0},
	deployer.HookFailed:    {"a job of the chart has failed", 0},

	deployer.NotReady:    {"the product was not ready within its time limit", 0},
	deployer.Interrupted: {"the operation was interrupted and cannot be gone on with", 0},
	deployer.Internal:    {"internal error", fiber.StatusInternalServerError},
}

// classifyReason turns a reason into an answer. Its detail is meant for callers but for that of Internal.
func classifyReason(r *deployer.Reason) *apiError {
	known, ok := reasons[r.Code]
	if !ok || r.Code == deployer.Internal {
		return refuse(fiber.StatusInternalServerError, "internal", "internal error")
	}
	message := known.words
	if r.Object != "" {
		message += " (" + r.Object + ")"
	}
	if r.Detail != "" {
		message += ": " + r.Detail
	}
	return refuse(cmp.Or(known.status, fiber.StatusUnprocessableEntity), string(r.Code), message)
}
