package deployer

import (
	"context"
	"slices"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
)

// TestAccessEnds shows that an operation whose token has ended waits for another one, at rest, and is gone on with.
func TestAccessEnds(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.helm.takes = time.Minute
		id := l.install()
		l.releases.run = func(_ context.Context, job Job, tell func(Stage)) error {
			tell(StageRendered)
			l.helm.mark(job, StatusPendingInstall)
			return &Reason{Code: AccessEnded, Detail: "401 for " + canary + "-token"}
		}
		p := l.start()
		l.passes(5 * time.Second)
		w := l.is(id, Installing, AccessEnded)
		if w.Lease != (Lease{}) || w.Operation == nil || w.Reason.Detail != "401 for ••••••" {
			t.Fatalf("it waits as %+v, %v", w.Lease, w.Reason)
		}
		calls, version := p.calls.Load(), l.version(id)
		l.passes(time.Hour)
		if p.calls.Load() != calls || l.version(id) != version || len(l.jobs()) != 1 {
			t.Errorf("%d calls while it waits", p.calls.Load()-calls)
		}
		l.releases.run = nil
		if _, err := p.Continue(t.Context(), l.jo, Credential{}, id); err == nil {
			t.Error("it goes on without a credential")
		}
		suspend := func(s identity.TenantState) {
			l.setTenant(l.jo.TenantID, func(v *identity.Tenant) { v.State = s })
		}
		suspend(identity.TenantSuspended)
		_, err := p.Continue(t.Context(), l.jo, l.cred, id)
		isFault(t, err, fault.State, "")
		suspend(identity.TenantActive)
		l.is(id, Installing, AccessEnded)
		if _, err := p.Continue(t.Context(), l.jo, l.cred, id); err != nil {
			t.Fatal(err)
		}
		l.passes(2 * time.Minute)
		w = l.ended(id, Ready, "")
		if got := l.jobs(); !slices.Equal(got, []string{"install", "install repair"}) {
			t.Errorf("Helm was asked for %v", got)
		}
		if !slices.Contains(w.steps(), WorkResumed) || w.ReadyAt.Sub(w.History[0].StartedAt) < time.Hour {
			t.Errorf("steps are %v", w.steps())
		}
		if r := l.directory.revoked; !slices.Equal(r, []string{"canary-token-of-acme/eu/1", canary + "-token", "canary-token-of-acme/eu/2"}) {
			t.Errorf("revoked are %v", r)
		}
		if got := l.actions(); !slices.Equal(got, []string{"workload.continue", "workload.ready"}) {
			t.Errorf("the audit has %v", got)
		}
		_, err = p.Continue(t.Context(), l.jo, l.cred, id)
		isFault(t, err, fault.State, "")
	})
}

func TestNobodyGivesAccess(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.install()
		l.source.err = &Reason{Code: AccessEnded}
		l.start()
		l.passes(5 * time.Second)
		w := l.is(id, Preparing, AccessEnded)
		if left := w.Operation.Deadline.Sub(w.Operation.StartedAt); left != timeLimit {
			t.Errorf("it has %s", left)
		}
		// As if all but a minute of the time had passed.
		l.changes(id, func(w *Workload) { w.Operation.Deadline = time.Now().Add(time.Minute - accessGrace) })
		l.passes(50 * time.Second)
		l.is(id, Preparing, AccessEnded)
		l.passes(15 * time.Second)
		l.ended(id, Failed, AccessEnded)
	})
}

