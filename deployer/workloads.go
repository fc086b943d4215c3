package deployer

import (
	"context"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

func errNoWorkload() *fault.Error { return fault.New(fault.NotFound, "", "there is no such workload") }

// newWorkloads returns the workloads kept in d. Those that are pending are found as what there is to do.
func newWorkloads(d store.Documents) store.Collection[Workload] {
	return store.NewCollection(d, kindWorkload, func(w Workload) map[string]string {
		index := map[string]string{"tenant": w.TenantID}
		if w.State.Pending() {
			index["pending"] = "yes"
		}
		return index
	})
}

func (s *Service) getWorkload(ctx context.Context, id string) (store.Record[Workload], error) {
	r, err := s.workloads.Get(ctx, id)
	if missing(err) {
		err = errNoWorkload()
	}
	return r, err
}

// Workload returns a workload, or a fault of kind NotFound. What is sealed in it is left out.
func (s *Service) Workload(ctx context.Context, by identity.Actor, id string) (Workload, error) {
	r, err := s.getWorkload(ctx, id)
	if err == nil {
		err = by.See(r.Value.TenantID, errNoWorkload())
	}
	if err != nil {
		return Workload{}, err
	}
	return r.Value.shown(), nil
}

// shown returns the workload without what is sealed.
func (w Workload) shown() Workload {
	if w.Operation != nil {
		op := *w.Operation
		op.Sealed = nil
		w.Operation = &op
	}
	return w
}

// opened opens the cluster of a workload with somebody's credential.
func (s *Service) opened(ctx context.Context, cred Credential, w Workload) (Cluster, Access, error) {
	a, err := s.access(ctx, w.TenantID, cred, w.Target)
	if err != nil {
		return nil, Access{}, err
	}
	c, err := s.o.Kubernetes.Open(a)
	return c, a, err
}

// live returns a workload whose cluster somebody wants to read.
func (s *Service) live(ctx context.Context, by identity.Actor, id string) (Workload, error) {
	w, err := s.Workload(ctx, by, id)
	if err == nil && w.State == Removed {
		err = errRemoved()
	}
	return w, err
}

// Observe reads from the cluster how a workload is doing, with the viewer's own access. Nothing of it is kept.
func (s *Service) Observe(ctx context.Context, by identity.Actor, cred Credential, id string) (Observation, error) {
	w, err := s.live(ctx, by, id)
	if err != nil {
		return Observation{}, err
	}
	c, a, err := s.opened(ctx, cred, w)
	if err != nil {
		return Observation{}, err
	}
	r, found, err := s.o.Releases.Get(ctx, a, w.Target.Namespace, w.Target.Release)
	switch {
	case err != nil:
		return Observation{}, err
	case !found:
		return Observation{}, &Reason{Code: ReleaseGone}
	}
	return c.Observe(ctx, r.Namespace, r.Name, r.Manifests)
}

// Revisions returns what the cluster holds of a workload's release, newest first.
func (s *Service) Revisions(ctx context.Context, by identity.Actor, cred Credential, id string) ([]Release, error) {
	w, err := s.live(ctx, by, id)
	if err != nil {
		return nil, err
	}
	return s.revisions(ctx, cred, w)
}

func (s *Service) revisions(ctx context.Context, cred Credential, w Workload) ([]Release, error) {
	a, err := s.access(ctx, w.TenantID, cred, w.Target)
	if err != nil {
		return nil, err
	}
	return s.o.Releases.History(ctx, a, w.Target.Namespace, w.Target.Release)
}
