package deployer

import (
	"context"
	"errors"
	"slices"
)

// owner says whose the release is that a cluster holds.
type owner int

const (
	nobody owner = iota
	// ours: the latest revision has come of this operation.
	ours
	// newer: one has, and somebody else has made another one since.
	newer
	// earlier: it has come of an earlier operation on the workload, or of somebody who has changed what that one made.
	earlier
	// foreign: it has nothing to do with the workload.
	foreign
)

// situation is what the cluster holds of a workload's release.
type situation struct {
	found   bool
	release Release
	owner   owner
}

// look finds out what the cluster holds.
func (t *task) look(ctx context.Context) (situation, error) {
	if err := t.reach(ctx); err != nil {
		return situation{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	ns, name := t.w.Target.Namespace, t.w.Target.Release
	r, found, err := t.s.o.Releases.Get(ctx, t.access, ns, name)
	if gone(err) {
		found, err = false, nil
	}
	if err != nil || !found || r.Status == StatusUninstalled {
		return situation{}, err
	}
	at := situation{found: true, release: r, owner: ours}
	if r.Operation == t.op.ID {
		return at, nil
	}
	revisions, err := t.s.o.Releases.History(ctx, t.access, ns, name)
	if err != nil {
		return situation{}, err
	}
	at.owner = t.ownerOf(r, revisions)
	return at, nil
}

// gone says whether a release is not there because its namespace is not.
func gone(err error) bool {
	var r *Reason
	return errors.As(err, &r) && (r.Code == NamespaceGone || r.Code == ReleaseGone)
}

// ownerOf says whose a release is that has not come of this operation. Helm forgets old revisions: a release of the
// same chart is taken for the workload's where an operation on it is known to have made one.
func (t *task) ownerOf(r Release, revisions []Release) owner {
	made := func(id string) bool {
		return slices.ContainsFunc(revisions, func(r Release) bool { return r.Operation == id })
	}
	switch {
	case made(t.op.ID):
		return newer
	case slices.ContainsFunc(t.w.History, func(op Operation) bool { return r.Operation == op.ID || made(op.ID) }):
		return earlier
	case t.w.Revision > 0 && r.ChartName == t.w.ChartName:
		return earlier
	}
	return foreign
}

// action is what is done next.
type action int

const (
	doFail action = iota
	doRun
	// doRepair runs what a process has died in the middle of.
	doRepair
	doWatch
	doRemove
)

// decide chooses what to do about what the cluster holds.
func (t *task) decide(at situation) action {
	if t.op.Kind == JobUninstall {
		return t.decideUninstall(at)
	}
	switch {
	case at.owner == newer:
		return doWatch
	case at.owner == ours && at.release.Status == StatusDeployed:
		return doWatch
	case at.owner == ours:
		// Failed, or given up in the middle. Before this process has tried, that may be how another one has been ended.
		if t.runs == 0 || t.again(at) {
			return doRepair
		}
		return doFail
	case t.op.Kind != JobInstall && (!at.found || at.owner == foreign):
		return doFail // the workload's is gone, and another one is not its to change
	case t.runs == 0 || t.again(at):
		return repairIf(at.owner == earlier && at.release.Status.Pending())
	}
	return doFail
}

func (t *task) decideUninstall(at situation) action {
	switch {
	case !at.found || at.owner == foreign:
		return doRemove // what is there is not the workload's to remove
	case t.runs == 0 || t.again(at):
		return repairIf(at.release.Status.Pending())
	}
	return doFail
}

func repairIf(repair bool) action {
	if repair {
		return doRepair
	}
	return doRun
}

// again says whether the operation is worth another try: it has not come to an end of its own.
func (t *task) again(at situation) bool {
	if t.runs >= maxRuns || t.late() {
		return false
	}
	if at.owner == ours && at.release.Status.Pending() {
		return true
	}
	var r *Reason
	return errors.As(t.runErr, &r) && (r.Code == Unreachable || r.Code == Interrupted)
}
