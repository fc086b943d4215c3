package deployer

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"llmhub/store"
)

const (
	// leaseTime is how long a lease holds without being renewed, leaseRenewal how often it is. The operation is cancelled
	// leaseMargin before anybody else may begin: Helm has time to stop, and clocks of processes that share a store may differ by
	// less than maxSkew.
	leaseTime    = 40 * time.Second
	leaseRenewal = 10 * time.Second
	leaseMargin  = StopTime + maxSkew
	maxSkew      = 5 * time.Second
	// writeGap is at least between two writes of an operation's progress.
	writeGap = time.Second
	// endTime bounds the writes by which an operation ends or is let go of.
	endTime = 10 * time.Second
)

// Why an operation is not gone on with here.
var (
	errLeaseLost = errors.New("another process works on the workload")
	errReplaced  = errors.New("another operation has taken its place")
)

// free says whether a process may take the workload at a time.
func (l Lease) free(holder string, now time.Time) bool {
	return l.Holder == "" || l.Holder == holder || !now.Before(l.Until)
}

// hold is a lease that this process has on a workload, and the only way by which an operation changes it: every write insists
// on the version that the one before has made, so that nothing is written once the lease or the operation is another's.
type hold struct {
	s         *Service
	operation string
	// cancel ends the operation.
	cancel context.CancelCauseFunc
	// changed holds something when there is progress to write.
	changed chan struct{}

	mu      sync.Mutex
	version store.Version
	w       Workload // what is written next; its Operation is not nil
}

// take takes the lease on a workload, which fails with store.ErrConflict if another process was faster.
func (s *Service) take(ctx context.Context, r store.Record[Workload], cancel context.CancelCauseFunc) (*hold, error) {
	op := *r.Value.Operation
	h := &hold{s: s, operation: op.ID, cancel: cancel, changed: make(chan struct{}, 1), version: r.Version, w: r.Value}
	h.w.Operation = &op
	h.w.Lease = Lease{Holder: s.worker.holder, Until: s.stamp().Add(leaseTime)}
	w, err := s.workloads.Write(h.w.ID, h.version, h.w)
	if err != nil {
		return nil, err
	}
	h.version, err = s.o.Documents.Put(ctx, w)
	return h, err
}

// note changes the workload; it is written soon, if there is anything new.
func (h *hold) note(change func(w *Workload, op *Operation)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	state, before := h.w.State, *h.w.Operation
	change(&h.w, h.w.Operation)
	if state == h.w.State && reflect.DeepEqual(before, *h.w.Operation) {
		return
	}
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// save changes the workload and writes it now.
func (h *hold) save(ctx context.Context, change func(w *Workload, op *Operation)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.w, h.w.Operation)
	return h.renew(ctx)
}

// keep writes progress and renews the lease until ctx ends. It ends the operation as soon as the lease or the operation is
// another's, and before the lease runs out if it cannot be renewed.
func (h *hold) keep(ctx context.Context) {
	next := time.NewTimer(leaseRenewal)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.changed:
		case <-next.C:
		}
		wait := leaseRenewal
		if err := h.keepUp(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			if over(err) {
				h.cancel(err)
				return
			}
			h.s.o.Logger.Warn("the progress of a workload cannot be written", slog.String("workload", h.w.ID), slog.Any("error", err))
			wait = writeGap
		}
		if !pause(ctx, writeGap) {
			return
		}
		next.Reset(wait - min(wait, writeGap))
	}
}

func (h *hold) keepUp(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := h.w.Lease.Until.Add(-leaseMargin).Sub(h.s.o.Now())
	if left <= 0 {
		return errLeaseLost
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return h.renew(ctx)
}

// over says whether an error means that the workload is not this process's any more.
func over(err error) bool {
	return errors.Is(err, errLeaseLost) || errors.Is(err, errReplaced)
}

// renew writes the workload with a lease that begins now. h.mu is held.
func (h *hold) renew(ctx context.Context) error {
	before := h.w.Lease
	h.w.Lease.Until = h.s.stamp().Add(leaseTime)
	err := h.put(ctx, h.w, nil)
	if err != nil {
		h.w.Lease = before // it may have been written, but that is not known
	}
	return err
}

// put writes the workload together with what more gives. A conflict is looked into: one with a write of this process's own,
// whose outcome was not known, is none. h.mu is held.
func (h *hold) put(ctx context.Context, w Workload, more func() ([]store.Write, error)) error {
	var err error
	for range 3 {
		var writes []store.Write
		if more != nil {
			if writes, err = more(); err != nil {
				return err
			}
		}
		var own store.Write
		if own, err = h.s.workloads.Write(w.ID, h.version, w); err != nil {
			return err
		}
		var version store.Version
		if version, err = h.s.o.Documents.Put(ctx, append(writes, own)...); err == nil {
			h.version = version
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if err := h.reread(ctx); err != nil {
			return err
		}
	}
	return err
}

func (h *hold) reread(ctx context.Context) error {
	r, err := h.s.workloads.Get(ctx, h.w.ID)
	switch {
	case missing(err):
		return errLeaseLost
	case err != nil:
		return err
	case r.Value.Lease.Holder != h.s.worker.holder:
		return errLeaseLost
	case r.Value.Operation == nil || r.Value.Operation.ID != h.operation:
		return errReplaced
	}
	h.version = r.Version
	return nil
}

// letGo gives the lease back, with the progress that was made, so that the workload can be taken at once. An operation that has
// taken this one's place is left as it is.
func (h *hold) letGo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.w
	w.Lease = Lease{}
	err := h.put(ctx, w, nil)
	if !errors.Is(err, errReplaced) {
		return err
	}
	_, err = store.Change(ctx, h.s.o.Documents, func() ([]store.Write, error) {
		r, err := h.s.workloads.Get(ctx, h.w.ID)
		if err != nil || r.Value.Lease.Holder != h.s.worker.holder {
			return nil, err
		}
		r.Value.Lease = Lease{}
		w, err := h.s.workloads.Write(r.ID, r.Version, r.Value)
		return []store.Write{w}, err
	})
	return err
}

// wait gives the lease back until somebody gives the operation access again.
func (h *hold) wait(ctx context.Context, why *Reason) error {
	h.mu.Lock()
	h.w.Reason = why
	h.mu.Unlock()
	return h.letGo(ctx)
}

// pause waits, and returns false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
