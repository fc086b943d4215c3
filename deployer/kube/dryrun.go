package kube

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"llmhub/deployer"
)

// What Helm marks the objects of a release with.
const (
	releaseNameAnnotation      = "meta.helm.sh/release-name"
	releaseNamespaceAnnotation = "meta.helm.sh/release-namespace"
)

var dryRunAll = []string{metav1.DryRunAll}

// dryRun lets the cluster judge every object without making it, and the pods that would come of it, since what limits and
// policies say of pods is otherwise seen only after the deployment.
func (i *inspection) dryRun(ctx context.Context) error {
	if !i.in.NamespaceExists {
		return nil
	}
	// What is there is known of all objects before the first is tried: what is missing may be another of them.
	if err := i.eachTried(func(p *planned) error { return i.meet(ctx, p) }); err != nil {
		return err
	}
	return i.eachTried(func(p *planned) error {
		if err := i.try(ctx, p); err != nil {
			return err
		}
		return i.tryPod(ctx, p)
	})
}

// eachTried calls do for all objects that can be tried, some at a time, and returns the first error.
func (i *inspection) eachTried(do func(p *planned) error) error {
	errs := make([]error, len(i.planned))
	each(len(i.planned), func(n int) {
		if p := &i.planned[n]; p.dry && !i.denied[p.kind.resource] {
			errs[n] = do(p)
		}
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// meet finds out whether an object is there already, and whose it is.
func (i *inspection) meet(ctx context.Context, p *planned) error {
	if p.u.GetName() == "" {
		return nil
	}
	there, err := i.c.metadata.Resource(p.kind.resource).Namespace(p.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsForbidden(err):
		p.dry = false
		return nil
	case err != nil:
		return err
	}
	p.exists = true
	if !i.belongs(p, there) {
		i.found(true, deployer.ReleaseExists, p.text(), "an object of this name is there and does not belong to the release")
		p.dry = false
	}
	return nil
}

// try asks the cluster to make an object, or to change the one that the release has. A hook that is there is made anew.
func (i *inspection) try(ctx context.Context, p *planned) error {
	switch {
	case !p.exists:
		_, err := i.c.dynamic.Resource(p.kind.resource).Namespace(p.Namespace).Create(ctx, p.u,
			metav1.CreateOptions{DryRun: dryRunAll, FieldManager: userAgent})
		return i.judge(p, err, "")
	case p.hook != "":
		return nil
	}
	return i.tryChange(ctx, p)
}

// tryChange tries a change as Helm makes it: known kinds are merged by their own rules, others as JSON.
func (i *inspection) tryChange(ctx context.Context, p *planned) error {
	body, err := json.Marshal(p.u.Object)
	if err != nil {
		return nil // Parsed from JSON, it can be written as JSON.
	}
	how := types.MergePatchType
	if scheme.Scheme.Recognizes(p.gvk()) {
		how = types.StrategicMergePatchType
	}
	_, err = i.c.dynamic.Resource(p.kind.resource).Namespace(p.Namespace).Patch(ctx, p.Name, how, body,
		metav1.PatchOptions{DryRun: dryRunAll, FieldManager: userAgent})
	return i.judge(p, err, "")
}

// belongs says whether an object is one that Helm would change rather than refuse. Hooks bear no name of a release.
func (i *inspection) belongs(p *planned, there *metav1.PartialObjectMetadata) bool {
	if p.hook != "" {
		return there.Annotations[hookAnnotation] != ""
	}
	return there.Annotations[releaseNameAnnotation] == i.in.Release &&
		there.Annotations[releaseNamespaceAnnotation] == i.in.Namespace && there.Labels[managedBy] == "Helm"
}

// tryPod asks the cluster to make one of the pods that an object makes. Only what policies, limits and quotas say is of
// interest: faults of the pod itself are told of the object, too.
func (i *inspection) tryPod(ctx context.Context, p *planned) error {
	if p.pods == nil || p.Kind == "Pod" || p.count == 0 {
		return nil
	}
	pod := &corev1.Pod{ObjectMeta: *p.pods.ObjectMeta.DeepCopy(), Spec: *p.pods.Spec.DeepCopy()}
	pod.Name, pod.Namespace, pod.GenerateName = p.Name, p.Namespace, ""
	if pod.Spec.ServiceAccountName != "" && i.makes("ServiceAccount", pod.Spec.ServiceAccountName) {
		pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount = "", ""
	}
	for _, c := range p.claims {
		if c.template != "" {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: c.template, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c.Name + "-0"}}})
		}
	}
	made, err := i.c.client.CoreV1().Pods(p.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: dryRunAll, FieldManager: userAgent})
	switch {
	case err == nil:
		p.admitted = &made.Spec
		return nil
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err) && byRights(err):
		return nil
	}
	return i.judge(p, err, "its pods: ")
}

// makes says whether the manifests make an object.
func (i *inspection) makes(kind, name string) bool {
	for n := range i.planned {
		if i.planned[n].Kind == kind && i.planned[n].Name == name {
			return true
		}
	}
	return false
}

// judge notes what the cluster has said of an object. An error is returned where it has said nothing of it.
func (i *inspection) judge(p *planned, err error, prefix string) error {
	var status apierrors.APIStatus
	switch {
	case err == nil, apierrors.IsAlreadyExists(err), i.untried(err):
		return nil
	case !errors.As(err, &status), apierrors.IsUnauthorized(err):
		return err
	}
	r := reasonOf(err, "create", i.scrub)
	message := prefix + status.Status().Message
	switch {
	case r.Code == deployer.Quota:
		// What the release has already is counted by the quota, so that for an upgrade this may be no obstacle.
		i.found(!p.exists, deployer.Quota, p.text(), message)
	case r.Code == deployer.NamespaceGone:
		i.found(true, deployer.NamespaceGone, "", message)
	case r.Code == deployer.AccessDenied && byRights(err):
		i.found(true, deployer.AccessDenied, p.text(), message)
	case r.Code == deployer.Unreachable && !apierrors.IsInternalError(err):
		return err
	default:
		i.found(true, deployer.Rejected, p.text(), message)
	}
	return nil
}

// byRights tells a refusal for want of rights from one by a policy: both are "forbidden".
func byRights(err error) bool {
	return strings.Contains(err.Error(), " cannot ") && strings.Contains(err.Error(), "User ")
}

// untried says whether the cluster could not try an object: since it needs another that the same manifests make, or since a
// webhook knows no dry run.
func (i *inspection) untried(err error) bool {
	text := err.Error()
	if strings.Contains(text, "does not support dry run") {
		return true
	}
	if !strings.Contains(text, "not found") {
		return false
	}
	for n := range i.planned {
		p := &i.planned[n]
		if !p.exists && strings.Contains(text, `"`+p.Name+`" not found`) && strings.Contains(strings.ToLower(text), strings.ToLower(p.Kind)) {
			return true
		}
	}
	return false
}
