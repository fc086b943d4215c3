package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestClusterDeployments proves on the shipped binary, before a real Kubernetes control plane, that deployments end in the true state.
// Its worlds are processes apart, since killing one, or taking the cloud away from it, is felt by all of its deployments.
func TestClusterDeployments(t *testing.T) {
	if os.Getenv("LLMHUB_TEST_KUBECONFIG") == "" {
		t.Skip("LLMHUB_TEST_KUBECONFIG is not set")
	}
	binary := buildBinary(t)
	atOnce(t, map[string]func(*testing.T){
		"life": func(t *testing.T) {
			w := newClusterWorld(t, binary, 2, 2)
			u := w.people[0]
			atOnce(t, map[string]func(*testing.T){
				"whole":    u.wholeLife,
				"licensed": u.licensed,
				"failed":   u.failedUpgrade,
			})
			w.proveSecrecy(t)
		},
		"reasons": func(t *testing.T) { everyReason(t, binary) },
		"access":  func(t *testing.T) { accessEnds(t, binary) },
		"kill":    func(t *testing.T) { killedInTheMiddle(t, binary) },
		"stop":    func(t *testing.T) { stoppedInTheMiddle(t, binary) },
	})
}

// cli runs a command line as the user, and keeps what it says.
func (u *clusterUser) cli(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	variables := map[string]string{serverVariable: u.w.url, personalVariable: u.token, iamVariable: u.iamToken, "PASSWORD": u.w.seen.canary("password on the command line")}
	code = run(t.Context(), args, func(name string) (string, bool) { v, ok := variables[name]; return v, ok }, strings.NewReader(""), &out, &errs)
	u.w.seen.note("llmhub "+args[0], []byte(out.String()+errs.String()))
	return code, out.String(), errs.String()
}

func (u *clusterUser) mustCLI(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := u.cli(t, args...)
	if code != exitOK {
		t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	return strings.TrimSpace(stdout)
}

// wholeLife goes from a namespace that is to be made to the removal, on the command line.
func (u *clusterUser) wholeLife(t *testing.T) {
	d := &deployment{clusterUser: u, namespace: u.w.namespace(), release: "web"}
	d.id = u.mustCLI(t, "workload", "deploy", "probe", "--project", u.project, "--cluster", u.clusters[0], "--namespace", d.namespace, "--new-namespace",
		"--release", d.release, "--set", "image=nginx:1", "--secret", "password=env:PASSWORD", "--accept-all", "--wait")
	d.ends(t, "ready", "")
	d.isTrue(t)
	u.mustCLI(t, "workload", "upgrade", d.id, "--set", "image=nginx:2", "--accept-all", "--wait")
	d.isTrue(t)
	d.holds(t, "1 superseded", "2 deployed")
	if got := d.image(t); got != "nginx:2" {
		t.Errorf("after the upgrade the image is %s", got)
	}
	u.mustCLI(t, "workload", "rollback", d.id, "--revision", "1", "--wait")
	d.isTrue(t)
	d.holds(t, "1 superseded", "2 superseded", "3 deployed")
	if got := d.image(t); got != "nginx:1" {
		t.Errorf("after the rollback the image is %s", got)
	}
	var list struct{ Data []workloadAnswer }
	if err := json.Unmarshal([]byte(u.mustCLI(t, "workload", "list", "--json")), &list); err != nil || !strings.Contains(u.mustCLI(t, "workload", "status", d.id), "ready") {
		t.Errorf("list and status: %v", err)
	}
	if code, _, _ := u.cli(t, "workload", "uninstall", d.id, "--confirm", "other"); code == exitOK {
		t.Error("uninstalled by another name")
	}
	u.mustCLI(t, "workload", "uninstall", d.id, "--confirm", d.release, "--wait")
	d.ends(t, "removed", "")
	d.isGone(t)
}

// licensed deploys with a licence, which is there before anything of the chart is, and goes with it.
func (u *clusterUser) licensed(t *testing.T) {
	d := u.deployment(t, 0, map[string]any{"image": "nginx:1"})
	d.product = "licensed"
	licence := u.w.seen.canary("licence")
	d.more = map[string]any{"licence": base64.StdEncoding.EncodeToString([]byte(licence)), "licence_name": "key.lic"}
	d.begin(t)
	d.ends(t, "ready", "")
	d.isTrue(t)
	got, err := u.w.kubernetes.AppsV1().Deployments(d.namespace).Get(t.Context(), d.release, metav1.GetOptions{})
	if err != nil || got.Annotations["test.example/licence"] != "there" {
		t.Errorf("when the chart was applied the licence was %q, %v", got.Annotations["test.example/licence"], err)
	}
	s, err := u.w.kubernetes.CoreV1().Secrets(d.namespace).Get(t.Context(), "licence", metav1.GetOptions{})
	if err != nil || string(s.Data["key.lic"]) != licence {
		t.Errorf("the Secret has %d entries, %v", len(s.Data), err)
	}
	d.uninstall(t)
	d.ends(t, "removed", "")
	d.isGone(t)

	file := filepath.Join(t.TempDir(), "key.lic")
	if err := os.WriteFile(file, []byte(licence), 0o600); err != nil {
		t.Fatal(err)
	}
	again := d.namespace
	u.mustCLI(t, "workload", "deploy", "licensed", "--project", u.project, "--cluster", u.clusters[0], "--namespace", again, "--licence", file,
		"--secret", "password=env:PASSWORD", "--accept-all", "--wait")
}

// failedUpgrade leaves a failed release to be looked at, with the reason that its pods have, and goes back.
func (u *clusterUser) failedUpgrade(t *testing.T) {
	d := u.deployment(t, 0, map[string]any{"image": "nginx:1"}).begin(t)
	d.ends(t, "ready", "")
	d.upgrade(t, map[string]any{"image": "does-not-exist:2"})
	d.waitsFor(t, "image-pull")
	v := d.ends(t, "error", "image-pull")
	if detail := v["reason"].(map[string]any)["detail"].(string); !strings.Contains(detail, "does-not-exist:2") {
		t.Errorf("the reason is %q", detail)
	}
	d.holds(t, "1 deployed", "2 failed")
	if got := d.image(t); got != "does-not-exist:2" {
		t.Errorf("the failed release runs %s", got)
	}
	d.rollback(t, 1)
	d.ends(t, "ready", "")
	d.isTrue(t)
	if got := d.image(t); got != "nginx:1" {
		t.Errorf("after the rollback the image is %s", got)
	}
}
