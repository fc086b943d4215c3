package kube

import (
	"cmp"
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"llmhub/deployer"
)

// maxFindings bounds a report: whoever has more than this has chosen the wrong chart.
const maxFindings = 200

// inspection is one run of Inspect. mu guards inventory.Findings; the rest is written by one goroutine.
type inspection struct {
	c         *cluster
	in        deployer.Inspection
	kinds     *kinds
	scrub     scrubber
	planned   []planned
	mu        sync.Mutex
	inventory deployer.Inventory
	// nodes is how many pods a DaemonSet has.
	nodes int
	// denied are the resources that the user may not make.
	denied map[schema.GroupVersionResource]bool
}

// planned is an object of the manifests with what is known of it.
type planned struct {
	manifest
	kind kind
	// pods are those that it makes, and how many at a time; nil if it makes none.
	pods   *corev1.PodTemplateSpec
	count  int64
	claims []claim
	// admitted is a pod as the cluster would make it, with its defaults; nil if that could not be tried.
	admitted *corev1.PodSpec
	// dry says that the cluster can be asked for it: it is of a known kind and stays in the namespace.
	dry bool
	// exists says that the release has it already.
	exists bool
}

// Inspect says what rendered manifests mean for the cluster, without changing anything. What reaches out of the namespace,
// what the cluster or a quota refuses, what is not allowed, what belongs to something else and storage classes that are
// missing fail; that resources are short or cannot be read warns, since pods may be waiting for a node that comes.
//
// Manifests that cannot be read are an error: RenderFailed, or RenderLimit where they are too large. Hooks are looked at like
// other objects, but do not count towards MilliCPU and MemoryMiB, since they end.
func (c *cluster) Inspect(ctx context.Context, in deployer.Inspection) (deployer.Inventory, error) {
	ctx, cancel := bound(ctx, inspectTimeout)
	defer cancel()
	all, err := parse(in.Manifests)
	if err != nil {
		return deployer.Inventory{}, err
	}
	i := &inspection{c: c, in: in, scrub: newScrubber(append(secretsOf(all), reveal(in.Secrets)...))}
	if i.kinds, err = c.kinds(ctx, true); err != nil {
		return deployer.Inventory{}, err
	}
	free, err := c.free(ctx)
	if err != nil {
		return deployer.Inventory{}, err
	}
	i.nodes = max(1, free.Nodes)
	i.plan(all)
	i.compare(free)
	for _, check := range []func(context.Context) error{i.storage, i.namespace, i.ownSecret, i.rights, i.dryRun, i.quotas} {
		if err := check(ctx); err != nil {
			return deployer.Inventory{}, failed(ctx, err, "look at the cluster")
		}
	}
	i.finish()
	return i.inventory, nil
}

// found notes a finding about an object; of is empty for the whole.
func (i *inspection) found(fails bool, code deployer.ReasonCode, of, detail string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := deployer.Finding{Fails: fails, Reason: deployer.Reason{Code: code, Object: scrubber{}.clean(of), Detail: i.scrub.clean(detail)}}
	if len(i.inventory.Findings) < maxFindings && !slices.Contains(i.inventory.Findings, f) {
		i.inventory.Findings = append(i.inventory.Findings, f)
	}
}

// plan finds out of each object what it is, and what of it reaches out of the namespace.
func (i *inspection) plan(all []manifest) {
	defined := definedKinds(all)
	for n := range all {
		p := planned{manifest: all[n]}
		known, ok := i.kinds.of(p.Object)
		p.kind = known
		own, isOwn := defined[p.gvk().GroupKind()]
		switch {
		case ok && known.namespaced:
			p.dry = i.stays(&p)
		case ok:
			i.found(true, deployer.ClusterScoped, p.text(), "objects of this kind belong to the cluster, not to a namespace")
		case isOwn && own:
			i.stays(&p)
		case isOwn:
			i.found(true, deployer.ClusterScoped, p.text(), "objects of this kind belong to the cluster, not to a namespace")
		default:
			i.found(true, deployer.Rejected, p.text(), "the cluster knows no such kind: "+p.APIVersion+" "+p.Kind)
		}
		i.look(&p)
		i.inventory.Objects = append(i.inventory.Objects, p.Object)
		i.planned = append(i.planned, p)
	}
}

// stays says whether an object goes into the namespace of the release, and gives it that namespace if it names none.
func (i *inspection) stays(p *planned) bool {
	if p.Namespace == "" {
		p.Namespace = i.in.Namespace
		p.u.SetNamespace(i.in.Namespace)
	}
	if p.Namespace == i.in.Namespace {
		return true
	}
	i.found(true, deployer.OtherNamespace, p.text(), "it goes to the namespace "+p.Namespace)
	return false
}

