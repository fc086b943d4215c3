package deployer

import (
	"context"
	"errors"
	"strings"

	"llmhub/catalog"
	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// errDeployed says that a draft has become a workload.
var errDeployed = fault.New(fault.State, "", "the draft has been deployed already")

// Review looks at everything that can be found out before deploying. What is wrong is in the checks; an error is that of
// the draft.
func (s *Service) Review(ctx context.Context, by identity.Actor, cred Credential, id string) (Review, error) {
	v, err := s.review(ctx, by, cred, id)
	if err != nil {
		return Review{}, err
	}
	return v.review(), nil
}

// reviewer is a review under way, and what it has found out for a deployment to go on with.
type reviewer struct {
	s       *Service
	cred    Credential
	draft   store.Record[Draft]
	product catalog.Product
	findings

	access  Access
	cluster Cluster
	facts   Facts
	exists  bool    // the namespace
	release Release // that is upgraded

	chart  Chart
	values form.Values
	// scrub takes the secrets of the values out of what the cluster says.
	scrub     *strings.Replacer
	manifests []byte
	inventory Inventory
	diff      []Difference
}

// review reviews a draft that is ready for it.
func (s *Service) review(ctx context.Context, by identity.Actor, cred Credential, id string) (*reviewer, error) {
	r, p, err := s.reviewable(ctx, by, id)
	if err != nil {
		return nil, err
	}
	if r, err = s.pinned(ctx, by, r, p); err != nil {
		return nil, err
	}
	v := &reviewer{s: s, cred: cred, draft: r, product: p}
	err = together(
		func() error { return v.prepareValues(ctx) },
		func() error { return v.lookAtCluster(ctx) },
	)
	if err == nil {
		err = v.render(ctx)
	}
	if err == nil {
		err = v.inspect(ctx)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// pinned returns a draft that says which chart is reviewed: it is the one that is deployed. A chart that cannot be had is left to
// the review to tell.
func (s *Service) pinned(ctx context.Context, by identity.Actor, r store.Record[Draft], p catalog.Product) (store.Record[Draft], error) {
	if r.Value.Digest != "" {
		return r, nil
	}
	chart, err := s.fetch(ctx, p, "")
	if err != nil {
		return r, nil
	}
	if _, err := s.pin(ctx, by, r.ID, chart); err != nil {
		return r, err
	}
	return s.ownDraft(ctx, by, r.ID)
}

// reviewable returns a draft that can be reviewed, with its product, or what has to be done before.
func (s *Service) reviewable(ctx context.Context, by identity.Actor, id string) (store.Record[Draft], catalog.Product, error) {
	r, err := s.ownDraft(ctx, by, id)
	if err != nil {
		return r, catalog.Product{}, err
	}
	d := r.Value
	p, err := s.productOf(d)
	switch {
	case d.WorkloadMade != "":
		return r, p, errDeployed
	case err != nil:
		return r, p, err
	case d.changed(p):
		return r, p, fault.New(fault.Conflict, "", "the product has changed; look at its configuration again")
	case d.Target.ClusterID == "":
		return r, p, fault.New(fault.State, "target", "choose first where to deploy")
	case !d.licensed(p.CCE.BYOL):
		return r, p, fault.New(fault.State, "licence", "enter the licence first")
	case d.WorkloadID == "":
		return r, p, nil
	}
	_, _, err = s.upgradable(ctx, by, d.WorkloadID)
	return r, p, err
}

// blame notes an error as the reason why a check has failed. It returns those that are nobody's fault but the caller's or the
// store's.
func (v *reviewer) blame(ctx context.Context, check CheckName, err error) error {
	var wrong *fault.Error
	why, ok := asReason(err)
	switch {
	case ok:
		v.note(checkOf(*why, check), CheckFailed, v.scrubbed(*why))
		return nil
	case ctx.Err() != nil || errors.As(err, &wrong):
		return err
	}
	v.s.o.Logger.Error("a check of a deployment failed", "draft", v.draft.ID, "check", check, "error", err)
	v.note(check, CheckFailed, Reason{Code: Internal})
	return nil
}

// scrubbed returns a reason as it may be shown. Before the values are rendered, nobody has been told them.
func (v *reviewer) scrubbed(r Reason) Reason {
	if v.scrub != nil {
		r.Object, r.Detail = v.scrub.Replace(r.Object), v.scrub.Replace(r.Detail)
	}
	r.Object, r.Detail = cut(r.Object), cut(r.Detail)
	return r
}

// review returns what has been found out.
func (v *reviewer) review() Review {
	r := Review{Inventory: v.inventory, Diff: v.diff}
	r.Checks, r.Blocked, r.Warned = v.outcome()
	if v.chart.Digest != "" && !v.failed(CheckValues) {
		r.YAML = v.values.YAML()
	}
	return r
}
