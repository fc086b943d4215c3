package deployer

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestKill kills a process at each of its calls that reach out of it, before and after the call has had its effect, and in the
// middle of each operation; another process then brings the operation to its true end.
func TestKill(t *testing.T) {
	operations := map[JobKind]struct {
		begin func(l *lab) string
		state State
		held  []ReleaseStatus
	}{
		JobInstall: {
			func(l *lab) string { return l.request(l.workload("licensed", JobInstall, Requested)) },
			Ready, []ReleaseStatus{StatusDeployed},
		},
		JobUpgrade: {
			func(l *lab) string { return l.again(JobUpgrade, Upgrading) },
			Ready, []ReleaseStatus{StatusDeployed, StatusSuperseded},
		},
		JobRollback: {
			func(l *lab) string { return l.again(JobRollback, RollingBack) },
			Ready, []ReleaseStatus{StatusDeployed, StatusSuperseded},
		},
		JobUninstall: {
			func(l *lab) string { return l.again(JobUninstall, Removing) },
			Removed, nil,
		},
	}
	for kind, o := range operations {
		for _, after := range []bool{false, true} {
			places := 0
			for n := int64(1); ; n++ {
				died := true
				t.Run(fmt.Sprintf("%s/%v/%d", kind, after, n), func(t *testing.T) {
					inLab(t, func(t *testing.T, l *lab) {
						id := o.begin(l)
						ended := len(l.actions())
						first := l.startDoomed(n, after)
						l.passes(8 * time.Second)
						died = first.dead.Load()
						first.stop()
						second := l.start()
						l.passes(leaseTime + 8*time.Second)
						second.stop()
						l.trueEnd(id, kind, o.state, o.held)
						if got := l.actions()[ended:]; len(got) != 1 {
							t.Errorf("the audit has %v", got)
						}
						if died && kind != JobUninstall && len(l.held()) > 2 {
							t.Errorf("the cluster holds %v", l.held())
						}
					})
				})
				if !died || t.Failed() {
					break
				}
				places++
			}
			if places < 5 && !t.Failed() {
				t.Errorf("%s: only %d places to die at were found", kind, places)
			}
		}
	}
}

// trueEnd insists that a workload is what its cluster holds.
func (l *lab) trueEnd(id string, kind JobKind, state State, want []ReleaseStatus) {
	l.t.Helper()
	w := l.ended(id, state, "")
	var held []ReleaseStatus
	for _, r := range l.held() {
		held = append(held, r.Status)
	}
	if !slices.Equal(held, want) {
		l.t.Errorf("the cluster holds %v, want %v", held, want)
	}
	if state == Ready && (l.held()[0].Operation != w.History[0].ID || w.Revision != l.held()[0].Revision) {
		l.t.Errorf("revision %d of the workload is not what the cluster holds", w.Revision)
	}
	if w.Operation != nil || w.History[0].Kind != kind {
		l.t.Errorf("the history is %+v", w.History)
	}
	l.cluster.set(func(c *fakeCluster) {
		if w.LicenceSecret != "" && (c.secrets["shop/"+w.LicenceSecret] == nil) != (state == Removed) {
			l.t.Errorf("the Secrets are %v", c.secrets)
		}
	})
	if taken, err := l.placeTaken(l.t.Context(), w.TenantID, w.Target); err != nil || (taken == id) != (state != Removed) {
		l.t.Errorf("the place is taken by %q, %v", taken, err)
	}
	l.leaks(canary)
}

// again returns a workload that is ready, and of which another operation has been asked for.
func (l *lab) again(kind JobKind, state State) string {
	l.t.Helper()
	id := l.installed()
	w := l.workload("cache", kind, state)
	l.changes(id, func(v *Workload) {
		v.State, v.Operation = state, w.Operation
		v.LicenceSecret = "the-licence"
		if kind == JobRollback {
			v.Operation.Revision = 1
		}
		v.Operation.Sealed = l.box(id, false)
	})
	l.cluster.set(func(c *fakeCluster) { c.secrets["shop/the-licence"] = map[string]string{"key.bin": "x"} })
	return id
}

