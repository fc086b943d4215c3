package deployer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// operate works on a workload until its operation has ended or is not to be gone on with here.
func (s *Service) operate(ctx context.Context, h *hold) {
	t := newTask(s, h)
	var keeper sync.WaitGroup
	keeping, stop := context.WithCancel(ctx)
	keeper.Go(func() { h.keep(keeping) })
	v, err := t.guarded(ctx)
	stop()
	keeper.Wait()
	switch cause := context.Cause(ctx); {
	case err == nil && v.state == "":
		t.log.Info("the operation waits for somebody to give it access")
		err = h.wait(ctx, t.scrubbed(v.reason))
	case err == nil:
		err = s.finish(ctx, t, v)
	case errors.Is(cause, errLeaseLost):
		t.log.Warn("the operation is left to another process")
		return
	case cause != nil:
		t.log.Info("the operation is let go of", slog.Any("cause", cause))
		err = h.letGo(ctx)
	default:
		t.log.Error("the operation has failed", slog.String("error", t.scrub(err.Error())))
		err = s.finish(ctx, t, verdict{state: Failed, reason: &Reason{Code: Internal}})
	}
	if errors.Is(err, errReplaced) {
		err = h.letGo(ctx)
	}
	if err != nil && !over(err) {
		t.log.Error("the end of an operation cannot be written; it is taken up again", slog.Any("error", err))
	}
}

// guarded runs the operation; a panic in it is an error, and ends nothing else.
func (t *task) guarded(ctx context.Context) (v verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			t.log.Error("panic in an operation", slog.String("panic", t.scrub(fmt.Sprint(p))), slog.String("stack", string(debug.Stack())))
			v, err = verdict{state: Failed, reason: &Reason{Code: Internal}}, nil
		}
	}()
	return t.run(ctx)
}
