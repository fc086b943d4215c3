package main

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// interruption is a process that is ended in the middle of everything, with the deployments that it works on.
type interruption struct {
	*clusterWorld
	one, two *clusterUser
	gates    []string
	// after says how each deployment must end, in order of names.
	after map[string]func(*testing.T)
}

// killedInTheMiddle kills the process while it works on everything at once, and again while it fetches a chart, and expects that
// everything ends as the cluster has it.
func killedInTheMiddle(t *testing.T, binary string) {
	i := newInterruption(t, binary)
	i.beginEverything(t)
	// There are as many operations on the cluster as may be, so that this one does not begin.
	remote := i.one.deployment(t, 0, nil)
	remote.product = "remote"
	remote.begin(t)
	i.after["an installation that had not begun, and then fetched its chart"] = func(t *testing.T) {
		remote.ends(t, "ready", "")
		remote.holds(t, "1 deployed")
		remote.isTrue(t)
	}
	i.installAndDie(t)
	if state := i.revisions(t, remote.namespace, remote.release); len(state) > 0 {
		t.Errorf("the operation that had to wait has begun: %v", state)
	}
	i.catalog.hold()
	i.start()
	i.awaitReady()
	select {
	case <-i.catalog.asked:
	case <-time.After(patience):
		t.Fatal("the chart is not fetched")
	}
	i.die(t)
	i.catalog.release()
	i.start()
	i.awaitReady()
	i.end(t)
}

// stoppedInTheMiddle is killedInTheMiddle with SIGTERM, by which the process lets go of what it works on.
func stoppedInTheMiddle(t *testing.T, binary string) {
	i := newInterruption(t, binary)
	i.beginEverything(t)
	bad := i.one.deployment(t, 1, map[string]any{"image": "does-not-exist:1"}).begin(t)
	bad.waitsFor(t, "image-pull")
	i.after["pods that fail"] = func(t *testing.T) { bad.ends(t, "error", "image-pull") }
	i.terminate()
	if code, words := i.exit(); code != exitOK {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, words)
	}
	i.noChildren(t)
	i.start()
	i.awaitReady()
	i.end(t)
}

func newInterruption(t *testing.T, binary string) *interruption {
	t.Helper()
	i := &interruption{clusterWorld: newClusterWorld(t, binary, 2, 2), after: map[string]func(*testing.T){}}
	i.one, i.two = i.people[0], i.people[1]
	return i
}

// deployment returns one that has its gate to wait for, and no limit that ends it before.
func (i *interruption) deployment(t *testing.T, u *clusterUser, cluster int, values map[string]any) *deployment {
	t.Helper()
	d := u.deployment(t, cluster, values)
	d.product = slowProduct
	return d
}

// gate returns a gate that end opens.
func (i *interruption) gate() string {
	g := newName("gate")
	i.gates = append(i.gates, g)
	return g
}

// beginEverything begins operations of each kind, four of them on one cluster, and waits until all of them wait for a gate.
func (i *interruption) beginEverything(t *testing.T) {
	t.Helper()
	atOnce(t, map[string]func(*testing.T){
		"upgrade": i.inUpgrade(i.gate()), "rollback": i.inRollback(i.gate()), "uninstall": i.inUninstall(i.gate()),
		"install": i.inInstall(i.gate(), "1"), "another install": i.inInstall(i.gate(), "3"), "hook": i.inHook(i.gate()), "failing hook": i.inFailingHook(i.gate()),
	})
	if t.Failed() {
		t.FailNow()
	}
}

func (i *interruption) inInstall(gate, replicas string) func(*testing.T) {
	d := new(deployment)
	i.after["an installation whose pods wait, "+replicas] = func(t *testing.T) {
		d.ends(t, "ready", "")
		d.isTrue(t)
	}
	return func(t *testing.T) {
		*d = *i.deployment(t, i.one, 0, map[string]any{"gate": gate, "replicas": replicas}).begin(t)
		d.waitsFor(t, "unschedulable")
		d.pending(t, "pending-install")
	}
}

func (i *interruption) inHook(gate string) func(*testing.T) {
	d := new(deployment)
	i.after["an installation whose hook waits"] = func(t *testing.T) {
		d.ends(t, "ready", "")
		d.isTrue(t)
	}
	return func(t *testing.T) {
		*d = *i.deployment(t, i.one, 0, map[string]any{"hookGate": gate}).begin(t)
		d.pending(t, "pending-install")
	}
}

