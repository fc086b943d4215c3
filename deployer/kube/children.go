package kube

import (
	"context"
	"regexp"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"llmhub/deployer"
)

// maxListed bounds the objects of a kind, and the events, that are read of a namespace.
const maxListed = 4000

var (
	podsResource   = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	jobsResource   = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	claimsResource = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
)

// observed are the kinds of which more is read than that they are there.
var observed = map[schema.GroupKind]bool{
	{Kind: "Pod"}: true, {Kind: "Service"}: true, {Kind: "PersistentVolumeClaim"}: true, {Kind: "ReplicationController"}: true,
	{Group: "apps", Kind: "Deployment"}: true, {Group: "apps", Kind: "ReplicaSet"}: true,
	{Group: "apps", Kind: "StatefulSet"}: true, {Group: "apps", Kind: "DaemonSet"}: true,
	{Group: "batch", Kind: "Job"}: true, {Group: "networking.k8s.io", Kind: "Ingress"}: true,
}

type listKey struct {
	resource  schema.GroupVersionResource
	namespace string
}

// list is what has been read of a kind; partial says that there is more.
type list struct {
	items   []*unstructured.Unstructured
	byName  map[string]*unstructured.Unstructured
	partial bool
}

// list reads the objects of a kind in a namespace once: all of them, or, unless full, only their metadata, so that Secrets
// stay where they are. What the user may not list is empty and partial.
func (o *observation) list(ctx context.Context, r schema.GroupVersionResource, namespace string, full bool) (list, error) {
	key := listKey{r, namespace}
	if l, ok := o.lists[key]; ok {
		return l, nil
	}
	var l list
	err := pages(maxListed, func(opts metav1.ListOptions) (string, int, error) {
		if full {
			got, err := o.c.dynamic.Resource(r).Namespace(namespace).List(ctx, opts)
			if err != nil {
				return "", 0, err
			}
			for i := range got.Items {
				l.items = append(l.items, &got.Items[i])
			}
			return got.GetContinue(), len(got.Items), nil
		}
		got, err := o.c.metadata.Resource(r).Namespace(namespace).List(ctx, opts)
		if err != nil {
			return "", 0, err
		}
		for i := range got.Items {
			l.items = append(l.items, named(&got.Items[i]))
		}
		return got.Continue, len(got.Items), nil
	})
	switch {
	case err == errTooMany, apierrors.IsForbidden(err):
		l.partial = true
	case err != nil && !apierrors.IsNotFound(err):
		return list{}, err
	}
	l.byName = make(map[string]*unstructured.Unstructured, len(l.items))
	for _, u := range l.items {
		l.byName[u.GetName()] = u
	}
	o.lists[key] = l
	return l, nil
}

// listFor reads what objects of a kind make, if the manifests have any of it.
func (o *observation) listFor(ctx context.Context, kind string, r schema.GroupVersionResource) (list, error) {
	for i := range o.rows {
		if o.rows[i].Kind == kind && o.rows[i].there {
			return o.list(ctx, r, o.namespace, true)
		}
	}
	return list{}, nil
}

// named returns as much of an object as is needed to find it.
func named(m *metav1.PartialObjectMetadata) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetName(m.Name)
	u.SetUID(m.UID)
	return u
}

// readObjects finds the objects of the manifests.
func (o *observation) readObjects(ctx context.Context) error {
	for i := range o.rows {
		r := &o.rows[i]
		if r.Namespace == "" {
			r.Namespace = o.namespace
		}
		k, ok := o.kinds.of(r.Object)
		if !ok {
			o.missing(r)
			continue
		}
		if !k.namespaced {
			r.Namespace = ""
		}
		switch live, err := o.find(ctx, k.resource, r); {
		case apierrors.IsForbidden(err):
			r.want = 1
			o.reason(&r.health, deployer.AccessDenied, r.text(), err.Error())
		case err != nil:
			return err
		case live == nil:
			o.missing(r)
		default:
			r.there, r.u = true, live
			o.family[live.GetUID()] = member{row: i, name: r.text()}
		}
	}
	return nil
}

