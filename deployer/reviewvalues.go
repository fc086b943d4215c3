package deployer

import (
	"context"
	"errors"
	"maps"
	"slices"

	"llmhub/fault"
	"llmhub/secret"
)

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

// keptSecret stands in a review for a secret that an upgrade takes from the release, where nobody reads it.
const keptSecret = "0kept0secret0that0is0not0read0"

// render renders the chart as the cluster would get it, unless something that it needs is missing.
func (v *reviewer) render(ctx context.Context) error {
	if v.facts.Version == "" || v.failed(CheckReachable, CheckChart, CheckValues) {
		return nil
	}
	d, values := v.draft.Value, v.values
	v.scrub = newScrubber(sealed{Secrets: v.values.Secrets}).replacer
	values.Secrets = make(map[string]secret.Text, len(v.values.Secrets)+len(values.Kept))
	for path, text := range v.values.Secrets {
		values.Secrets[path] = text
	}
	for _, path := range values.Kept {
		values.Secrets[path] = secret.New(keptSecret)
	}
	manifests, err := v.s.o.Releases.Render(ctx, RenderInput{
		Chart: v.chart, Namespace: d.Target.Namespace, Release: d.Target.Release, Values: values.JSON(),
		SecretPaths: append([]string{}, slices.Sorted(maps.Keys(values.Secrets))...),
		KubeVersion: v.facts.Version, APIVersions: v.facts.APIVersions, Upgrade: d.WorkloadID != "",
	})
	if err != nil {
		return v.blame(ctx, CheckValues, err)
	}
	v.note(CheckValues, CheckPassed)
	v.manifests = append([]byte{}, manifests...)
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
	if v.manifests == nil || v.failed(CheckReachable, CheckNamespace) {
		return nil
	}
	t := v.draft.Value.Target
	inventory, err := v.cluster.Inspect(ctx, Inspection{
		Namespace: t.Namespace, NamespaceExists: v.exists, Release: t.Release, Manifests: v.manifests,
		Secrets: slices.Collect(maps.Values(v.values.Secrets)), OwnSecret: v.licenceSecret(),
	})
	if err != nil {
		return v.blame(ctx, CheckDryRun, err)
	}
	v.inventory = inventory
	for _, name := range []CheckName{CheckScope, CheckRights, CheckDryRun, CheckStorageClass, CheckQuota} {
		v.note(name, CheckPassed)
	}
	if v.facts.FreeMilliCPU >= 0 && v.facts.FreeMemoryMiB >= 0 {
		v.note(CheckResources, CheckPassed)
	}
	for _, f := range inventory.Findings {
		why := v.scrubbed(f.Reason)
		switch {
		case f.Fails:
			v.note(checkOf(why, CheckDryRun), CheckFailed, why)
		case why.Code == AccessDenied:
			// It is what there is to see that the user may not read: how much is free.
			v.note(CheckResources, CheckSkipped, why)
		default:
			v.note(checkOf(why, CheckDryRun), CheckWarned, why)
		}
	}
	return nil
}

// licenceSecret returns the name of the Secret that the licence goes to, empty if there is none.
func (v *reviewer) licenceSecret() string {
	if own := v.product.CCE.BYOL; own != nil && v.draft.Value.WorkloadID == "" {
		return own.SecretName
	}
	return ""
}
