package deployer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"llmhub/store"
)

// sick is a store that can be made to fail.
type sick struct {
	store.Documents
	mu  sync.Mutex
	err error
}

func (d *sick) Put(ctx context.Context, writes ...store.Write) (store.Version, error) {
	d.mu.Lock()
	err := d.err
	d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return d.Documents.Put(ctx, writes...)
}

func (d *sick) fails(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// TestTwoProcesses shows that two processes never work on one workload, and share the work of many.
func TestTwoProcesses(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = 5 * time.Minute
		var mu sync.Mutex
		working := map[string]int{}
		l.releases.run = func(ctx context.Context, job Job, tell func(Stage)) error {
			mu.Lock()
			working[job.Release]++
			if working[job.Release] > 1 {
				t.Errorf("%d work on %s", working[job.Release], job.Release)
			}
			mu.Unlock()
			pause(ctx, 5*time.Minute)
			mu.Lock()
			working[job.Release]--
			mu.Unlock()
			l.helm.keep(job, StatusDeployed)
			return nil
		}
		var ids []string
		for _, name := range []string{"web", "a", "b", "c", "d", "e"} {
			w := l.workload("cache", JobInstall, Requested)
			w.Target.Release = name
			ids = append(ids, l.request(w))
		}
		first, second := l.start(), l.start()
		l.passes(3 * time.Second)
		holders := map[string]int{}
		for _, id := range ids {
			holders[l.raw(id).Lease.Holder]++
		}
		if len(holders) != 2 || holders[first.worker.holder]+holders[second.worker.holder] != len(ids) {
			t.Errorf("the holders are %v", holders)
		}
		l.passes(6 * time.Minute)
		for _, id := range ids {
			l.ended(id, Ready, "")
		}
		if n := len(l.jobs()); n != len(ids) {
			t.Errorf("%d jobs for %d workloads", n, len(ids))
		}
	})
}

// TestLeaseNotRenewed shows that a process which cannot write stops before its lease runs out, and only then another one begins.
func TestLeaseNotRenewed(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = 2 * time.Minute
		id := l.install()
		d := &sick{Documents: l.store}
		l.startAs(d)
		l.passes(5 * time.Second)
		d.fails(store.ErrNoSpace)
		until := l.raw(id).Lease.Until
		second := l.start()
		l.passes(time.Until(until) - leaseMargin - time.Second)
		if n := l.helm.working.Load(); n != 1 {
			t.Fatalf("%d work on it", n)
		}
		l.passes(2 * time.Second)
		if n := l.helm.working.Load(); n != 0 {
			t.Fatalf("%d work on it when the lease is about to run out", n)
		}
		l.passes(leaseMargin + 3*time.Second)
		if w := l.raw(id); l.helm.working.Load() != 1 || w.Lease.Holder != second.worker.holder {
			t.Fatalf("nobody has taken it over: %+v", w.Lease)
		}
		d.fails(nil)
		l.passes(3 * time.Minute)
		l.ended(id, Ready, "")
		if got := l.jobs(); !slices.Equal(got, []string{"install", "install repair"}) {
			t.Errorf("Helm was asked for %v", got)
		}
		if most := l.helm.most.Load(); most != 1 {
			t.Errorf("%d worked at once", most)
		}
	})
}

// TestSlowToStop shows that even Helm that takes all its time to end has ended before another process begins.
func TestSlowToStop(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes, l.helm.stops = 2*time.Minute, StopTime
		id := l.install()
		d := &sick{Documents: l.store}
		l.startAs(d)
		l.passes(5 * time.Second)
		d.fails(store.ErrNoSpace)
		second := l.start()
		l.passes(leaseTime + 3*time.Second)
		if w := l.raw(id); l.helm.working.Load() != 1 || w.Lease.Holder != second.worker.holder {
			t.Fatalf("nobody has taken it over: %+v", w.Lease)
		}
		if most := l.helm.most.Load(); most != 1 {
			t.Errorf("%d worked at once", most)
		}
	})
}