// changes changes a workload as it is kept.
func (l *lab) changes(id string, change func(w *Workload)) {
	l.t.Helper()
	r, err := l.workloads.Get(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	change(&r.Value)
	l.put(l.workloads.Write(id, r.Version, r.Value))
}

// TestResume shows what is made of what a process that died has left in the cluster.
func TestResume(t *testing.T) {
	const other = "op_somebody"
	tests := map[string]struct {
		kind  JobKind
		held  func(mine string) []Release
		late  bool
		state State
		code  ReasonCode
		jobs  []string
	}{
		"nothing":            {JobInstall, func(string) []Release { return nil }, false, Ready, "", []string{"install"}},
		"deployed":           {JobInstall, one(1, StatusDeployed), false, Ready, "", nil},
		"deployed, too late": {JobInstall, one(1, StatusDeployed), true, Ready, "", nil},
		"pending":            {JobInstall, one(1, StatusPendingInstall), false, Ready, "", []string{"install repair"}},
		"pending, too late":  {JobInstall, one(1, StatusPendingInstall), true, Ready, "", []string{"install repair"}},
		"failed by the end":  {JobInstall, one(1, StatusFailed), false, Ready, "", []string{"install repair"}},
		"upgraded by somebody else": {JobInstall, func(mine string) []Release {
			return []Release{{Revision: 2, Status: StatusDeployed}, {Revision: 1, Status: StatusSuperseded, Operation: mine}}
		}, false, Ready, "", nil},
		"installed by somebody": {JobInstall, func(string) []Release { return []Release{{Revision: 1, Status: StatusDeployed}} }, false, Failed, ReleaseExists, []string{"install"}},
		"upgrade, not begun": {JobUpgrade, func(string) []Release {
			return []Release{{Revision: 1, Status: StatusDeployed, Operation: "op_former"}}
		}, false, Ready, "", []string{"upgrade"}},
		"upgrade, somebody else's": {JobUpgrade, func(string) []Release {
			return []Release{{Revision: 1, Status: StatusDeployed, Operation: other, ChartName: "other"}}
		}, false, Failed, ReleaseGone, nil},
		"rollback, somebody else's": {JobRollback, func(string) []Release {
			return []Release{{Revision: 2, Status: StatusDeployed, ChartName: "other"}, {Revision: 1, ChartName: "other"}}
		}, false, Failed, ReleaseGone, nil},
		"upgrade, pending": {JobUpgrade, one(2, StatusPendingUpgrade), false, Ready, "", []string{"upgrade repair"}},
		"upgrade, the last one was never ended": {JobUpgrade, func(string) []Release {
			return []Release{{Revision: 1, Status: StatusPendingInstall, Operation: "op_former"}}
		}, false, Ready, "", []string{"upgrade repair"}},
		"upgrade, somebody else is at it": {JobUpgrade, func(string) []Release {
			return []Release{{Revision: 1, Status: StatusPendingUpgrade, Operation: other}}
		}, false, Failed, ReleaseGone, nil},
		"upgrade, removed by hand": {JobUpgrade, func(string) []Release { return nil }, false, Failed, ReleaseGone, nil},
		"rollback, deployed":       {JobRollback, one(3, StatusDeployed), false, Ready, "", nil},
		"rollback, pending":        {JobRollback, one(3, StatusPendingRollback), false, Ready, "", []string{"rollback repair"}},
		"uninstall, nothing":       {JobUninstall, func(string) []Release { return nil }, false, Removed, "", nil},
		"uninstall, somebody else's": {JobUninstall, func(string) []Release {
			return []Release{{Revision: 1, Status: StatusDeployed, Operation: other, ChartName: "cache"}}
		}, false, Removed, "", nil},
		"uninstall, in the middle": {JobUninstall, func(string) []Release {
			return []Release{{Revision: 1, Status: StatusUninstalling, Operation: "op_former"}}
		}, false, Removed, "", []string{"uninstall repair"}},
		"uninstall, changed by hand": {JobUninstall, func(string) []Release {
			return []Release{{Revision: 9, Status: StatusDeployed}, {Revision: 8, Operation: "op_former"}}
		}, false, Removed, "", []string{"uninstall"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				w := l.workload("cache", test.kind, map[JobKind]State{JobInstall: Installing, JobUpgrade: Upgrading, JobRollback: RollingBack, JobUninstall: Removing}[test.kind])
				w.Operation.StartedAt = time.Now().Add(-time.Minute)
				w.Operation.Deadline = time.Now().Add(time.Minute)
				if test.late {
					w.Operation.Deadline = time.Now().Add(-time.Hour)
				}
				w.Operation.Steps = []StepDone{{WorkStarted, w.Operation.StartedAt}}
				w.Lease = Lease{Holder: "the dead", Until: time.Now().Add(20 * time.Second)}
				if test.kind != JobInstall {
					w.History = []Operation{{ID: "op_former", Kind: JobInstall}}
				}
				l.holds(test.held(w.Operation.ID)...)
				id := l.request(w)
				l.start()
				l.passes(19 * time.Second)
				if w := l.raw(id); w.Lease.Holder != "the dead" || len(l.jobs()) > 0 {
					t.Fatalf("the lease is %+v", w.Lease)
				}
				l.passes(10 * time.Second)
				w = l.ended(id, test.state, test.code)
				if got := l.jobs(); !slices.Equal(got, test.jobs) {
					t.Errorf("Helm was asked for %v, want %v", got, test.jobs)
				}
				if w.steps()[1] != WorkResumed {
					t.Errorf("steps are %v", w.steps())
				}
			})
		})
	}
}