func (i *interruption) inFailingHook(gate string) func(*testing.T) {
	d := new(deployment)
	i.after["an installation whose hook fails"] = func(t *testing.T) { d.ends(t, "error", "hook-failed") }
	return func(t *testing.T) {
		*d = *i.deployment(t, i.one, 0, map[string]any{"hookGate": gate, "hookImage": "fails:1"}).begin(t)
		d.pending(t, "pending-install")
	}
}

func (i *interruption) inUpgrade(gate string) func(*testing.T) {
	d := new(deployment)
	i.after["an upgrade"] = func(t *testing.T) {
		d.ends(t, "ready", "")
		d.isTrue(t)
		if got := d.image(t); got != "nginx:2" {
			t.Errorf("the image is %s", got)
		}
	}
	return func(t *testing.T) {
		*d = *i.deployment(t, i.two, 0, nil).begin(t)
		d.ends(t, "ready", "")
		d.upgrade(t, map[string]any{"gate": gate, "image": "nginx:2"})
		d.pending(t, "pending-upgrade")
		d.waitsFor(t, "unschedulable")
	}
}

func (i *interruption) inRollback(gate string) func(*testing.T) {
	d := new(deployment)
	i.after["a rollback"] = func(t *testing.T) {
		d.ends(t, "ready", "")
		d.isTrue(t)
		if got := d.image(t); got != "nginx:1" {
			t.Errorf("the image is %s", got)
		}
	}
	return func(t *testing.T) {
		i.openGate(t, gate)
		*d = *i.deployment(t, i.two, 0, map[string]any{"gate": gate}).begin(t)
		d.ends(t, "ready", "")
		d.upgrade(t, map[string]any{"gate": nil, "image": "nginx:2"})
		d.ends(t, "ready", "")
		i.closeGate(t, gate)
		d.rollback(t, 1)
		d.pending(t, "pending-rollback")
	}
}

func (i *interruption) inUninstall(gate string) func(*testing.T) {
	d := new(deployment)
	i.after["an uninstallation"] = func(t *testing.T) {
		d.ends(t, "removed", "")
		if revisions := i.revisions(t, d.namespace, d.release); len(revisions) > 0 {
			t.Errorf("the release is %v", revisions)
		}
		list, err := i.kubernetes.AppsV1().Deployments(d.namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) > 0 {
			t.Errorf("%d deployments are left, %v", len(list.Items), err)
		}
	}
	return func(t *testing.T) {
		*d = *i.deployment(t, i.two, 1, map[string]any{"removalGate": gate}).begin(t)
		d.ends(t, "ready", "")
		d.uninstall(t)
		d.pending(t, "uninstalling")
	}
}

// installAndDie kills the process as soon as the release of another installation appears as pending.
func (i *interruption) installAndDie(t *testing.T) {
	t.Helper()
	d := i.two.deployment(t, 1, nil)
	seen, err := i.kubernetes.CoreV1().Secrets(d.namespace).Watch(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		t.Fatal(err)
	}
	defer seen.Stop()
	d.begin(t)
	<-seen.ResultChan()
	i.die(t)
	t.Logf("the release that has just appeared is %v", i.revisions(t, d.namespace, d.release))
	i.after["a release that has just appeared"] = func(t *testing.T) {
		d.ends(t, "ready", "")
		d.isTrue(t)
	}
}

// die kills the process, which no child outlives.
func (i *interruption) die(t *testing.T) {
	t.Helper()
	if len(i.children()) == 0 {
		t.Error("the process has no child that could outlive it")
	}
	i.kill()
	i.noChildren(t)
}

func (i *interruption) noChildren(t *testing.T) {
	t.Helper()
	eventually(t, "the children's end", func() bool { return len(i.children()) == 0 })
}

// children returns the processes of Helm that the process has started, whether it still lives or not: the path of its program is its own.
func (w *clusterWorld) children() (pids []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err == nil && string(line) == w.binary+"\x00"+helmWorker+"\x00" {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

// end opens the gates and looks at what becomes of everything.
func (i *interruption) end(t *testing.T) {
	t.Helper()
	for _, g := range i.gates {
		i.openGate(t, g)
	}
	t.Logf("ends to come: %q", slices.Sorted(maps.Keys(i.after)))
	atOnce(t, i.after)
	list := i.one.must(t, http.StatusOK, http.MethodGet, "/workloads?state=pending", nil)
	if list["total"] != 0.0 {
		t.Errorf("pending at the end: %v", list["data"])
	}
	i.noChildren(t)
	i.proveSecrecy(t)
}
