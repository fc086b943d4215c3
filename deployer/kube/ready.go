package kube

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"llmhub/deployer"
)

// revisionAnnotation is by what a Deployment and its newest ReplicaSet are matched.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// health is how an object is doing.
type health struct {
	ready      bool
	have, want int
	// short says that fewer pods than wanted have been made at all, so that it is of interest why.
	short bool
	// refused says that an event has told why.
	refused bool
	address string
	reason  *deployer.Reason
}

// judge finds out how an object that is there is doing. What cannot be read as its kind is ready by being there.
func (o *observation) judge(r *row, sets list) {
	r.health = flag(true)
	if !observed[r.gvk().GroupKind()] {
		return
	}
	switch r.Kind {
	case "Deployment":
		judged(r, func(d *appsv1.Deployment) health { return deployment(d, newest(d, sets)) })
	case "StatefulSet":
		judged(r, statefulSet)
	case "DaemonSet":
		judged(r, daemonSet)
	case "ReplicaSet", "ReplicationController":
		judged(r, replicaSet)
	case "Job":
		judged(r, job)
	case "Pod":
		judged(r, func(p *corev1.Pod) health { return flag(podReady(p)) })
	case "PersistentVolumeClaim":
		judged(r, func(c *corev1.PersistentVolumeClaim) health { return flag(c.Status.Phase == corev1.ClaimBound) })
	case "Service":
		judged(r, service)
	case "Ingress":
		judged(r, func(i *networkingv1.Ingress) health {
			return health{ready: true, have: 1, want: 1, address: ingressAddress(i)}
		})
	}
}

func judged[T any](r *row, by func(*T) health) {
	if t, err := typed[T](r.u); err == nil {
		r.health = by(t)
	}
}

func flag(ready bool) health {
	if ready {
		return health{ready: true, have: 1, want: 1}
	}
	return health{want: 1}
}

// replicas is what a number of replicas is where none is given.
func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// newest returns the ReplicaSet of a Deployment's present revision, nil if it is not there.
func newest(d *appsv1.Deployment, sets list) *appsv1.ReplicaSet {
	for _, u := range sets.items {
		for _, owner := range u.GetOwnerReferences() {
			if owner.UID == d.UID && u.GetAnnotations()[revisionAnnotation] == d.Annotations[revisionAnnotation] {
				if s, err := typed[appsv1.ReplicaSet](u); err == nil {
					return s
				}
			}
		}
	}
	return nil
}

// deployment goes by the pods of the newest ReplicaSet. Where that cannot be read, it goes by the Deployment's own numbers.
func deployment(d *appsv1.Deployment, s *appsv1.ReplicaSet) health {
	h := health{want: replicas(d.Spec.Replicas)}
	made := int(d.Status.UpdatedReplicas)
	h.have = min(int(d.Status.ReadyReplicas), made)
	if s != nil {
		h.have, made = int(s.Status.ReadyReplicas), int(s.Status.Replicas)
	}
	h.short = made < h.want
	seen := d.Status.ObservedGeneration >= d.Generation && (s == nil || s.Status.ObservedGeneration >= s.Generation)
	h.ready = d.Spec.Paused || seen && h.have >= h.want-maxUnavailable(d)
	return h
}

// maxUnavailable returns how many pods a Deployment may lack, as its controller reckons.
func maxUnavailable(d *appsv1.Deployment) int {
	want := replicas(d.Spec.Replicas)
	r := d.Spec.Strategy.RollingUpdate
	if d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || r == nil || want == 0 {
		return 0
	}
	none := intstr.FromInt32(0)
	surge, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(r.MaxSurge, none), want, true)
	if err != nil {
		return 0
	}
	lack, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(r.MaxUnavailable, none), want, false)
	if err != nil {
		return 0
	}
	if surge == 0 && lack == 0 {
		return 1
	}
	return min(lack, want)
}

func statefulSet(s *appsv1.StatefulSet) health {
	want := replicas(s.Spec.Replicas)
	h := health{have: int(s.Status.ReadyReplicas), want: want, short: int(s.Status.Replicas) < want}
	h.ready = s.Status.ObservedGeneration >= s.Generation && h.have == want
	if s.Spec.UpdateStrategy.Type != appsv1.RollingUpdateStatefulSetStrategyType {
		return h
	}
	partition := 0
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil {
		partition = int(*r.Partition)
	}
	h.ready = h.ready && int(s.Status.UpdatedReplicas) >= want-partition &&
		(partition != 0 || s.Status.CurrentRevision == s.Status.UpdateRevision)
	return h
}

func daemonSet(d *appsv1.DaemonSet) health {
	want := int(d.Status.DesiredNumberScheduled)
	h := health{have: int(d.Status.NumberReady), want: want, short: int(d.Status.CurrentNumberScheduled) < want}
	h.ready = d.Status.ObservedGeneration >= d.Generation
	if d.Spec.UpdateStrategy.Type != appsv1.RollingUpdateDaemonSetStrategyType {
		return h
	}
	lack := want
	if r := d.Spec.UpdateStrategy.RollingUpdate; r != nil {
		if n, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(r.MaxUnavailable, intstr.FromInt32(1)), want, true); err == nil {
			lack = n
		}
	}
	h.ready = h.ready && int(d.Status.UpdatedNumberScheduled) == want && h.have >= want-lack
	return h
}

func replicaSet(s *appsv1.ReplicaSet) health {
	want := replicas(s.Spec.Replicas)
	h := health{have: int(s.Status.ReadyReplicas), want: want, short: int(s.Status.Replicas) < want}
	h.ready = s.Status.ObservedGeneration >= s.Generation && h.have >= want
	return h
}

func job(j *batchv1.Job) health {
	want := replicas(j.Spec.Completions)
	h := health{have: int(j.Status.Succeeded), want: want, ready: jobIs(j, batchv1.JobComplete) != nil}
	h.short = j.Status.Active+j.Status.Succeeded+j.Status.Failed == 0
	return h
}

// jobIs returns the condition of a Job if it is true.
func jobIs(j *batchv1.Job, t batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range j.Status.Conditions {
		if c := &j.Status.Conditions[i]; c.Type == t && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

func podReady(p *corev1.Pod) bool {
	if p.Status.Phase == corev1.PodSucceeded {
		return true
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func service(s *corev1.Service) health {
	h := flag(true)
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return h
	}
	for _, i := range s.Status.LoadBalancer.Ingress {
		if h.address = i.IP; h.address == "" {
			h.address = i.Hostname
		}
		if h.address != "" {
			return h
		}
	}
	return flag(len(s.Spec.ExternalIPs) > 0)
}

func ingressAddress(i *networkingv1.Ingress) string {
	for _, r := range i.Spec.Rules {
		if r.Host != "" {
			return r.Host
		}
	}
	for _, l := range i.Status.LoadBalancer.Ingress {
		if l.IP != "" {
			return l.IP
		}
		if l.Hostname != "" {
			return l.Hostname
		}
	}
	return ""
}
