package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// hubChart is the chart that llmhub itself is deployed by, hubFields and hubSecrets what is asked for where an operator offers it.
const hubChart = "../../deploy/chart"

var hubSecrets = []string{
	"secrets.LLMHUB_ADMIN_TOKEN", "secrets.LLMHUB_DATABASE_URL", "secrets.LLMHUB_PEPPER", "secrets.LLMHUB_RESPONSES", "secrets.LLMHUB_SEAL",
}

var hubFields = []string{"image.tag", "store.engine", "replicaCount", "serviceMonitor.enabled", "grafanaDashboard.enabled", "ingress.enabled"}

// hubProduct writes a product of the chart, with the values that an operator sets in it.
func (c *clusterCatalog) hubProduct() {
	c.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, clusterProduct, "gateway", "open-source", "{folder: chart}", "", shortLimit)
	for _, key := range hubFields {
		fmt.Fprintf(&b, "    - {key: %s, label: {en: %[1]s, de: %[1]s}, input_type: text}\n", key)
	}
	for _, key := range hubSecrets {
		fmt.Fprintf(&b, "    - {key: %s, label: {en: %[1]s, de: %[1]s}, input_type: text, confidential: true}\n", key)
	}
	c.write("products/gateway/product.yaml", b.String())
	c.write("products/gateway/eula.md", "Be nice.\n")
	c.write("products/gateway/icon.svg", `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8"/></svg>`)
	if err := os.CopyFS(filepath.Join(c.folder, "products/gateway/chart"), os.DirFS(hubChart)); err != nil {
		c.t.Fatal(err)
	}
	const name = "products/gateway/chart/values.yaml"
	text, err := os.ReadFile(filepath.Join(c.folder, name))
	if err != nil {
		c.t.Fatal(err)
	}
	values := string(text)
	for old, set := range map[string]string{
		`  repository: ""`: `  repository: registry.example.com/llmhub`,
		`  upstreams: []`:  `  upstreams: [{name: gpu, base_url: "http://vllm.models.svc:8000/v1"}]`,
		`  models: []`:     `  models: [{name: m, deployments: [{upstream: gpu}]}]`,
		`  hosts: []`:      `  hosts: [hub.example.com]`,
	} {
		if strings.Count(values, old) != 1 {
			c.t.Fatalf("%q is not once in the values of the chart", old)
		}
		values = strings.Replace(values, old, set, 1)
	}
	c.write(name, values)
}

// serviceMonitors is the kind of the Prometheus operator, as far as the chart uses it: what it does not name is not stored.
const serviceMonitors = `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
"metadata": {"name": "servicemonitors.monitoring.coreos.com", "annotations": {"api-approved.kubernetes.io": "unapproved, of a test"}},
"spec": {"group": "monitoring.coreos.com", "scope": "Namespaced",
 "names": {"kind": "ServiceMonitor", "listKind": "ServiceMonitorList", "plural": "servicemonitors", "singular": "servicemonitor"},
 "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": {
  "type": "object", "required": ["endpoints", "selector"], "properties": {
   "selector": {"type": "object", "properties": {"matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}}},
   "endpoints": {"type": "array", "items": {"type": "object", "properties": {
    "port": {"type": "string"}, "path": {"type": "string"},
    "interval": {"type": "string", "pattern": "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"},
    "scrapeTimeout": {"type": "string", "pattern": "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"},
    "authorization": {"type": "object", "properties": {"type": {"type": "string"},
     "credentials": {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}, "name": {"type": "string"}, "optional": {"type": "boolean"}}}}}
   }}}}}}}}}]}}`

// TestClusterOwnChart deploys llmhub by llmhub, into namespaces that enforce the Pod Security Standard "restricted".
func TestClusterOwnChart(t *testing.T) {
	if os.Getenv("LLMHUB_TEST_KUBECONFIG") == "" {
		t.Skip("LLMHUB_TEST_KUBECONFIG is not set")
	}
	w := newClusterWorld(t, buildBinary(t), 1, 1)
	w.defineServiceMonitors(t)
	atOnce(t, map[string]func(*testing.T){
		"one pod":  w.people[0].oneHub,
		"replicas": w.people[0].severalHubs,
	})
}

func (w *clusterWorld) defineServiceMonitors(t *testing.T) {
	t.Helper()
	const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	rest := w.kubernetes.RESTClient()
	if err := rest.Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body([]byte(serviceMonitors)).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rest.Delete().AbsPath(path + "/servicemonitors.monitoring.coreos.com").Do(context.Background()).Error(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the API server knows ServiceMonitors", func() bool {
		return rest.Get().AbsPath("/apis/monitoring.coreos.com/v1/servicemonitors").Do(t.Context()).Error() == nil
	})
}

