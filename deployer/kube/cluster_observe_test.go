package kube

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
)

// observe returns an observation of a release in short: its reason and what that is about.
func observe(t *testing.T, c *cluster, ns, manifests string) string {
	t.Helper()
	o, err := c.Observe(t.Context(), ns, "r", []byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case o.Ready && o.Reason == nil:
		return "ready"
	case o.Reason == nil:
		return "not ready"
	}
	if strings.Contains(fmt.Sprintf("%+v %+v", o, *o.Reason), "canary") {
		t.Errorf("a secret is quoted: %+v %+v", o, *o.Reason)
	}
	kind, _, _ := strings.Cut(o.Reason.Object, "/")
	return fmt.Sprintf("%s %s", o.Reason.Code, kind)
}

const gpus = "{containers: [{name: c, image: i, resources: {limits: {nvidia.com/gpu: 9}}}]}"

func TestClusterObserve(t *testing.T) {
	c := testCluster(t)
	for name, test := range map[string]struct {
		before, manifests, want, detail string
	}{
		"ready":          {"", web, "ready", ""},
		"image pull":     {"", deploymentOf("w", "{containers: [{name: c, image: 'registry.example/does-not-exist:1'}]}"), "image-pull Pod", "registry.example/does-not-exist:1"},
		"a secret":       {"", deploymentOf("w", "{containers: [{name: c, image: 'does-not-exist:hunter2-canary'}]}") + "---\n{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {tag: hunter2-canary}}", "image-pull Pod", "does-not-exist:[redacted]"},
		"crash loop":     {"", deploymentOf("w", "{containers: [{name: c, image: 'registry.example/crashes:1'}]}"), "crash-loop Pod", "exit code 1"},
		"unschedulable":  {"", deploymentOf("w", gpus), "unschedulable Pod", "Insufficient nvidia.com/gpu"},
		"service":        {"", service1(""), "ready", ""},
		"no address":     {"", service1("test.example/no-address: 'true'"), "balancer Service", "no address"},
		"missing class":  {"", claim1("nowhere"), "volume PersistentVolumeClaim", "nowhere"},
		"claim":          {"", claim1("csi-disk"), "ready", ""},
		"stateful set":   {"", statefulSet1("csi-disk"), "ready", ""},
		"stateful class": {"", statefulSet1("nowhere"), "volume PersistentVolumeClaim", "nowhere"},
		"job":            {"", `{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}`, "ready", ""},
		"daemon set": {"", `{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d}, spec: {selector: {matchLabels: {app: d}},
  template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: i}]}}}}`, "ready", ""},
		"memory quota":   {`{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {requests.memory: 20Mi}}}`, web, "quota Deployment", "exceeded quota"},
		"stateful quota": {`{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {requests.storage: 1Mi}}}`, statefulSet1("csi-disk"), "quota StatefulSet", "exceeded quota"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := newNamespace(t, c)
			if test.before != "" {
				apply(t, c, ns, "operator", test.before)
				awaitQuota(t, c, ns)
			}
			if got := observe(t, c, ns, test.manifests); !strings.HasPrefix(got, "release-gone ") {
				t.Errorf("before anything is made: %s", got)
			}
			apply(t, c, ns, "r", test.manifests)
			eventually(t, func() bool { return strings.HasPrefix(observe(t, c, ns, test.manifests), test.want) }, true)
			o, err := c.Observe(t.Context(), ns, "r", []byte(test.manifests))
			if err != nil {
				t.Fatal(err)
			}
			if test.detail != "" && (o.Reason == nil || !strings.Contains(o.Reason.Detail, test.detail)) {
				t.Errorf("%+v", o.Reason)
			}
			t.Logf("%+v %v %+v", o.Resources, o.Reason, o.Event)
		})
	}
}

func service1(annotation string) string {
	return "{apiVersion: v1, kind: Service, metadata: {name: s, annotations: {" + annotation + "}}, spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: web}}}"
}

func claim1(class string) string {
	return "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p}, spec: {accessModes: [ReadWriteOnce], storageClassName: " + class + ", resources: {requests: {storage: 1Gi}}}}"
}

