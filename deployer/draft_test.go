package deployer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
)

const (
	canaryPassword = "canary-password-1"
	canaryLicence  = "canary-licence\x00\xff\n"
)

// draft begins a deployment of a product.
func (f *fixture) draft(product string) Draft {
	f.t.Helper()
	d, err := f.NewDraft(f.t.Context(), f.jo, product)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// goal is a target that nothing is wrong with.
func goal() Target { return Target{ProjectID: "eu", ClusterID: "c1", Namespace: "default"} }

// entered is an input that nothing is wrong with.
func entered() form.Input {
	return form.Input{"size": {"1Gi"}, "auth.password": {canaryPassword}}
}

// prepared returns a draft that is ready for its review.
func (f *fixture) prepared(product string) Draft {
	f.t.Helper()
	d := f.draft(product)
	if _, err := f.SetTarget(f.t.Context(), f.jo, f.cred, d.ID, goal()); err != nil {
		f.t.Fatal(err)
	}
	if product == "licensed" {
		if _, err := f.SetLicence(f.t.Context(), f.jo, d.ID, "key.bin", secret.New(canaryLicence), false); err != nil {
			f.t.Fatal(err)
		}
	}
	if product == "cache" || product == "licensed" {
		if _, err := f.SetInput(f.t.Context(), f.jo, d.ID, entered(), nil); err != nil {
			f.t.Fatal(err)
		}
	}
	return f.read(d.ID)
}

func (f *fixture) read(id string) Draft {
	f.t.Helper()
	d, err := f.Draft(f.t.Context(), f.jo, id)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// What keeps somebody from deploying is told the same by Ready, NewDraft, and every change of a draft.
func TestGate(t *testing.T) {
	f := newFixture(t)
	d := f.draft("cache")
	suspended, review := f.tenant("suspended"), f.tenant("review")
	f.setTenant(suspended, func(v *identity.Tenant) { v.State = identity.TenantSuspended })
	r, err := newProfiles(f.store).Get(t.Context(), review)
	if err != nil {
		t.Fatal(err)
	}
	f.put(newProfiles(f.store).Write(review, r.Version, false))
	reports := f.jo
	reports.Rights = []identity.Right{identity.Reports}
	for name, c := range map[string]struct {
		by   identity.Actor
		kind fault.Kind
	}{
		"nobody": {identity.Actor{}, fault.NotFound}, "reports only": {reports, fault.Forbidden},
		"operator": {identity.Administrator(), 0}, "suspended": {f.user(suspended, "usr_1"), fault.State}, "in review": {f.user(review, "usr_2"), fault.State},
	} {
		_, err := f.NewDraft(t.Context(), c.by, "cache")
		ready := f.Ready(t.Context(), c.by, c.by.TenantID)
		if c.kind == 0 {
			c.kind = fault.Forbidden
		}
		isFault(t, err, c.kind, "")
		if ready == nil || ready.Error() != err.Error() {
			t.Errorf("%s: Ready says %v, NewDraft %v", name, ready, err)
		}
	}
	f.setTenant(f.jo.TenantID, func(v *identity.Tenant) { v.State = identity.TenantSuspended })
	_, err = f.SetInput(t.Context(), f.jo, d.ID, entered(), nil)
	isFault(t, err, fault.State, "")
	_, err = f.SetTarget(t.Context(), f.jo, f.cred, d.ID, goal())
	isFault(t, err, fault.State, "")
	if err := f.Discard(t.Context(), f.jo, d.ID); err != nil {
		t.Errorf("a suspended tenant cannot discard: %v", err)
	}
}

func TestProductsThatCanBeDeployed(t *testing.T) {
	f := newFixture(t)
	for product, kind := range map[string]fault.Kind{"hub": fault.Invalid, "ended": fault.State, "none": fault.NotFound, "": fault.NotFound} {
		_, err := f.NewDraft(t.Context(), f.jo, product)
		isFault(t, err, kind, "product_id")
	}
	if _, err := f.Documents("hub", "en"); err == nil {
		t.Error("the hub has documents to deploy it")
	}
	documents, err := f.Documents("cache", "de")
	if err != nil || len(documents) != 2 || documents[0].Title != "Vertrag" || documents[1].Title != "Bedingungen" || documents[0].Digest == "" {
		t.Errorf("%v, %v", documents, err)
	}
}

// A draft exists for its user alone, whatever is done with it.
func TestDraftsBelongToOneUser(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("cache")
	other := f.user(f.tenant("globex"), "usr_jo")
	for name, by := range map[string]identity.Actor{"colleague": f.user(f.jo.TenantID, "usr_kim"), "another tenant": other} {
		ctx, cred := t.Context(), f.credential("acme")
		for method, call := range map[string]func(id string) error{
			"Draft":      func(id string) error { _, err := f.Draft(ctx, by, id); return err },
			"Discard":    func(id string) error { return f.Discard(ctx, by, id) },
			"SetTarget":  func(id string) error { _, err := f.SetTarget(ctx, by, cred, id, goal()); return err },
			"SetLicence": func(id string) error { _, err := f.SetLicence(ctx, by, id, "", secret.New("x"), false); return err },
			"Form":       func(id string) error { _, err := f.Form(ctx, by, id); return err },
			"SetInput":   func(id string) error { _, err := f.SetInput(ctx, by, id, entered(), nil); return err },
			"YAML":       func(id string) error { _, err := f.YAML(ctx, by, id); return err },
			"Review":     func(id string) error { _, err := f.Review(ctx, by, cred, id); return err },
			"Deploy":     func(id string) error { _, err := f.Deploy(ctx, by, cred, id, "en", nil, true); return err },
		} {
			for _, id := range []string{d.ID, "drf_none", "", strings.Repeat("x", 300)} {
				err := call(id)
				if !errors.Is(err, errNoDraft) {
					t.Errorf("%s: %s of %.20q gives %v", name, method, id, err)
				}
			}
		}
		if list, err := f.Drafts(ctx, by); err != nil || len(list) != 0 {
			t.Errorf("%s has %v, %v", name, list, err)
		}
	}
	if _, err := f.Drafts(t.Context(), identity.Administrator()); err == nil {
		t.Error("an operator has drafts")
	}
	if err := f.Discard(t.Context(), f.jo, d.ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.Draft(t.Context(), f.jo, d.ID)
	isFault(t, err, fault.NotFound, "")
}

func TestDraftsEnd(t *testing.T) {
	f := newFixture(t)
	var made []Draft
	for range maxDrafts + 2 {
		made = append(made, f.draft("cache"))
		f.pass(time.Second)
	}
	list, err := f.Drafts(t.Context(), f.jo)
	if err != nil || len(list) != maxDrafts || list[0].ID != made[len(made)-1].ID || list[maxDrafts-1].ID != made[2].ID {
		t.Errorf("%d drafts, %v", len(list), err)
	}
	_, err = f.Draft(t.Context(), f.jo, made[0].ID)
	isFault(t, err, fault.NotFound, "")

	f.pass(draftLife - 3*time.Second)
	young := f.draft("cache")
	f.pass(3 * time.Second)
	for _, d := range made {
		if _, err := f.Draft(t.Context(), f.jo, d.ID); !errors.Is(err, errNoDraft) {
			t.Errorf("a draft that is over: %v", err)
		}
	}
	if list, err := f.Drafts(t.Context(), f.jo); err != nil || len(list) != 1 {
		t.Errorf("%d drafts, %v", len(list), err)
	}
	for range 2 {
		if err := f.sweepDrafts(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stored, _, err := f.drafts.List(t.Context(), "", "", "", 0)
	if err != nil || len(stored) != 1 || stored[0].ID != young.ID {
		t.Errorf("%d are stored, %v", len(stored), err)
	}
}

// Run removes drafts that are over, but does not look for them all the time.
func TestTidy(t *testing.T) {
	f := newFixture(t)
	f.draft("cache")
	f.pass(draftLife)
	left := func(want int) {
		t.Helper()
		if list, _, err := f.drafts.List(t.Context(), "", "", "", 0); err != nil || len(list) != want {
			t.Errorf("%d drafts are stored, %v; want %d", len(list), err, want)
		}
	}
	var last time.Time
	f.tidy(t.Context(), &last)
	left(0)
	f.draft("cache")
	last = f.now().Add(draftLife - sweepGap + time.Second)
	f.pass(draftLife)
	f.tidy(t.Context(), &last)
	left(1) // a second is missing
	f.pass(time.Second)
	f.tidy(t.Context(), &last)
	left(0)
}

func TestLicence(t *testing.T) {
	f := newFixture(t)
	large := strings.Repeat("l", MaxLicenceBytes)
	for name, c := range map[string]struct {
		product, licence string
		later            bool
		kind             fault.Kind
	}{
		"file": {"licensed", canaryLicence, false, 0}, "as large as can be": {"licensed", large, false, 0}, "too large": {"licensed", large + "l", false, fault.Invalid},
		"none": {"licensed", "", false, fault.Invalid}, "blank": {"licensed", " \r\n\t", false, fault.Invalid}, "later": {"licensed", "", true, fault.Invalid},
		"guided, later": {"guided", "", true, 0}, "guided, none": {"guided", "", false, fault.Invalid}, "guided, file": {"guided", "x", false, fault.Invalid},
		"no licence": {"cache", "x", false, fault.State}, "no licence, later": {"cache", "", true, fault.State},
	} {
		d := f.draft(c.product)
		got, err := f.SetLicence(t.Context(), f.jo, d.ID, "key.bin", secret.New(c.licence), c.later)
		if c.kind != 0 {
			isFault(t, err, c.kind, "licence")
			if strings.Contains(fmt.Sprint(err), c.licence) && c.licence != "" && c.licence != "x" {
				t.Errorf("%s: the error holds the licence", name)
			}
			continue
		}
		if err != nil || got.LicenceLater != c.later || got.LicenceBytes != len(c.licence) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		sealed, err := f.open(d.ID, f.read(d.ID).Sealed)
		if err != nil || sealed.Licence.Reveal() != c.licence {
			t.Errorf("%s: another licence is kept, %v", name, err)
		}
	}
}

// A licence that is there stays, and can be replaced; the configuration beside it stays in every case.
func TestLicenceStays(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("licensed")
	same, err := f.SetLicence(t.Context(), f.jo, d.ID, "other", secret.Text{}, false)
	if err != nil || same.LicenceName != "key.bin" || !bytes.Equal(same.Sealed, d.Sealed) {
		t.Errorf("%q, %v", same.LicenceName, err)
	}
	next, err := f.SetLicence(t.Context(), f.jo, d.ID, `C:\dir\new‮`+"\n.lic", secret.New("second"), false)
	if err != nil || next.LicenceName != "new.lic" || next.LicenceBytes != 6 || len(next.SecretPaths) != 1 {
		t.Errorf("%+v, %v", next, err)
	}
	c, err := f.open(d.ID, next.Sealed)
	if err != nil || c.Licence.Reveal() != "second" || c.Secrets["auth.password"].Reveal() != canaryPassword {
		t.Errorf("sealed %v, %v", c.Secrets, err)
	}
	for in, want := range map[string]string{"": "text", "/": "text", strings.Repeat("ü", 200): strings.Repeat("ü", maxLicenceName), "a\xffb": "ab"} {
		if got := licenceName(in); got != want {
			t.Errorf("%q is called %q", in, got)
		}
	}
}

func TestInput(t *testing.T) {
	f := newFixture(t)
	d := f.draft("cache")
	// What is wrong is kept, with the secret.
	wrong, err := f.SetInput(t.Context(), f.jo, d.ID, form.Input{"auth.password": {canaryPassword}, "size": {""}, "no.field": {"x"}}, nil)
	isFault(t, err, fault.Invalid, "size")
	if wrong.ID != d.ID || len(wrong.SecretPaths) != 1 || wrong.Input["no.field"] != nil || wrong.Input["auth.password"] != nil {
		t.Errorf("%+v", wrong)
	}
	if step, err := f.Missing(t.Context(), wrong); err != nil || step != StepTarget {
		t.Errorf("%s, %v", step, err)
	}
	_, err = f.YAML(t.Context(), f.jo, d.ID)
	isFault(t, err, fault.Invalid, "size")
	// The secret that is not entered again stays.
	right, err := f.SetInput(t.Context(), f.jo, d.ID, form.Input{"size": {"2Gi"}, "auth.password": {""}}, nil)
	if err != nil || right.Input["size"][0] != "2Gi" || len(right.SecretPaths) != 1 {
		t.Errorf("%+v, %v", right, err)
	}
	text, err := f.YAML(t.Context(), f.jo, d.ID)
	if err != nil || !strings.Contains(text, "size: 2Gi") || !strings.Contains(text, "password: ••••••") || strings.Contains(text, canaryPassword) {
		t.Errorf("%s, %v", text, err)
	}
	// One that is to be forgotten is.
	cleared, err := f.SetInput(t.Context(), f.jo, d.ID, form.Input{"size": {"2Gi"}}, []string{"auth.password"})
	isFault(t, err, fault.Invalid, "auth.password")
	if len(cleared.SecretPaths) != 0 || cleared.Sealed != nil {
		t.Errorf("%+v", cleared)
	}
	// Entered and forgotten at once: what was entered holds.
	if again, err := f.SetInput(t.Context(), f.jo, d.ID, entered(), []string{"auth.password"}); err != nil || len(again.SecretPaths) != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	for _, in := range []form.Input{
		{"size": {strings.Repeat("x", maxInputBytes)}}, {"auth.password": {strings.Repeat("x", maxSecretBytes)}},
	} {
		_, err := f.SetInput(t.Context(), f.jo, d.ID, in, nil)
		isFault(t, err, fault.Invalid, "")
	}
	if kept := f.read(d.ID); kept.Input["size"][0] != "1Gi" {
		t.Error("what was refused is kept")
	}
}

func TestMissing(t *testing.T) {
	f := newFixture(t)
	step := func(d Draft, want Step) {
		t.Helper()
		if got, err := f.Missing(t.Context(), f.read(d.ID)); err != nil || got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	d := f.draft("licensed")
	step(d, StepTarget)
	if _, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, goal()); err != nil {
		t.Fatal(err)
	}
	step(d, StepLicence)
	if _, err := f.SetLicence(t.Context(), f.jo, d.ID, "text", secret.New("l"), false); err != nil {
		t.Fatal(err)
	}
	step(d, StepConfiguration)
	if _, err := f.SetInput(t.Context(), f.jo, d.ID, entered(), nil); err != nil {
		t.Fatal(err)
	}
	step(d, StepReview)
	f.edit("products/licensed/product.yaml", "version: 1.0.0", "version: 1.1.0")
	step(d, StepConfiguration)
	f.releases.set(func(r *fakeReleases) { r.fail["Fetch"] = &Reason{Code: ChartMissing} })
	guided := f.draft("guided")
	step(guided, StepTarget)
	_, err := f.Form(t.Context(), f.jo, guided.ID)
	isReason(t, err, ChartMissing)
}

// Of a chart that is elsewhere, the one that has been shown is the one that is reviewed and deployed.
func TestRemoteChartIsPinned(t *testing.T) {
	f := newFixture(t)
	chart := Chart{Name: "remote", Version: "1.0.0", Digest: "sha256:one", Files: nil}
	f.releases.set(func(r *fakeReleases) { r.charts["remote"] = chart })
	d := f.draft("remote")
	if d.Digest != "" {
		t.Fatalf("digest %q", d.Digest)
	}
	if _, err := f.Form(t.Context(), f.jo, d.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, goal()); err != nil {
		t.Fatal(err)
	}
	chart.Digest = "sha256:two"
	f.releases.set(func(r *fakeReleases) { r.charts["remote"] = chart })
	if got := f.read(d.ID).Digest; got != "sha256:one" {
		t.Errorf("digest %q", got)
	}
	review := f.reviewed(d)
	f.checked(review, CheckChart, CheckFailed, ChartDigest)
	if _, err := f.Form(t.Context(), f.jo, d.ID); err != nil {
		t.Errorf("the form of the new chart: %v", err)
	}
	if moved, err := f.SetInput(t.Context(), f.jo, d.ID, nil, nil); err != nil || moved.Digest != "sha256:two" {
		t.Errorf("%+v, %v", moved, err)
	}
	f.checked(f.reviewed(d), CheckChart, CheckPassed)
}

// The same goes for one that nobody has looked at the form of.
func TestReviewPinsTheChart(t *testing.T) {
	f := newFixture(t)
	d := f.draft("remote")
	if _, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, goal()); err != nil {
		t.Fatal(err)
	}
	f.checked(f.reviewed(d), CheckChart, CheckFailed, ChartMissing)
	f.releases.set(func(r *fakeReleases) {
		r.charts["remote"] = Chart{Name: "remote", Version: "1.0.0", Digest: "sha256:one"}
	})
	f.checked(f.reviewed(d), CheckChart, CheckPassed)
	if got := f.read(d.ID).Digest; got != "sha256:one" {
		t.Errorf("digest %q", got)
	}
	f.releases.set(func(r *fakeReleases) {
		r.charts["remote"] = Chart{Name: "remote", Version: "1.0.0", Digest: "sha256:two"}
	})
	_, err := f.Deploy(t.Context(), f.jo, f.cred, d.ID, "en", f.consents("remote"), true)
	isFault(t, err, fault.State, "")
}

func TestFormsAreCompiledOnce(t *testing.T) {
	f := newFixture(t)
	d := f.draft("cache")
	one, err := f.Form(t.Context(), f.jo, d.ID)
	if err != nil || len(one.Fields) != 2 {
		t.Fatal(err)
	}
	if two, err := f.Form(t.Context(), f.jo, d.ID); err != nil || one != two {
		t.Errorf("compiled again, %v", err)
	}
	f.edit(cacheFile, "en: Size", "en: Volume")
	if three, err := f.Form(t.Context(), f.jo, d.ID); err != nil || three == one || three.Fields[0].Label["en"] != "Volume" {
		t.Errorf("the form of other fields, %v", err)
	}
	cache := newFormCache()
	p, _ := f.catalog().Product("cache")
	for i := range maxForms + 5 {
		if _, err := cache.compile(p, Chart{Digest: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(cache.forms) != maxForms {
		t.Errorf("%d forms are kept", len(cache.forms))
	}
	_, err = cache.compile(p, Chart{Digest: "bad", Files: catalogChart(`{"type": "object", "properties": 7}`)})
	isReason(t, err, ChartInvalid)
}

// Errors that are nobody's fault come as they are.
func TestDraftsWithAnEndedContext(t *testing.T) {
	f := newFixture(t)
	d := f.prepared("cache")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Review(ctx, f.jo, f.cred, d.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
