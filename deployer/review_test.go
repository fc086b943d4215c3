package deployer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"llmhub/fault"
	"llmhub/secret"
)

func (f *fixture) reviewed(d Draft) Review {
	f.t.Helper()
	r, err := f.Review(f.t.Context(), f.jo, f.cred, d.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// checked insists on the outcome of a check.
func (f *fixture) checked(r Review, name CheckName, state CheckState, codes ...ReasonCode) {
	f.t.Helper()
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == name })
	var got []ReasonCode
	for _, reason := range r.Checks[i].Reasons {
		got = append(got, reason.Code)
	}
	if r.Checks[i].State != state || !slices.Equal(got, codes) {
		f.t.Errorf("%s is %s with %v, not %s with %v", name, r.Checks[i].State, got, state, codes)
	}
}

func TestReviewOfWhatIsGood(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("cache")
	claims := []Claim{{Name: "data", Count: 3, SizeBytes: 8 << 30, Class: "csi-disk"}}
	f.cluster.set(func(c *fakeCluster) { c.inventory.Claims = claims })
	r := f.reviewed(d)
	if r.Blocked || r.Warned || len(r.Checks) != len(checkNames) || len(r.Inventory.Claims) != 1 || r.Diff != nil {
		t.Errorf("%+v", r)
	}
	for i, c := range r.Checks {
		if c.Name != checkNames[i] || c.State != CheckPassed || len(c.Reasons) != 0 {
			t.Errorf("%+v", c)
		}
	}
	if !strings.Contains(r.YAML, "size: 1Gi") || strings.Contains(r.YAML, canaryPassword) {
		t.Error(r.YAML)
	}
	in := f.releases.rendered[0]
	if in.KubeVersion != "v1.29.1-r4" || in.Upgrade || in.Namespace != "default" || in.Release != d.Target.Release || in.Chart.Digest != d.Digest ||
		!slices.Equal(in.SecretPaths, []string{"auth.password"}) || in.Values.Reveal() != `{"auth":{"password":"`+canaryPassword+`"},"size":"1Gi"}` {
		t.Errorf("rendered %+v with %s", in, in.Values.Reveal())
	}
	if got := f.cluster.inspected[0]; got.Namespace != "default" || !got.NamespaceExists || got.Release != d.Target.Release ||
		len(got.Secrets) != 1 || got.Secrets[0].Reveal() != canaryPassword {
		t.Errorf("inspected %+v", got)
	}
}

// The Secret of a licence is looked for before; an upgrade makes none.
func TestReviewOfALicence(t *testing.T) {
	f := newFixture(t)
	f.reviewed(f.prepared("licensed"))
	f.reviewed(f.prepared("cache"))
	for i, want := range []string{"the-licence", ""} {
		if got := f.cluster.inspected[i].OwnSecret; got != want {
			t.Errorf("the Secret %q is looked for, want %q", got, want)
		}
	}
}

// What a finding is about decides which check it belongs to.
func TestFindings(t *testing.T) {
	for code, name := range map[ReasonCode]CheckName{
		ClusterScoped: CheckScope, HostAccess: CheckScope, OtherNamespace: CheckScope, AccessDenied: CheckRights, Rejected: CheckDryRun,
		ReleaseExists: CheckRelease, StorageClassMissing: CheckStorageClass, Resources: CheckResources, Quota: CheckQuota,
		NamespaceGone: CheckNamespace, Unschedulable: CheckDryRun, Internal: CheckDryRun,
	} {
		f := newFixture(t)
		d := f.prepared("cache")
		for _, fails := range []bool{false, true} {
			f.cluster.set(func(c *fakeCluster) {
				c.inventory.Findings = []Finding{{Fails: fails, Reason: Reason{Code: code, Object: "Pod/a", Detail: "quotes " + canaryPassword}}}
			})
			r := f.reviewed(d)
			name, state := name, CheckWarned
			switch {
			case fails:
				state = CheckFailed
			case code == AccessDenied:
				name, state = CheckResources, CheckPassed
			}
			f.checked(r, name, state, code)
			if r.Blocked != fails || r.Warned != (state == CheckWarned) || strings.Contains(fmt.Sprint(r.Checks), canaryPassword) {
				t.Errorf("%s: %+v", code, r)
			}
		}
	}
}

