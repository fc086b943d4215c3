package kube

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"llmhub/deployer"
	"llmhub/secret"
)

// maxCount bounds how many pods an object is taken to have.
const maxCount = 1_000_000

const (
	classAnnotation   = "volume.beta.kubernetes.io/storage-class"
	ingressAnnotation = "kubernetes.io/ingress.class"
	// cceIngress is the class of ingresses for which CCE makes a load balancer of their own.
	cceIngress = "cce"
)

func reveal(all []secret.Text) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].Reveal()
	}
	return out
}

func cores(milli int64) string { return resource.NewMilliQuantity(milli, resource.DecimalSI).String() }

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n) }

// definedKinds returns the kinds that the manifests define themselves, and whether their objects belong to a namespace.
func definedKinds(all []manifest) map[schema.GroupKind]bool {
	defined := map[schema.GroupKind]bool{}
	for i := range all {
		if all[i].Kind != "CustomResourceDefinition" {
			continue
		}
		group, _, _ := unstructured.NestedString(all[i].u.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(all[i].u.Object, "spec", "names", "kind")
		scope, _, _ := unstructured.NestedString(all[i].u.Object, "spec", "scope")
		defined[schema.GroupKind{Group: group, Kind: kind}] = scope == "Namespaced"
	}
	return defined
}

// podCount returns how many pods an object makes at a time.
func podCount(m *manifest, nodes int) int64 {
	field := []string{"spec", "replicas"}
	switch m.Kind {
	case "Pod":
		return 1
	case "PodTemplate":
		return 0
	case "DaemonSet":
		return int64(nodes)
	case "Job":
		field = []string{"spec", "parallelism"}
	case "CronJob":
		field = []string{"spec", "jobTemplate", "spec", "parallelism"}
	}
	n, found, err := unstructured.NestedInt64(m.u.Object, field...)
	if err != nil || !found {
		return 1
	}
	return min(max(0, n), maxCount)
}

// hostAccess says in which ways an object reaches the nodes.
func hostAccess(p *planned) []string {
	var all []string
	if p.Kind == "PersistentVolume" {
		for _, source := range []string{"hostPath", "local"} {
			if _, found, _ := unstructured.NestedFieldNoCopy(p.u.Object, "spec", source); found {
				all = append(all, "a volume of a node ("+source+")")
			}
		}
	}
	if p.pods == nil {
		return all
	}
	s := &p.pods.Spec
	for i := range s.Volumes {
		if s.Volumes[i].HostPath != nil {
			all = append(all, "the path "+s.Volumes[i].HostPath.Path+" of the node (hostPath)")
		}
	}
	for name, set := range map[string]bool{"hostNetwork": s.HostNetwork, "hostPID": s.HostPID, "hostIPC": s.HostIPC} {
		if set {
			all = append(all, name)
		}
	}
	if s.SecurityContext != nil && windowsHost(s.SecurityContext.WindowsOptions) {
		all = append(all, "hostProcess")
	}
	containers(s, func(c *corev1.Container) { all = append(all, containerAccess(c)...) })
	slices.Sort(all)
	return all
}

// hostCapabilities are those with which a container is as good as privileged.
var hostCapabilities = []corev1.Capability{"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_RAWIO"}

func containerAccess(c *corev1.Container) []string {
	var all []string
	for _, port := range c.Ports {
		if port.HostPort != 0 {
			all = append(all, fmt.Sprintf("container %s: port %d of the node (hostPort)", c.Name, port.HostPort))
		}
	}
	s := c.SecurityContext
	if s == nil {
		return all
	}
	if s.Privileged != nil && *s.Privileged {
		all = append(all, "container "+c.Name+": privileged")
	}
	if windowsHost(s.WindowsOptions) {
		all = append(all, "container "+c.Name+": hostProcess")
	}
	if s.Capabilities != nil {
		for _, added := range s.Capabilities.Add {
			if slices.Contains(hostCapabilities, added) {
				all = append(all, "container "+c.Name+": capability "+string(added))
			}
		}
	}
	return all
}

func windowsHost(o *corev1.WindowsSecurityContextOptions) bool {
	return o != nil && o.HostProcess != nil && *o.HostProcess
}

// claim is a volume that is asked for.
type claim struct {
	deployer.Claim
	// static says that it takes a volume that is there, of no class.
	static bool
	// template is its name among the volumeClaimTemplates of a StatefulSet; empty if it is not one of those.
	template string
}

// claimsOf returns the volumes that an object asks for.
func claimsOf(p *planned) ([]claim, error) {
	var all []claim
	if p.Kind == "PersistentVolumeClaim" && p.gvk().Group == "" {
		c := &corev1.PersistentVolumeClaim{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(p.u.Object, c); err != nil {
			return nil, err
		}
		all = append(all, newClaim(p.Name, &c.Spec, c.Annotations, 1))
	}
	if p.Kind == "StatefulSet" && p.gvk().Group == "apps" {
		templates, err := claimTemplates(p)
		if err != nil {
			return nil, err
		}
		all = append(all, templates...)
	}
	if p.pods != nil {
		for i := range p.pods.Spec.Volumes {
			v := &p.pods.Spec.Volumes[i]
			if v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil {
				t := v.Ephemeral.VolumeClaimTemplate
				all = append(all, newClaim(p.Name+"-"+v.Name, &t.Spec, t.Annotations, p.count))
			}
		}
	}
	return all, nil
}

// claimTemplates returns the volumes that the pods of a StatefulSet ask for.
func claimTemplates(p *planned) ([]claim, error) {
	templates, _, err := unstructured.NestedSlice(p.u.Object, "spec", "volumeClaimTemplates")
	if err != nil {
		return nil, err
	}
	var all []claim
	for _, t := range templates {
		content, ok := t.(map[string]any)
		if !ok {
			return nil, errors.New("a volumeClaimTemplate is not an object")
		}
		c := &corev1.PersistentVolumeClaim{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, c); err != nil {
			return nil, err
		}
		one := newClaim(c.Name+"-"+p.Name, &c.Spec, c.Annotations, p.count)
		one.template = c.Name
		all = append(all, one)
	}
	return all, nil
}

func newClaim(name string, s *corev1.PersistentVolumeClaimSpec, annotations map[string]string, count int64) claim {
	c := claim{Claim: deployer.Claim{
		Name: name, Count: int(count), SizeBytes: amount(s.Resources.Requests.Storage()), Class: annotations[classAnnotation],
	}}
	if s.StorageClassName != nil {
		c.Class, c.static = *s.StorageClassName, *s.StorageClassName == ""
	}
	return c
}

// balancerOf returns the load balancer that an object gets.
func balancerOf(m *manifest) (deployer.BalancerService, bool) {
	b := deployer.BalancerService{Name: m.Name}
	switch {
	case m.Kind == "Service" && m.gvk().Group == "":
		if t, _, _ := unstructured.NestedString(m.u.Object, "spec", "type"); t != string(corev1.ServiceTypeLoadBalancer) {
			return b, false
		}
		ports, _, _ := unstructured.NestedSlice(m.u.Object, "spec", "ports")
		for _, p := range ports {
			if content, ok := p.(map[string]any); ok {
				if n, found, err := unstructured.NestedInt64(content, "port"); found && err == nil && n > 0 && n < 1<<16 {
					b.Ports = append(b.Ports, int32(n))
				}
			}
		}
		return b, true
	case m.Kind == "Ingress":
		class, _, _ := unstructured.NestedString(m.u.Object, "spec", "ingressClassName")
		if class != cceIngress && m.u.GetAnnotations()[ingressAnnotation] != cceIngress {
			return b, false
		}
		b.Ports = []int32{80}
		if tls, _, _ := unstructured.NestedSlice(m.u.Object, "spec", "tls"); len(tls) > 0 {
			b.Ports = append(b.Ports, 443)
		}
		return b, true
	}
	return b, false
}