func TestRollback(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.again(JobUpgrade, Upgrading)
		l.changes(id, func(w *Workload) {
			w.Operation.Values, w.Operation.ProductVersion = map[string]any{"size": "16Gi"}, "2.0.0"
		})
		p := l.start()
		l.passes(3 * time.Second)
		if w := l.ended(id, Ready, ""); w.Values["size"] != "16Gi" || w.ProductVersion != "2.0.0" || w.Revision != 2 {
			t.Fatalf("after the upgrade it is %+v", w)
		}
		for _, c := range []struct {
			revision int
			by       identity.Actor
			kind     fault.Kind
			field    string
		}{
			{3, l.jo, fault.Invalid, "revision"}, {0, l.jo, fault.Invalid, "revision"}, {2, l.jo, fault.Invalid, "revision"},
			{1, identity.Administrator(), fault.Forbidden, ""},
			{1, l.reader(), fault.Forbidden, ""},
			{1, l.user(l.tenant("umbrella"), "usr_x"), fault.NotFound, ""},
		} {
			_, err := p.Rollback(t.Context(), c.by, l.cred, id, c.revision)
			isFault(t, err, c.kind, c.field)
		}
		w, err := p.Rollback(t.Context(), l.jo, l.cred, id, 1)
		if err != nil || w.State != RollingBack || w.Operation.Sealed != nil {
			t.Fatalf("%+v, %v", w, err)
		}
		_, err = p.Rollback(t.Context(), l.jo, l.cred, id, 1)
		isFault(t, err, fault.State, "")
		l.passes(3 * time.Second)
		w = l.ended(id, Ready, "")
		if w.Revision != 3 || w.Values["size"] != "8Gi" || w.ProductVersion != "1.0.0" || w.History[0].Revision != 1 || w.History[0].Made != 3 {
			t.Errorf("after the rollback it is %+v", w)
		}
		if job := l.releases.jobs[2]; job.Kind != JobRollback || job.Revision != 1 {
			t.Errorf("the job is %+v", job)
		}
		// To what a rollback has made, in turn.
		l.holds(append([]Release{{Revision: 4, Status: StatusDeployed}}, l.held()...)...)
		if _, err := p.Rollback(t.Context(), l.jo, l.cred, id, 3); err != nil {
			t.Fatal(err)
		}
		l.passes(3 * time.Second)
		if w = l.ended(id, Ready, ""); w.Revision != 5 || w.Values["size"] != "8Gi" {
			t.Errorf("after the second rollback it is %+v", w)
		}
		if got := l.actions(); !slices.Equal(got, []string{"workload.ready", "workload.ready", "workload.rollback", "workload.ready", "workload.rollback", "workload.ready"}) {
			t.Errorf("the audit has %v", got)
		}
		l.setTenant(l.jo.TenantID, func(v *identity.Tenant) { v.State = identity.TenantSuspended })
		_, err = p.Rollback(t.Context(), l.jo, l.cred, id, 1)
		isFault(t, err, fault.State, "")
	})
}

// reader returns a user who may only look.
func (l *lab) reader() identity.Actor {
	r := l.user(l.jo.TenantID, "usr_reader")
	r.Rights = []identity.Right{identity.Reports}
	return r
}

// TestFailedUpgrade shows that a failed upgrade is told, and what is deployed stays what it is.
func TestFailedUpgrade(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.again(JobUpgrade, Upgrading)
		l.changes(id, func(w *Workload) { w.Operation.ProductVersion = "2.0.0" })
		l.releases.run = func(context.Context, Job, func(Stage)) error { return &Reason{Code: ValuesInvalid} }
		l.start()
		l.passes(3 * time.Second)
		if w := l.ended(id, Failed, ValuesInvalid); w.ProductVersion != "1.0.0" || w.Revision != 1 || w.History[0].Made != 0 {
			t.Errorf("it is %+v", w)
		}
	})
}

// TestKeep shows that an upgrade keeps the secrets that were not entered again.
func TestKeep(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.again(JobUpgrade, Upgrading)
		l.changes(id, func(w *Workload) { w.Operation.SecretPaths = []string{"auth.password", "auth.token"} })
		l.start()
		l.passes(3 * time.Second)
		l.ended(id, Ready, "")
		if job := l.releases.jobs[1]; !slices.Equal(job.Keep, []string{"auth.token"}) || job.Kind != JobUpgrade {
			t.Errorf("kept are %v", job.Keep)
		}
	})
}

