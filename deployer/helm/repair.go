package helm

import (
	"errors"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"

	"llmhub/deployer"
)

// done says that this very operation has been done before its process died.
func (j *job) done() bool {
	return j.Repair && j.last != nil && j.last.Info.Status == release.StatusDeployed && j.last.Labels[LabelOperation] == j.Operation
}

// begin makes sure that there is a release that nobody works on.
func (j *job) begin() error {
	switch l := j.last; {
	case l == nil || l.Info.Status == release.StatusUninstalled:
		return &deployer.Reason{Code: deployer.ReleaseGone, Object: j.Release}
	case !underWay(l.Info.Status):
		return nil
	case !j.Repair || l.Labels[LabelOperation] == "":
		return &deployer.Reason{Code: deployer.Interrupted, Object: j.Release, Detail: "another operation is in progress: " + l.Info.Status.String()}
	}
	return j.giveUp()
}

func underWay(s release.Status) bool { return s.IsPending() || s == release.StatusUninstalling }

// giveUp marks the last revision as failed, if it is pending.
func (j *job) giveUp() error {
	if !underWay(j.last.Info.Status) {
		return nil
	}
	if err := j.removeHooks(); err != nil {
		return err
	}
	j.last.SetStatus(release.StatusFailed, "llmhub: the process that worked on it has died")
	return j.Releases.Update(j.last)
}

// removeHooks removes the hooks that have been begun, but for those that Helm removes itself before it makes them again: they
// were to be removed when they had ended, and would be in the way.
func (j *job) removeHooks() error {
	for _, h := range j.last.Hooks {
		if h.LastRun.StartedAt.IsZero() || len(h.DeletePolicies) == 0 || slices.Contains(h.DeletePolicies, release.HookBeforeHookCreation) || h.Kind == "CustomResourceDefinition" {
			continue
		}
		list, err := j.objects.Build(strings.NewReader(h.Manifest), false)
		if err != nil {
			return err
		}
		if _, errs := j.objects.Delete(list); errs != nil {
			return errors.Join(errs...)
		}
		if err := j.objects.WaitForDelete(list, j.Timeout); err != nil {
			return err
		}
	}
	return nil
}

// settle marks the revision that this job has made as failed if it is pending, which some of Helm's errors leave it. An
// uninstallation that failed is to be tried again, so that its revision is not uninstalled.
func (j *job) settle(why string) {
	kept := storage.Init(j.ledger.Driver) // the ledger itself may be closed
	last, err := newest(kept, j.Release)
	if err != nil || last == nil {
		return
	}
	s := last.Info.Status
	mine := s.IsPending() && last.Labels[LabelOperation] == j.Operation
	if mine || j.Kind == deployer.JobUninstall && (s == release.StatusUninstalling || s == release.StatusUninstalled) {
		last.SetStatus(release.StatusFailed, why)
		_ = kept.Update(last)
	}
}