// Each thing that can fail is told by its check; what depends on it is skipped, and what does not is looked at.
func TestReviewOfWhatIsBad(t *testing.T) {
	denied := &Reason{Code: AccessDenied}
	skipped := []CheckName{CheckScope, CheckRights, CheckDryRun, CheckStorageClass, CheckResources, CheckQuota}
	for name, c := range map[string]struct {
		change func(*fixture)
		check  CheckName
		code   ReasonCode
		// more are skipped beside those of the inspection.
		more []CheckName
	}{
		"no access": {func(f *fixture) { f.source.err = &Reason{Code: AccessEnded} }, CheckReachable, AccessEnded,
			[]CheckName{CheckVersion, CheckNamespace, CheckRelease, CheckValues}},
		"cluster gone": {func(f *fixture) { f.source.clusters["eu"] = nil }, CheckReachable, ClusterGone,
			[]CheckName{CheckVersion, CheckNamespace, CheckRelease, CheckValues}},
		"unreachable": {func(f *fixture) { f.kubernetes.err = &Reason{Code: Unreachable} }, CheckReachable, Unreachable,
			[]CheckName{CheckVersion, CheckNamespace, CheckRelease, CheckValues}},
		"broken": {func(f *fixture) { f.kubernetes.err = errors.New("out of order") }, CheckReachable, Internal,
			[]CheckName{CheckVersion, CheckNamespace, CheckRelease, CheckValues}},
		"version": {func(f *fixture) { f.cluster.facts.Version = "v1.26.9-r1" }, CheckVersion, KubeVersion, []CheckName{""}},
		"version of the chart": {func(f *fixture) { f.releases.fail["Render"] = &Reason{Code: KubeVersion} }, CheckVersion, KubeVersion,
			[]CheckName{CheckValues}},
		"chart missing":      {func(f *fixture) { f.releases.fail["Fetch"] = &Reason{Code: ChartMissing} }, CheckChart, ChartMissing, []CheckName{CheckValues}},
		"namespace vanished": {func(f *fixture) { f.cluster.namespaces = nil }, CheckNamespace, NamespaceGone, nil},
		"namespace ending":   {func(f *fixture) { f.cluster.namespaces[0].Usable = false }, CheckNamespace, NamespaceGone, nil},
		"release":            {func(f *fixture) { f.taken() }, CheckRelease, ReleaseExists, []CheckName{""}},
		"schema":             {func(f *fixture) { f.releases.fail["Render"] = &Reason{Code: ValuesInvalid} }, CheckValues, ValuesInvalid, nil},
		"endless":            {func(f *fixture) { f.releases.fail["Render"] = &Reason{Code: RenderLimit} }, CheckValues, RenderLimit, nil},
		"dry run":            {func(f *fixture) { f.cluster.fail["Inspect"] = &Reason{Code: Rejected} }, CheckDryRun, Rejected, nil},
	} {
		f := newFixture(t)
		d := f.prepared("cache")
		c.change(f)
		r := f.reviewed(d)
		f.checked(r, c.check, CheckFailed, c.code)
		if !r.Blocked {
			t.Errorf("%s does not block", name)
		}
		for _, check := range r.Checks {
			want := CheckPassed
			if check.Name == c.check {
				continue
			}
			if slices.Contains(c.more, check.Name) || slices.Contains(skipped, check.Name) && !slices.Contains(c.more, "") {
				want = CheckSkipped
			}
			if check.State != want {
				t.Errorf("%s: %s is %s, not %s", name, check.Name, check.State, want)
			}
		}
	}
	f := newFixture(t)
	d := f.prepared("cache")
	f.cluster.set(func(c *fakeCluster) { c.fail["Namespaces"] = denied })
	r := f.reviewed(d)
	f.checked(r, CheckNamespace, CheckSkipped, AccessDenied)
	if in := f.cluster.inspected; r.Blocked || len(in) != 1 || !in[0].NamespaceExists {
		t.Errorf("%+v", r)
	}
	f.cluster.set(func(c *fakeCluster) { c.fail["Facts"] = denied })
	r = f.reviewed(d)
	f.checked(r, CheckRights, CheckFailed, AccessDenied)
	f.checked(r, CheckValues, CheckSkipped) // they are rendered for a version that is not known
}

