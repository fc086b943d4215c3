package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"llmhub/deployer"
)

const (
	// pageSize is what is asked for at a time of a list.
	pageSize = 500
	// maxNodes and maxPods bound what is read to learn of free resources; a larger cluster's are not known.
	maxNodes = 5000
	maxPods  = 50000
	mebibyte = 1 << 20
)

// Facts tells version and free resources.
func (c *cluster) Facts(ctx context.Context) (deployer.Facts, error) {
	ctx, cancel := bound(ctx, methodTimeout)
	defer cancel()
	v, err := discovery.ToDiscoveryInterfaceWithContext(c.client.Discovery()).ServerVersionWithContext(ctx)
	if err != nil {
		return deployer.Facts{}, failed(ctx, err, "read the version")
	}
	k, err := c.kinds(ctx, true)
	if err != nil {
		return deployer.Facts{}, err
	}
	f, err := c.free(ctx)
	f.Version, f.APIVersions = v.GitVersion, k.apiVersions
	return f, err
}

// unknown is what is not known of free resources.
func unknown() deployer.Facts {
	return deployer.Facts{Nodes: -1, ReadyNodes: -1, FreeMilliCPU: -1, FreeMemoryMiB: -1}
}

// room is what is free on a node.
type room struct{ cpu, memory int64 }

// free returns what pods can still ask for. Nodes that are tainted against pods in general do not count, since products are
// not made to tolerate that.
func (c *cluster) free(ctx context.Context) (deployer.Facts, error) {
	f := deployer.Facts{}
	rooms := map[string]room{}
	if err := c.rooms(ctx, &f, rooms); err != nil {
		return unknownIfDenied(ctx, err, "list nodes")
	}
	if err := c.fill(ctx, rooms); err != nil {
		return unknownIfDenied(ctx, err, "list pods of all namespaces")
	}
	var memory int64
	for _, r := range rooms {
		f.FreeMilliCPU = sum(f.FreeMilliCPU, max(0, r.cpu))
		memory = sum(memory, max(0, r.memory))
	}
	f.FreeMemoryMiB = memory / mebibyte
	return f, nil
}

// rooms counts the nodes, and finds what those have that take pods.
func (c *cluster) rooms(ctx context.Context, f *deployer.Facts, rooms map[string]room) error {
	return pages(maxNodes, func(o metav1.ListOptions) (string, int, error) {
		list, err := c.client.CoreV1().Nodes().List(ctx, o)
		if err != nil {
			return "", 0, err
		}
		for i := range list.Items {
			n := &list.Items[i]
			f.Nodes++
			if !nodeReady(n) {
				continue
			}
			f.ReadyNodes++
			if schedulable(n) {
				rooms[n.Name] = room{milli(n.Status.Allocatable.Cpu()), amount(n.Status.Allocatable.Memory())}
			}
		}
		return list.Continue, len(list.Items), nil
	})
}

// fill takes from the nodes what their pods ask for.
func (c *cluster) fill(ctx context.Context, rooms map[string]room) error {
	return pages(maxPods, func(o metav1.ListOptions) (string, int, error) {
		o.FieldSelector = "status.phase!=Succeeded,status.phase!=Failed"
		list, err := c.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, o)
		if err != nil {
			return "", 0, err
		}
		for i := range list.Items {
			p := &list.Items[i]
			if r, ok := rooms[p.Spec.NodeName]; ok {
				asked := podRequests(&p.Spec)
				rooms[p.Spec.NodeName] = room{r.cpu - asked.milliCPU, r.memory - asked.memory}
			}
		}
		return list.Continue, len(list.Items), nil
	})
}

func unknownIfDenied(ctx context.Context, err error, doing string) (deployer.Facts, error) {
	if apierrors.IsForbidden(err) || err == errTooMany {
		return unknown(), nil
	}
	return unknown(), failed(ctx, err, doing)
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func schedulable(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute {
			return false
		}
	}
	return !n.Spec.Unschedulable
}

// milli returns a quantity in thousandths, at most some millions of the unit, so that sums do not overflow.
func milli(q *resource.Quantity) int64 {
	if q.CmpInt64(maxAmount/1000) > 0 {
		return maxAmount
	}
	return max(0, q.MilliValue())
}

// amount returns a quantity, bounded as milli's are.
func amount(q *resource.Quantity) int64 {
	if q.CmpInt64(maxAmount) > 0 {
		return maxAmount
	}
	return max(0, q.Value())
}

// maxAmount is a pebibyte: more than any cluster has of anything.
const maxAmount = 1 << 50