func one(revision int, status ReleaseStatus) func(string) []Release {
	return func(mine string) []Release { return []Release{{Revision: revision, Status: status, Operation: mine}} }
}

// TestLateResumeEnds shows that an operation that is gone on with late has some time, and no more.
func TestLateResumeEnds(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.stuck(&Reason{Code: Unschedulable})
		w := l.workload("cache", JobInstall, Installing)
		w.Operation.StartedAt, w.Operation.Deadline = time.Now().Add(-time.Hour), time.Now().Add(-50*time.Minute)
		l.holds(Release{Revision: 1, Status: StatusDeployed, Operation: w.Operation.ID})
		id := l.request(w)
		l.start()
		l.passes(resumeTime - 5*time.Second)
		l.is(id, Installing, "")
		l.passes(10 * time.Second)
		l.ended(id, Failed, Unschedulable)
	})
}

// TestPoison shows that an operation that ends each process is not tried for ever.
func TestPoison(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.install()
		for range maxResumes + 1 {
			l.releases.set(func(r *fakeReleases) { r.fail["Fetch"] = nil })
			p := l.startDoomed(3, false) // its lease, its beginning, and the chart
			l.passes(leaseTime + 5*time.Second)
			if !p.dead.Load() {
				t.Fatalf("the process lives; steps %v", l.raw(id).steps())
			}
			p.stop()
		}
		l.start()
		l.passes(leaseTime + 5*time.Second)
		l.ended(id, Failed, Interrupted)
		if jobs := l.jobs(); len(jobs) > 0 {
			t.Errorf("Helm was asked for %v", jobs)
		}
	})
}

// TestStop shows that a process that ends lets go of what it works on, so that another one goes on at once.
func TestStop(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = 20 * time.Second
		id := l.install()
		first := l.start()
		l.passes(5 * time.Second)
		l.is(id, Installing, "")
		began := time.Now()
		first.stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
		w := l.is(id, Installing, "")
		if w.Lease != (Lease{}) || len(w.Operation.Sealed) == 0 {
			t.Errorf("the lease is %+v", w.Lease)
		}
		l.start()
		l.passes(25 * time.Second)
		l.ended(id, Ready, "")
		if got := l.jobs(); !slices.Equal(got, []string{"install", "install repair"}) {
			t.Errorf("Helm was asked for %v", got)
		}
	})
}