func statefulSet1(class string) string {
	return `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {serviceName: db, selector: {matchLabels: {app: db}},
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: i, volumeMounts: [{name: data, mountPath: /data}]}]}},
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: ` + class + `, resources: {requests: {storage: 1Gi}}}}]}}`
}

func TestClusterObserveDetails(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	manifests := web + "---\n" + service1("")
	apply(t, c, ns, "r", manifests)
	eventually(t, func() string { return observe(t, c, ns, manifests) }, "ready")
	o, err := c.Observe(t.Context(), ns, "r", []byte(manifests))
	if err != nil || len(o.Resources) != 4 {
		t.Fatalf("%+v, %v", o, err)
	}
	if d := o.Resources[0]; d.Kind != "Deployment" || d.Namespace != ns || d.Ready != 2 || d.Wanted != 2 || d.Reason != nil {
		t.Errorf("%+v", d)
	}
	if s := o.Resources[3]; s.Kind != "Service" || s.Address != "192.0.2.10" || s.Ready != 1 || s.Wanted != 1 {
		t.Errorf("%+v", s)
	}
	if o.Event.At.IsZero() || o.Event.Object == "" || o.Event.Message == "" {
		t.Errorf("%+v", o.Event)
	}
	// An upgrade that cannot pull its image: the old pods go on, and the release is not ready.
	if _, err := c.client.AppsV1().Deployments(ns).Patch(t.Context(), "web", "application/strategic-merge-patch+json",
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"does-not-exist:2"}]}}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { return observe(t, c, ns, manifests) }, "image-pull Pod")
	if err := c.client.CoreV1().Secrets(ns).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	o, err = c.Observe(t.Context(), ns, "r", []byte(manifests))
	if err != nil || o.Resources[2].Reason == nil || o.Resources[2].Reason.Code != deployer.ReleaseGone || o.Reason.Code != deployer.ImagePull {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestClusterObserveReader: what a user without rights on pods and events sees is less, and no error.
func TestClusterObserveReader(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	manifests := deploymentOf("w", "{containers: [{name: c, image: does-not-exist}]}")
	apply(t, c, ns, "r", manifests)
	narrow := readOnly
	narrow.APIGroups, narrow.Resources = []string{"apps"}, []string{"deployments"}
	user := testOpen(t, tokenAccess(t, c, ns, narrow))
	eventually(t, func() string { return observe(t, c, ns, manifests) }, "image-pull Pod")
	if got := observe(t, user, ns, manifests); got != "not ready" {
		t.Error(got)
	}
	other := newNamespace(t, c)
	apply(t, c, other, "r", manifests)
	narrow.Verbs = []string{"get"}
	user = testOpen(t, tokenAccess(t, c, other, narrow))
	if got := observe(t, user, other, manifests); got != "not ready" {
		t.Errorf("one who may get, but not list: %s", got)
	}
	if got := observe(t, user, other, "{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-root-ca.crt}}"); got != "access-denied ConfigMap" {
		t.Errorf("one who may not read at all: %s", got)
	}
}

// TestClusterObserveHook needs a simulated kubelet whose containers end with exit code 1 if their image's name contains
// "fails".
func TestClusterObserveHook(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	apply(t, c, ns, "r", `{apiVersion: batch/v1, kind: Job, metadata: {name: r-migrate, annotations: {helm.sh/hook: post-install}},
  spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'registry.example/fails:1'}]}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: r-other, labels: {app.kubernetes.io/instance: other}, annotations: {helm.sh/hook: post-install}},
  spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'registry.example/fails:1'}]}}}}`)
	manifests := "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}"
	eventually(t, func() string { return observe(t, c, ns, manifests) }, "hook-failed Job")
	apply(t, c, ns, "r", manifests)
	o, err := c.Observe(t.Context(), ns, "r", []byte(manifests))
	if err != nil || !o.Ready || o.Reason == nil || o.Reason.Object != "Job/r-migrate" || !strings.Contains(o.Reason.Detail, "exit code 1") {
		t.Errorf("%+v, %v, %v", o, o.Reason, err)
	}
}