// hub returns a deployment of the chart into a restricted namespace.
func (u *clusterUser) hub(t *testing.T, values map[string]any) *deployment {
	t.Helper()
	d := u.deployment(t, 0, values)
	d.product = "gateway"
	secrets := map[string]string{}
	for _, name := range hubSecrets {
		secrets[name] = u.w.seen.canary(name)
	}
	d.more["secrets"] = secrets
	const restricted = `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted","pod-security.kubernetes.io/enforce-version":"latest"}}}`
	if _, err := u.w.kubernetes.CoreV1().Namespaces().Patch(t.Context(), d.namespace, types.MergePatchType, []byte(restricted), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	return d
}

// oneHub is the life of one on the local engine.
func (u *clusterUser) oneHub(t *testing.T) {
	d := u.hub(t, map[string]any{"image.tag": "1.0.0"}).begin(t)
	d.ends(t, "ready", "")
	const claim = "PersistentVolumeClaim/data-web-llmhub-0"
	d.has(t, claim, "StatefulSet/web-llmhub", "Service/web-llmhub", "ConfigMap/web-llmhub", "Secret/web-llmhub", "ServiceAccount/web-llmhub", "NetworkPolicy/web-llmhub")
	d.runs(t, 1, "1.0.0")
	d.isRestricted(t)

	// A pod that cannot start is replaced by what is rolled back to.
	d.upgrade(t, map[string]any{"image.tag": "does-not-exist"})
	d.ends(t, "error", "image-pull")
	d.rollback(t, 1)
	d.ends(t, "ready", "")
	d.runs(t, 1, "1.0.0")
	d.holds(t, "1 superseded", "2 failed", "3 deployed")

	d.passes(t, map[string]any{"image.tag": "1.1.0"})
	d.upgrade(t, map[string]any{"image.tag": "1.1.0"})
	d.ends(t, "ready", "")
	d.runs(t, 1, "1.1.0")

	d.uninstall(t)
	d.ends(t, "removed", "")
	d.has(t, claim)
	d.holds(t)
}

// passes expects that nothing keeps an upgrade from being made.
func (d *deployment) passes(t *testing.T, values map[string]any) {
	t.Helper()
	review := d.must(t, http.StatusOK, http.MethodPost, "/workloads/"+d.id+"/upgrade/review", map[string]any{"values": values})
	if review["blocked"] != false {
		t.Fatalf("the upgrade is kept back by %v", review["checks"])
	}
}

// severalHubs is the life of several on PostgreSQL, with all that a chart can bring.
func (u *clusterUser) severalHubs(t *testing.T) {
	d := u.hub(t, map[string]any{
		"image.tag": "1.0.0", "store.engine": "postgres", "replicaCount": 3, "serviceMonitor.enabled": true, "grafanaDashboard.enabled": true, "ingress.enabled": true,
	}).begin(t)
	d.ends(t, "ready", "")
	d.has(t, "Deployment/web-llmhub", "Service/web-llmhub", "ConfigMap/web-llmhub", "ConfigMap/web-llmhub-dashboard", "Secret/web-llmhub", "ServiceAccount/web-llmhub",
		"NetworkPolicy/web-llmhub", "PodDisruptionBudget/web-llmhub", "Ingress/web-llmhub", "ServiceMonitor/web-llmhub")
	d.runs(t, 3, "1.0.0")
	d.isRestricted(t)
	d.isMonitored(t)
	eventually(t, "one of three pods may be away", func() bool {
		pdb, err := d.w.kubernetes.PolicyV1().PodDisruptionBudgets(d.namespace).Get(t.Context(), "web-llmhub", metav1.GetOptions{})
		return err == nil && pdb.Status.ExpectedPods == 3 && pdb.Status.DisruptionsAllowed == 1
	})

	d.upgrade(t, map[string]any{"image.tag": "1.1.0", "replicaCount": 2})
	d.ends(t, "ready", "")
	d.runs(t, 2, "1.1.0")
	d.rollback(t, 1)
	d.ends(t, "ready", "")
	d.runs(t, 3, "1.0.0")
	d.holds(t, "1 superseded", "2 superseded", "3 deployed")

	d.uninstall(t)
	d.ends(t, "removed", "")
	d.has(t)
	d.holds(t)
}

// has expects that exactly these objects are in the namespace, beside what Kubernetes puts there and makes of them.
func (d *deployment) has(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for kind, path := range map[string]string{
		"StatefulSet": "/apis/apps/v1/%s/statefulsets", "Deployment": "/apis/apps/v1/%s/deployments", "Service": "/api/v1/%s/services",
		"ConfigMap": "/api/v1/%s/configmaps", "Secret": "/api/v1/%s/secrets", "ServiceAccount": "/api/v1/%s/serviceaccounts",
		"PersistentVolumeClaim": "/api/v1/%s/persistentvolumeclaims", "NetworkPolicy": "/apis/networking.k8s.io/v1/%s/networkpolicies",
		"Ingress": "/apis/networking.k8s.io/v1/%s/ingresses", "PodDisruptionBudget": "/apis/policy/v1/%s/poddisruptionbudgets",
		"ServiceMonitor": "/apis/monitoring.coreos.com/v1/%s/servicemonitors",
	} {
		raw, err := d.w.kubernetes.RESTClient().Get().AbsPath(fmt.Sprintf(path, "namespaces/"+d.namespace)).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var list metav1.PartialObjectMetadataList
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			name := kind + "/" + o.Name
			if name != "ConfigMap/kube-root-ca.crt" && name != "ServiceAccount/default" && o.Labels["owner"] != "helm" {
				got = append(got, name)
			}
		}
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q", d.namespace, got, want)
	}
}

