package deployer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"llmhub/deployer/form"
	"llmhub/secret"
)

// perform lets Helm do the operation. What Helm returned is kept, and decides nothing but whether access has ended.
func (t *task) perform(ctx context.Context, repair bool) error {
	job := Job{
		Kind: t.op.Kind, Access: t.access, Namespace: t.w.Target.Namespace, Release: t.w.Target.Release,
		Operation: t.op.ID, Revision: t.op.Revision, Repair: repair,
	}
	if t.op.Kind == JobInstall || t.op.Kind == JobUpgrade {
		if err := t.prepare(ctx); err != nil {
			return err
		}
		job.Chart, job.Values, job.Keep = t.chart, t.values(), t.keep()
		job.SecretPaths = append([]string{}, t.op.SecretPaths...) // never nil, which would say that everything is a secret
	}
	t.h.note(func(w *Workload, _ *Operation) {
		if w.State == Preparing {
			w.State = Installing
		}
	})
	job.Timeout = max(time.Second, t.deadline.Sub(t.s.o.Now()))
	running, cancel := context.WithTimeout(ctx, job.Timeout+observeGap)
	defer cancel()
	t.runs++
	t.runErr = t.watched(running, job)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var r *Reason
	if errors.As(t.runErr, &r) && r.Code == AccessEnded {
		return r
	}
	return nil
}

// watched runs a job, and beside it looks at the pods from when its objects have been rendered.
func (t *task) watched(ctx context.Context, job Job) error {
	var observer sync.WaitGroup
	defer observer.Wait()
	observing, stop := context.WithCancel(ctx)
	defer stop()
	rendered := make(chan struct{})
	var once sync.Once
	if job.Kind != JobUninstall {
		cluster := t.cluster
		observer.Go(func() { t.attend(observing, cluster, rendered) })
	}
	return t.s.o.Releases.Run(ctx, job, func(s Stage) {
		switch s {
		case StageRendered:
			t.reached(WorkRendered)
			once.Do(func() { close(rendered) })
		case StageApplied:
			t.reached(WorkApplied)
			once.Do(func() { close(rendered) })
		}
	})
}

// attend notes how the release is doing until ctx ends. It changes nothing, so that its errors are the business of others.
func (t *task) attend(ctx context.Context, cluster Cluster, rendered <-chan struct{}) {
	defer func() {
		if p := recover(); p != nil {
			t.log.Error("panic while looking at a release", "panic", t.scrub(fmt.Sprint(p)))
		}
	}()
	select {
	case <-ctx.Done():
		return
	case <-rendered:
	}
	// What the operation's revision is made of does not change any more; only how it is doing is asked again and again.
	var release *Release
	for pause(ctx, observeGap) {
		if release == nil {
			release = t.ownRelease(ctx)
		}
		if release != nil {
			t.attendOnce(ctx, cluster, *release)
		}
	}
}

// ownRelease returns the revision of the operation, nil as long as the cluster holds none.
func (t *task) ownRelease(ctx context.Context) *Release {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, found, err := t.s.o.Releases.Get(ctx, t.access, t.w.Target.Namespace, t.w.Target.Release)
	if err != nil || !found || r.Operation != t.op.ID {
		return nil
	}
	return &r
}

func (t *task) attendOnce(ctx context.Context, cluster Cluster, r Release) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if o, err := cluster.Observe(ctx, r.Namespace, r.Name, r.Manifests); err == nil {
		t.progress(o)
	}
}

// prepare makes what has to be there before the release: chart, namespace, licence. It can be done again.
func (t *task) prepare(ctx context.Context) error {
	if t.prepared {
		return nil
	}
	p, ok := t.product()
	if !ok {
		return &Reason{Code: ChartMissing, Detail: "the product is not in the catalog any more"}
	}
	chart, err := t.s.fetch(ctx, p, t.op.ChartDigest)
	if err != nil {
		return err
	}
	if chart.Digest != t.op.ChartDigest {
		return &Reason{Code: ChartDigest}
	}
	t.chart = chart
	t.reached(WorkChart)
	if t.w.Target.NewNamespace && t.op.Kind == JobInstall {
		if err := t.call(ctx, func(ctx context.Context) error { return t.cluster.CreateNamespace(ctx, t.w.Target.Namespace) }); err != nil {
			return err
		}
		t.reached(WorkNamespace)
	}
	if t.secrets.Licence.IsSet() {
		own := p.CCE.BYOL
		if own == nil || own.SecretName == "" {
			return fmt.Errorf("the product %s has no Secret for the licence that was entered", p.ID)
		}
		if err := t.putLicence(ctx, own.SecretName, own.FileName); err != nil {
			return err
		}
	}
	t.prepared = true
	return nil
}

// call bounds what is asked of the cluster.
func (t *task) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return f(ctx)
}

// putLicence puts the licence into the cluster. The name of the Secret is kept before, so that an uninstallation finds it in every
// case; the licence is forgotten after.
func (t *task) putLicence(ctx context.Context, name, file string) error {
	if err := t.h.save(ctx, func(w *Workload, _ *Operation) { w.LicenceSecret = name }); err != nil {
		return t.unsaved(err)
	}
	target := t.w.Target
	data := map[string]secret.Text{file: t.secrets.Licence}
	if err := t.call(ctx, func(ctx context.Context) error {
		return t.cluster.PutSecret(ctx, target.Namespace, name, target.Release, data)
	}); err != nil {
		return err
	}
	t.secrets.Licence = secret.Text{}
	box, err := t.s.seal(t.w.ID, t.secrets)
	if err != nil {
		return err
	}
	at := t.s.stamp()
	t.h.note(func(_ *Workload, op *Operation) {
		op.Sealed = box
		op.reached(WorkLicence, at)
	})
	return nil
}

// unsaved ends the operation if it is not this process's any more.
func (t *task) unsaved(err error) error {
	if over(err) {
		t.h.cancel(err)
	}
	return err
}

// values returns what the chart gets, with the secrets in their places.
func (t *task) values() secret.Text {
	return form.Values{Plain: t.op.Values, Secrets: t.secrets.Secrets}.JSON()
}

// keep returns the paths of the secrets that the release has already.
func (t *task) keep() []string {
	if t.op.Kind != JobUpgrade {
		return nil
	}
	entered := slices.Collect(maps.Keys(t.secrets.Secrets))
	return slices.DeleteFunc(slices.Clone(t.op.SecretPaths), func(p string) bool { return slices.Contains(entered, p) })
}