// look takes the inventory of an object.
func (i *inspection) look(p *planned) {
	t, err := podTemplate(&p.manifest)
	if err != nil {
		i.found(true, deployer.Rejected, p.text(), err.Error())
		p.dry = false
		return
	}
	if t != nil {
		p.pods, p.count = t, podCount(&p.manifest, i.nodes)
		i.lookAtPods(p)
	}
	for _, access := range hostAccess(p) {
		i.found(true, deployer.HostAccess, p.text(), access)
	}
	claims, err := claimsOf(p)
	if err != nil {
		i.found(true, deployer.Rejected, p.text(), err.Error())
		p.dry = false
	}
	p.claims = claims
	for _, one := range claims {
		i.inventory.Claims = append(i.inventory.Claims, one.Claim)
	}
	if b, ok := balancerOf(&p.manifest); ok {
		i.inventory.Balancers = append(i.inventory.Balancers, b)
	}
}

func (i *inspection) lookAtPods(p *planned) {
	containers(&p.pods.Spec, func(c *corev1.Container) {
		if c.Image != "" && !slices.Contains(i.inventory.Images, c.Image) {
			i.inventory.Images = append(i.inventory.Images, c.Image)
		}
	})
	if p.hook == "" {
		r := podRequests(&p.pods.Spec).times(p.count)
		i.inventory.MilliCPU = sum(i.inventory.MilliCPU, r.milliCPU)
		i.inventory.MemoryMiB = sum(i.inventory.MemoryMiB, (r.memory+mebibyte-1)/mebibyte)
	}
}

// compare warns where more is asked for than is free. What the release has already is not added to what is free, so that an
// upgrade, which starts new pods before it ends old ones, is seen as it is.
func (i *inspection) compare(free deployer.Facts) {
	if free.FreeMilliCPU < 0 {
		i.found(false, deployer.AccessDenied, "", "list nodes and pods: free resources cannot be looked at")
		return
	}
	if i.inventory.MilliCPU > free.FreeMilliCPU {
		i.found(false, deployer.Resources, "", "CPU: "+cores(i.inventory.MilliCPU)+" asked for, "+cores(free.FreeMilliCPU)+" free")
	}
	if i.inventory.MemoryMiB > free.FreeMemoryMiB {
		i.found(false, deployer.Resources, "", "memory: "+mebibytes(i.inventory.MemoryMiB)+" asked for, "+mebibytes(free.FreeMemoryMiB)+" free")
	}
}

// namespace makes sure that the namespace can be used or made. If it is not there, the objects cannot be tried.
func (i *inspection) namespace(ctx context.Context) error {
	if !i.in.NamespaceExists {
		return i.newNamespace(ctx)
	}
	n, err := i.c.client.CoreV1().Namespaces().Get(ctx, i.in.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		i.found(true, deployer.NamespaceGone, "", "the namespace "+i.in.Namespace+" does not exist")
		i.in.NamespaceExists = false
	case apierrors.IsForbidden(err):
		return nil
	case err == nil && !usable(n):
		i.found(true, deployer.NamespaceGone, "", "the namespace "+i.in.Namespace+" is being deleted")
		i.in.NamespaceExists = false
	default:
		return err
	}
	return nil
}

// ownSecret looks whether the Secret beside the release can be made: one of that name may belong to another release.
func (i *inspection) ownSecret(ctx context.Context) error {
	if i.in.OwnSecret == "" || !i.in.NamespaceExists {
		return nil
	}
	s, err := i.c.client.CoreV1().Secrets(i.in.Namespace).Get(ctx, i.in.OwnSecret, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsForbidden(err): // what is forbidden is said with the other rights
		return nil
	case err == nil && !ours(s, i.in.Release):
		i.found(true, deployer.ReleaseExists, "Secret/"+i.in.OwnSecret, notOurs)
	}
	return err
}

// newNamespace tries to make the namespace. One that has come to be there in the meantime is not used unasked.
func (i *inspection) newNamespace(ctx context.Context) error {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: i.in.Namespace}}
	_, err := i.c.client.CoreV1().Namespaces().Create(ctx, n, metav1.CreateOptions{DryRun: dryRunAll, FieldManager: userAgent})
	if apierrors.IsAlreadyExists(err) {
		i.found(true, deployer.ReleaseExists, "Namespace/"+i.in.Namespace, "the namespace is there already")
		return nil
	}
	return i.judge(&planned{manifest: manifest{Object: deployer.Object{Kind: "Namespace", Name: i.in.Namespace}}}, err, "")
}

// finish puts the inventory in order: what fails first.
func (i *inspection) finish() {
	slices.Sort(i.inventory.Images)
	slices.SortStableFunc(i.inventory.Findings, func(a, b deployer.Finding) int {
		if a.Fails != b.Fails {
			return map[bool]int{true: -1, false: 1}[a.Fails]
		}
		return cmp.Or(cmp.Compare(a.Reason.Code, b.Reason.Code), cmp.Compare(a.Reason.Object, b.Reason.Object),
			cmp.Compare(a.Reason.Detail, b.Reason.Detail))
	})
}