// pods returns those that are not on their way out.
func (d *deployment) pods(t *testing.T) (running []corev1.Pod) {
	t.Helper()
	list, err := d.w.kubernetes.CoreV1().Pods(d.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + d.release})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			running = append(running, p)
		}
	}
	return running
}

// runs waits until so many pods are ready, all of one image and none of another.
func (d *deployment) runs(t *testing.T, n int, tag string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d pods of %s", n, tag), func() bool {
		pods := d.pods(t)
		return len(pods) == n && !slices.ContainsFunc(pods, func(p corev1.Pod) bool {
			ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
			return !ready || p.Spec.Containers[0].Image != "registry.example.com/llmhub:"+tag
		})
	})
}

// isRestricted shows that the API server takes the pod because of how it is secured: with anything less it refuses it.
func (d *deployment) isRestricted(t *testing.T) {
	t.Helper()
	spec := d.pods(t)[0].Spec
	create := func(change func(*corev1.PodSpec)) error {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "try-"}, Spec: *spec.DeepCopy()}
		change(&p.Spec)
		_, err := d.w.kubernetes.CoreV1().Pods(d.namespace).Create(t.Context(), p, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	if err := create(func(*corev1.PodSpec) {}); err != nil {
		t.Errorf("a pod as it is: %v", err)
	}
	yes := true
	for name, change := range map[string]func(*corev1.PodSpec){
		"privilege escalation": func(p *corev1.PodSpec) { p.Containers[0].SecurityContext.AllowPrivilegeEscalation = &yes },
		"capabilities":         func(p *corev1.PodSpec) { p.Containers[0].SecurityContext.Capabilities = nil },
		"seccomp":              func(p *corev1.PodSpec) { p.SecurityContext.SeccompProfile = nil },
		"root":                 func(p *corev1.PodSpec) { p.SecurityContext.RunAsNonRoot = nil },
	} {
		if err := create(change); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "violates PodSecurity") {
			t.Errorf("a pod with less, %s: %v", name, err)
		}
	}
	c := spec.Containers[0]
	if !*c.SecurityContext.ReadOnlyRootFilesystem || slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(m.MountPath, "/var/run/secrets") }) {
		t.Errorf("the container has %+v and %+v", c.SecurityContext, c.VolumeMounts)
	}
}

// isMonitored compares the ServiceMonitor with the Service and the Secret that it names.
func (d *deployment) isMonitored(t *testing.T) {
	t.Helper()
	raw, err := d.w.kubernetes.RESTClient().Get().AbsPath("/apis/monitoring.coreos.com/v1/namespaces/" + d.namespace + "/servicemonitors/web-llmhub").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var monitor struct {
		Spec struct {
			Selector  metav1.LabelSelector
			Endpoints []struct {
				Port, Path, Interval, ScrapeTimeout string
				Authorization                       struct {
					Type        string
					Credentials corev1.SecretKeySelector
				}
			}
		}
	}
	if err := json.Unmarshal(raw, &monitor); err != nil {
		t.Fatal(err)
	}
	services, err := d.w.kubernetes.CoreV1().Services(d.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&monitor.Spec.Selector)})
	if err != nil || len(services.Items) != 1 || len(monitor.Spec.Endpoints) != 1 {
		t.Fatalf("%d services are monitored, %v: %s", len(services.Items), err, raw)
	}
	e := monitor.Spec.Endpoints[0]
	if e.Port != services.Items[0].Spec.Ports[0].Name || e.Path != "/metrics" || e.Interval == "" || e.ScrapeTimeout == "" || e.Authorization.Type != "Bearer" {
		t.Errorf("what is asked is %+v", e)
	}
	s, err := d.w.kubernetes.CoreV1().Secrets(d.namespace).Get(t.Context(), e.Authorization.Credentials.Name, metav1.GetOptions{})
	if err != nil || len(s.Data[e.Authorization.Credentials.Key]) == 0 {
		t.Errorf("there is no token for it: %v", err)
	}
}
