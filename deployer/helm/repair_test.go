package helm_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"llmhub/deployer"
	"llmhub/deployer/helm"
)

// traced makes the worker of some Options write its process ID into a file. pid waits for it.
func traced(t *testing.T) (tune func(*helm.Options), pid func() int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pid")
	tune = func(o *helm.Options) {
		o.Command = append([]string{"/bin/sh", "-c", `echo $$ > "$0"; exec "$@"`, file}, o.Command...)
	}
	pid = func() int {
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
			if text, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(text), "\n") {
				n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
				return n
			}
		}
		t.Error("there is no worker")
		return 0
	}
	return tune, pid
}

// killed runs a job, and kills its worker when the release has a status.
func (w *world) killed(t *testing.T, j deployer.Job, status deployer.ReleaseStatus) {
	t.Helper()
	tune, pid := traced(t)
	result := make(chan error, 1)
	go func() { result <- newReleases(t, tune).Run(t.Context(), j, func(deployer.Stage) {}) }()
	w.await(t, status)
	if err := syscall.Kill(pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := reasonOf(t, <-result); r.Code != deployer.Interrupted {
		t.Errorf("a killed worker is %v", r)
	}
	if r, _, _ := w.Get(t.Context(), w.access, w.ns, "web"); r.Status != status {
		t.Fatalf("the release is %s, want %s", r.Status, status)
	}
}

// await returns when the release has a status.
func (w *world) await(t *testing.T, status deployer.ReleaseStatus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		r, _, err := w.Get(ctx, w.access, w.ns, "web")
		if err != nil {
			t.Fatalf("the release does not become %s: %v", status, err)
		}
		if r.Status == status {
			return
		}
	}
}

// What a killed worker leaves would be pending for ever.
func TestClusterRepairInstall(t *testing.T) {
	for name, values := range map[string]string{"in a hook": `{"hookImage":"does-not-exist:1"}`, "while waiting": `{"image":"does-not-exist:1"}`} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.killed(t, w.job(deployer.JobInstall, "op-1", values), deployer.StatusPendingInstall)
			j := w.job(deployer.JobInstall, "op-2", `{}`)
			j.Repair = true
			if _, err := w.do(t, j); reasonOf(t, err).Code != deployer.ReleaseExists {
				t.Errorf("another operation takes the release over: %v", err)
			}
			j.Operation = "op-1"
			w.must(t, j)
			w.expect(t, 2, deployer.StatusDeployed, "op-1")
			w.must(t, j) // it is done, and not done again
			w.expect(t, 2, deployer.StatusDeployed, "op-1")
		})
	}
}

// A hook that was to be removed when it had succeeded is in the way of the next one, if its process died before.
func TestClusterRepairAfterHook(t *testing.T) {
	w := newWorld(t)
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install, helm.sh/hook-delete-policy: hook-succeeded}}\n" +
		"spec: {terminationGracePeriodSeconds: 0, containers: [{name: a, image: \"does-not-exist:1\"}]}\n"
	j := w.job(deployer.JobInstall, "op-1", "{}")
	j.Chart = chartOf("templates/a.yaml", pod, "templates/b.yaml", configMap)
	w.killed(t, j, deployer.StatusPendingInstall)
	j.Chart = chartOf("templates/a.yaml", strings.Replace(strings.Replace(pod, "kind: Pod", "kind: ConfigMap", 1), "spec:", "data: {}\n#", 1), "templates/b.yaml", configMap)
	j.Repair = true
	w.must(t, j)
	w.expect(t, 2, deployer.StatusDeployed, "op-1")
	if _, err := w.clients.CoreV1().Pods(w.ns).Get(t.Context(), "hook", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the hook is left: %v", err)
	}
}

func TestClusterRepairUpgradeAndRollback(t *testing.T) {
	w := newWorld(t)
	bad := w.job(deployer.JobInstall, "op-1", `{"image":"does-not-exist:1"}`)
	bad.Chart, bad.Timeout = hooklessChart(), time.Second
	if _, err := w.do(t, bad); reasonOf(t, err).Code != deployer.NotReady {
		t.Fatal(err)
	}
	w.must(t, w.job(deployer.JobUpgrade, "op-2", `{}`))
	w.killed(t, w.job(deployer.JobUpgrade, "op-3", `{"image":"does-not-exist:1"}`), deployer.StatusPendingUpgrade)
	up := w.job(deployer.JobUpgrade, "op-3", `{"replicas":2}`)
	if _, err := w.do(t, up); reasonOf(t, err).Code != deployer.Interrupted {
		t.Errorf("an upgrade of what is pending: %v", err)
	}
	up.Repair = true
	w.must(t, up)
	w.expect(t, 4, deployer.StatusDeployed, "op-3")

	back := w.job(deployer.JobRollback, "op-5", "")
	back.Revision = 1
	w.killed(t, back, deployer.StatusPendingRollback)
	back.Revision, back.Repair = 2, true
	w.must(t, back)
	w.expect(t, 6, deployer.StatusDeployed, "op-5")
}

func TestClusterRepairUninstall(t *testing.T) {
	w := newWorld(t)
	in := w.job(deployer.JobInstall, "op-1", `{}`)
	in.Chart = chartOf("templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [test.example/hold]}\n")
	w.must(t, in)
	out := w.job(deployer.JobUninstall, "op-2", "")
	w.killed(t, out, deployer.StatusUninstalling)
	out.Repair, out.Timeout = true, time.Second
	if _, err := w.do(t, out); reasonOf(t, err).Code != deployer.NotReady {
		t.Errorf("what is held is uninstalled: %v", err)
	}
	w.expect(t, 1, deployer.StatusFailed, "op-1")
	patch := []byte(`{"metadata":{"finalizers":null}}`)
	if _, err := w.clients.CoreV1().ConfigMaps(w.ns).Patch(t.Context(), "held", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	out.Timeout = time.Minute
	w.must(t, out)
	if _, ok, err := w.Get(t.Context(), w.access, w.ns, "web"); ok || err != nil {
		t.Errorf("after the uninstallation: %v, %v", ok, err)
	}
}
