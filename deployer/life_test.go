package deployer

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"llmhub/deployer/form"
	"llmhub/store"
)

// TestLife takes a product from a draft to its removal.
func TestLife(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		p := l.start()
		l.Service = p.Service
		d := l.prepared("licensed")
		id := l.deploying(d).ID
		l.passes(3 * time.Second)
		w := l.ended(id, Ready, "")
		if w.Target.Namespace != "default" || w.LicenceSecret != "the-licence" || w.Revision != 1 {
			t.Errorf("it is %+v", w)
		}
		job := l.releases.jobs[0]
		if job.Values.Reveal() != `{"auth":{"password":"`+canaryPassword+`"},"size":"1Gi"}` || job.Chart.Digest != w.ChartDigest {
			t.Errorf("the values are %s", job.Values.Reveal())
		}
		l.edit("products/licensed/product.yaml", "version: 1.0.0", "version: 1.5.0")
		l.edit("products/licensed/chart/Chart.yaml", "version: 0.1.0", "version: 0.2.0")
		up, err := l.NewUpgrade(t.Context(), l.jo, id)
		if err != nil {
			t.Fatal(err)
		}
		if up, err = l.SetInput(t.Context(), l.jo, up.ID, form.Input{"size": {"2Gi"}}, nil); err != nil {
			t.Fatal(err)
		}
		l.deploying(up)
		l.passes(3 * time.Second)
		if w = l.ended(id, Ready, ""); w.ProductVersion != "1.5.0" || w.Values["size"] != "2Gi" || w.ChartVersion != "0.2.0" || w.Revision != 2 {
			t.Errorf("after the upgrade it is %+v", w)
		}
		if job := l.releases.jobs[1]; !slices.Equal(job.Keep, []string{"auth.password"}) || job.Values.Reveal() != `{"size":"2Gi"}` {
			t.Errorf("the job is %+v with %s", job, job.Values.Reveal())
		}
		if _, err := l.Rollback(t.Context(), l.jo, l.cred, id, 1); err != nil {
			t.Fatal(err)
		}
		l.passes(3 * time.Second)
		if w = l.ended(id, Ready, ""); w.ProductVersion != "1.0.0" || w.Values["size"] != "1Gi" || w.Revision != 3 {
			t.Errorf("after the rollback it is %+v", w)
		}
		if _, err := l.Uninstall(t.Context(), l.jo, l.cred, id, w.Target.Release, false); err != nil {
			t.Fatal(err)
		}
		l.passes(3 * time.Second)
		l.ended(id, Removed, "")
		if got, want := l.directory.revoked, 4; len(got) != want {
			t.Errorf("revoked are %v", got)
		}
		l.leaks(canaryPassword, canaryLicence, "canary-token")
		// The place is free again.
		l.deploying(l.prepared("licensed"))
	})
}

// TestProcessesComeAndGo lets processes start, stop, be killed and lose their store at random, while operations are asked for. Never do two
// work on one workload, and in the end each workload is what its cluster holds.
func TestProcessesComeAndGo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.IntRange(0, 99), 5, 25).Draw(rt, "script")
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			wrong = newLab(t).play(script)
		})
		if len(wrong) > 0 {
			rt.Fatalf("%q", wrong)
		}
	})
}

// life is a random history of processes.
type life struct {
	*lab
	processes []*process
	stores    []*sick
	ids       []string

	mu      sync.Mutex
	working map[string]int
	wrong   []string
}

func (l *lab) play(script []int) []string {
	f := &life{lab: l, working: map[string]int{}}
	l.helm.takes = 15 * time.Second
	l.helm.around = f.work
	for _, n := range script {
		f.act(n%10, n/10)
	}
	for _, d := range f.stores {
		d.fails(nil)
	}
	f.begin()
	l.passes(leaseTime + 5*time.Minute)
	for _, p := range f.processes {
		p.stop()
	}
	for _, id := range f.ids {
		f.judge(l.raw(id))
	}
	return f.wrong
}

// work notes who works on what.
func (f *life) work(release string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.working[release] += n; f.working[release] > 1 {
		f.wrong = append(f.wrong, fmt.Sprintf("%d work on %s", f.working[release], release))
	}
}

func (f *life) begin() {
	d := &sick{Documents: f.store}
	f.stores = append(f.stores, d)
	f.processes = append(f.processes, f.startAs(d))
}

// act does one of ten things; n chooses to which.
func (f *life) act(what, n int) {
	pick := func(count int) (int, bool) { return n % max(count, 1), count > 0 }
	switch what {
	case 0, 1:
		w := f.workload("cache", JobInstall, Requested)
		w.Target.Release = fmt.Sprintf("web-%d", len(f.ids))
		f.ids = append(f.ids, f.lab.request(w))
	case 2:
		f.begin()
	case 3:
		if i, ok := pick(len(f.processes)); ok {
			f.processes[i].stop()
		}
	case 4:
		if i, ok := pick(len(f.processes)); ok {
			f.processes[i].kill()
		}
	case 5:
		if i, ok := pick(len(f.stores)); ok {
			f.stores[i].fails(store.ErrNoSpace)
		}
	case 6:
		if i, ok := pick(len(f.stores)); ok {
			f.stores[i].fails(nil)
		}
	case 7:
		if i, ok := pick(len(f.ids)); ok {
			_, _ = f.Uninstall(f.t.Context(), f.jo, f.cred, f.ids[i], f.raw(f.ids[i]).Target.Release, false) // which may be under way or done
		}
	default:
		f.passes(time.Duration(1+n*n) * time.Second)
	}
}

// judge insists that a workload has ended as what the cluster holds.
func (f *life) judge(w Workload) {
	var held []Release
	f.releases.set(func(r *fakeReleases) { held = slices.Clone(r.releases["https://c1 shop/"+w.Target.Release]) })
	good := w.State == Ready && len(held) == 1 && held[0].Status == StatusDeployed || w.State == Removed && len(held) == 0
	if !good || w.Operation != nil || w.Lease != (Lease{}) {
		f.wrong = append(f.wrong, fmt.Sprintf("%s is %s (%v), and the cluster holds %v", w.Target.Release, w.State, w.Reason, held))
	}
}
