package deployer

import (
	"context"
	"slices"
)

// lookAtCluster opens the cluster and reads what is there.
func (v *reviewer) lookAtCluster(ctx context.Context) error {
	d := v.draft.Value
	var err error
	if v.access, v.cluster, err = v.s.openCluster(ctx, d.TenantID, v.cred, d.Target); err != nil {
		return v.blame(ctx, CheckReachable, err)
	}
	return together(
		func() error { return v.lookAtFacts(ctx) },
		func() error { return v.lookAtNamespace(ctx) },
		func() error { return v.lookAtRelease(ctx) },
	)
}

func (v *reviewer) lookAtFacts(ctx context.Context) error {
	facts, err := v.cluster.Facts(ctx)
	if err != nil {
		return v.blame(ctx, CheckReachable, err)
	}
	v.facts = facts
	v.note(CheckReachable, CheckPassed)
	if !runsOn(v.product.CCE.KubeVersion, facts.Version) {
		v.note(CheckVersion, CheckFailed, Reason{Code: KubeVersion, Object: facts.Version, Detail: v.product.CCE.KubeVersion})
	} else {
		v.note(CheckVersion, CheckPassed)
	}
	return nil
}

func (v *reviewer) lookAtNamespace(ctx context.Context) error {
	t := v.draft.Value.Target
	there, listed, err := namespaces(ctx, v.cluster)
	switch {
	case err != nil:
		return v.blame(ctx, CheckNamespace, err)
	case !listed:
		// What the inspection can do in it is what can be found out.
		v.exists = !t.NewNamespace
		v.note(CheckNamespace, CheckSkipped, Reason{Code: AccessDenied, Object: "Namespace/" + t.Namespace})
		return nil
	}
	i := slices.IndexFunc(there, func(n Namespace) bool { return n.Name == t.Namespace })
	v.exists = i >= 0
	object := "Namespace/" + t.Namespace
	switch {
	case v.exists && !there[i].Usable, !v.exists && !t.NewNamespace:
		v.note(CheckNamespace, CheckFailed, Reason{Code: NamespaceGone, Object: object})
	case v.exists && t.NewNamespace:
		v.note(CheckNamespace, CheckWarned, Reason{Code: ReleaseExists, Object: object})
	default:
		v.note(CheckNamespace, CheckPassed)
	}
	return nil
}

// lookAtRelease looks whether the place is free, or for an upgrade that it holds the release.
func (v *reviewer) lookAtRelease(ctx context.Context) error {
	d := v.draft.Value
	found, there, err := v.s.o.Releases.Get(ctx, v.access, d.Target.Namespace, d.Target.Release)
	if err != nil {
		return v.blame(ctx, CheckRelease, err)
	}
	if d.WorkloadID != "" {
		switch {
		case !there:
			v.note(CheckRelease, CheckFailed, Reason{Code: ReleaseGone, Object: d.Target.Release})
		case found.Status.Pending():
			v.note(CheckRelease, CheckFailed, Reason{Code: Interrupted, Object: d.Target.Release})
		default:
			v.release = found
			v.note(CheckRelease, CheckPassed)
		}
		return nil
	}
	other, err := v.s.placeTaken(ctx, d.TenantID, d.Target)
	if err != nil {
		return err
	}
	if there || other != "" {
		v.note(CheckRelease, CheckFailed, Reason{Code: ReleaseExists, Object: d.Target.Release})
	} else {
		v.note(CheckRelease, CheckPassed)
	}
	return nil
}