func TestUninstall(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.installed()
		l.changes(id, func(w *Workload) { w.LicenceSecret = "the-licence" })
		l.cluster.set(func(c *fakeCluster) { c.secrets["shop/the-licence"] = map[string]string{} })
		l.setTenant(l.jo.TenantID, func(v *identity.Tenant) { v.State = identity.TenantSuspended })
		p := l.start()
		for _, c := range []struct {
			by    identity.Actor
			typed string
			kind  fault.Kind
			field string
		}{
			{l.jo, "", fault.Invalid, "typed"}, {l.jo, "Web", fault.Invalid, "typed"},
			{identity.Administrator(), "web", fault.Forbidden, ""}, {l.reader(), "web", fault.Forbidden, ""},
			{l.user(l.tenant("umbrella"), "usr_x"), "web", fault.NotFound, ""},
		} {
			_, err := p.Uninstall(t.Context(), c.by, l.cred, id, c.typed, false)
			isFault(t, err, c.kind, c.field)
		}
		_, err := p.Uninstall(t.Context(), l.jo, l.cred, id, "web", true)
		isFault(t, err, fault.State, "forget")
		if w, err := p.Uninstall(t.Context(), l.jo, l.cred, id, "web", false); err != nil || w.State != Removing {
			t.Fatalf("%+v, %v", w, err)
		}
		l.passes(3 * time.Second)
		l.trueEnd(id, JobUninstall, Removed, nil)
		if got := l.actions(); !slices.Equal(got, []string{"workload.ready", "workload.uninstall", "workload.removed"}) {
			t.Errorf("the audit has %v", got)
		}
		for _, forget := range []bool{false, true} {
			_, err := p.Uninstall(t.Context(), l.jo, l.cred, id, "web", forget)
			isFault(t, err, fault.State, "")
		}
		_, err = p.Rollback(t.Context(), l.jo, l.cred, id, 1)
		isFault(t, err, fault.State, "")
		_, err = p.Observe(t.Context(), l.jo, l.cred, id)
		isFault(t, err, fault.State, "")
	})
}

func TestUninstallFails(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.again(JobUninstall, Removing)
		l.helm.fails = &Reason{Code: AccessDenied}
		p := l.start()
		l.passes(5 * time.Second)
		l.ended(id, Failed, AccessDenied)
		l.helm.fails = nil
		if _, err := p.Uninstall(t.Context(), l.jo, l.cred, id, "web", false); err != nil {
			t.Fatal(err)
		}
		l.passes(5 * time.Second)
		l.ended(id, Removed, "")
	})
}

// TestUninstallReplaces shows that an uninstallation ends an operation under way, in whichever process that is.
func TestUninstallReplaces(t *testing.T) {
	for name, elsewhere := range map[string]bool{"here": false, "elsewhere": true} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				l.helm.takes = 5 * time.Minute
				id := l.install()
				p := l.start()
				l.passes(5 * time.Second)
				l.is(id, Installing, "")
				l.helm.takes = time.Second
				asked := p.Service
				if elsewhere {
					asked = l.service(l.store, nil) // which does not run
				}
				if _, err := asked.Uninstall(t.Context(), l.jo, l.cred, id, "web", false); err != nil {
					t.Fatal(err)
				}
				l.passes(6 * time.Second)
				w := l.ended(id, Removed, "")
				if len(w.History) != 2 || w.History[1].Kind != JobInstall || w.History[1].Reason.Code != Interrupted || w.History[1].Sealed != nil {
					t.Errorf("the history is %+v", w.History)
				}
				if got := l.jobs(); !slices.Equal(got, []string{"install", "uninstall"}) || l.helm.most.Load() != 1 {
					t.Errorf("Helm was asked for %v, %d at once", got, l.helm.most.Load())
				}
				if len(l.directory.revoked) != 2 {
					t.Errorf("revoked are %v", l.directory.revoked)
				}
				l.leaks(canary)
			})
		})
	}
}

// TestUninstallAtTheEnd shows that an uninstallation which is asked for while another operation comes to its end is not held up.
func TestUninstallAtTheEnd(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.install()
		p := l.start()
		run := func(_ context.Context, job Job, _ func(Stage)) error {
			l.releases.set(func(r *fakeReleases) { r.run = nil })
			l.helm.keep(job, StatusDeployed)
			_, err := p.Uninstall(t.Context(), l.jo, l.cred, id, "web", false)
			return err
		}
		l.releases.set(func(r *fakeReleases) { r.run = run })
		l.passes(4 * time.Second)
		l.ended(id, Removed, "")
	})
}

