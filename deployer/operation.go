package deployer

import (
	"context"
	"slices"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// own returns a workload that the actor may change, which takes a user of its tenant: operators see everything, and answer for
// nothing in the customers' clusters.
func (s *Service) own(ctx context.Context, by identity.Actor, id string) (store.Record[Workload], error) {
	r, err := s.getWorkload(ctx, id)
	if err == nil {
		err = by.Require(r.Value.TenantID, identity.Subscribe, errNoWorkload())
	}
	if err == nil && by.Kind != identity.Customer {
		err = fault.New(fault.Forbidden, "", "only a user of the tenant can change its workloads")
	}
	return r, err
}

// settled returns why nothing can be begun with a workload; nil if no operation is under way.
func (w Workload) settled() error {
	switch {
	case w.State == Removed:
		return errRemoved()
	case w.State.Pending():
		return fault.New(fault.State, "", "another operation is under way")
	}
	return nil
}

func errRemoved() error { return fault.New(fault.State, "", "the workload has been removed") }

// Rollback goes back to a revision that the cluster holds and that is not the latest. It takes an active tenant, and that no
// operation is under way.
func (s *Service) Rollback(ctx context.Context, by identity.Actor, cred Credential, id string, revision int) (Workload, error) {
	r, err := s.own(ctx, by, id)
	if err == nil {
		err = r.Value.settled()
	}
	if err != nil {
		return Workload{}, err
	}
	goal, err := s.goalOf(ctx, cred, r.Value, revision)
	if err != nil {
		return Workload{}, err
	}
	op := s.newOperation(by, JobRollback)
	op.Revision, op.ChartVersion = revision, goal.ChartVersion
	if made, ok := r.Value.madeBy(revision); ok {
		op.ProductVersion, op.ChartDigest, op.Values, op.SecretPaths = made.ProductVersion, made.ChartDigest, made.Values, made.SecretPaths
	}
	return s.request(ctx, by, cred, id, op, func(w *Workload) ([]store.Write, error) {
		if err := w.settled(); err != nil {
			return nil, err
		}
		w.State = RollingBack
		active, err := s.o.Buyers.RequireActive(ctx, w.TenantID)
		return []store.Write{active}, err
	})
}

// goalOf returns the revision to go back to.
func (s *Service) goalOf(ctx context.Context, cred Credential, w Workload, revision int) (Release, error) {
	all, err := s.revisions(ctx, cred, w)
	if err != nil {
		return Release{}, err
	}
	i := slices.IndexFunc(all, func(r Release) bool { return r.Revision == revision })
	switch {
	case i < 0:
		return Release{}, fault.New(fault.Invalid, "revision", "the release has no revision %d", revision)
	case i == 0:
		return Release{}, fault.New(fault.Invalid, "revision", "the release is at this revision already")
	}
	return all[i], nil
}

// newOperation returns an operation that the actor asks for now.
func (s *Service) newOperation(by identity.Actor, kind JobKind) Operation {
	return Operation{ID: identity.NewID("op_"), Kind: kind, ByID: by.ID, ByName: by.Name, RequestedAt: s.stamp()}
}

// request makes an operation the workload's, with a token of its own. set changes the workload and returns what else is written;
// it may be called again.
func (s *Service) request(ctx context.Context, by identity.Actor, cred Credential, id string, op Operation,
	set func(*Workload) ([]store.Write, error)) (Workload, error) {
	r, err := s.own(ctx, by, id)
	if err != nil {
		return Workload{}, err
	}
	var own sealed
	if err := s.ownToken(ctx, r.Value.TenantID, cred, r.Value.Target.ProjectID, &own); err != nil {
		return Workload{}, err
	}
	if op.Sealed, err = s.seal(id, own); err != nil {
		return Workload{}, err
	}
	var after Workload
	var replaced *Operation
	_, err = store.Change(ctx, s.o.Documents, func() ([]store.Write, error) {
		r, err := s.own(ctx, by, id)
		if err != nil {
			return nil, err
		}
		after = r.Value
		writes, err := set(&after)
		if err != nil {
			return nil, err
		}
		replaced = after.replace(op)
		return s.changed(by, "workload."+string(op.Kind), r, after, writes)
	})
	if err != nil {
		s.revokeSealed(ctx, id, op.Sealed)
		return Workload{}, err
	}
	if replaced != nil {
		s.revokeSealed(ctx, id, replaced.Sealed)
	}
	s.wake()
	return after.shown(), nil
}

// replace puts an operation in the place of the one under way, which it returns and keeps in the history as interrupted; nil
// if none is. The lease stays with who works on that one, and who stops when it is renewed next.
func (w *Workload) replace(op Operation) (former *Operation) {
	if former = w.Operation; former != nil {
		ended := *former
		ended.EndedAt, ended.Reason = op.RequestedAt, &Reason{Code: Interrupted}
		ended.reached(WorkFailed, ended.EndedAt)
		w.keepHistory(ended)
	}
	w.Operation, w.Reason = &op, nil
	return former
}

// changed returns the writes of a workload that has been changed and of its audit entry, together with others.
func (s *Service) changed(by identity.Actor, action string, before store.Record[Workload], after Workload,
	others []store.Write) ([]store.Write, error) {
	w, err := s.workloads.Write(after.ID, before.Version, after)
	if err != nil {
		return nil, err
	}
	entry, err := s.workloadAudit(by, action, &before.Value, after)
	return append(others, w, entry), err
}

// Continue gives an operation that waits for access another credential, and the time of a new one. It takes an active tenant, but for
// an uninstallation.
func (s *Service) Continue(ctx context.Context, by identity.Actor, cred Credential, id string) (Workload, error) {
	r, err := s.own(ctx, by, id)
	if err != nil {
		return Workload{}, err
	}
	var own sealed
	if err := s.ownToken(ctx, r.Value.TenantID, cred, r.Value.Target.ProjectID, &own); err != nil {
		return Workload{}, err
	}
	var after Workload
	var former []byte
	_, err = store.Change(ctx, s.o.Documents, func() ([]store.Write, error) {
		r, err := s.own(ctx, by, id)
		if err != nil {
			return nil, err
		}
		after = r.Value
		if !after.waits() || after.Operation == nil {
			return nil, fault.New(fault.State, "", "the operation does not wait for access")
		}
		op := *after.Operation
		var others []store.Write
		if op.Kind != JobUninstall {
			active, err := s.o.Buyers.RequireActive(ctx, after.TenantID)
			if err != nil {
				return nil, err
			}
			others = append(others, active)
		}
		former = op.Sealed
		if op.Sealed, err = s.resealed(id, op.Sealed, own); err != nil {
			return nil, err
		}
		op.Deadline = time.Time{} // a time limit of its own begins
		after.Operation, after.Reason = &op, nil
		return s.changed(by, "workload.continue", r, after, others)
	})
	if err != nil {
		s.revoke(context.WithoutCancel(ctx), own.Token, id)
		return Workload{}, err
	}
	s.revokeSealed(ctx, id, former)
	s.wake()
	return after.shown(), nil
}

// resealed returns what is sealed, with another token.
func (s *Service) resealed(id string, box []byte, token sealed) ([]byte, error) {
	c, err := s.open(id, box)
	if err != nil {
		return nil, err
	}
	c.Token, c.TokenEnds = token.Token, token.TokenEnds
	return s.seal(id, c)
}
