package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deployment is a workload in the making, with what is asked for.
type deployment struct {
	*clusterUser
	product, namespace, release string
	cluster                     string
	fresh                       bool // the namespace is to be made
	values                      map[string]any
	more                        map[string]any // of the body
	id                          string
}

// deployment returns one of the product probe, into a namespace of its own that is there, on one of the user's clusters.
func (u *clusterUser) deployment(t *testing.T, cluster int, values map[string]any) *deployment {
	t.Helper()
	return &deployment{
		clusterUser: u, product: "probe", namespace: u.w.existingNamespace(t), release: "web", cluster: u.clusters[cluster%len(u.clusters)],
		values: values, more: map[string]any{},
	}
}

// body is what the API is sent.
func (d *deployment) body() map[string]any {
	body := map[string]any{
		"product_id": d.product, "accepted": d.accepted, "confirm_warnings": true, "values": d.values,
		"secrets": map[string]string{"password": d.w.seen.canary("password of a chart")},
		"target":  map[string]any{"project_id": d.project, "cluster_id": d.cluster, "namespace": d.namespace, "new_namespace": d.fresh, "release": d.release},
	}
	maps.Copy(body, d.more)
	return body
}

// begin asks for the deployment.
func (d *deployment) begin(t *testing.T) *deployment {
	t.Helper()
	d.id = d.must(t, http.StatusAccepted, http.MethodPost, "/workloads", d.body())["id"].(string)
	return d
}

// refused says that the deployment is not even begun, for a reason: one of a check of the review, or of its form already.
func (d *deployment) refused(t *testing.T, code string) {
	t.Helper()
	review, sent := d.api(t, http.MethodPost, "/workloads/review", d.body()), d.api(t, http.MethodPost, "/workloads", d.body())
	if review.code() == code && sent.code() == code {
		return
	}
	var codes []string
	checks, _ := review.body["checks"].([]any)
	for _, c := range checks {
		if check := c.(map[string]any); check["state"] == "failed" {
			for _, r := range check["reasons"].([]any) {
				codes = append(codes, r.(map[string]any)["code"].(string))
			}
		}
	}
	if review.body["blocked"] != true || !slices.Contains(codes, code) {
		t.Errorf("the review has failed for %v, want %s: %s", codes, code, review)
	}
	if sent.status != http.StatusConflict {
		t.Errorf("deployed in spite of the review: %s", sent)
	}
}

// change asks for an upgrade, rollback or the like.
func (d *deployment) change(t *testing.T, how string, body map[string]any) {
	t.Helper()
	d.must(t, http.StatusAccepted, http.MethodPost, "/workloads/"+d.id+"/"+how, body)
}

func (d *deployment) upgrade(t *testing.T, values map[string]any) {
	t.Helper()
	d.change(t, "upgrade", map[string]any{"accepted": d.accepted, "confirm_warnings": true, "values": values})
}

func (d *deployment) rollback(t *testing.T, revision int) {
	t.Helper()
	d.change(t, "rollback", map[string]any{"revision": revision})
}

func (d *deployment) uninstall(t *testing.T) {
	t.Helper()
	d.change(t, "uninstall", map[string]any{"release": d.release})
}

// now returns the workload.
func (d *deployment) now(t *testing.T) map[string]any {
	t.Helper()
	return d.must(t, http.StatusOK, http.MethodGet, "/workloads/"+d.id, nil)
}

// reasonCode returns the code of the reason of a workload, operation or the like; empty without one.
func reasonCode(of any) string {
	v, _ := of.(map[string]any)
	reason, _ := v["reason"].(map[string]any)
	code, _ := reason["code"].(string)
	return code
}

// ends waits until no operation is under way and expects a state, and for error the reason.
func (d *deployment) ends(t *testing.T, state, code string) map[string]any {
	t.Helper()
	var v map[string]any
	defer func() {
		if v["operation"] != nil {
			text, _ := json.Marshal(v)
			t.Logf("the workload: %s\nllmhub said of it:\n%s", text, d.w.saidOf(d.id))
		}
	}()
	eventually(t, "the end of an operation on "+d.namespace, func() bool {
		v = d.now(t)
		return v["operation"] == nil
	})
	if v["state"] != state || reasonCode(v) != code {
		t.Fatalf("%s ends as %v %v, want %s %s", d.namespace, v["state"], v["reason"], state, code)
	}
	return v
}

// waitsFor waits until the operation does not go on for a reason.
func (d *deployment) waitsFor(t *testing.T, code string) {
	t.Helper()
	eventually(t, d.namespace+" waits for "+code, func() bool {
		v := d.now(t)
		if v["operation"] == nil {
			t.Fatalf("%s has ended as %v %v", d.namespace, v["state"], v["reason"])
		}
		return reasonCode(v) == code || reasonCode(v["operation"]) == code
	})
}

// pending waits until the cluster holds a revision in one of the states of an operation under way.
func (d *deployment) pending(t *testing.T, status string) {
	t.Helper()
	eventually(t, d.namespace+" is "+status, func() bool {
		return slices.Contains(slices.Collect(maps.Values(d.w.revisions(t, d.namespace, d.release))), status)
	})
}

// holds expects revisions of the release in the cluster, each as NUMBER STATUS, and nothing pending among them.
func (d *deployment) holds(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for version, status := range d.w.revisions(t, d.namespace, d.release) {
		got = append(got, version+" "+status)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the cluster holds %q of %s, want %q", got, d.namespace, want)
	}
}

// isTrue expects that a workload which is ready is so in the cluster: exactly one deployed revision, the last one, and its pods ready.
func (d *deployment) isTrue(t *testing.T) {
	t.Helper()
	deployed := 0
	revisions := d.w.revisions(t, d.namespace, d.release)
	for version, status := range revisions {
		switch {
		case status == "deployed":
			deployed++
			if version != fmt.Sprint(len(revisions)) {
				t.Errorf("%s: revision %s of %d is the deployed one", d.namespace, version, len(revisions))
			}
		case strings.HasPrefix(status, "pending"), status == "uninstalling":
			t.Errorf("%s: revision %s is %s", d.namespace, version, status)
		}
	}
	if deployed != 1 {
		t.Errorf("%s: the revisions are %v", d.namespace, revisions)
	}
	got, err := d.w.kubernetes.AppsV1().Deployments(d.namespace).Get(t.Context(), d.release, metav1.GetOptions{})
	if err != nil || got.Status.ReadyReplicas != *got.Spec.Replicas || got.Status.ReadyReplicas == 0 {
		t.Errorf("%s: the cluster has %+v, %v", d.namespace, got.Status, err)
	}
}

// isGone expects that nothing is left in the cluster but the namespace.
func (d *deployment) isGone(t *testing.T) {
	t.Helper()
	d.holds(t)
	if list, err := d.w.kubernetes.AppsV1().Deployments(d.namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
		t.Errorf("%s has %d deployments left, %v", d.namespace, len(list.Items), err)
	}
	if list, err := d.w.kubernetes.CoreV1().Secrets(d.namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
		t.Errorf("%s has Secrets left: %v, %v", d.namespace, list.Items, err)
	}
}

// image returns which one the cluster runs.
func (d *deployment) image(t *testing.T) string {
	t.Helper()
	got, err := d.w.kubernetes.AppsV1().Deployments(d.namespace).Get(t.Context(), d.release, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Spec.Template.Spec.Containers[0].Image
}
