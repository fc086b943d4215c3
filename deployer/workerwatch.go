package deployer

import "context"

// observe looks at how a release is doing, and notes it.
func (t *task) observe(ctx context.Context, r Release) (Observation, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	o, err := t.cluster.Observe(ctx, r.Namespace, r.Name, r.Manifests)
	if err == nil {
		t.progress(o)
	}
	return o, err
}

// progress notes what an observation tells, if it is anything new.
func (t *task) progress(o Observation) {
	ready, wanted := 0, 0
	for _, r := range o.Resources {
		if r.CountsPods() {
			ready += r.Ready
			wanted += r.Wanted
		}
	}
	var event *Event
	if o.Event.Reason != "" || o.Event.Message != "" {
		e := o.Event
		e.Message = cut(t.scrub(e.Message))
		event = &e
	}
	t.h.note(func(_ *Workload, op *Operation) {
		if o.Reason != nil {
			t.last = t.scrubbed(o.Reason)
		}
		op.ReadyPods, op.WantedPods = ready, wanted
		if event != nil {
			op.Event = event
		}
		op.Reason = t.scrubbed(o.Reason)
	})
}

// watch looks once at a release that Helm is done with: it is ready, or goes on to become it until the deadline.
func (t *task) watch(ctx context.Context, r Release) (*verdict, error) {
	o, err := t.observe(ctx, r)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Ready && r.Status == StatusDeployed:
		return &verdict{state: Ready, made: &r}, nil
	case t.late() && o.Reason != nil:
		return &verdict{state: Failed, reason: o.Reason, made: &r}, nil
	case t.late():
		return &verdict{state: Failed, reason: &Reason{Code: NotReady}, made: &r}, nil
	}
	if !pause(ctx, observeGap) {
		return nil, context.Cause(ctx)
	}
	return nil, nil
}

// removed removes what was put beside the release, which is gone. What a chart has asked the cluster to keep stays there: the
// volumes of StatefulSets, what is annotated so, and the namespace.
func (t *task) removed(ctx context.Context) (*verdict, error) {
	target := t.w.Target
	if name := t.w.LicenceSecret; name != "" {
		err := t.call(ctx, func(ctx context.Context) error {
			return t.cluster.DeleteSecret(ctx, target.Namespace, name, target.Release)
		})
		if err != nil && !gone(err) {
			return nil, err
		}
	}
	return &verdict{state: Removed}, nil
}
