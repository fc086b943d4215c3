package deployer

import (
	"context"
	"errors"
	"maps"
	"slices"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// Deploy makes the workload, or the upgrade, of a draft. It reviews once more: a failed check is a fault of kind State, and so
// is a warning unless confirmed. Sending it twice returns the one workload.
func (s *Service) Deploy(ctx context.Context, by identity.Actor, cred Credential, id, lang string, accepted []identity.Consent, confirmed bool) (Workload, error) {
	r, err := s.ownDraft(ctx, by, id)
	if err != nil {
		return Workload{}, err
	}
	if r.Value.WorkloadMade != "" {
		return s.made(ctx, by, r.Value)
	}
	// What needs no cluster comes first.
	if err := s.Ready(ctx, by, by.TenantID); err != nil {
		return Workload{}, err
	}
	p, err := s.productOf(r.Value)
	if err != nil {
		return Workload{}, err
	}
	consents, err := by.Accept(documentsOf(p, lang), accepted, s.stamp())
	if err != nil {
		return Workload{}, err
	}
	v, err := s.review(ctx, by, cred, id)
	switch {
	case errors.Is(err, errDeployed):
		return s.deployed(ctx, by, id)
	case err != nil:
		return Workload{}, err
	}
	if _, blocked, warned := v.outcome(); blocked {
		return Workload{}, fault.New(fault.State, "", "a check has failed; the review says which")
	} else if warned && !confirmed {
		return Workload{}, fault.New(fault.State, "confirmed", "what the review warns of must be confirmed")
	}
	return s.deploy(ctx, by, v, consents)
}

// deployed returns the workload that a draft of the actor's own has become.
func (s *Service) deployed(ctx context.Context, by identity.Actor, id string) (Workload, error) {
	r, err := s.ownDraft(ctx, by, id)
	if err != nil {
		return Workload{}, err
	}
	return s.made(ctx, by, r.Value)
}

func (s *Service) made(ctx context.Context, by identity.Actor, d Draft) (Workload, error) {
	r, err := s.ownWorkload(ctx, by, d.WorkloadMade)
	return r.Value, err
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
	switch {
	case errors.Is(err, errDeployed):
		return s.deployed(ctx, by, v.draft.ID)
	case err != nil:
		return Workload{}, err
	}
	s.wake()
	return w, nil
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
	op := Operation{
		ID: identity.NewID("op_"), Kind: JobInstall, ByID: by.ID, ByName: by.Name, RequestedAt: s.stamp(),
		ProductVersion: v.product.Version, ChartVersion: v.chart.Version, ChartDigest: v.chart.Digest, Values: v.values.Plain,
		SecretPaths: slices.Sorted(maps.Keys(v.values.Secrets)),
	}
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
	d, p := v.draft.Value, v.product
	w := Workload{
		ID: id, TenantID: d.TenantID, Target: d.Target, ProductID: p.ID, ProductVersion: p.Version,
		ChartVersion: v.chart.Version, ChartDigest: v.chart.Digest, State: Requested, CreatedAt: s.stamp(), CreatedBy: by.Name,
	}
	w.plan(v, op, consents)
	other, err := s.placeTaken(ctx, w.TenantID, w.Target)
	if err != nil {
		return w, nil, err
	}
	if other != "" {
		return w, nil, fault.New(fault.Conflict, "release", "there is a release of this name in the namespace already")
	}
	taken, err := s.takePlace(w)
	if err != nil {
		return w, nil, err
	}
	writes, err := s.planned(by, "workload.deploy", store.Record[Workload]{Value: w}, nil)
	return w, append(writes, taken), err
}

// upgraded returns a workload to be upgraded, with its writes. What is deployed now stays to be read until the operation has
// ended; the values are those that are wanted.
func (s *Service) upgraded(ctx context.Context, by identity.Actor, v *reviewer, op Operation, consents []identity.Consent) (Workload, []store.Write, error) {
	r, err := s.ownWorkload(ctx, by, v.draft.Value.WorkloadID)
	if err != nil {
		return r.Value, nil, err
	}
	before := r.Value
	if err := upgradable(before); err != nil {
		return before, nil, err
	}
	r.Value.State, r.Value.Reason = Requested, nil
	r.Value.plan(v, op, consents)
	writes, err := s.planned(by, "workload.upgrade", r, &before)
	return r.Value, writes, err
}

// plan sets what is wanted of a workload.
func (w *Workload) plan(v *reviewer, op Operation, consents []identity.Consent) {
	p := v.product
	w.ProductName, w.SellerID, w.SellerName, w.Licence, w.ChartName = p.Name, p.Seller.ID, p.Seller.Name, string(p.Licence), v.chart.Name
	w.Values, w.SecretPaths, w.Operation = op.Values, op.SecretPaths, &op
	// The evidence of documents that are accepted anew is replaced; the audit has the former one.
	old := slices.DeleteFunc(slices.Clone(w.Consents), func(c identity.Consent) bool {
		return slices.ContainsFunc(consents, func(n identity.Consent) bool { return n.DocumentID == c.DocumentID && n.Digest == c.Digest })
	})
	w.Consents = append(slices.Clone(consents), old[:min(len(old), maxConsents)]...)
}

// maxConsents bounds how many former consents a workload keeps; the audit has all.
const maxConsents = 40

// planned returns the writes of a workload and of its audit entry.
func (s *Service) planned(by identity.Actor, action string, r store.Record[Workload], before *Workload) ([]store.Write, error) {
	w, err := s.workloads.Write(r.Value.ID, r.Version, r.Value)
	if err != nil {
		return nil, err
	}
	audit, err := s.workloadAudit(by, action, before, r.Value)
	return []store.Write{w, audit}, err
}
