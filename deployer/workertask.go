package deployer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"llmhub/catalog"
)

const (
	// timeLimit is how long an operation may take where the product says nothing.
	timeLimit = 10 * time.Minute
	// resumeTime is what an operation has at least when it is gone on with, however late that is.
	resumeTime = 2 * time.Minute
	// accessGrace is how long behind its deadline an operation waits for access.
	accessGrace = 24 * time.Hour
	// maxResumes bounds how often an operation is gone on with: one that ends each process that works on it must end itself.
	maxResumes = 20
	// maxRuns bounds how often Helm is asked to do the operation while one process works on it.
	maxRuns = 3
	// callTime bounds what is asked of a cluster at once.
	callTime = 30 * time.Second
	// observeGap is between two looks at the cluster; troubleGap between two tries to reach it.
	observeGap = 2 * time.Second
	troubleGap = 5 * time.Second
)

// task is an operation while this process works on it.
type task struct {
	s        *Service
	h        *hold
	log      *slog.Logger
	w        Workload // as it was taken
	op       Operation
	deadline time.Time
	secrets  sealed
	scrubber scrubber

	access   Access
	cluster  Cluster // nil until the cluster has been opened, and after it did not answer
	prepared bool
	chart    Chart
	runs     int
	runErr   error
	last     *Reason // what kept the release from being ready when it was last looked at
}

// verdict is how an operation ends: a state that is not pending. Without one it waits for access.
type verdict struct {
	state  State
	reason *Reason
	// made is the release as the operation has left it, if it is one of this workload.
	made *Release
}

func newTask(s *Service, h *hold) *task {
	w := h.w
	return &task{
		s: s, h: h, w: w, op: *w.Operation,
		log: s.o.Logger.With(slog.String("workload", w.ID), slog.String("operation", w.Operation.ID), slog.String("kind", string(w.Operation.Kind))),
	}
}

func failed(code ReasonCode) verdict { return verdict{state: Failed, reason: &Reason{Code: code}} }

// run works until the operation has come to its end. What it does next follows each time from what the cluster holds, so that it
// does not matter where another process has left off. The error is why ctx ended, or unexpected.
func (t *task) run(ctx context.Context) (verdict, error) {
	if t.w.waits() {
		return failed(AccessEnded), nil // nobody has come
	}
	var err error
	if t.secrets, err = t.s.open(t.w.ID, t.op.Sealed); err != nil {
		return verdict{}, err
	}
	t.scrubber = newScrubber(t.secrets)
	if resumes, err := t.start(ctx); err != nil {
		return verdict{}, t.unsaved(err)
	} else if resumes > maxResumes {
		return failed(Interrupted), nil
	}
	for {
		v, err := t.step(ctx)
		if err != nil {
			v, err = t.trouble(ctx, err)
		}
		switch {
		case err != nil:
			return verdict{}, err
		case v != nil:
			return *v, nil
		}
	}
}

// start notes that the operation is worked on, and returns how often it has been gone on with. It is written before anything is
// done, so that one which ends each process that works on it is not tried for ever.
func (t *task) start(ctx context.Context) (resumes int, err error) {
	now := t.s.stamp()
	err = t.h.save(ctx, func(w *Workload, op *Operation) {
		if op.StartedAt.IsZero() {
			op.StartedAt = now
			op.reached(WorkStarted, now)
		} else {
			op.Steps = append(op.Steps, StepDone{WorkResumed, now})
		}
		if op.Deadline.IsZero() {
			op.Deadline = now.Add(t.limit())
		} else if least := now.Add(resumeTime); op.Deadline.Before(least) {
			op.Deadline = least
		}
		if w.State == Requested {
			w.State = Preparing
		}
		t.deadline = op.Deadline
		for _, s := range op.Steps {
			if s.Name == WorkResumed {
				resumes++
			}
		}
	})
	return resumes, err
}

// reached adds a step, unless it has been reached before.
func (op *Operation) reached(step WorkStep, at time.Time) {
	if !slices.ContainsFunc(op.Steps, func(s StepDone) bool { return s.Name == step }) {
		op.Steps = append(op.Steps, StepDone{step, at})
	}
}

// reached notes a step.
func (t *task) reached(step WorkStep) {
	at := t.s.stamp()
	t.h.note(func(_ *Workload, op *Operation) { op.reached(step, at) })
}

// product returns the product of the workload as the catalog has it now.
func (t *task) product() (catalog.Product, bool) {
	p, ok := t.s.o.Catalog().Product(t.w.ProductID)
	return p, ok && p.CCE != nil
}

func (t *task) limit() time.Duration {
	if p, ok := t.product(); ok && p.CCE.TimeLimit > 0 {
		return p.CCE.TimeLimit
	}
	return timeLimit
}

func (t *task) late() bool { return !t.s.o.Now().Before(t.deadline) }

// reach opens the cluster, unless it is open.
func (t *task) reach(ctx context.Context) error {
	if t.cluster != nil {
		return nil
	}
	a, err := t.s.accessBy(ctx, t.w.TenantID, t.secrets.Token, t.w.Target)
	if err != nil {
		return err
	}
	c, err := t.s.o.Kubernetes.Open(a)
	if err != nil {
		return err
	}
	t.access, t.cluster = a, c
	return nil
}

// step looks at what the cluster holds and does one thing about it. Neither a verdict nor an error means that it goes on.
func (t *task) step(ctx context.Context) (*verdict, error) {
	at, err := t.look(ctx)
	if err != nil {
		return nil, err
	}
	switch t.decide(at) {
	case doRun:
		return nil, t.perform(ctx, false)
	case doRepair:
		return nil, t.perform(ctx, true)
	case doWatch:
		return t.watch(ctx, at.release)
	case doRemove:
		return t.removed(ctx)
	}
	return t.fail(ctx, at), nil
}
