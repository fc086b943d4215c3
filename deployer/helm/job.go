package helm

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"

	"llmhub/deployer"
)

// defaultTimeout is Helm's own.
const defaultTimeout = 5 * time.Minute

// job is an operation on a release.
type job struct {
	jobRequest
	*cluster
	vals map[string]any
	hide *hider
	// last is the newest revision that was there when the job began, nil if there was none.
	last *release.Release
	tell func(deployer.Stage)
	// rendering says that it is the chart that is being worked on.
	rendering bool
}

// work does an operation, or what can be done of it until ctx ends. Whichever way it ends, no revision stays pending.
func (w *worker) work(ctx context.Context, q jobRequest) message {
	vals, hide, err := q.Values.parse()
	if err != nil {
		return failure(err, nil)
	}
	if q.Timeout <= 0 {
		q.Timeout = defaultTimeout
	}
	c, err := open(q.Access, q.Namespace, q.Operation, w.tell)
	if err != nil {
		return failure(err, hide)
	}
	j := &job{jobRequest: q, cluster: c, vals: vals, hide: hide, tell: w.tell}
	result := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				result <- lost(fmt.Sprintf("panic (%T)", v))
			}
		}()
		result <- j.run()
	}()
	select {
	case err = <-result:
		if err != nil {
			r := j.reason(err)
			j.settle("llmhub: " + r.Error())
			return message{Reason: r}
		}
		return message{}
	case <-ctx.Done():
		// Not all of Helm heeds a context: it goes on until this process ends, which is soon, but cannot record anything.
		c.ledger.close()
		j.settle("llmhub: the operation was cancelled")
		return message{Reason: &deployer.Reason{Code: deployer.Interrupted, Detail: "cancelled"}}
	}
}

func (j *job) run() error {
	last, err := newest(j.Releases, j.Release)
	if err != nil {
		return err
	}
	j.last = last
	switch j.Kind {
	case deployer.JobInstall:
		return j.install()
	case deployer.JobUpgrade:
		return j.upgrade()
	case deployer.JobRollback:
		return j.rollback()
	case deployer.JobUninstall:
		return j.uninstall()
	}
	return lost(fmt.Sprintf("no such kind of job: %.20q", j.Kind))
}

func (j *job) install() error {
	if j.done() {
		return nil
	}
	if l := j.last; l != nil && l.Info.Status != release.StatusUninstalled {
		if !j.Repair || l.Labels[LabelOperation] != j.Operation {
			return &deployer.Reason{Code: deployer.ReleaseExists, Object: j.Release}
		}
		if err := j.giveUp(); err != nil {
			return err
		}
	}
	c, err := j.load()
	if err != nil {
		return err
	}
	i := action.NewInstall(&j.Configuration)
	i.ReleaseName, i.Namespace, i.Timeout = j.Release, j.Namespace, j.Timeout
	i.Wait, i.WaitForJobs = true, true
	i.Replace = j.last != nil
	i.PostRenderer = j
	_, err = i.Run(c, j.vals)
	return err
}

func (j *job) upgrade() error {
	if err := j.begin(); err != nil || j.done() {
		return err
	}
	j.keep()
	c, err := j.load()
	if err != nil {
		return err
	}
	u := action.NewUpgrade(&j.Configuration)
	u.Namespace, u.Timeout, u.MaxHistory = j.Namespace, j.Timeout, maxHistory
	u.Wait, u.WaitForJobs = true, true
	u.ResetValues = true // else no values would mean the last ones
	u.PostRenderer = j
	_, err = u.Run(j.Release, c, j.vals)
	return err
}

func (j *job) rollback() error {
	if err := j.begin(); err != nil || j.done() {
		return err
	}
	if _, err := j.Releases.Get(j.Release, j.Revision); err != nil {
		return err
	}
	r := action.NewRollback(&j.Configuration)
	r.Version, r.Timeout, r.MaxHistory = j.Revision, j.Timeout, maxHistory
	r.Wait, r.WaitForJobs = true, true
	return r.Run(j.Release)
}

// uninstall removes the objects before it forgets the revisions, so that what could not be removed is found again.
func (j *job) uninstall() error {
	if j.last == nil {
		return nil
	}
	if j.last.Info.Status != release.StatusUninstalled {
		u := action.NewUninstall(&j.Configuration)
		u.Wait, u.Timeout, u.KeepHistory = true, j.Timeout, true
		if _, err := u.Run(j.Release); err != nil {
			return err
		}
	}
	history, err := j.Releases.History(j.Release)
	if err != nil {
		return err
	}
	for _, r := range history {
		if _, err := j.Releases.Delete(r.Name, r.Version); err != nil {
			return err
		}
	}
	return nil
}

// keep takes values over from the last revision.
func (j *job) keep() {
	for _, path := range j.Keep {
		if v, ok := valueAt(j.last.Config, path); ok {
			setValue(j.vals, path, v)
			j.hide.add(v)
		}
	}
}

// load gets the chart ready, and begins the time that rendering may take.
func (j *job) load() (*chart.Chart, error) {
	if err := j.discover(); err != nil {
		return nil, err
	}
	j.tell(stageRendering)
	j.rendering = true
	c, err := load(j.Chart.Files)
	if err == nil {
		err = supports(c, j.Capabilities.KubeVersion.Version)
	}
	return c, err
}

// Run is called by Helm with what has been rendered, and changes nothing.
func (j *job) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	if rendered.Len() > maxRenderedBytes {
		return nil, tooMuch()
	}
	j.rendering = false
	j.tell(deployer.StageRendered)
	return rendered, nil
}
