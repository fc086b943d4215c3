package deployer

import (
	"context"
	"errors"
	"log/slog"
)

// trouble says what becomes of an operation of which a step went wrong: it waits for access, goes on when the cluster answers again
// before the deadline, or ends.
func (t *task) trouble(ctx context.Context, err error) (*verdict, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t.cluster = nil
	var r *Reason
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		r = &Reason{Code: Unreachable}
	case !errors.As(err, &r):
		return nil, err
	}
	switch {
	case r.Code == AccessEnded:
		return &verdict{reason: r}, nil
	case r.Code == NamespaceGone && t.op.Kind == JobUninstall:
		return &verdict{state: Removed}, nil
	case r.Code != Unreachable || t.late():
		return &verdict{state: Failed, reason: r}, nil
	}
	if !pause(ctx, troubleGap) {
		return nil, context.Cause(ctx)
	}
	return nil, nil
}

// fail returns why the operation has failed: what the pods themselves tell is worth more than that Helm waited for them in vain.
func (t *task) fail(ctx context.Context, at situation) *verdict {
	v := verdict{state: Failed}
	if at.owner == foreign && t.op.Kind != JobInstall {
		v.reason = &Reason{Code: ReleaseGone, Object: at.release.Name, Detail: "another release has its name"}
		return &v
	}
	if at.owner == ours || at.owner == newer {
		v.made = &at.release
	}
	var told *Reason
	errors.As(t.runErr, &told)
	if at.found && t.op.Kind != JobUninstall {
		if o, err := t.observe(ctx, at.release); err == nil && o.Reason != nil {
			t.last = o.Reason
		}
		if t.last != nil && t.last.explains(told) {
			told = t.last
		}
	}
	switch {
	case told != nil:
		v.reason = told
	case t.runErr != nil && !errors.Is(t.runErr, context.DeadlineExceeded):
		t.log.Error("the operation has failed", slog.String("error", t.scrub(t.runErr.Error())))
		v.reason = &Reason{Code: Internal}
	case !at.found:
		v.reason = &Reason{Code: ReleaseGone}
	default:
		v.reason = &Reason{Code: NotReady, Detail: at.release.Description}
	}
	return &v
}

// explains says whether what keeps pods from running is why an operation has failed, of which Helm has told something; nil for
// nothing. A hook that ran and failed has a reason of its own, one whose pod could not run has that of the pod.
func (r *Reason) explains(told *Reason) bool {
	if told == nil {
		return true
	}
	switch told.Code {
	case NotReady, Unreachable, Interrupted, Internal:
		return true
	case HookFailed:
		switch r.Code {
		case ImagePull, Unschedulable, Quota, PodConfig, Volume:
			return true
		}
	}
	return false
}
