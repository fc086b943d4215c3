package deployer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
)

// consents accepts all documents of a product.
func (f *fixture) consents(product string) []identity.Consent {
	f.t.Helper()
	documents, err := f.Documents(product, "en")
	if err != nil {
		f.t.Fatal(err)
	}
	var all []identity.Consent
	for _, d := range documents {
		all = append(all, identity.Consent{DocumentID: d.ID, Digest: d.Digest, Title: "forged"})
	}
	return all
}

func (f *fixture) deploying(d Draft) Workload {
	f.t.Helper()
	w, err := f.Deploy(f.t.Context(), f.jo, f.cred, d.ID, "en", f.consents(d.ProductID), true)
	if err != nil {
		f.t.Fatal(err)
	}
	return w
}

// stored returns a workload as it is kept, with what is sealed in it.
func (f *fixture) stored(id string) (Workload, sealed) {
	f.t.Helper()
	r, err := f.workloads.Get(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	if r.Value.Operation == nil {
		return r.Value, sealed{}
	}
	c, err := f.open(id, r.Value.Operation.Sealed)
	if err != nil {
		f.t.Fatal(err)
	}
	return r.Value, c
}

// settle ends the operation of a workload as a worker does that has made a revision.
func (f *fixture) settle(id string, revision int) {
	f.t.Helper()
	r, err := f.workloads.Get(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	w := r.Value
	made := Release{Revision: revision, ChartVersion: w.Operation.ChartVersion}
	w.end(verdict{state: Ready, made: &made}, f.stamp())
	f.put(f.workloads.Write(id, r.Version, w))
	f.releases.keep(Job{Kind: JobInstall, Access: Access{Server: "https://c1"}, Namespace: w.Target.Namespace, Release: w.Target.Release}, StatusDeployed)
}

func TestDeploy(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("licensed")
	shown := f.deploying(d)
	w, c := f.stored(shown.ID)
	if shown.Operation.Sealed != nil || w.State != Requested || w.TenantID != f.jo.TenantID || w.Target != d.Target || w.ProductID != "licensed" ||
		w.ProductVersion != "1.0.0" || w.ProductName != "Licensed" || w.SellerName != "Acme" || w.Licence != "byol" || w.ChartName != "licensed" ||
		w.ChartVersion != "0.1.0" || w.ChartDigest != d.Digest || w.CreatedBy != f.jo.Name || w.Revision != 0 {
		t.Errorf("%+v", w)
	}
	op := w.Operation
	if op.Kind != JobInstall || op.ByID != f.jo.ID || op.ChartDigest != d.Digest || fmt.Sprint(op.Values) != "map[size:1Gi]" ||
		!slices.Equal(op.SecretPaths, []string{"auth.password"}) || !slices.Equal(w.SecretPaths, op.SecretPaths) {
		t.Errorf("%+v", op)
	}
	if c.Licence.Reveal() != canaryLicence || c.Secrets["auth.password"].Reveal() != canaryPassword || c.TokenEnds.IsZero() {
		t.Errorf("%+v", c)
	}
	// The token is the operation's own.
	for _, used := range f.source.tokens {
		if used == c.Token.Reveal() {
			t.Error("the token has been used for something else")
		}
	}
	if len(w.Consents) != 2 || w.Consents[0].Title != "EULA" || w.Consents[0].ByID != f.jo.ID || w.Consents[0].AcceptedAt.IsZero() {
		t.Errorf("%+v", w.Consents)
	}
	select {
	case <-f.waked:
	default:
		t.Error("nobody is told that there is work")
	}
	// Of the draft nothing is left but what it has become.
	spent := f.read(d.ID)
	if spent.WorkloadMade != w.ID || spent.Sealed != nil || spent.Input != nil || spent.SecretPaths != nil {
		t.Errorf("%+v", spent)
	}
	if list, err := f.Drafts(t.Context(), f.jo); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if again := f.deploying(d); again.ID != w.ID || again.Operation.ID != op.ID {
		t.Errorf("sent again it is %s", again.ID)
	}
	_, err := f.SetInput(t.Context(), f.jo, d.ID, entered(), nil)
	isFault(t, err, fault.State, "")
	_, err = f.Review(t.Context(), f.jo, f.cred, d.ID)
	isFault(t, err, fault.State, "")
}

// What is secret is nowhere: not in the store, not in the audit, not in errors, not in what is returned.
func TestNothingSecretIsKept(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("licensed")
	f.cluster.set(func(c *fakeCluster) { c.fail["Inspect"] = errors.New("a broken client") })
	r := f.reviewed(d)
	f.cluster.set(func(c *fakeCluster) { c.fail["Inspect"] = nil })
	w := f.deploying(d)
	var shown bytes.Buffer
	if err := json.NewEncoder(&shown).Encode([]any{r, w, f.read(d.ID), f.auditTrail()}); err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, s := range []string{canaryPassword, "canary-licence", "canary-token"} {
		secrets = append(secrets, s, base64.StdEncoding.EncodeToString([]byte(s))[:12])
		if strings.Contains(shown.String(), s) {
			t.Errorf("%q is in %s", s, shown.String())
		}
	}
	f.leaks(secrets...)
	if !strings.Contains(f.log.String(), "a broken client") {
		t.Error("what is internal is not logged")
	}
	// The values are the customer's business.
	if strings.Contains(fmt.Sprint(f.auditTrail()), "1Gi") {
		t.Error("the audit has values")
	}
}

// auditTrail returns what the audit has of the tenant, as text.
func (f *fixture) auditTrail() []string {
	f.t.Helper()
	list, _, err := f.audit.List(f.t.Context(), identity.AuditQuery{TenantID: f.jo.TenantID}, "", 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	var all []string
	for _, c := range list {
		all = append(all, c.Action+" "+c.ActorID+" "+c.ObjectName+" "+string(c.Before)+" "+string(c.After))
	}
	return all
}

// auditOf returns the only entry of an action.
func (f *fixture) auditOf(action string) string {
	f.t.Helper()
	all := slices.DeleteFunc(f.auditTrail(), func(entry string) bool { return !strings.HasPrefix(entry, action+" ") })
	if len(all) != 1 {
		f.t.Fatalf("%d entries of %s", len(all), action)
	}
	return all[0]
}

func TestDeployIsAudited(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("cache")
	w := f.deploying(d)
	entry := f.auditOf("workload.deploy")
	for _, want := range []string{"workload.deploy usr_jo " + w.Target.Release, `"state":"requested"`, `"document_id":"eula"`, `"operation":"install"`} {
		if !strings.Contains(entry, want) {
			t.Errorf("%s is not in %s", want, entry)
		}
	}
}

func TestWhatKeepsFromDeploying(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("cache")
	deploy := func(accepted []identity.Consent, confirmed bool) error {
		_, err := f.Deploy(t.Context(), f.jo, f.cred, d.ID, "de", accepted, confirmed)
		return err
	}
	err := deploy(nil, true)
	isFault(t, err, fault.Invalid, "accepted")
	if !strings.Contains(err.Error(), "Vertrag") {
		t.Errorf("%v does not name the document in the language", err)
	}
	changed := f.consents("cache")
	changed[1].Digest = "sha256:old"
	isFault(t, deploy(changed, true), fault.Conflict, "accepted")
	finding := func(fails bool) {
		f.cluster.set(func(c *fakeCluster) {
			c.inventory.Findings = []Finding{{Fails: fails, Reason: Reason{Code: Resources}}}
		})
	}
	finding(true)
	isFault(t, deploy(f.consents("cache"), true), fault.State, "")
	finding(false)
	isFault(t, deploy(f.consents("cache"), false), fault.State, "confirmed")
	if list, _, err := f.workloads.List(t.Context(), "", "", "", 0); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	f.directory.set(func(d *fakeDirectory) { d.err = identity.ErrUnavailable })
	isReason(t, deploy(f.consents("cache"), true), Unreachable)
	f.directory.set(func(d *fakeDirectory) { d.err = nil })
	if err := deploy(f.consents("cache"), true); err != nil {
		t.Error(err)
	}
}

// Of those who send a draft at once all get the one workload.
func TestDeployTwiceAtOnce(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("cache")
	accepted := f.consents("cache")
	ids, errs := make([]string, 6), make([]error, 6)
	var wait sync.WaitGroup
	for i := range ids {
		wait.Go(func() {
			w, err := f.Deploy(t.Context(), f.jo, f.cred, d.ID, "en", accepted, true)
			ids[i], errs[i] = w.ID, err
		})
	}
	wait.Wait()
	for i, id := range ids {
		if errs[i] != nil || id != ids[0] || id == "" {
			t.Errorf("%s, %v", id, errs[i])
		}
	}
	list, _, err := f.workloads.List(t.Context(), "", "", "", 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d workloads, %v", len(list), err)
	}
	// The tokens of those who came too late are revoked: one operation, one token.
	if _, c := f.stored(list[0].ID); !c.Token.IsSet() {
		t.Error("the operation has no token")
	}
}

// Two drafts that lead to one place become one workload.
func TestOnePlaceOneWorkload(t *testing.T) {
	f := newFixture(t)
	target := goal()
	target.Release = "same"
	var drafts []Draft
	for range 4 {
		d := f.prepared("cache")
		if _, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, target); err != nil {
			t.Fatal(err)
		}
		drafts = append(drafts, d)
	}
	accepted := f.consents("cache")
	errs := make([]error, len(drafts))
	var wait sync.WaitGroup
	for i, d := range drafts {
		wait.Go(func() { _, errs[i] = f.Deploy(t.Context(), f.jo, f.cred, d.ID, "en", accepted, true) })
	}
	wait.Wait()
	made := 0
	for i, err := range errs {
		var wrong *fault.Error
		switch {
		case err == nil:
			made++
		case !errors.As(err, &wrong) || wrong.Kind != fault.Conflict && wrong.Kind != fault.State:
			t.Errorf("%d: %v", i, err)
		}
	}
	if made != 1 {
		t.Errorf("%d workloads", made)
	}
	d := f.prepared("cache")
	_, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, target)
	isFault(t, err, fault.Conflict, "release")
	// Elsewhere, and for another tenant, the name is free.
	globex, cred := f.user(f.tenant("globex"), "usr_g"), f.credential("globex")
	own, err := f.NewDraft(t.Context(), globex, "cache")
	if err == nil {
		_, err = f.SetTarget(t.Context(), globex, cred, own.ID, target)
	}
	if err != nil {
		t.Error(err)
	}
}

// A draft that is changed while it is deployed is not deployed.
func TestDraftChangedWhileDeploying(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("cache")
	v, err := f.Service.review(t.Context(), f.jo, f.cred, d.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.SetInput(t.Context(), f.jo, d.ID, form.Input{"size": {"9Gi"}}, nil); err != nil {
		t.Fatal(err)
	}
	_, err = f.Service.deploy(t.Context(), f.jo, v, nil)
	isFault(t, err, fault.Conflict, "")
	if err := f.Discard(t.Context(), f.jo, d.ID); err != nil {
		t.Fatal(err)
	}
	_, err = f.Service.deploy(t.Context(), f.jo, v, nil)
	isFault(t, err, fault.NotFound, "")
}

func TestDeployToConfiguredCluster(t *testing.T) {
	f := newFixture(t)
	globex := f.user(f.tenant("globex"), "usr_g")
	f.kubernetes.add("https://lab")
	d, err := f.NewDraft(t.Context(), globex, "guided")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.SetTarget(t.Context(), globex, Credential{}, d.ID, Target{ProjectID: ConfiguredProject, ClusterID: "lab", Namespace: "default"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.SetLicence(t.Context(), globex, d.ID, "", secret.Text{}, true); err != nil {
		t.Fatal(err)
	}
	w, err := f.Deploy(t.Context(), globex, Credential{}, d.ID, "en", f.consents("guided"), true)
	if err != nil {
		t.Fatal(err)
	}
	if kept, c := f.stored(w.ID); c.Token.IsSet() || kept.Operation.Sealed != nil || f.directory.rescopes != 0 {
		t.Errorf("%+v, %+v", kept, c)
	}
}

func TestUpgrade(t *testing.T) {
	f := newFixture(t)
	w := f.deploying(f.prepared("licensed"))
	_, err := f.NewUpgrade(t.Context(), f.jo, w.ID)
	isFault(t, err, fault.State, "") // it is being installed
	f.settle(w.ID, 1)
	f.edit("products/licensed/product.yaml", "version: 1.0.0", "version: 1.5.0")
	f.edit("products/licensed/chart/Chart.yaml", "version: 0.1.0", "version: 0.2.0")
	d, err := f.NewUpgrade(t.Context(), f.jo, w.ID)
	if err != nil || d.WorkloadID != w.ID || d.Target != w.Target || d.ProductVersion != "1.5.0" || d.Input["size"][0] != "1Gi" || d.Input["auth.password"] != nil {
		t.Fatalf("%+v, %v", d, err)
	}
	_, err = f.SetTarget(t.Context(), f.jo, f.cred, d.ID, goal())
	isFault(t, err, fault.State, "")
	if step, err := f.Missing(t.Context(), d); err != nil || step != StepReview {
		t.Errorf("%s, %v", step, err)
	}
	if d, err = f.SetInput(t.Context(), f.jo, d.ID, form.Input{"size": {"2Gi"}}, nil); err != nil {
		t.Fatal(err)
	}
	f.releases.set(func(r *fakeReleases) { r.manifests = []byte("kind: Pod\nmetadata: {name: a}\n") })
	r := f.reviewed(d)
	if r.Blocked || len(r.Diff) != 1 || r.Diff[0].Change != changeAdded || !strings.Contains(r.YAML, "password: ••••••") {
		t.Errorf("%+v", r)
	}
	if in := f.releases.rendered[len(f.releases.rendered)-1]; !in.Upgrade || !strings.Contains(in.Values.Reveal(), keptSecret) {
		t.Errorf("rendered with %s", in.Values.Reveal())
	}
	before := w
	up := f.deploying(d)
	got, c := f.stored(w.ID)
	op := got.Operation
	if up.ID != w.ID || got.State != Upgrading || op.Kind != JobUpgrade || op.ProductVersion != "1.5.0" || op.ChartVersion != "0.2.0" ||
		!slices.Equal(op.SecretPaths, []string{"auth.password"}) || len(c.Secrets) != 0 || c.Licence.IsSet() || !c.Token.IsSet() ||
		got.ProductVersion != before.ProductVersion || fmt.Sprint(got.Values) != "map[size:1Gi]" || fmt.Sprint(op.Values) != "map[size:2Gi]" || len(got.Consents) != 2 {
		t.Errorf("%+v, %+v", got, c)
	}
	if entry := f.auditOf("workload.upgrade"); !strings.Contains(entry, `"operation":"upgrade"`) {
		t.Error(entry)
	}
	f.settle(w.ID, 2)
	if got, _ := f.stored(w.ID); got.ProductVersion != "1.5.0" || fmt.Sprint(got.Values) != "map[size:2Gi]" || got.Revision != 2 {
		t.Errorf("%+v", got)
	}
}

// TestSecretsLeftToTheChart clears a secret in an upgrade: it is neither kept nor asked for, unless the product needs it.
func TestSecretsLeftToTheChart(t *testing.T) {
	f := newFixture(t)
	w := f.deploying(f.prepared("cache"))
	f.settle(w.ID, 1)
	d, err := f.NewUpgrade(t.Context(), f.jo, w.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = f.ClearSecrets(t.Context(), f.jo, d.ID, []string{"auth.password", "auth.password"}); err != nil || len(d.ClearedPaths) != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	_, err = f.SetInput(t.Context(), f.jo, d.ID, form.Input{"size": {"2Gi"}}, nil)
	isFault(t, err, fault.Invalid, "auth.password")
	// What is entered holds.
	if _, err := f.SetInput(t.Context(), f.jo, d.ID, entered(), nil); err != nil {
		t.Error(err)
	}
	f.edit(cacheFile, "required: true, confidential: true", "confidential: true")
	if _, err := f.SetInput(t.Context(), f.jo, d.ID, form.Input{"size": {"2Gi"}}, []string{"auth.password"}); err != nil {
		t.Fatal(err)
	}
	f.releases.set(func(r *fakeReleases) { r.manifests = []byte("kind: Pod\nmetadata: {name: a}\n") })
	if r := f.reviewed(d); r.Blocked || strings.Contains(r.YAML, "password") {
		t.Errorf("%+v", r)
	}
	f.deploying(d)
	if got, c := f.stored(w.ID); len(got.Operation.SecretPaths) != 0 || len(c.Secrets) != 0 {
		t.Errorf("%+v, %+v", got.Operation, c)
	}
}

func TestUpgradesThatCannotBe(t *testing.T) {
	f := newFixture(t)
	w := f.deploying(f.prepared("cache"))
	f.settle(w.ID, 1)
	for name, by := range map[string]identity.Actor{"another tenant": f.user(f.tenant("globex"), "usr_g")} {
		if _, err := f.NewUpgrade(t.Context(), by, w.ID); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := f.NewUpgrade(t.Context(), f.jo, "wl_none")
	isFault(t, err, fault.NotFound, "")
	_, err = f.NewUpgrade(t.Context(), identity.Administrator(), w.ID)
	isFault(t, err, fault.Forbidden, "")
	d, err := f.NewUpgrade(t.Context(), f.jo, w.ID)
	if err != nil {
		t.Fatal(err)
	}
	// The release is not what it was.
	set := func(all []Release) {
		f.releases.set(func(r *fakeReleases) {
			r.releases[releaseKey(Access{Server: "https://c1"}, "default", w.Target.Release)] = all
		})
	}
	set([]Release{{Status: StatusPendingUpgrade}})
	f.checked(f.reviewed(d), CheckRelease, CheckFailed, Interrupted)
	// What one of the workload's own operations has left, when its cluster was away to the end, can be upgraded.
	ended, err := f.Workload(t.Context(), f.jo, w.ID)
	if err != nil {
		t.Fatal(err)
	}
	set([]Release{{Status: StatusPendingUpgrade, Operation: ended.History[0].ID}})
	f.checked(f.reviewed(d), CheckRelease, CheckPassed)
	set(nil)
	f.checked(f.reviewed(d), CheckRelease, CheckFailed, ReleaseGone)
	// A secret that the new version wants is not among those that are kept.
	f.edit(cacheFile, "fields:\n", "fields:\n    - {key: open.key, label: {en: Key, de: Schlüssel}, input_type: text, required: true, confidential: true}\n")
	_, err = f.SetInput(t.Context(), f.jo, d.ID, form.Input{"size": {"1Gi"}}, nil)
	isFault(t, err, fault.Invalid, "open.key")
	// A product that is not on sale any more can be upgraded; one that is not there cannot.
	f.edit(cacheFile, "published: 2026-01-02", "published: 2026-01-02\nend_of_life: 2026-10-01")
	if _, err := f.NewUpgrade(t.Context(), f.jo, w.ID); err != nil {
		t.Error(err)
	}
	f.mu.Lock()
	for name := range f.files {
		if strings.HasPrefix(name, "products/cache/") {
			delete(f.files, name)
		}
	}
	f.mu.Unlock()
	_, err = f.NewUpgrade(t.Context(), f.jo, w.ID)
	isFault(t, err, fault.NotFound, "product_id")
	_, err = f.Review(t.Context(), f.jo, f.cred, d.ID)
	isFault(t, err, fault.NotFound, "product_id")
}
