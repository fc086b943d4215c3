package deployer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInstall(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = 5 * time.Second
		l.stuck(nil)
		id := l.request(l.workload("licensed", JobInstall, Requested))
		l.start()
		l.passes(4 * time.Second)
		w := l.is(id, Installing, "")
		if op := w.Operation; op.ReadyPods != 1 || op.WantedPods != 3 || op.Event == nil || op.Event.Reason != "Failed" || op.StartedAt.IsZero() {
			t.Errorf("the progress is %+v", op)
		}
		if _, c := l.stored(id); c.Licence.IsSet() || !c.Token.IsSet() {
			t.Error("the licence is kept behind its use")
		}
		if w.Lease.Holder == "" || w.LicenceSecret != "the-licence" || w.Operation.Deadline.Sub(w.Operation.StartedAt) != timeLimit {
			t.Errorf("the workload is %+v", w)
		}
		l.ready()
		l.passes(5 * time.Second)
		w = l.ended(id, Ready, "")
		want := []WorkStep{WorkStarted, WorkChart, WorkNamespace, WorkLicence, WorkRendered, WorkApplied, WorkReady}
		if !slices.Equal(w.steps(), want) || w.Revision != 1 || w.ReadyAt.IsZero() || w.History[0].Made != 1 || w.History[0].ReadyPods != 1 {
			t.Errorf("steps %v, revision %d, %+v", w.steps(), w.Revision, w.History[0])
		}
		l.cluster.set(func(c *fakeCluster) {
			if c.secrets["shop/the-licence"]["key.bin"] != canary+"-licence" {
				t.Errorf("the Secrets are %v", c.secrets)
			}
			if !slices.Contains(c.namespaces, Namespace{Name: "shop", Usable: true}) {
				t.Errorf("the namespaces are %v", c.namespaces)
			}
		})
		job := l.releases.jobs[0]
		if !strings.Contains(job.Values.Reveal(), canary+"-password") || job.Access.Token.Reveal() != canary+"-token" || job.Operation != w.History[0].ID {
			t.Errorf("the job is %+v", job)
		}
		if !slices.Equal(l.directory.revoked, []string{canary + "-token"}) {
			t.Errorf("revoked are %v", l.directory.revoked)
		}
		if got := l.actions(); !slices.Equal(got, []string{"workload.ready"}) {
			t.Errorf("the audit has %v", got)
		}
		l.leaks(canary)
	})
}

// TestEnds shows what becomes of an installation for everything that can be wrong with it.
func TestEnds(t *testing.T) {
	pod := &Reason{Code: ImagePull, Object: "Pod/web-0", Detail: "no such image, with " + canary + "-password"}
	tests := map[string]struct {
		set    func(l *lab)
		state  State
		code   ReasonCode
		detail string
	}{
		"time limit, and a pod tells why":  {func(l *lab) { l.helm.takes = time.Hour; l.stuck(pod) }, Failed, ImagePull, "no such image, with ••••••"},
		"time limit, and nobody tells why": {func(l *lab) { l.helm.takes = time.Hour; l.stuck(nil) }, Failed, NotReady, "install complete"},
		"Helm waits in vain":               {func(l *lab) { l.helm.fails = &Reason{Code: NotReady}; l.stuck(pod) }, Failed, ImagePull, ""},
		"deployed, but never ready":        {func(l *lab) { l.stuck(&Reason{Code: CrashLoop}) }, Failed, CrashLoop, ""},
		"Helm fails, but all is well": {func(l *lab) {
			l.runs(func(l *lab, j Job) error { l.helm.mark(j, StatusDeployed); return errors.New("x") })
		}, Ready, "", ""},
		"a hook fails":                      {func(l *lab) { l.helm.fails = &Reason{Code: HookFailed, Detail: canary + "-token"} }, Failed, HookFailed, "••••••"},
		"a hook fails, and a pod loops":     {func(l *lab) { l.helm.fails = &Reason{Code: HookFailed}; l.stuck(&Reason{Code: CrashLoop}) }, Failed, HookFailed, ""},
		"a hook fails that cannot start":    {func(l *lab) { l.helm.fails = &Reason{Code: HookFailed}; l.stuck(pod) }, Failed, ImagePull, ""},
		"rejected before anything is there": {func(l *lab) { l.runs(func(*lab, Job) error { return &Reason{Code: Rejected} }) }, Failed, Rejected, ""},
		"values against the schema":         {func(l *lab) { l.runs(func(*lab, Job) error { return &Reason{Code: ValuesInvalid} }) }, Failed, ValuesInvalid, ""},
		"unexpected":                        {func(l *lab) { l.runs(func(*lab, Job) error { return errors.New(canary + "-password") }) }, Failed, Internal, ""},
		"panic":                             {func(l *lab) { l.runs(func(*lab, Job) error { panic(canary + "-password") }) }, Failed, Internal, ""},
		"Helm says nothing and did nothing": {func(l *lab) { l.runs(func(*lab, Job) error { return nil }) }, Failed, ReleaseGone, ""},
		"Helm's process dies each time": {func(l *lab) {
			l.runs(func(l *lab, j Job) error { l.helm.mark(j, StatusPendingInstall); return &Reason{Code: Interrupted} })
		}, Failed, Interrupted, ""},
		"the release is somebody else's": {func(l *lab) { l.holds(Release{Revision: 3, Status: StatusDeployed, ChartName: "cache"}) }, Failed, ReleaseExists, ""},
		"no chart":                       {func(l *lab) { l.releases.fail["Fetch"] = &Reason{Code: ChartMissing} }, Failed, ChartMissing, ""},
		"another chart":                  {func(l *lab) { l.edit("products/cache/chart/values.yaml", "open", "other") }, Failed, ChartDigest, ""},
		"no product": {func(l *lab) {
			maps.DeleteFunc(l.files, func(name, _ string) bool { return strings.HasPrefix(name, "products/cache/") })
		}, Failed, ChartMissing, ""},
		"no namespace may be made":       {func(l *lab) { l.cluster.fail["CreateNamespace"] = &Reason{Code: AccessDenied} }, Failed, AccessDenied, ""},
		"the cluster is gone":            {func(l *lab) { l.source.clusters["eu"] = nil }, Failed, ClusterGone, ""},
		"the cluster never answers":      {func(l *lab) { l.kubernetes.err = &Reason{Code: Unreachable} }, Failed, Unreachable, ""},
		"the namespace is being deleted": {func(l *lab) { l.helm.fails = &Reason{Code: NamespaceGone} }, Failed, NamespaceGone, ""},
		"the cluster does not answer a while": {func(l *lab) {
			l.kubernetes.err = &Reason{Code: Unreachable}
			time.AfterFunc(time.Minute, func() { l.kubernetes.mu.Lock(); l.kubernetes.err = nil; l.kubernetes.mu.Unlock() })
		}, Ready, "", ""},
		"it cannot be seen for a while": {func(l *lab) {
			l.cluster.fail["Observe"] = context.DeadlineExceeded
			time.AfterFunc(time.Minute, func() { l.cluster.set(func(c *fakeCluster) { delete(c.fail, "Observe") }) })
		}, Ready, "", ""},
		"access denied while looking": {func(l *lab) { l.cluster.fail["Observe"] = &Reason{Code: AccessDenied} }, Failed, AccessDenied, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				id := l.install()
				test.set(l)
				l.start()
				l.passes(timeLimit + time.Minute)
				w := l.ended(id, test.state, test.code)
				if test.detail != "" && (w.Reason == nil || !strings.HasPrefix(w.Reason.Detail, test.detail)) {
					t.Errorf("the reason is %v", w.Reason)
				}
				l.leaks(canary)
				if len(l.directory.revoked) != 1 {
					t.Errorf("revoked are %v", l.directory.revoked)
				}
			})
		})
	}
}