// TestShortTrouble shows that a store which does not take writes for a while costs nothing.
func TestShortTrouble(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = time.Minute
		id := l.install()
		d := &sick{Documents: l.store}
		p := l.startAs(d)
		for range 5 {
			l.passes(4 * time.Second)
			d.fails(store.ErrNoSpace)
			l.passes(5 * time.Second)
			d.fails(nil)
		}
		l.passes(time.Second)
		if w := l.raw(id); w.Lease.Holder != p.worker.holder || !w.Lease.Until.After(time.Now().Add(leaseTime-leaseRenewal-2*time.Second)) {
			t.Errorf("the lease is %+v at %s", w.Lease, time.Now())
		}
		l.passes(time.Minute)
		l.ended(id, Ready, "")
		if got := l.jobs(); !slices.Equal(got, []string{"install"}) {
			t.Errorf("Helm was asked for %v", got)
		}
	})
}

// TestEndNotWritten shows that an end which could not be written is found out again.
func TestEndNotWritten(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.install()
		d := &sick{Documents: l.store}
		l.startAs(d)
		run := func(_ context.Context, job Job, _ func(Stage)) error {
			l.helm.keep(job, StatusDeployed)
			d.fails(errors.New("disk"))
			return nil
		}
		l.releases.set(func(r *fakeReleases) { r.run = run })
		l.passes(5 * time.Second)
		if w := l.raw(id); !w.State.Pending() {
			t.Fatalf("the state is %s", w.State)
		}
		d.fails(nil)
		l.passes(leaseTime)
		l.ended(id, Ready, "")
		if got := l.jobs(); !slices.Equal(got, []string{"install"}) || !slices.Equal(l.actions(), []string{"workload.ready"}) {
			t.Errorf("Helm was asked for %v, the audit has %v", got, l.actions())
		}
	})
}

// lossy is a store whose writes are done, but not answered, every third time.
type lossy struct {
	store.Documents
	mu sync.Mutex
	n  int
}

func (d *lossy) Put(ctx context.Context, writes ...store.Write) (store.Version, error) {
	v, err := d.Documents.Put(ctx, writes...)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n++; d.n%3 == 0 && err == nil {
		return 0, errors.New("no answer")
	}
	return v, err
}

// TestWritesWithoutAnswer shows that a write which was done, but not answered, is not taken for somebody else's.
func TestWritesWithoutAnswer(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = 2 * time.Minute
		id := l.install()
		l.startAs(&lossy{Documents: l.store})
		l.passes(4 * time.Minute)
		l.ended(id, Ready, "")
		if got := l.actions(); !slices.Equal(got, []string{"workload.ready"}) {
			t.Errorf("the audit has %v", got)
		}
	})
}

// TestDamagedWorkload shows that one workload which cannot be read keeps nobody from working on others.
func TestDamagedWorkload(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.install()
		_, err := l.store.Put(t.Context(), store.Write{Kind: kindWorkload, ID: "wl_0", Body: []byte(`{"state": 7}`), Index: map[string]string{"pending": "yes", "tenant": "x"}})
		if err != nil {
			t.Fatal(err)
		}
		l.start()
		l.passes(5 * time.Second)
		l.ended(id, Ready, "")
	})
}

// TestNothingIsWrittenWithoutTheLease shows that a process which wakes up late writes nothing.
func TestNothingIsWrittenWithoutTheLease(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *Workload)
		want   error
	}{
		"taken over": {func(w *Workload) { w.Lease.Holder = "another" }, errLeaseLost},
		"let go of":  {func(w *Workload) { w.Lease = Lease{} }, errLeaseLost},
		"ended":      {func(w *Workload) { w.Operation, w.State, w.Lease = nil, Ready, Lease{} }, errLeaseLost},
		"replaced":   {func(w *Workload) { w.Operation.ID = "op_other" }, errReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				id := l.install()
				r, err := l.workloads.Get(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				h, err := l.take(t.Context(), r, func(error) {})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := l.take(t.Context(), r, nil); !errors.Is(err, store.ErrConflict) {
					t.Errorf("taken twice: %v", err)
				}
				l.changes(id, c.change)
				version := l.version(id)
				task := newTask(l.Service, h)
				for what, err := range map[string]error{
					"progress": h.save(t.Context(), func(w *Workload, _ *Operation) { w.State = Installing }),
					"the end":  l.finish(t.Context(), task, verdict{state: Ready}),
				} {
					if !errors.Is(err, c.want) {
						t.Errorf("%s: %v", what, err)
					}
				}
				if l.version(id) != version || len(l.actions()) > 0 || len(l.directory.revoked) > 0 {
					t.Error("something has been written")
				}
			})
		})
	}
}
