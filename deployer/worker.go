package deployer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"llmhub/identity"
	"llmhub/store"
)

const (
	// scanGap is between two looks for work: what is asked for in another process is found by them.
	scanGap = 2 * time.Second
	// perCluster, perTenant and perProcess bound the operations that run at once: a cluster that does not answer keeps others
	// from nothing, and neither does a tenant with many of them.
	perCluster = 4
	perTenant  = 8
	perProcess = 16
	// scanPage bounds what a look for work holds in memory: a workload may carry a sealed licence.
	scanPage = 50
)

// worker is what a process works on.
type worker struct {
	// holder is unlike that of any other process, even one that has had the same name before.
	holder string

	mu      sync.Mutex
	running map[string]running // by workload
}

// running is an operation that this process works on.
type running struct {
	operation       string
	cluster, tenant string
	cancel          context.CancelCauseFunc
}

func newWorker(name string) *worker {
	return &worker{holder: identity.NewID(name + "/"), running: map[string]running{}}
}

// begin keeps an operation among those that run, and says whether there is room for it.
func (k *worker) begin(workloadID string, r running) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	inCluster, ofTenant := 0, 0
	for _, other := range k.running {
		if other.cluster == r.cluster {
			inCluster++
		}
		if other.tenant == r.tenant {
			ofTenant++
		}
	}
	if len(k.running) >= perProcess || inCluster >= perCluster || ofTenant >= perTenant {
		return false
	}
	k.running[workloadID] = r
	return true
}

func (k *worker) end(workloadID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, workloadID)
}

func (k *worker) find(workloadID string) (running, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.running[workloadID]
	return r, ok
}

// cancelOthers ends the operations whose workloads are not among those that are pending.
func (k *worker) cancelOthers(pending map[string]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, r := range k.running {
		if !pending[id] {
			r.cancel(errReplaced)
		}
	}
}

// Run works on workloads until ctx ends, then lets go of what it works on, so that another process or a later one goes on with
// it at once, and returns nil. It is called once. What a process leaves behind that is killed is gone on with when its leases have run
// out.
func (s *Service) Run(ctx context.Context) error {
	var operations sync.WaitGroup
	defer operations.Wait()
	ticks := time.NewTicker(scanGap)
	defer ticks.Stop()
	var tidied time.Time
	for {
		s.tidy(ctx, &tidied)
		if err := s.scan(ctx, &operations); err != nil && ctx.Err() == nil {
			s.o.Logger.Error("cannot look for workloads to work on", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.waked:
		case <-ticks.C:
		}
	}
}

// candidate is a workload that could be worked on.
type candidate struct {
	id string
	at time.Time
}

// scan begins what can be begun, oldest first, and ends what is not to be gone on with.
func (s *Service) scan(ctx context.Context, operations *sync.WaitGroup) error {
	due, err := s.due(ctx)
	if err != nil {
		return err
	}
	for _, c := range due {
		r, err := s.workloads.Get(ctx, c.id)
		if err != nil {
			return err
		}
		if r.Value.due(s.worker.holder, s.o.Now()) {
			s.begin(ctx, r, operations)
		}
	}
	return nil
}

// due returns the workloads that can be worked on, oldest operation first.
func (s *Service) due(ctx context.Context) ([]candidate, error) {
	var due []candidate
	pending := map[string]bool{}
	for after := ""; ; {
		page, next, err := s.o.Documents.List(ctx, store.ListQuery{Kind: kindWorkload, Index: "pending", Value: "yes", After: after, Limit: scanPage})
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			pending[d.ID] = true
			r, err := s.workloads.Decode(d)
			if err != nil {
				s.o.Logger.Error("a workload cannot be read", slog.String("workload", d.ID), slog.Any("error", err))
				continue
			}
			if running, ok := s.worker.find(d.ID); ok {
				s.check(running, r.Value)
			} else if r.Value.due(s.worker.holder, s.o.Now()) {
				due = append(due, candidate{r.ID, r.Value.Operation.RequestedAt})
			}
		}
		if next == "" {
			break
		}
		after = next
	}
	s.worker.cancelOthers(pending)
	slices.SortFunc(due, func(a, b candidate) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.id, b.id)) })
	return due, nil
}

// check ends an operation that is not the workload's any more.
func (s *Service) check(r running, w Workload) {
	switch {
	case w.Operation == nil || w.Operation.ID != r.operation:
		r.cancel(errReplaced)
	case w.Lease.Holder != "" && w.Lease.Holder != s.worker.holder:
		r.cancel(errLeaseLost)
	}
}

// due says whether a process may work on the workload now. One that waits for access is due when the wait is over.
func (w Workload) due(holder string, now time.Time) bool {
	if !w.State.Pending() || w.Operation == nil || !w.Lease.free(holder, now) {
		return false
	}
	return !w.waits() || !now.Before(w.Operation.Deadline.Add(accessGrace))
}

// waits says whether the operation waits for somebody to give it access.
func (w Workload) waits() bool {
	return w.State.Pending() && w.Reason != nil && w.Reason.Code == AccessEnded
}

// begin takes a workload and works on it, if there is room for it and no other process is faster.
func (s *Service) begin(ctx context.Context, r store.Record[Workload], operations *sync.WaitGroup) {
	w := r.Value
	ctx, cancel := context.WithCancelCause(ctx)
	mine := running{
		operation: w.Operation.ID, tenant: w.TenantID, cancel: cancel,
		cluster: strings.Join([]string{w.TenantID, w.Target.ProjectID, w.Target.ClusterID}, "/"),
	}
	if !s.worker.begin(w.ID, mine) {
		cancel(nil)
		return
	}
	h, err := s.take(ctx, r, cancel)
	if err != nil {
		s.worker.end(w.ID)
		cancel(nil)
		if !errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			s.o.Logger.Error("a workload cannot be taken", slog.String("workload", w.ID), slog.Any("error", err))
		}
		return
	}
	operations.Go(func() {
		defer s.wake() // there is room for another one
		defer s.worker.end(w.ID)
		defer cancel(nil)
		s.operate(ctx, h)
	})
}