// runs sets what Helm does.
func (l *lab) runs(f func(l *lab, job Job) error) {
	l.releases.run = func(_ context.Context, job Job, tell func(Stage)) error {
		tell(StageRendered)
		return f(l, job)
	}
}

func TestPanicEndsNothingElse(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.releases.run = func(_ context.Context, job Job, _ func(Stage)) error {
			if job.Release == "web" {
				panic("at the disco")
			}
			l.helm.keep(job, StatusDeployed)
			return nil
		}
		id := l.install()
		w := l.workload("cache", JobInstall, Requested)
		w.Target.Release = "other"
		other := l.request(w)
		l.start()
		l.passes(3 * time.Second)
		l.ended(id, Failed, Internal)
		l.ended(other, Ready, "")
		if !strings.Contains(l.log.String(), "at the disco") {
			t.Error("the log does not tell of the panic")
		}
	})
}

// TestBounds shows that no cluster and no tenant takes all there is, and that all come to their turn, the oldest first.
func TestBounds(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = 10 * time.Second
		clusters := []string{"c1", "d1", "d2", "d3", "d4", "d5"}
		tenants := []string{l.jo.TenantID, l.tenant("umbrella"), l.tenant("initech")}
		for _, c := range clusters[1:] {
			l.kubernetes.add("https://" + c).observation = Observation{Ready: true}
			l.source.clusters["eu"] = append(l.source.clusters["eu"], ClusterInfo{ID: c, Available: true})
		}
		var ids []string
		for i := range 60 {
			w := l.workload("cache", JobInstall, Requested)
			w.TenantID, w.Target.ClusterID = tenants[i%3], clusters[i%6]
			w.Target.Release = "web-" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			w.Operation.RequestedAt = w.Operation.RequestedAt.Add(-time.Duration(i) * time.Second)
			ids = append(ids, l.request(w))
		}
		p := l.start()
		l.passes(time.Second)
		p.worker.mu.Lock()
		inCluster, ofTenant := map[string]int{}, map[string]int{}
		for _, r := range p.worker.running {
			inCluster[r.cluster]++
			ofTenant[r.tenant]++
		}
		if len(p.worker.running) != perProcess {
			t.Errorf("%d run", len(p.worker.running))
		}
		p.worker.mu.Unlock()
		for _, n := range inCluster {
			if n > perCluster {
				t.Errorf("in the clusters run %v", inCluster)
			}
		}
		for _, n := range ofTenant {
			if n > perTenant {
				t.Errorf("of the tenants run %v", ofTenant)
			}
		}
		if l.raw(ids[59]).State != Installing || l.raw(ids[0]).State != Requested {
			t.Error("the oldest is not worked on first")
		}
		l.passes(5 * time.Minute)
		for _, id := range ids {
			l.ended(id, Ready, "")
		}
		if most := l.helm.most.Load(); most != perProcess {
			t.Errorf("%d ran at once", most)
		}
	})
}

// TestWrites shows that progress is written at most once a second, and only if there is some.
func TestWrites(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = time.Minute
		id := l.install()
		l.stuck(nil)
		l.start()
		l.passes(10 * time.Second)
		version := l.version(id)
		l.passes(30 * time.Second)
		if l.version(id) == version {
			t.Error("the lease has not been renewed")
		}
		writes := 0
		last := l.version(id)
		for range 20 {
			l.passes(time.Second)
			if v := l.version(id); v != last {
				last = v
				writes++
			}
		}
		if writes > 2 {
			t.Errorf("%d writes in 20 seconds in which nothing happened", writes)
		}
	})
}

func (l *lab) version(id string) uint64 {
	r, err := l.workloads.Get(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return uint64(r.Version)
}
