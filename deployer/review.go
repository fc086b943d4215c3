package deployer

import (
	"context"
	"errors"
	"slices"
	"strings"

	"llmhub/catalog"
	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
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
	if r.Value.Digest == "" && v.chart.Digest != "" {
		// What is deployed is to be the chart that has been reviewed.
		if _, err := s.pin(ctx, by, id, v.chart); err != nil {
			return nil, err
		}
		v.draft, err = s.ownDraft(ctx, by, id)
	}
	return v, err
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

// prepareValues fetches the chart and makes its values.
func (v *reviewer) prepareValues(ctx context.Context) error {
	d := v.draft.Value
	chart, err := v.s.fetch(ctx, v.product, d.Digest)
	if err != nil {
		return v.blame(ctx, CheckChart, err)
	}
	f, err := v.s.forms.compile(v.product, chart)
	if err != nil {
		return v.blame(ctx, CheckChart, err)
	}
	v.note(CheckChart, CheckPassed)
	v.chart = chart
	values, err := v.s.values(ctx, d, f)
	if err != nil {
		return v.wrongValues(ctx, err)
	}
	v.values = values
	return nil
}

// wrongValues notes faults of an input, which are by path.
func (v *reviewer) wrongValues(ctx context.Context, err error) error {
	var all fault.Faults
	var one *fault.Error
	switch {
	case errors.As(err, &all):
	case errors.As(err, &one):
		all = fault.Faults{one}
	default:
		return v.blame(ctx, CheckValues, err)
	}
	for _, e := range all {
		v.note(CheckValues, CheckFailed, Reason{Code: ValuesInvalid, Object: e.Field, Detail: cut(e.Message)})
	}
	return nil
}

// lookAtCluster opens the cluster and reads what is there.
func (v *reviewer) lookAtCluster(ctx context.Context) error {
	d := v.draft.Value
	var err error
	if v.access, v.cluster, err = v.s.openCluster(ctx, d.TenantID, v.cred, d.Target); err != nil {
		return v.blame(ctx, CheckReachable, err)
	}
	return together(
		func() error { return v.lookAtFacts(ctx) },
		func() error { return v.lookAtNamespace(ctx) },
		func() error { return v.lookAtRelease(ctx) },
	)
}

func (v *reviewer) lookAtFacts(ctx context.Context) error {
	facts, err := v.cluster.Facts(ctx)
	if err != nil {
		return v.blame(ctx, CheckReachable, err)
	}
	v.facts = facts
	v.note(CheckReachable, CheckPassed)
	if !runsOn(v.product.CCE.KubeVersion, facts.Version) {
		v.note(CheckVersion, CheckFailed, Reason{Code: KubeVersion, Object: facts.Version, Detail: v.product.CCE.KubeVersion})
	} else {
		v.note(CheckVersion, CheckPassed)
	}
	return nil
}

func (v *reviewer) lookAtNamespace(ctx context.Context) error {
	t := v.draft.Value.Target
	there, err := v.cluster.Namespaces(ctx)
	if err != nil {
		return v.blame(ctx, CheckNamespace, err)
	}
	i := slices.IndexFunc(there, func(n Namespace) bool { return n.Name == t.Namespace })
	v.exists = i >= 0
	object := "Namespace/" + t.Namespace
	switch {
	case v.exists && !there[i].Usable, !v.exists && !t.NewNamespace:
		v.note(CheckNamespace, CheckFailed, Reason{Code: NamespaceGone, Object: object})
	case v.exists && t.NewNamespace:
		v.note(CheckNamespace, CheckWarned, Reason{Code: ReleaseExists, Object: object})
	default:
		v.note(CheckNamespace, CheckPassed)
	}
	return nil
}

// lookAtRelease looks whether the place is free, or for an upgrade that it holds the release.
func (v *reviewer) lookAtRelease(ctx context.Context) error {
	d := v.draft.Value
	found, there, err := v.s.o.Releases.Get(ctx, v.access, d.Target.Namespace, d.Target.Release)
	if err != nil {
		return v.blame(ctx, CheckRelease, err)
	}
	if d.WorkloadID != "" {
		switch {
		case !there:
			v.note(CheckRelease, CheckFailed, Reason{Code: ReleaseGone, Object: d.Target.Release})
		case found.Status.Pending():
			v.note(CheckRelease, CheckFailed, Reason{Code: Interrupted, Object: d.Target.Release})
		default:
			v.release = found
			v.note(CheckRelease, CheckPassed)
		}
		return nil
	}
	other, err := v.s.placeTaken(ctx, d.TenantID, d.Target)
	if err != nil {
		return err
	}
	if there || other != "" {
		v.note(CheckRelease, CheckFailed, Reason{Code: ReleaseExists, Object: d.Target.Release})
	} else {
		v.note(CheckRelease, CheckPassed)
	}
	return nil
}

// keptSecret stands in a review for a secret that an upgrade takes from the release, where nobody reads it.
const keptSecret = "0kept0secret0that0is0not0read0"

// render renders the chart as the cluster would get it, unless something that it needs is missing.
func (v *reviewer) render(ctx context.Context) error {
	if v.failed(CheckReachable, CheckVersion, CheckChart, CheckValues) {
		return nil
	}
	d, values := v.draft.Value, v.values
	v.scrub = newScrubber(sealed{Secrets: values.Secrets}).replacer
	values.Secrets = make(map[string]secret.Text, len(v.values.Secrets)+len(values.Kept))
	for path, text := range v.values.Secrets {
		values.Secrets[path] = text
	}
	for _, path := range values.Kept {
		values.Secrets[path] = secret.New(keptSecret)
	}
	manifests, err := v.s.o.Releases.Render(ctx, RenderInput{
		Chart: v.chart, Namespace: d.Target.Namespace, Release: d.Target.Release, Values: values.JSON(),
		KubeVersion: v.facts.Version, APIVersions: v.facts.APIVersions, Upgrade: d.WorkloadID != "",
	})
	if err != nil {
		return v.blame(ctx, CheckValues, err)
	}
	v.note(CheckValues, CheckPassed)
	v.manifests = manifests
	if d.WorkloadID == "" {
		return nil
	}
	if v.diff, err = differences(v.release.Manifests, manifests, d.Target.Namespace, len(values.Kept) > 0); err != nil {
		v.note(CheckValues, CheckFailed, Reason{Code: RenderFailed, Detail: cut(err.Error())})
	}
	return nil
}

// inspect asks the cluster what the manifests mean for it.
func (v *reviewer) inspect(ctx context.Context) error {
	if v.failed(CheckReachable, CheckVersion, CheckChart, CheckValues, CheckNamespace) {
		return nil
	}
	t := v.draft.Value.Target
	inventory, err := v.cluster.Inspect(ctx, Inspection{
		Namespace: t.Namespace, NamespaceExists: v.exists, Release: t.Release, Manifests: v.manifests,
	})
	if err != nil {
		return v.blame(ctx, CheckAccepted, err)
	}
	v.inventory = inventory
	for _, name := range []CheckName{CheckScope, CheckRights, CheckAccepted, CheckStorageClass, CheckQuota} {
		v.note(name, CheckPassed)
	}
	if v.facts.FreeMilliCPU >= 0 && v.facts.FreeMemoryMiB >= 0 {
		v.note(CheckResources, CheckPassed)
	}
	for _, f := range inventory.Findings {
		state := CheckWarned
		if f.Fails {
			state = CheckFailed
		}
		v.note(checkOf(f.Reason.Code, CheckAccepted), state, v.scrubbed(f.Reason))
	}
	return nil
}

// blame notes an error as the reason why a check has failed. It returns those that are nobody's fault but the caller's or the
// store's.
func (v *reviewer) blame(ctx context.Context, check CheckName, err error) error {
	var wrong *fault.Error
	why, ok := asReason(err)
	switch {
	case ok:
		v.note(checkOf(why.Code, check), CheckFailed, v.scrubbed(*why))
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
