package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"llmhub/deployer"
)

// maxQuotas bounds the quotas of a namespace that are read.
const maxQuotas = 500

// helmSecrets are the Secrets that Helm itself makes for a revision.
const helmSecrets = 1

// storage makes sure that the storage classes exist. Whoever may not read them learns it from the claims themselves.
func (i *inspection) storage(ctx context.Context) error {
	if len(i.inventory.Claims) == 0 {
		return nil
	}
	classes, err := i.c.classes(ctx)
	if apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for n := range i.planned {
		p := &i.planned[n]
		for _, c := range p.claims {
			switch {
			case c.static:
			case c.Class == "":
				if !slices.ContainsFunc(classes, func(s deployer.StorageClass) bool { return s.Default }) {
					i.found(true, deployer.StorageClassMissing, p.text(), "no storage class is the default, and "+c.Name+" names none")
				}
			case !slices.ContainsFunc(classes, func(s deployer.StorageClass) bool { return s.Name == c.Class }):
				i.found(true, deployer.StorageClassMissing, p.text(), "there is no storage class "+c.Class)
			}
		}
	}
	return nil
}

// quotas compares what all new objects ask for together with what the namespace's quotas leave; what a single object is
// refused for is seen in the dry run. Quotas that are for some pods only are left to that, too.
func (i *inspection) quotas(ctx context.Context) error {
	if !i.in.NamespaceExists {
		return nil
	}
	var all []corev1.ResourceQuota
	err := pages(maxQuotas, func(o metav1.ListOptions) (string, int, error) {
		list, err := i.c.client.CoreV1().ResourceQuotas(i.in.Namespace).List(ctx, o)
		if err != nil {
			return "", 0, err
		}
		all = append(all, list.Items...)
		return list.Continue, len(list.Items), nil
	})
	if err != nil && err != errTooMany {
		if apierrors.IsForbidden(err) {
			return nil
		}
		return err
	}
	needs := i.needs()
	for n := range all {
		q := &all[n]
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		for name, hard := range q.Status.Hard {
			used, need := q.Status.Used[name], needs[name]
			if need.IsZero() {
				continue
			}
			left := hard.DeepCopy()
			left.Sub(used)
			if need.Cmp(left) > 0 {
				i.found(true, deployer.Quota, "ResourceQuota/"+q.Name,
					fmt.Sprintf("%s: %s asked for, %s of %s used", name, need.String(), used.String(), hard.String()))
			}
		}
	}
	return nil
}

// needs returns what all new objects together take of quotas, by the names that quotas have for it.
func (i *inspection) needs() map[corev1.ResourceName]resource.Quantity {
	n := needs{}
	n.count("secrets", helmSecrets)
	n.count("count/secrets", helmSecrets)
	for k := range i.planned {
		p := &i.planned[k]
		if p.exists || !p.dry {
			continue
		}
		n.object(p.kind.resource.GroupResource())
		if b, ok := balancerOf(&p.manifest); ok && p.Kind == "Service" {
			n.count(corev1.ResourceServicesLoadBalancers, 1)
			n.count(corev1.ResourceServicesNodePorts, int64(len(b.Ports)))
		}
		for _, c := range p.claims {
			n.claim(c)
		}
		if p.pods != nil && p.hook == "" {
			n.pods(p)
		}
	}
	return n
}

type needs map[corev1.ResourceName]resource.Quantity

func (n needs) add(name corev1.ResourceName, q resource.Quantity) {
	total := n[name]
	total.Add(q)
	n[name] = total
}

func (n needs) count(name corev1.ResourceName, k int64) {
	n.add(name, *resource.NewQuantity(k, resource.DecimalSI))
}

// object counts an object, unless it is counted as a pod or a claim.
func (n needs) object(r schema.GroupResource) {
	if r.Group == "" && (r.Resource == "pods" || r.Resource == "persistentvolumeclaims") {
		return
	}
	n.count(corev1.ResourceName("count/"+r.String()), 1)
	if r.Group == "" {
		n.count(corev1.ResourceName(r.Resource), 1)
	}
}

func (n needs) claim(c claim) {
	count := int64(c.Count)
	size := *resource.NewQuantity(product(c.SizeBytes, count), resource.BinarySI)
	n.count(corev1.ResourcePersistentVolumeClaims, count)
	n.count("count/persistentvolumeclaims", count)
	n.add(corev1.ResourceRequestsStorage, size)
	if c.Class != "" {
		n.count(corev1.ResourceName(c.Class+".storageclass.storage.k8s.io/persistentvolumeclaims"), count)
		n.add(corev1.ResourceName(c.Class+".storageclass.storage.k8s.io/requests.storage"), size)
	}
}

// pods adds the pods of an object, as the cluster would make them where that is known.
func (n needs) pods(p *planned) {
	spec := &p.pods.Spec
	if p.admitted != nil {
		spec = p.admitted
	}
	n.count(corev1.ResourcePods, p.count)
	n.count("count/pods", p.count)
	requests, limits := podRequests(spec).times(p.count), podResources(spec, limitsOf).times(p.count)
	cpu, memory := *resource.NewMilliQuantity(requests.milliCPU, resource.DecimalSI), *resource.NewQuantity(requests.memory, resource.BinarySI)
	n.add(corev1.ResourceCPU, cpu)
	n.add(corev1.ResourceRequestsCPU, cpu)
	n.add(corev1.ResourceMemory, memory)
	n.add(corev1.ResourceRequestsMemory, memory)
	n.add(corev1.ResourceLimitsCPU, *resource.NewMilliQuantity(limits.milliCPU, resource.DecimalSI))
	n.add(corev1.ResourceLimitsMemory, *resource.NewQuantity(limits.memory, resource.BinarySI))
	for k := range spec.Containers {
		for name, q := range spec.Containers[k].Resources.Limits {
			if strings.Contains(string(name), "/") {
				n.add("requests."+name, *resource.NewQuantity(product(amount(&q), p.count), resource.DecimalSI))
			}
		}
	}
}