// taken puts a release where jo's only draft leads.
func (f *fixture) taken() {
	list, err := f.Drafts(f.t.Context(), f.jo)
	if err != nil {
		f.t.Fatal(err)
	}
	f.releases.keep(Job{Kind: JobInstall, Access: Access{Server: "https://c1"}, Namespace: "default", Release: list[0].Target.Release}, StatusDeployed)
}

func TestReviewOfSpecialThings(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("cache")
	f.cluster.set(func(c *fakeCluster) {
		c.facts.FreeMilliCPU = -1
		c.inventory.Findings = []Finding{{Reason: Reason{Code: AccessDenied, Detail: "list nodes"}}}
	})
	if r := f.reviewed(d); r.Warned {
		t.Errorf("what cannot be read has to be confirmed: %+v", r)
	} else {
		f.checked(r, CheckResources, CheckSkipped, AccessDenied)
	}
	f.cluster.set(func(c *fakeCluster) {
		c.inventory.Findings = []Finding{{Fails: true, Reason: Reason{Code: ReleaseExists, Object: "Namespace/default"}}}
	})
	f.checked(f.reviewed(d), CheckNamespace, CheckFailed, ReleaseExists)
	f.cluster.set(func(c *fakeCluster) { c.inventory.Findings = nil })

	target := goal()
	target.Namespace, target.NewNamespace = "fresh", true
	if _, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, target); err != nil {
		t.Fatal(err)
	}
	f.checked(f.reviewed(d), CheckNamespace, CheckPassed)
	f.cluster.set(func(c *fakeCluster) { c.namespaces = append(c.namespaces, Namespace{Name: "fresh", Usable: true}) })
	r := f.reviewed(d)
	f.checked(r, CheckNamespace, CheckWarned, ReleaseExists)
	if r.Blocked || !r.Warned {
		t.Errorf("%+v", r)
	}
	if _, err := f.SetInput(t.Context(), f.jo, d.ID, nil, []string{"auth.password"}); err == nil {
		t.Fatal("nothing is missing")
	}
	r = f.reviewed(d)
	f.checked(r, CheckValues, CheckFailed, ValuesInvalid, ValuesInvalid)
	if r.YAML != "" {
		t.Error("wrong values are shown")
	}
}

// What is wrong with the draft itself is an error.
func TestReviewOfUnpreparedDrafts(t *testing.T) {
	f := newFixture(t)
	review := func(d Draft) error { _, err := f.Review(t.Context(), f.jo, f.cred, d.ID); return err }
	d := f.draft("licensed")
	isFault(t, review(d), fault.State, "target")
	if _, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, goal()); err != nil {
		t.Fatal(err)
	}
	isFault(t, review(d), fault.State, "licence")
	if _, err := f.SetLicence(t.Context(), f.jo, d.ID, "", secret.New("l"), false); err != nil {
		t.Fatal(err)
	}
	if err := review(d); err != nil {
		t.Error(err)
	}
	// The product gets a new version: the draft is moved by being configured again.
	cache := f.prepared("cache")
	f.edit(cacheFile, "version: 1.0.0", "version: 2.0.0")
	isFault(t, review(cache), fault.Conflict, "")
	_, err := f.Deploy(t.Context(), f.jo, f.cred, cache.ID, "en", f.consents("cache"), true)
	isFault(t, err, fault.Conflict, "")
	if moved, err := f.SetInput(t.Context(), f.jo, cache.ID, entered(), nil); err != nil || moved.ProductVersion != "2.0.0" {
		t.Errorf("%+v, %v", moved, err)
	}
	if err := review(cache); err != nil {
		t.Error(err)
	}
	// The same with another chart under the same version.
	f.edit("products/cache/chart/templates/pod.yaml", "kind: Pod", "kind: Service")
	isFault(t, review(cache), fault.Conflict, "")
	if _, err := f.SetInput(t.Context(), f.jo, cache.ID, entered(), nil); err != nil {
		t.Fatal(err)
	}
	if err := review(cache); err != nil {
		t.Error(err)
	}
	f.edit(cacheFile, "published: 2026-01-02", "published: 2026-01-02\nend_of_life: 2026-10-01")
	isFault(t, review(cache), fault.State, "product_id")
}

