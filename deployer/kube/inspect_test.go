package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
	"llmhub/secret"
)

// testKinds are some of those that a cluster knows.
func testKinds() *kinds {
	core := metav1.APIResourceList{GroupVersion: "v1"}
	for _, k := range []string{"Pod", "Service", "Secret", "ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "ReplicationController", "PodTemplate"} {
		core.APIResources = append(core.APIResources, metav1.APIResource{Kind: k, Name: strings.ToLower(k) + "s", Namespaced: true})
	}
	core.APIResources = append(core.APIResources, metav1.APIResource{Kind: "PersistentVolume", Name: "persistentvolumes"},
		metav1.APIResource{Kind: "Pod", Name: "pods/log", Namespaced: true})
	apps := metav1.APIResourceList{GroupVersion: "apps/v1"}
	for _, k := range []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"} {
		apps.APIResources = append(apps.APIResources, metav1.APIResource{Kind: k, Name: strings.ToLower(k) + "s", Namespaced: true})
	}
	batch := metav1.APIResourceList{GroupVersion: "batch/v1", APIResources: []metav1.APIResource{
		{Kind: "Job", Name: "jobs", Namespaced: true}, {Kind: "CronJob", Name: "cronjobs", Namespaced: true}}}
	ingress := metav1.APIResourceList{GroupVersion: "networking.k8s.io/v1", APIResources: []metav1.APIResource{{Kind: "Ingress", Name: "ingresses", Namespaced: true}}}
	return newKinds([]*metav1.APIGroup{{Name: "apps", Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: "apps/v1"}}}},
		[]*metav1.APIResourceList{&core, &apps, &batch, &ingress, {GroupVersion: "a/b/c"}})
}

