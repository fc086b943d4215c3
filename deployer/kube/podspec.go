package kube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// podPaths are where the built-in kinds have the pods that they make.
var podPaths = map[string][]string{
	"Pod":                   nil,
	"PodTemplate":           {"template"},
	"Deployment":            {"spec", "template"},
	"ReplicaSet":            {"spec", "template"},
	"ReplicationController": {"spec", "template"},
	"StatefulSet":           {"spec", "template"},
	"DaemonSet":             {"spec", "template"},
	"Job":                   {"spec", "template"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template"},
}

// podGroups are the groups of those kinds, of all times.
var podGroups = map[string]bool{"": true, "apps": true, "batch": true, "extensions": true}

// podTemplate returns the pods that an object makes, nil if it makes none.
func podTemplate(m *manifest) (*corev1.PodTemplateSpec, error) {
	path, ok := podPaths[m.Kind]
	if !ok || !podGroups[m.gvk().Group] {
		return nil, nil
	}
	content, found, err := unstructured.NestedMap(m.u.Object, path...)
	if err != nil || !found {
		return nil, fmt.Errorf("it has no template of pods")
	}
	t := &corev1.PodTemplateSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, t); err != nil {
		return nil, err
	}
	return t, nil
}

// containers calls do for all containers of a pod, of whichever sort.
func containers(p *corev1.PodSpec, do func(c *corev1.Container)) {
	for i := range p.InitContainers {
		do(&p.InitContainers[i])
	}
	for i := range p.Containers {
		do(&p.Containers[i])
	}
	for i := range p.EphemeralContainers {
		c := corev1.Container(p.EphemeralContainers[i].EphemeralContainerCommon)
		do(&c)
	}
}

// asked is what pods ask for.
type asked struct{ milliCPU, memory int64 }

func (a asked) plus(b asked) asked {
	return asked{sum(a.milliCPU, b.milliCPU), sum(a.memory, b.memory)}
}

func (a asked) times(n int64) asked { return asked{product(a.milliCPU, n), product(a.memory, n)} }

func (a asked) or(b asked) asked { return asked{max(a.milliCPU, b.milliCPU), max(a.memory, b.memory)} }

// sum and product of amounts stay below 2^60.
func sum(a, b int64) int64 { return min(a+b, maxAmount<<10) }

func product(a, n int64) int64 {
	if n > 0 && a > (maxAmount<<10)/n {
		return maxAmount << 10
	}
	return a * max(n, 0)
}

// podRequests returns what a pod asks for, as the scheduler counts it: its containers together, or an init container that asks
// for more while those before it that go on running run, and what the runtime takes.
func podRequests(p *corev1.PodSpec) asked { return podResources(p, requestsOf) }

// podResources adds up what of returns of containers.
func podResources(p *corev1.PodSpec, of func(r *corev1.ResourceRequirements) asked) asked {
	var all, running, init asked
	for i := range p.InitContainers {
		c := &p.InitContainers[i]
		r := of(&c.Resources)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			running = running.plus(r)
			init = init.or(running)
			continue
		}
		init = init.or(running.plus(r))
	}
	all = running
	for i := range p.Containers {
		all = all.plus(of(&p.Containers[i].Resources))
	}
	all = all.or(init)
	if p.Resources != nil {
		all = all.or(of(p.Resources))
	}
	return all.plus(amounts(p.Overhead))
}

// requestsOf returns what is asked for; where only a limit is set, that is asked for.
func requestsOf(r *corev1.ResourceRequirements) asked {
	limits, requests := amounts(r.Limits), amounts(r.Requests)
	if _, ok := r.Requests[corev1.ResourceCPU]; !ok {
		requests.milliCPU = limits.milliCPU
	}
	if _, ok := r.Requests[corev1.ResourceMemory]; !ok {
		requests.memory = limits.memory
	}
	return requests
}

func limitsOf(r *corev1.ResourceRequirements) asked { return amounts(r.Limits) }

func amounts(l corev1.ResourceList) asked { return asked{milli(l.Cpu()), amount(l.Memory())} }
