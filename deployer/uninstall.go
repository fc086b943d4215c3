package deployer

import (
	"context"
	"errors"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// Uninstall removes a workload from its cluster; typed must be the name of the release. An operation that is under way is
// ended first. The right Subscribe is enough: a suspended tenant can still remove what it pays for. The namespace, the volumes of
// StatefulSets and what the chart has annotated to be kept stay in the cluster.
//
// forget only forgets the workload where its cluster does not answer or is gone: nothing is removed there. A cluster that answers is
// a fault of the field forget.
func (s *Service) Uninstall(ctx context.Context, by identity.Actor, cred Credential, id, typed string, forget bool) (Workload, error) {
	r, err := s.own(ctx, by, id)
	switch {
	case err != nil:
		return Workload{}, err
	case r.Value.State == Removed:
		return Workload{}, errRemoved()
	case typed != r.Value.Target.Release:
		return Workload{}, fault.New(fault.Invalid, "typed", "must be the name of the release")
	case forget:
		return s.forget(ctx, by, cred, r.Value)
	}
	return s.request(ctx, by, cred, id, s.newOperation(by, JobUninstall), func(w *Workload) ([]store.Write, error) {
		if w.State == Removed {
			return nil, errRemoved()
		}
		w.State = Removing
		return nil, nil
	})
}

// forget removes a workload without its cluster.
func (s *Service) forget(ctx context.Context, by identity.Actor, cred Credential, w Workload) (Workload, error) {
	if err := s.answers(ctx, cred, w); err == nil {
		return Workload{}, fault.New(fault.State, "forget", "the cluster answers; uninstall the workload instead")
	} else if !unanswered(err) {
		return Workload{}, err
	}
	op := s.newOperation(by, JobUninstall)
	var after Workload
	var replaced *Operation
	_, err := store.Change(ctx, s.o.Documents, func() ([]store.Write, error) {
		r, err := s.own(ctx, by, w.ID)
		if err != nil {
			return nil, err
		}
		if after = r.Value; after.State == Removed {
			return nil, errRemoved()
		}
		replaced = after.replace(op)
		after.end(verdict{state: Removed}, s.stamp())
		free, err := s.freePlace(ctx, after)
		if err != nil {
			return nil, err
		}
		return s.changed(by, "workload.forget", r, after, free)
	})
	if err != nil {
		return Workload{}, err
	}
	if replaced != nil {
		s.revokeSealed(ctx, w.ID, replaced.Sealed)
	}
	s.wake()
	return after.shown(), nil
}

// answers returns nil if the cluster of a workload answers.
func (s *Service) answers(ctx context.Context, cred Credential, w Workload) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	c, _, err := s.opened(ctx, cred, w)
	if err == nil {
		_, err = c.Facts(ctx)
	}
	return err
}

// unanswered says whether an error means that a cluster does not answer or is gone.
func unanswered(err error) bool {
	var r *Reason
	if errors.Is(err, errDirectory) {
		return false
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &r) && (r.Code == Unreachable || r.Code == ClusterGone)
}