func TestKinds(t *testing.T) {
	k := testKinds()
	for _, want := range []string{"apps/v1", "apps/v1/Deployment", "v1/Pod", "batch/v1/CronJob"} {
		if !slices.Contains(k.apiVersions, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if !slices.IsSorted(k.apiVersions) || len(slices.Compact(slices.Clone(k.apiVersions))) != len(k.apiVersions) {
		t.Errorf("%q", k.apiVersions)
	}
	if pod, ok := k.of(deployer.Object{APIVersion: "v1", Kind: "Pod"}); !ok || pod.resource.Resource != "pods" || !pod.namespaced {
		t.Errorf("%+v", pod)
	}
}

// planOf returns the inspection of manifests as far as it goes without a cluster.
func planOf(t *testing.T, text string) *inspection {
	t.Helper()
	all, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	i := &inspection{in: deployer.Inspection{Namespace: "ns", Release: "r"}, kinds: testKinds(), nodes: 3}
	i.plan(all)
	i.finish()
	return i
}

func TestHostAccess(t *testing.T) {
	container := func(s string) string { return "{containers: [{name: c, image: i, " + s + "}]}" }
	pods := map[string]string{
		"hostPath":                    "{containers: [{name: c, image: i}], volumes: [{name: v, hostPath: {path: /etc}}]}",
		"hostNetwork":                 "{hostNetwork: true, containers: []}",
		"hostPID":                     "{hostPID: yes, containers: []}",
		"hostIPC":                     "{hostIPC: true}",
		"hostPort":                    container("ports: [{containerPort: 80, hostPort: 80}]"),
		"privileged":                  container("securityContext: {privileged: true}"),
		"init container: privileged":  "{initContainers: [{name: 'init container', securityContext: {privileged: true}}], containers: []}",
		"debug: privileged":           "{ephemeralContainers: [{name: debug, securityContext: {privileged: true}}], containers: []}",
		"capability SYS_ADMIN":        container("securityContext: {capabilities: {add: [NET_BIND_SERVICE, SYS_ADMIN]}}"),
		"hostProcess":                 "{securityContext: {windowsOptions: {hostProcess: true}}, containers: []}",
		"container c: hostProcess":    container("securityContext: {windowsOptions: {hostProcess: true}}"),
		"/var/run of the node (hostP": "{containers: [], volumes: [{name: ok, emptyDir: {}}, {name: v, hostPath: {path: /var/run}}]}",
	}
	makers := map[string]string{
		"Pod":         "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: %s}",
		"CronJob":     "{apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {jobTemplate: {spec: {template: {spec: %s}}}}}",
		"PodTemplate": "{apiVersion: v1, kind: PodTemplate, metadata: {name: x}, template: {spec: %s}}",
	}
	for _, kind := range []string{"apps/v1, kind: Deployment", "apps/v1, kind: StatefulSet", "apps/v1, kind: DaemonSet", "apps/v1, kind: ReplicaSet",
		"batch/v1, kind: Job", "v1, kind: ReplicationController"} {
		_, name, _ := strings.Cut(kind, ": ")
		makers[name] = "{apiVersion: " + kind + ", metadata: {name: x}, spec: {template: {spec: %s}}}"
	}
	for kind, maker := range makers {
		for want, spec := range pods {
			f := planOf(t, fmt.Sprintf(maker, spec)).inventory.Findings
			if len(f) != 1 || !f[0].Fails || f[0].Reason.Code != deployer.HostAccess || f[0].Reason.Object != kind+"/x" || !strings.Contains(f[0].Reason.Detail, want) {
				t.Errorf("%s with %s: %+v", kind, want, f)
			}
		}
		if f := planOf(t, fmt.Sprintf(maker, container("securityContext: {privileged: false, capabilities: {add: [CHOWN]}}"))).inventory.Findings; len(f) != 0 {
			t.Errorf("%s without any: %+v", kind, f)
		}
	}
	f := planOf(t, "{apiVersion: v1, kind: PersistentVolume, metadata: {name: x}, spec: {hostPath: {path: /}}}").inventory.Findings
	if len(f) != 2 || f[0].Reason.Code != deployer.ClusterScoped || f[1].Reason.Code != deployer.HostAccess {
		t.Errorf("%+v", f)
	}
}

func TestInventory(t *testing.T) {
	hook := "{apiVersion: batch/v1, kind: Job, metadata: {name: h, annotations: {helm.sh/hook: pre-install}}, spec: {template: {spec: {containers: [{name: c, image: hook, resources: {requests: {cpu: '9'}}}]}}}}"
	i := planOf(t, web+"---\n"+service1("")+"\n---\n"+claim1("csi-nas")+"\n---\n"+hook+`
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 3, template: {spec: {
  containers: [{name: c, image: db, resources: {limits: {cpu: '1', memory: 1Gi}}}], volumes: [{name: tmp, ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1Gi}}}}}}]}},
  volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: '', resources: {requests: {storage: 10Gi}}}}]}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d}, spec: {template: {spec: {containers: [{name: c, image: db, resources: {requests: {cpu: 100m}}}]}}}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {ingressClassName: cce, tls: [{}]}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: nginx}, spec: {ingressClassName: nginx}}`).inventory
	if i.MilliCPU != 2*10+3*1000+3*100 || i.MemoryMiB != 2*16+3*1024 {
		t.Errorf("%d, %d", i.MilliCPU, i.MemoryMiB)
	}
	if !slices.Equal(i.Images, []string{"db", "hook", "registry.example/web:1"}) {
		t.Errorf("%q", i.Images)
	}
	claims := []deployer.Claim{{Name: "p", Count: 1, SizeBytes: 1 << 30, Class: "csi-nas"},
		{Name: "db-tmp", Count: 3, SizeBytes: 1 << 30}, {Name: "data-db", Count: 3, SizeBytes: 10 << 30}}
	slices.SortFunc(i.Claims, func(a, b deployer.Claim) int { return strings.Compare(b.Name, a.Name) })
	if !slices.Equal(i.Claims, []deployer.Claim{claims[0], claims[1], claims[2]}) {
		t.Errorf("%+v", i.Claims)
	}
	if len(i.Balancers) != 2 || i.Balancers[0].Name != "s" || !slices.Equal(i.Balancers[1].Ports, []int32{80, 443}) {
		t.Errorf("%+v", i.Balancers)
	}
	if len(i.Objects) != 10 || i.Objects[0] != (deployer.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "ns", Name: "web"}) {
		t.Errorf("%+v", i.Objects)
	}
}

func TestInventoryOfNonsense(t *testing.T) {
	huge := planOf(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 9223372036854775807, template: {spec: {containers: [
  {name: a, resources: {requests: {cpu: 9E, memory: 9E}}}, {name: b, resources: {requests: {cpu: 9E, memory: 9E}}}]}}}}`)
	if huge.inventory.MilliCPU <= 0 || huge.inventory.MemoryMiB <= 0 {
		t.Errorf("%+v", huge.inventory)
	}
	huge.needs()
	negative := planOf(t, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: -5, template: {spec: {containers: [{name: a, resources: {requests: {cpu: -3}}}]}}}}")
	if negative.inventory.MilliCPU != 0 {
		t.Errorf("%+v", negative.inventory)
	}
	for _, text := range []string{
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}",
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: canary}}",
		"{apiVersion: v1, kind: Pod, metadata: {name: d}, spec: {containers: canary}}",
		"{apiVersion: v1, kind: Pod, metadata: {name: d}, spec: {hostNetwork: maybe}}",
		"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: d}, spec: [canary]}",
		"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: d}, spec: {template: {spec: {}}, volumeClaimTemplates: canary}}",
		"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: d}, spec: {template: {spec: {}}, volumeClaimTemplates: [7]}}",
	} {
		if f := planOf(t, text).inventory.Findings; len(f) != 1 || !f[0].Fails || f[0].Reason.Code != deployer.Rejected {
			t.Errorf("%s: %+v", text, f)
		}
	}
	many := planOf(t, strings.Repeat("---\n{apiVersion: x/v1, kind: Thing, metadata: {name: t}}\n", 3))
	if len(many.inventory.Findings) != 1 {
		t.Errorf("the same is found %d times", len(many.inventory.Findings))
	}
}

func TestPodRequests(t *testing.T) {
	spec := func(text string) *corev1.PodSpec {
		all, err := parse([]byte("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: " + text + "}"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := podTemplate(&all[0])
		if err != nil {
			t.Fatal(err)
		}
		return &p.Spec
	}
	r := func(cpu string) string { return "resources: {requests: {cpu: " + cpu + "}}" }
	for text, want := range map[string]int64{
		"{containers: []}": 0,
		"{containers: [{" + r("100m") + "}, {" + r("50m") + "}]}":                                                             150,
		"{initContainers: [{" + r("1") + "}, {" + r("200m") + "}], containers: [{" + r("100m") + "}]}":                        1000,
		"{initContainers: [{restartPolicy: Always, " + r("100m") + "}, {" + r("1") + "}], containers: [{" + r("50m") + "}]}":  1100,
		"{initContainers: [{" + r("1") + "}, {restartPolicy: Always, " + r("100m") + "}], containers: [{" + r("950m") + "}]}": 1050,
		"{overhead: {cpu: 10m}, containers: [{" + r("100m") + "}]}":                                                           110,
		"{containers: [{resources: {limits: {cpu: 300m}}}]}":                                                                  300,
		"{resources: {requests: {cpu: 2}}, containers: [{" + r("100m") + "}]}":                                                2000,
	} {
		if got := podRequests(spec(text)).milliCPU; got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestFindingsQuoteNoSecrets(t *testing.T) {
	all, err := parse([]byte(`{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: Y2FuYXJ5LW9uZQ==, n: 1}, stringData: {b: "canary-two\nline \"canary\" three"}}`))
	if err != nil {
		t.Fatal(err)
	}
	s := newScrubber(append(secretsOf(all), reveal([]secret.Text{secret.New("canary-four"), secret.New("abc"), {}})...))
	text := s.clean(`bad: "canary-one", Y2FuYXJ5LW9uZQ==, "line \"canary\" three", canary-two, canary-four and abc` + "\n\x1b[31m")
	if strings.Contains(text, "canary") || strings.Contains(text, "Y2Fu") || !strings.Contains(text, "abc") || strings.ContainsAny(text, "\n\x1b") {
		t.Error(text)
	}
	if long := s.clean(strings.Repeat("ü", 5000)); len([]rune(long)) != maxDetailRunes {
		t.Errorf("%d runes", len([]rune(long)))
	}
}