func TestForget(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(l *lab)
		code ReasonCode // of the refusal
	}{
		"no answer":    {func(l *lab) { l.kubernetes.err = &Reason{Code: Unreachable} }, ""},
		"silent":       {func(l *lab) { l.cluster.fail["Facts"] = context.DeadlineExceeded }, ""},
		"gone":         {func(l *lab) { l.source.clusters["eu"] = nil }, ""},
		"access ended": {func(l *lab) { l.cluster.fail["Facts"] = &Reason{Code: AccessEnded} }, AccessEnded},
		"denied":       {func(l *lab) { l.cluster.fail["Facts"] = &Reason{Code: AccessDenied} }, AccessDenied},
		// Of the cluster that says nothing.
		"no identity service": {func(l *lab) { l.directory.set(func(d *fakeDirectory) { d.err = identity.ErrUnavailable }) }, Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				l.helm.takes = 5 * time.Minute
				id := l.install()
				p := l.start()
				l.passes(5 * time.Second)
				test.set(l)
				w, err := p.Uninstall(t.Context(), l.jo, l.cred, id, "web", true)
				if test.code != "" {
					isReason(t, err, test.code)
					l.is(id, Installing, "")
					return
				}
				if err != nil || w.State != Removed || w.RemovedAt.IsZero() {
					t.Fatalf("%+v, %v", w, err)
				}
				l.passes(time.Second)
				l.ended(id, Removed, "")
				if n := l.helm.working.Load(); n != 0 {
					t.Errorf("%d work on it", n)
				}
				if taken, err := l.placeTaken(t.Context(), w.TenantID, w.Target); taken != "" || err != nil {
					t.Errorf("the place is taken by %q, %v", taken, err)
				}
				if got := l.actions(); !slices.Equal(got, []string{"workload.forget"}) {
					t.Errorf("the audit has %v", got)
				}
			})
		})
	}
}

func TestObserveAndRevisions(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		id := l.installed()
		version := l.version(id)
		for name, by := range map[string]identity.Actor{"user": l.jo, "reader": l.reader(), "operator": identity.Administrator()} {
			o, err := l.Observe(t.Context(), by, l.cred, id)
			if err != nil || !o.Ready {
				t.Errorf("%s: %+v, %v", name, o, err)
			}
			all, err := l.Revisions(t.Context(), by, l.cred, id)
			if err != nil || len(all) != 1 {
				t.Errorf("%s: %+v, %v", name, all, err)
			}
			w, err := l.Service.Workload(t.Context(), by, id)
			if err != nil || w.ID != id {
				t.Errorf("%s: %+v, %v", name, w, err)
			}
		}
		if l.version(id) != version {
			t.Error("looking has changed something")
		}
		stranger := l.user(l.tenant("umbrella"), "usr_x")
		_, err := l.Observe(t.Context(), stranger, l.cred, id)
		isFault(t, err, fault.NotFound, "")
		_, err = l.Revisions(t.Context(), stranger, l.cred, id)
		isFault(t, err, fault.NotFound, "")
		for _, missing := range []string{"wl_none", "", "\x00"} {
			_, err = l.Service.Workload(t.Context(), l.jo, missing)
			isFault(t, err, fault.NotFound, "")
		}
		_, err = l.Observe(t.Context(), l.jo, Credential{}, id)
		isReason(t, err, AccessEnded)
		_, err = l.Observe(t.Context(), l.jo, Credential{Token: secret.New("of nobody")}, id)
		isReason(t, err, AccessEnded)
		l.holds()
		_, err = l.Observe(t.Context(), l.jo, l.cred, id)
		isReason(t, err, ReleaseGone)
	})
}

// TestHistory shows that what is kept of operations is bounded.
func TestHistory(t *testing.T) {
	w := Workload{}
	text := string(make([]byte, 10<<10))
	for i := range maxHistory + 10 {
		w.keepHistory(Operation{ID: "op", Made: i, Sealed: []byte("x"), Values: map[string]any{"text": text}})
	}
	if len(w.History) != maxHistory || w.History[0].Made != maxHistory+9 || w.History[0].Values == nil || w.History[maxHistory-1].Values != nil || w.History[0].Sealed != nil {
		t.Errorf("%d are kept: %v", len(w.History), w.History[0].Made)
	}
}