func TestRunsOn(t *testing.T) {
	for _, c := range []struct {
		versions, version string
		want              bool
	}{
		{"", "anything", true}, {">=1.27", "v1.29.1-r4", true}, {">=1.29.1", "v1.29.1-r4", true}, {">=1.29.2", "v1.29.1-r4", false},
		{">=1.27, <1.30", "v1.30.0-r0", false}, {">=1.27 <1.31", "v1.30.4+k3s1", true}, {"~1.29", "v1.29.15-r2", true}, {"^1.27", "v2.0.0", false},
		{">=1.27-0", "v1.27.0-r1", true}, {">=1.27", "v1.27", true}, {"1.29", "v1.29.3", true}, {">=1.27", "", false}, {">=1.27", "x1.28.0", false},
		{"not a range", "v1.29.0", false},
	} {
		if got := runsOn(c.versions, c.version); got != c.want {
			t.Errorf("%q in %q: %v", c.version, c.versions, got)
		}
	}
}

func TestDifferences(t *testing.T) {
	before := []byte(`---
apiVersion: v1
kind: Service
metadata: {name: same}
spec: {a: 1}
---
# Source: a comment alone
---
apiVersion: apps/v1beta1
kind: Deployment
metadata: {name: web, namespace: ns}
spec: {replicas: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: gone}
---
apiVersion: v1
kind: Secret
metadata: {name: pass}
data: {password: b2xk}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {template: {metadata: {annotations: {checksum/secret: aa, other: x}}}}
`)
	after := []byte(`
apiVersion: v1
kind: Secret
metadata: {name: pass}
data: {password: bmV3}
---
apiVersion: v1
kind: Service
metadata: {name: same, namespace: ns}
spec: {a: 1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2}
---
apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: post-install}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {template: {metadata: {annotations: {checksum/secret: bb, other: x}}}}
`)
	show := func(all []Difference) string {
		var lines []string
		for _, d := range all {
			lines = append(lines, d.Change+" "+d.Kind+"/"+d.Name)
		}
		return strings.Join(lines, ", ")
	}
	for kept, want := range map[bool]string{
		false: "removed ConfigMap/gone, changed Deployment/web, added PersistentVolumeClaim/disk, changed Secret/pass, changed Service/same, changed StatefulSet/db",
		true:  "removed ConfigMap/gone, changed Deployment/web, added PersistentVolumeClaim/disk, changed Service/same",
	} {
		got, err := differences(before, after, "ns", kept)
		if err != nil || show(got) != want {
			t.Errorf("kept %v: %s, %v", kept, show(got), err)
		}
	}
	if got, err := differences(before, before, "ns", false); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	for name, bad := range map[string]string{
		"no YAML": "a: [canary", "a list": "- canary", "a text": "canary", "large": strings.Repeat("a: 1\n", maxManifestBytes/5+1),
		"many": strings.Repeat("---\nkind: A\nmetadata: {name: x}\n", 1) + many(maxManifestObjects+1), "a bomb": bomb(),
	} {
		if _, err := differences(nil, []byte(bad), "ns", false); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\nkind: A\nmetadata: {name: x%d}\n", i)
	}
	return b.String()
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	return b.String()
}
