package deployer

import (
	"context"
	"maps"
	"slices"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// Deploy makes the workload, or the upgrade, of a draft. It reviews once more: a failed check is a fault of kind State, and so
// is a warning unless confirmed. Sending it twice returns the one workload.
func (s *Service) Deploy(ctx context.Context, by identity.Actor, cred Credential, id, lang string, accepted []identity.Consent, confirmed bool) (Workload, error) {
	w, err := s.deployDraft(ctx, by, cred, id, lang, accepted, confirmed)
	if err == nil {
		return w, nil
	}
	// Whoever comes too late, even in the middle, gets what the first has made.
	if r, failed := s.ownDraft(ctx, by, id); failed == nil && r.Value.WorkloadMade != "" {
		return s.made(ctx, by, r.Value)
	}
	return Workload{}, err
}

// deployDraft does what Deploy does for a draft that has not become a workload, or else fails.
func (s *Service) deployDraft(ctx context.Context, by identity.Actor, cred Credential, id, lang string, accepted []identity.Consent, confirmed bool) (Workload, error) {
	r, p, err := s.reviewable(ctx, by, id)
	if err != nil {
		return Workload{}, err
	}
	// What needs no cluster comes first.
	if err := s.Ready(ctx, by, r.Value.TenantID); err != nil {
		return Workload{}, err
	}
	consents, err := by.Accept(documentsOf(p, lang), accepted, s.stamp())
	if err != nil {
		return Workload{}, err
	}
	v, err := s.review(ctx, by, cred, id)
	if err != nil {
		return Workload{}, err
	}
	if _, blocked, warned := v.outcome(); blocked {
		return Workload{}, fault.New(fault.State, "", "a check has failed; the review says which")
	} else if warned && !confirmed {
		return Workload{}, fault.New(fault.State, "confirmed", "what the review warns of must be confirmed")
	}
	return s.deploy(ctx, by, v, consents)
}

// made returns the workload that a draft has become.
func (s *Service) made(ctx context.Context, by identity.Actor, d Draft) (Workload, error) {
	r, err := s.own(ctx, by, d.WorkloadMade)
	return r.Value.shown(), err
}

// deploy writes what a review has found good, all in one commit, and lets Run know.
func (s *Service) deploy(ctx context.Context, by identity.Actor, v *reviewer, consents []identity.Consent) (Workload, error) {
	id := v.draft.Value.WorkloadID
	if id == "" {
		id = identity.NewID("wl_")
	}
	op, err := s.operation(ctx, by, v, id)
	if err != nil {
		return Workload{}, err
	}
	var w Workload
	_, err = store.Change(ctx, s.o.Documents, func() ([]store.Write, error) {
		writes, err := s.o.Buyers.Require(ctx, by, by.TenantID)
		if err != nil {
			return nil, err
		}
		draft, err := s.spend(ctx, by, v, id)
		if err != nil {
			return nil, err
		}
		var more []store.Write
		if v.draft.Value.WorkloadID == "" {
			w, more, err = s.newWorkload(ctx, by, v, id, op, consents)
		} else {
			w, more, err = s.upgraded(ctx, by, v, op, consents)
		}
		return append(append(writes, draft), more...), err
	})
	if err != nil {
		s.revokeSealed(ctx, id, op.Sealed)
		return Workload{}, err
	}
	s.wake()
	return w.shown(), nil
}

// operation returns what is to be done, with its secrets sealed for the workload.
func (s *Service) operation(ctx context.Context, by identity.Actor, v *reviewer, workloadID string) (Operation, error) {
	d := v.draft.Value
	kept, err := s.open(d.ID, d.Sealed)
	if err != nil {
		return Operation{}, err
	}
	c := sealed{Secrets: v.values.Secrets, Licence: kept.Licence}
	if err := s.ownToken(ctx, d.TenantID, v.cred, d.Target.ProjectID, &c); err != nil {
		return Operation{}, err
	}
	op := s.newOperation(by, JobInstall)
	op.ProductVersion, op.ChartVersion, op.ChartDigest = v.product.Version, v.chart.Version, v.chart.Digest
	op.Values, op.SecretPaths = v.values.Plain, slices.Sorted(maps.Keys(v.values.Secrets))
	if d.WorkloadID != "" {
		op.Kind = JobUpgrade
		op.SecretPaths = slices.Compact(slices.Sorted(slices.Values(append(op.SecretPaths, v.values.Kept...))))
	}
	op.Sealed, err = s.seal(workloadID, c)
	return op, err
}

// spend returns the write by which the reviewed draft becomes the workload. Nothing is left in it but that.
func (s *Service) spend(ctx context.Context, by identity.Actor, v *reviewer, workloadID string) (store.Write, error) {
	r, err := s.ownDraft(ctx, by, v.draft.ID)
	switch {
	case err != nil:
		return store.Write{}, err
	case r.Value.WorkloadMade != "":
		return store.Write{}, errDeployed
	case r.Version != v.draft.Version:
		return store.Write{}, fault.New(fault.Conflict, "", "the draft has been changed meanwhile; review it again")
	}
	d := r.Value
	d.WorkloadMade, d.Input, d.Sealed, d.SecretPaths = workloadID, nil, nil, nil
	return s.drafts.Write(d.ID, r.Version, d)
}

// newWorkload returns a workload to be installed, with its writes.
func (s *Service) newWorkload(ctx context.Context, by identity.Actor, v *reviewer, id string, op Operation, consents []identity.Consent) (Workload, []store.Write, error) {
	d := v.draft.Value
	w := Workload{
		ID: id, TenantID: d.TenantID, Target: d.Target, ProductID: v.product.ID, ProductVersion: op.ProductVersion,
		ChartVersion: op.ChartVersion, ChartDigest: op.ChartDigest, Values: op.Values, SecretPaths: op.SecretPaths,
		State: Requested, CreatedAt: s.stamp(), CreatedBy: by.Name, Operation: &op,
	}
	w.plan(v, consents)
	other, err := s.placeTaken(ctx, w.TenantID, w.Target)
	if err != nil {
		return w, nil, err
	}
	if other != "" {
		return w, nil, errReleaseTaken
	}
	taken, err := s.takePlace(w)
	if err != nil {
		return w, nil, err
	}
	written, err := s.workloads.Write(w.ID, 0, w)
	if err != nil {
		return w, nil, err
	}
	entry, err := s.workloadAudit(by, "workload.deploy", nil, w)
	return w, []store.Write{taken, written, entry}, err
}

// upgraded returns a workload to be upgraded, with its writes. Versions and values stay those of what is deployed until the
// operation has made a revision.
func (s *Service) upgraded(ctx context.Context, by identity.Actor, v *reviewer, op Operation, consents []identity.Consent) (Workload, []store.Write, error) {
	r, err := s.own(ctx, by, v.draft.Value.WorkloadID)
	if err == nil {
		err = r.Value.settled()
	}
	if err != nil {
		return Workload{}, nil, err
	}
	w := r.Value
	w.State = Upgrading
	w.replace(op)
	w.plan(v, consents)
	writes, err := s.changed(by, "workload.upgrade", r, w, nil)
	return w, writes, err
}

// maxConsents bounds how many former consents a workload keeps; the audit has all.
const maxConsents = 40

// plan sets what a workload keeps of product and consents. The evidence of documents that are accepted anew replaces the former
// one, which the audit has.
func (w *Workload) plan(v *reviewer, consents []identity.Consent) {
	p := v.product
	w.ProductName, w.SellerID, w.SellerName, w.Licence, w.ChartName = p.Name, p.Seller.ID, p.Seller.Name, string(p.Licence), v.chart.Name
	old := slices.DeleteFunc(slices.Clone(w.Consents), func(c identity.Consent) bool {
		return slices.ContainsFunc(consents, func(n identity.Consent) bool { return n.DocumentID == c.DocumentID && n.Digest == c.Digest })
	})
	w.Consents = append(slices.Clone(consents), old[:min(len(old), maxConsents)]...)
}
