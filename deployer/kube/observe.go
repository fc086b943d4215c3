package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"llmhub/deployer"
)

// weights are the reasons in order: what explains most comes first. What is not in it comes last.
var weights = map[deployer.ReasonCode]int{
	deployer.NamespaceGone: 12, deployer.ImagePull: 11, deployer.CrashLoop: 10, deployer.PodConfig: 9, deployer.Unschedulable: 8,
	deployer.Quota: 7, deployer.Rejected: 6, deployer.Volume: 5, deployer.Balancer: 4, deployer.HookFailed: 3, deployer.ReleaseGone: 2,
}

// heavier returns the weightier of two reasons; either may be nil. Of equal ones the first stays.
func heavier(a, b *deployer.Reason) *deployer.Reason {
	if a == nil || b != nil && weights[b.Code] > weights[a.Code] {
		return b
	}
	return a
}

// observation is one run of Observe, of one goroutine.
type observation struct {
	c         *cluster
	namespace string
	release   string
	scrub     scrubber
	kinds     *kinds
	lists     map[listKey]list
	rows      []row
	// family are the objects of the release and what they have made, with the row that each belongs to; hooks belong to
	// noRow.
	family map[types.UID]member
	hooks  []hookJob
	pods   []*corev1.Pod
	events []corev1.Event
}

// noRow is the row of what belongs to the release and is not in its manifests.
const noRow = -1

// row is an object of the manifests.
type row struct {
	manifest
	health
	there bool
}

// member is an object that belongs to a row.
type member struct {
	row  int
	name string
}

// Observe says how the objects of a release are doing, judging readiness as Helm does. Reason is the weightiest of those of all
// objects and of the hooks that are to be found: ImagePull, CrashLoop, PodConfig, Unschedulable, Quota, Volume, Balancer,
// HookFailed, ReleaseGone, in this order, after NamespaceGone. ReleaseGone says that objects of the manifests are not there,
// as they are before Helm has made them, too. A failed hook does not keep Ready from being true, since it may be one of an
// earlier revision; Reason is HookFailed then.
//
// What the user may not read is left out: without pods or events, reasons are fewer.
func (c *cluster) Observe(ctx context.Context, namespace, release string, manifests []byte) (deployer.Observation, error) {
	ctx, cancel := bound(ctx, methodTimeout)
	defer cancel()
	all, err := parse(manifests)
	if err != nil {
		return deployer.Observation{}, err
	}
	o := &observation{
		c: c, namespace: namespace, release: release, scrub: newScrubber(secretsOf(all)),
		lists: map[listKey]list{}, family: map[types.UID]member{},
	}
	gone, err := o.namespaceGone(ctx)
	if err != nil {
		return deployer.Observation{}, failed(ctx, err, "get namespace "+namespace)
	}
	if o.kinds, err = c.kinds(ctx, false); err != nil {
		return deployer.Observation{}, err
	}
	for _, m := range all {
		if m.hook == "" {
			o.rows = append(o.rows, row{manifest: m})
		}
	}
	for _, read := range []func(context.Context) error{o.readObjects, o.readChildren, o.readEvents} {
		if err := read(ctx); err != nil {
			return deployer.Observation{}, failed(ctx, err, "read the objects of the release")
		}
	}
	o.explain()
	return o.result(gone), nil
}

// namespaceGone returns a reason if the namespace is not there or is being deleted.
func (o *observation) namespaceGone(ctx context.Context) (*deployer.Reason, error) {
	n, err := o.c.client.CoreV1().Namespaces().Get(ctx, o.namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return &deployer.Reason{Code: deployer.NamespaceGone, Detail: "the namespace " + o.namespace + " does not exist"}, nil
	case apierrors.IsForbidden(err):
		return nil, nil
	case err == nil && !usable(n):
		return &deployer.Reason{Code: deployer.NamespaceGone, Detail: "the namespace " + o.namespace + " is being deleted"}, nil
	}
	return nil, err
}

// result puts the observation together.
func (o *observation) result(gone *deployer.Reason) deployer.Observation {
	out := deployer.Observation{Ready: gone == nil, Reason: gone, Event: o.lastEvent()}
	for i := range o.rows {
		r := &o.rows[i]
		out.Ready = out.Ready && r.ready
		out.Reason = heavier(out.Reason, r.reason)
		out.Resources = append(out.Resources, deployer.Resource{
			Object: r.Object, Ready: r.have, Wanted: r.want, Reason: r.reason, Address: r.address,
		})
	}
	for i := range o.hooks {
		out.Reason = heavier(out.Reason, o.hooks[i].reason)
	}
	if out.Ready && out.Reason != nil && out.Reason.Code != deployer.HookFailed {
		out.Reason = nil
	}
	return out
}

// reason notes a reason of a row, if it is weightier than the one that the row has.
func (o *observation) reason(of *health, code deployer.ReasonCode, object, detail string) {
	of.reason = heavier(of.reason, &deployer.Reason{Code: code, Object: scrubber{}.clean(object), Detail: o.scrub.clean(detail)})
}