// find returns an object of the manifests as it is in the cluster, nil if it is not there.
func (o *observation) find(ctx context.Context, resource schema.GroupVersionResource, r *row) (*unstructured.Unstructured, error) {
	full := observed[r.gvk().GroupKind()]
	l, err := o.list(ctx, resource, r.Namespace, full)
	if err != nil {
		return nil, err
	}
	u, ok := l.byName[r.Name]
	if ok || !l.partial {
		return u, nil
	}
	if full {
		u, err = o.c.dynamic.Resource(resource).Namespace(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
	} else {
		var m *metav1.PartialObjectMetadata
		if m, err = o.c.metadata.Resource(resource).Namespace(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{}); err == nil {
			u = named(m)
		}
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return u, err
}

func (o *observation) missing(r *row) {
	r.want = 1
	o.reason(&r.health, deployer.ReleaseGone, r.text(), "it is not there")
}

// readChildren finds what the objects of the release have made, and judges all of it.
func (o *observation) readChildren(ctx context.Context) error {
	sets, err := o.listFor(ctx, "Deployment", replicaSetsResource)
	if err != nil {
		return err
	}
	jobs, err := o.list(ctx, jobsResource, o.namespace, true)
	if err != nil {
		return err
	}
	o.findHooks(jobs)
	for _, l := range []list{sets, jobs} {
		for _, u := range l.items {
			o.adopt(u)
		}
	}
	pods, err := o.list(ctx, podsResource, o.namespace, true)
	if err != nil {
		return err
	}
	o.readPods(pods)
	claims, err := o.listFor(ctx, "StatefulSet", claimsResource)
	if err != nil {
		return err
	}
	for i := range o.rows {
		if o.rows[i].there {
			o.judge(&o.rows[i], sets)
			o.adoptClaims(i, claims)
		}
	}
	return nil
}

// adopt makes an object part of the family of its owner.
func (o *observation) adopt(u *unstructured.Unstructured) {
	if _, ok := o.family[u.GetUID()]; ok {
		return
	}
	for _, owner := range u.GetOwnerReferences() {
		if m, ok := o.family[owner.UID]; ok {
			o.family[u.GetUID()] = member{row: m.row, name: u.GetKind() + "/" + u.GetName()}
			return
		}
	}
}

var ordinal = regexp.MustCompile(`^[0-9]+$`)

// adoptClaims makes the claims of a StatefulSet part of its family: they need not have an owner, but have its name.
func (o *observation) adoptClaims(i int, claims list) {
	if o.rows[i].Kind != "StatefulSet" {
		return
	}
	s, err := typed[appsv1.StatefulSet](o.rows[i].u)
	if err != nil {
		return
	}
	for _, u := range claims.items {
		for _, t := range s.Spec.VolumeClaimTemplates {
			if rest, ok := strings.CutPrefix(u.GetName(), t.Name+"-"+s.Name+"-"); ok && ordinal.MatchString(rest) {
				o.family[u.GetUID()] = member{row: i, name: "PersistentVolumeClaim/" + u.GetName()}
			}
		}
	}
}

// hookJob is a Job that Helm has made for a hook of the release.
type hookJob struct {
	health
	job *batchv1.Job
}

// instanceLabels are those by which charts say to which release an object belongs.
var instanceLabels = []string{"app.kubernetes.io/instance", "release"}

// findHooks finds the Jobs of hooks. They are not in the manifests, and Helm marks them with no name of a release: a Job
// belongs to it that says so by a label which charts use for that, or whose name is the release's or begins with it.
func (o *observation) findHooks(jobs list) {
	for _, u := range jobs.items {
		hook := u.GetAnnotations()[hookAnnotation]
		if hook == "" || onlyTest(hook) || !o.ofRelease(u) {
			continue
		}
		j, err := typed[batchv1.Job](u)
		if err != nil {
			continue
		}
		o.family[j.UID] = member{row: noRow - len(o.hooks), name: "Job/" + j.Name}
		o.hooks = append(o.hooks, hookJob{health: job(j), job: j})
	}
}

func (o *observation) ofRelease(u *unstructured.Unstructured) bool {
	for _, l := range instanceLabels {
		if of, ok := u.GetLabels()[l]; ok {
			return of == o.release
		}
	}
	return u.GetAnnotations()[releaseNameAnnotation] == o.release || u.GetName() == o.release || strings.HasPrefix(u.GetName(), o.release+"-")
}

// of returns the health that a member of the family bears upon.
func (o *observation) of(m member) *health {
	if m.row <= noRow {
		return &o.hooks[noRow-m.row].health
	}
	return &o.rows[m.row].health
}

// typed returns an object as its Go type.
func typed[T any](u *unstructured.Unstructured) (*T, error) {
	t := new(T)
	return t, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, t)
}

// readPods keeps the pods of the family that are not on their way out.
func (o *observation) readPods(pods list) {
	for _, u := range pods.items {
		if o.adopt(u); u.GetDeletionTimestamp() != nil {
			continue
		}
		if _, ok := o.family[u.GetUID()]; !ok {
			continue
		}
		if p, err := typed[corev1.Pod](u); err == nil {
			o.pods = append(o.pods, p)
		}
	}
}
