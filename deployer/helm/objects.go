package helm

import (
	"errors"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
)

// objects is Helm's client for the objects of a release. It tells when all have been given to the cluster, and notes which
// hook has failed, as Helm's errors do not.
type objects struct {
	*kube.Client
	tell func(deployer.Stage)
	// applied says that all have been given to the cluster.
	applied bool
	// failedHook is such as Job/web-migrate; empty if none has failed.
	failedHook string
	// deleteError is what kept objects from being deleted.
	deleteError error
}

// Create makes objects.
func (o *objects) Create(list kube.ResourceList) (*kube.Result, error) {
	r, err := o.Client.Create(list)
	if err != nil && isHook(list) {
		o.failedHook = nameOf(list)
	}
	return r, err
}

// WatchUntilReady waits for a hook.
func (o *objects) WatchUntilReady(list kube.ResourceList, timeout time.Duration) error {
	err := o.Client.WatchUntilReady(list, timeout)
	if err != nil {
		o.failedHook = nameOf(list)
	}
	return err
}

// WaitWithJobs waits until all is ready.
func (o *objects) WaitWithJobs(list kube.ResourceList, timeout time.Duration) error {
	o.applied = true
	o.tell(deployer.StageApplied)
	return o.Client.WaitWithJobs(list, timeout)
}

func isHook(list kube.ResourceList) bool {
	for _, i := range list {
		if m, err := meta.Accessor(i.Object); err == nil && m.GetAnnotations()[release.HookAnnotation] != "" {
			return true
		}
	}
	return false
}

// nameOf names the first object of a hook, which is nearly always the only one.
func nameOf(list kube.ResourceList) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].Mapping.GroupVersionKind.Kind + "/" + list[0].Name
}

// DeleteWithPropagationPolicy deletes the objects of a release.
func (o *objects) DeleteWithPropagationPolicy(list kube.ResourceList, policy metav1.DeletionPropagation) (*kube.Result, []error) {
	r, errs := o.Client.DeleteWithPropagationPolicy(list, policy)
	o.deleteError = errors.Join(errs...)
	return r, errs
}
