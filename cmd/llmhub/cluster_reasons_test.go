package main

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// everyReason provokes each reason for which deployments fail, and expects that others become ready afterwards.
func everyReason(t *testing.T, binary string) {
	w := newClusterWorld(t, binary, 2, 2)
	one, two := w.people[0], w.people[1]
	fails := func(u *clusterUser, cluster int, code string, values map[string]any) func(*testing.T) {
		return func(t *testing.T) {
			d := u.deployment(t, cluster, values).begin(t)
			d.ends(t, "error", code)
			d.holds(t, "1 failed")
		}
	}
	atOnce(t, map[string]func(*testing.T){
		"image":         fails(one, 0, "image-pull", map[string]any{"image": "registry.example.com/does-not-exist:1"}),
		"crash":         fails(one, 0, "crash-loop", map[string]any{"image": "crashes:1"}),
		"unschedulable": fails(one, 0, "unschedulable", map[string]any{"gate": "never"}),
		"hook":          fails(one, 0, "hook-failed", map[string]any{"hookImage": "fails:1"}),
		"balancer":      fails(two, 0, "balancer", map[string]any{"address": "none"}),
		"quota":         two.quotaUsedUp,
		"class":         two.classVanishes,
		"namespace":     one.namespaceVanishes,
		"removed":       two.namespaceVanishesInUninstall,
		"in review":     one.refusedInReview,
		"bombs":         two.bombs,
		"licence":       two.licenceTooLarge,
	})
	for _, u := range w.people {
		for n := range u.clusters {
			d := u.deployment(t, n, nil).begin(t)
			d.ends(t, "ready", "")
			d.isTrue(t)
		}
	}
	w.proveSecrecy(t)
}

// quotaUsedUp gives the namespace a quota after the review has found none.
func (u *clusterUser) quotaUsedUp(t *testing.T) {
	gate := newName("gate")
	d := u.deployment(t, 0, map[string]any{"hookGate": gate})
	d.begin(t)
	d.pending(t, "pending-install")
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
		corev1.ResourcePods: resource.MustParse("1"), corev1.ResourceRequestsCPU: resource.MustParse("1m"),
	}}}
	if _, err := u.w.kubernetes.CoreV1().ResourceQuotas(d.namespace).Create(t.Context(), q, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	u.w.openGate(t, gate)
	d.ends(t, "error", "quota")
}

// classVanishes removes the storage class after the review.
func (u *clusterUser) classVanishes(t *testing.T) {
	classes := u.w.kubernetes.StorageV1().StorageClasses()
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: newName("class")}, Provisioner: "kubernetes.io/host-path"}
	if _, err := classes.Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	gate := newName("gate")
	d := u.deployment(t, 0, map[string]any{"class": class.Name, "hookGate": gate}).begin(t)
	d.pending(t, "pending-install")
	if err := classes.Delete(t.Context(), class.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	u.w.openGate(t, gate)
	d.ends(t, "error", "volume")
	u.deployment(t, 0, map[string]any{"class": "missing"}).refused(t, "storage-class-missing")
}

func (u *clusterUser) deleteNamespace(t *testing.T, name string) {
	t.Helper()
	if err := u.w.kubernetes.CoreV1().Namespaces().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// namespaceVanishes deletes the namespace in the middle of an installation.
func (u *clusterUser) namespaceVanishes(t *testing.T) {
	d := u.deployment(t, 1, map[string]any{"gate": "never"}).begin(t)
	d.waitsFor(t, "unschedulable")
	u.deleteNamespace(t, d.namespace)
	d.ends(t, "error", "namespace-gone")
}

// namespaceVanishesInUninstall deletes the namespace of a workload that is removed then.
func (u *clusterUser) namespaceVanishesInUninstall(t *testing.T) {
	d := u.deployment(t, 1, nil).begin(t)
	d.ends(t, "ready", "")
	u.deleteNamespace(t, d.namespace)
	d.uninstall(t)
	d.ends(t, "removed", "")
}

// refusedInReview has what is found out before anything is changed.
func (u *clusterUser) refusedInReview(t *testing.T) {
	wrong := u.deployment(t, 1, map[string]any{"image": "refused:1", "replicas": "many"})
	if a := u.api(t, http.MethodPost, "/workloads", wrong.body()); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text, `"field":"image"`) && !strings.Contains(a.text, `"field":"replicas"`) {
		t.Errorf("values against the schema: %s", a)
	}
	for product, code := range map[string]string{"altered": "chart-digest", "nowhere": "chart-missing", "endless": "render-limit"} {
		d := u.deployment(t, 1, nil)
		d.product = product
		d.refused(t, code)
		d.holds(t)
	}
	gone := u.deployment(t, 1, nil)
	gone.namespace = newName("missing")
	gone.refused(t, "namespace-gone")
	small := u.deployment(t, 1, nil)
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "none"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}}}
	if _, err := u.w.kubernetes.CoreV1().ResourceQuotas(small.namespace).Create(t.Context(), q, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	review := u.must(t, http.StatusOK, http.MethodPost, "/workloads/review", small.body())
	if text, _ := review["checks"].([]any); !strings.Contains(u.api(t, http.MethodPost, "/workloads/review", small.body()).text, `"quota"`) {
		t.Errorf("the review of a quota says %v", text)
	}
}

// bombs sends documents that grow without end.
func (u *clusterUser) bombs(t *testing.T) {
	d := u.deployment(t, 1, nil)
	d.product = "bomb"
	review := u.api(t, http.MethodPost, "/workloads/review", d.body())
	if review.status != http.StatusOK || review.body["blocked"] != true {
		t.Errorf("a bomb in a template: %s", review)
	}
	if a := u.api(t, http.MethodPost, "/workloads", d.body()); a.status != http.StatusConflict {
		t.Errorf("a bomb in a template is deployed: %s", a)
	}
	text := bomb("")
	if a := u.api(t, http.MethodPost, "/workloads", u.deployment(t, 1, map[string]any{"text": text}).body()); a.status != http.StatusUnprocessableEntity {
		t.Errorf("lines in a field of one line: %s", a)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := u.cli(t, "workload", "deploy", "probe", "--project", u.project, "--cluster", u.clusters[0], "--namespace", "default", "--values", file, "--accept-all"); code == exitOK {
		t.Errorf("a bomb in a file of values: %s", stderr)
	}
	oneLine := "{" + strings.ReplaceAll(strings.TrimSpace(text), "\n", ", ") + "}"
	inValue := u.deployment(t, 1, map[string]any{"text": oneLine}).begin(t)
	inValue.ends(t, "ready", "") // a text is a text
}

// licenceTooLarge sends a licence of a megabyte.
func (u *clusterUser) licenceTooLarge(t *testing.T) {
	d := u.deployment(t, 1, nil)
	d.product = "licensed"
	licence := strings.Repeat(u.w.seen.canary("licence that is too large"), 1<<20/30)
	d.more = map[string]any{"licence": base64.StdEncoding.EncodeToString([]byte(licence))}
	if a := u.api(t, http.MethodPost, "/workloads", d.body()); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a licence of %d bytes: %s", len(licence), a)
	}
	d.more["licence"] = base64.StdEncoding.EncodeToString([]byte(licence[:513<<10]))
	if a := u.api(t, http.MethodPost, "/workloads", d.body()); a.status/100 != 4 {
		t.Errorf("a licence of 513 KiB: %s", a)
	}
	d.holds(t)
}
