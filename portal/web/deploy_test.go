package web_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/identity"
)

// contains fails unless a page has all texts.
func (a answer) contains(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.text, text) {
			t.Errorf("%d: the page does not contain %q", a.status, text)
		}
	}
}

// lacks fails if a page has one of the texts.
func (a answer) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.text, text) {
			t.Errorf("%d: the page contains %q: … %s", a.status, text, around(a.text, text))
		}
	}
}

// leads fails unless an answer is a redirection to a path, and returns it.
func (a answer) leads(t *testing.T, path string) string {
	t.Helper()
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location(), path) {
		t.Fatalf("%d to %q, want %q: %s", a.status, a.location(), path, a.text)
	}
	return a.location()
}

// begin begins a deployment of a product and returns the path of its draft.
func (b *browser) begin(product string) string {
	b.t.Helper()
	return strings.TrimSuffix(b.post("/catalog/"+product+"/deploy").leads(b.t, "/deploy/"), "/target")
}

// beginAt begins a deployment whose target has been chosen.
func (b *browser) beginAt(product string) string {
	b.t.Helper()
	draft := b.begin(product)
	b.post(draft+"/target", "project", "p1", "cluster", "c1", "namespace", "shop").leads(b.t, draft)
	return draft
}

func text(en string) catalog.Text { return catalog.Text{"en": en, "de": en} }

var testForm = &form.Form{Fields: []form.Field{
	{Path: "auth.password", Kind: form.Secret, Label: text("Password"), Required: true},
	{Path: "persistence.enabled", Kind: form.Switch, Label: text("Keep data"), Default: []string{"true"}},
	{Path: "persistence.storageClass", Kind: form.StorageClass, Label: text("Storage class"), ShowIf: &form.Condition{Path: "persistence.enabled", Value: "true"}},
	{Path: "persistence.size", Kind: form.Size, Label: text("Size"), Default: []string{"8Gi"}},
	{Path: "replicas", Kind: form.Number, Integer: true, Label: text("Replicas"), ChartDefault: "1", Group: text("Advanced")},
	{Path: "memory", Kind: form.Select, Label: text("Memory"), ChartDefault: "256mb", Options: []catalog.Choice{{Value: "128mb"}, {Value: "256mb"}}, Group: text("Advanced")},
	{Path: "modules", Kind: form.Multi, Label: text("Modules"), Options: []catalog.Choice{{Value: "json"}, {Value: "search"}}, Group: text("Advanced")},
	{Path: "hosts", Kind: form.List, Label: text("Hosts"), Group: text("Advanced")},
	{Path: "secretName", Kind: form.Text, Hidden: true, Default: []string{"fixed"}},
}}

// From the product's page to the workload, by forms alone.
func TestDeployWithoutScript(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	f.deployments.form = testForm
	f.deployments.review = deployer.Review{
		Warned: true, YAML: "size: 20Gi\n",
		Checks: []deployer.Check{
			{Name: deployer.CheckReachable, State: deployer.CheckPassed},
			{Name: deployer.CheckResources, State: deployer.CheckWarned, Reasons: []deployer.Reason{{Code: deployer.Resources, Object: "Deployment/a", Detail: "2 cores wanted"}}},
		},
		Inventory: deployer.Inventory{Claims: []deployer.Claim{{Name: "data", Count: 3, SizeBytes: 8 << 30, Class: "csi-disk"}}, Balancers: []deployer.BalancerService{{Name: "front", Ports: []int32{443}}}},
	}
	b := f.signIn("D1", "owner.one")
	b.get("/catalog/valkey").contains(t, `action="/catalog/valkey/deploy"`, "billed to your tenant")
	draft := b.begin("valkey")

	b.get(draft).leads(t, draft+"/target")
	page := b.get(draft + "/target")
	page.contains(t, "eu-de_production", "Choose a project", `aria-current="step"`)
	page.lacks(t, "prod-1")
	page = b.get(draft + "/target?project=p1")
	page.contains(t, "prod-1 · v1.29", `<option value="c2" disabled>prod-2 · v1.28 · Being upgraded`, "the control plane is being upgraded")
	page = b.get(draft + "/target?project=p1&cluster=c1")
	page.contains(t, "v1.29.6", "3 of 3 ready", "5.5 cores", "12 GiB", `<option value="old-shop" disabled>`, `value="valkey"`)
	if b.get(draft+"/target?project=p1&cluster=c2").contains(t, "Choose a cluster"); t.Failed() {
		t.Fatal("a cluster that is not available can be chosen")
	}
	// Steps that are not reached lead to the one that is missing.
	b.get(draft+"/review").leads(t, draft+"/target")
	wrong := b.post(draft+"/target", "project", "p1", "cluster", "c1", "namespace", "", "new_namespace", "")
	if wrong.contains(t, `href="#new_namespace"`, `id="new_namespace-error"`); wrong.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", wrong.status)
	}
	b.post(draft+"/target", "project", "p1", "cluster", "c1", "namespace", "", "new_namespace", "shop", "release", "cache").leads(t, draft+"/configuration")
	b.get(draft+"/target").contains(t, `value="shop"`, `value="cache"`)

	page = b.get(draft + "/configuration")
	page.contains(t, "<legend>Advanced</legend>", `data-show="f.persistence.enabled" data-show-value="true"`, "csi-disk (default)", "Default of the cluster (csi-disk)", `value="8Gi"`, "If empty: 1")
	page.lacks(t, "secretName")
	b.post(draft+"/configuration", "f.auth.password", canaryPassword, "f.persistence.enabled", "false", "f.persistence.enabled", "true", "f.persistence.storageClass", "",
		"f.persistence.size", "20Gi", "f.replicas", "", "f.memory", "", "f.modules", "", "f.modules", "json", "f.hosts", "a.example\r\n\r\nb.example ", "f.secretName", "mine", "f.other", "x").leads(t, draft+"/review")
	got := f.deployments.drafts[strings.TrimPrefix(draft, "/deploy/")].Input
	want := form.Input{"persistence.enabled": {"true"}, "persistence.size": {"20Gi"}, "modules": {"json"}, "hosts": {"a.example", "b.example"}}
	for path, values := range want {
		if !slices.Equal(got[path], values) {
			t.Errorf("%s is %q, want %q", path, got[path], values)
		}
	}
	if len(got) != len(want) {
		t.Errorf("what was not touched is sent: %v", got)
	}
	page = b.get(draft + "/configuration")
	page.contains(t, "It has been entered", `name="forget" value="auth.password"`, `<code>20Gi</code></td>`)

	page = b.get(draft + "/review")
	page.contains(t, "3 × 8 GiB = 24 GiB", "csi-disk", "front", "Ports 443", "The cluster has less free", "2 cores wanted", `name="confirmed" value="yes" required>`, "even if the product is free")
	page.lacks(t, "checked")
	var consents []string
	p, _ := f.options.Catalog().Product("valkey")
	for _, d := range p.Consents() {
		consents = append(consents, "consent", d.ID+" "+d.Digest)
	}
	if a := b.post(draft + "/review"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text, "must be accepted") {
		t.Errorf("without consents: %d", a.status)
	}
	workload := b.post(draft+"/review", append(consents, "confirmed", "yes")...).leads(t, "/workloads/wl_")
	b.get(workload).contains(t, "Deployment has started", "Requested", `data-poll="2000"`)
	// Sent twice, it leads to the one workload.
	b.post(draft+"/review", append(consents, "confirmed", "yes")...).leads(t, "/workloads/wl_")
	if !f.deployments.confirmed || len(f.deployments.accepted) != 2 || len(f.deployments.workloads) != 1 {
		t.Errorf("confirmed %v, accepted %v, workloads %v", f.deployments.confirmed, f.deployments.accepted, f.deployments.workloads)
	}
	if slices.ContainsFunc(f.deployments.asked, func(token string) bool { return token != "canary-iam-token-owner.one" }) {
		t.Errorf("the cloud was asked as %q", f.deployments.asked)
	}
}

// What the cloud says is said where it is asked, in words, and nothing that was entered is lost.
func TestTroubleOfTheCloudIsSaid(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	draft := b.begin("valkey")
	for name, c := range map[string]struct {
		method string
		code   deployer.ReasonCode
		text   string
	}{
		"projects": {"Projects", deployer.Unreachable, "The cluster does not answer."},
		"clusters": {"Clusters", deployer.AccessEnded, "Sign in again"},
		"cluster":  {"Cluster", deployer.AccessDenied, "You may not do this on the cluster."},
	} {
		f.deployments.fail = map[string]error{c.method: &deployer.Reason{Code: c.code, Detail: "its own words"}}
		a := b.get(draft + "/target?project=p1&cluster=c1")
		a.contains(t, c.text, "its own words")
		if a.status != http.StatusOK {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	f.deployments.fail = map[string]error{"SetTarget": &deployer.Reason{Code: deployer.AccessEnded}}
	a := b.post(draft+"/target", "project", "p1", "cluster", "c1", "namespace", "shop", "release", "cache")
	if a.contains(t, "The access to the cluster has ended.", `value="cache"`, `name="next" value="`+draft+`/target"`); a.status != http.StatusConflict {
		t.Errorf("status %d", a.status)
	}
	b.post("/logout", "next", draft+"/target").leads(t, "/login?next=%2Fdeploy")
}

// sendFile sends a form with a file.
func (b *browser) sendFile(path, name string, content []byte, fields ...string) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			b.t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = io.Copy(part, bytes.NewReader(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, b.f.url+path, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	return b.do(req)
}

func TestLicence(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	draft := b.beginAt("licensed-app")
	b.get(draft+"/configuration").leads(t, draft+"/licence")
	b.get(draft+"/licence").contains(t, "https://example.com/shop", "licensed-app-licence", `enctype="multipart/form-data"`, "512 KiB")
	token := b.token()
	refused := func(name string, a answer, text string) {
		t.Helper()
		a.contains(t, text)
		a.lacks(t, canaryLicence)
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	refused("nothing", b.sendFile(draft+"/licence", "", nil, "form_token", token), `href="#file"`)
	large := bytes.Repeat([]byte(canaryLicence+"\n"), 1<<20/len(canaryLicence))
	refused("1 MiB", b.sendFile(draft+"/licence", "big.lic", large, "form_token", token), "Licence: must have at most 512 KiB")
	refused("1 MiB of text", b.sendFile(draft+"/licence", "", nil, "form_token", token, "text", string(large)), "must have at most 512 KiB")
	refused("both", b.sendFile(draft+"/licence", "a.lic", []byte("x"), "form_token", token, "text", canaryLicence), "not both")
	if a := b.sendFile(draft+"/licence", "a.lic", []byte(canaryLicence), "form_token", "wrong"); a.status != http.StatusForbidden {
		t.Errorf("with a wrong token: %d", a.status)
	}
	if a := b.sendFile(draft+"/target", "a.lic", []byte("x"), "form_token", token); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a file at another route: %d", a.status)
	}
	if len(f.deployments.licences) != 0 {
		t.Fatalf("a licence was taken: %v", f.deployments.licences)
	}
	b.sendFile(draft+"/licence", `C:\licences\my licence.lic`, []byte(canaryLicence), "form_token", token).leads(t, draft+"/configuration")
	page := b.get(draft + "/licence")
	page.contains(t, "my licence.lic (19 B)", "There is a licence")
	page.lacks(t, canaryLicence)
	b.sendFile(draft+"/licence", "", nil, "form_token", token).leads(t, draft+"/configuration") // the one that is there stays
	b.sendFile(draft+"/licence", "", nil, "form_token", token, "text", "line 1\r\nline 2").leads(t, draft+"/configuration")
	b.get(draft+"/licence").contains(t, "Text, 13 B")
	if got := f.deployments.licences; got["my licence.lic"] != canaryLicence || got["text"] != "line 1\nline 2" {
		t.Errorf("licences %v", got)
	}
}

// Bodies of forms with files that are none are refused, and end nothing.
func TestBrokenUploads(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	draft := b.beginAt("licensed-app")
	part := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n"
	for name, c := range map[string]struct{ kind, body string }{
		"no boundary":    {"multipart/form-data", part},
		"cut":            {"multipart/form-data; boundary=x", part + "--x\r\nContent-Disp"},
		"too many parts": {"multipart/form-data; boundary=x", strings.Repeat(part, 30) + "--x--\r\n"},
		"two files":      {"multipart/form-data; boundary=x", strings.Repeat("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nb\r\n", 2) + "--x--\r\n"},
		"too large":      {"multipart/form-data; boundary=x", strings.Repeat("x", 5<<20)},
	} {
		req, err := http.NewRequest(http.MethodPost, f.url+draft+"/licence", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.kind)
		if a := b.do(req); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

func TestConfiguration(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	f.deployments.form = testForm
	b := f.signIn("D1", "owner.one")
	draft := b.beginAt("valkey")
	f.deployments.inputErr = fault.Faults{fault.New(fault.Invalid, "persistence.size", "must not be empty"), fault.New(fault.Invalid, "secretName", "must not be empty")}
	a := b.post(draft+"/configuration", "f.auth.password", canaryPassword, "f.persistence.enabled", "false", "f.persistence.size", "nonsense", "f.replicas", "3")
	a.contains(t, `<a href="#field-3">Size: must not be empty</a>`, `aria-describedby="field-3-error"`, `value="nonsense"`, `value="3"`, "secretName: must not be empty")
	a.lacks(t, canaryPassword, `value="true" checked`)
	if a.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", a.status)
	}
	// Forgetting goes on from where one is, whatever else is wrong.
	b.post(draft+"/configuration", "forget", "auth.password").leads(t, draft+"/configuration#field-0")
	if !slices.Equal(f.deployments.cleared, []string{"auth.password"}) {
		t.Errorf("cleared %v", f.deployments.cleared)
	}
	b.get(draft+"/configuration").lacks(t, "It has been entered")
	f.deployments.inputErr = nil
	saved := b.post(draft+"/configuration", "then", "stay", "f.persistence.storageClass", "gone").leads(t, draft+"/configuration?done=")
	b.get(saved).contains(t, "The configuration has been saved.", "gone (not on this cluster)")
	// Without the cluster's classes the name is typed.
	f.deployments.fail = map[string]error{"Cluster": &deployer.Reason{Code: deployer.AccessDenied}}
	b.get(draft+"/configuration").contains(t, "storage classes of the cluster cannot be read", `type="text" value="gone"`)
}

func TestReviewBlocks(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	draft := b.beginAt("valkey")
	b.post(draft+"/configuration").leads(t, draft+"/review")
	f.deployments.review = deployer.Review{Blocked: true, Checks: []deployer.Check{
		{Name: deployer.CheckVersion, State: deployer.CheckPassed},
		{Name: deployer.CheckScope, State: deployer.CheckFailed, Reasons: []deployer.Reason{
			{Code: deployer.ClusterScoped, Object: "ClusterRole/admin", Detail: "one"}, {Code: deployer.ClusterScoped, Object: "ClusterRole/reader", Detail: "two"},
		}},
		{Name: deployer.CheckReachable, State: deployer.CheckFailed, Reasons: []deployer.Reason{{Code: deployer.AccessEnded}}},
		{Name: deployer.CheckQuota, State: deployer.CheckSkipped},
	}}
	a := b.get(draft + "/review")
	if left := time.Until(f.deployments.deadline); left < 40*time.Second {
		t.Errorf("a review of every object has %v", left)
	}
	a.contains(t, "wants to create an object for the whole cluster", "ClusterRole/admin", "ClusterRole/reader", "one", "two", "not checked", "These checks have failed", `href="#check-scope"`, `name="next" value="`+draft+`/review"`)
	a.lacks(t, `name="consent"`)
	if n := strings.Count(a.text, "wants to create an object for the whole cluster"); n != 1 {
		t.Errorf("what is wrong with two objects is said %d times", n)
	}
	if strings.Index(a.text, `id="check-scope"`) > strings.Index(a.text, `id="check-version"`) {
		t.Error("a check that has passed stands before one that has failed")
	}
	f.deployments.fail = map[string]error{"Review": &deployer.Reason{Code: deployer.AccessEnded}}
	a = b.get(draft + "/review")
	a.contains(t, "Sign in again", "could not be checked")
	f.deployments.fail = map[string]error{"Deploy": fault.New(fault.State, "", "the tenant is suspended")}
	p, _ := f.options.Catalog().Product("valkey")
	var consents []string
	for _, d := range p.Consents() {
		consents = append(consents, "consent", d.ID+" "+d.Digest)
	}
	if a := b.post(draft+"/review", consents...); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text, "The tenant is suspended.") {
		t.Errorf("%d", a.status)
	}
}

// Texts of a cluster, of a seller's chart and of the form show as they are.
func TestMarkupOfClustersIsShownAsTyped(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	d := f.deployments
	reason := &deployer.Reason{Code: deployer.Rejected, Object: markup, Detail: markup}
	object := deployer.Object{Kind: markup, Name: markup, Namespace: markup}
	d.projects = append(d.projects, identity.Project{ID: markup, Name: markup})
	d.clusters = append(d.clusters, deployer.ClusterInfo{ID: markup, Name: markup, Version: markup, Phase: markup, Message: markup}, deployer.ClusterInfo{ID: "c3", Name: markup, Version: markup, Available: true})
	d.details.Namespaces = append(d.details.Namespaces, deployer.Namespace{Name: markup, Usable: true})
	d.details.StorageClasses = append(d.details.StorageClasses, deployer.StorageClass{Name: markup, Default: true})
	d.details.Facts.Version = markup
	d.yaml = markup
	d.form = &form.Form{Fields: []form.Field{
		{Path: markup, Kind: form.Secret, Label: text(markup), Hint: text(markup), Tooltip: text(markup), Group: text(markup)},
		{Path: "class", Kind: form.StorageClass, ChartDefault: markup},
		{Path: "boxes", Kind: form.Multi, Options: []catalog.Choice{{Value: markup, Label: text(markup)}}, ShowIf: &form.Condition{Path: markup, Value: markup}},
		{Path: "area", Kind: form.TextArea, ChartDefault: markup},
	}}
	d.review = deployer.Review{
		YAML: markup, Checks: []deployer.Check{{Name: deployer.CheckDryRun, State: deployer.CheckWarned, Reasons: []deployer.Reason{*reason}}},
		Inventory: deployer.Inventory{Objects: []deployer.Object{object}, Claims: []deployer.Claim{{Name: markup, Count: 1, Class: markup}}, Balancers: []deployer.BalancerService{{Name: markup}}, Images: []string{markup}},
		Diff:      []deployer.Difference{{Object: object, Change: "changed"}},
	}
	event := deployer.Event{Object: markup, Reason: markup, Message: markup}
	d.observed = deployer.Observation{Reason: reason, Event: event, Resources: []deployer.Resource{{Object: object, Reason: reason, Address: markup}}}
	d.releases = []deployer.Release{{Revision: 2, Status: deployer.StatusDeployed, ChartName: markup}, {Revision: 1, Status: deployer.StatusSuperseded, ChartName: markup, ChartVersion: markup}}
	operation := deployer.Operation{Kind: deployer.JobUpgrade, ByName: markup, ProductVersion: markup, Event: &event, Reason: reason, WantedPods: 1}
	dirty := func(state deployer.State) func(*deployer.Workload) {
		return func(l *deployer.Workload) {
			l.State, l.Reason, l.ProductVersion, l.SellerName, l.ChartName, l.ChartDigest, l.CreatedBy = state, reason, markup, markup, markup, markup, markup
			l.Target = deployer.Target{ProjectName: markup, ClusterName: markup, Namespace: markup, Release: markup}
			l.Values, l.SecretPaths, l.Revision, l.Operation, l.History = map[string]any{markup: markup, "list": []any{markup}}, []string{markup}, 3, &operation, []deployer.Operation{operation}
			l.Consents = []identity.Consent{{Title: markup, Version: markup, Digest: markup, ByName: markup}}
		}
	}
	d.put(tenant.ID, "wl_failed", dirty(deployer.Failed))
	d.put(tenant.ID, "wl_running", dirty(deployer.Upgrading))
	draft, bare := b.beginAt("licensed-app"), b.begin("valkey")
	d.change(strings.TrimPrefix(draft, "/deploy/"), func(n *deployer.Draft) {
		n.Target.ClusterName, n.Target.Namespace, n.Target.Release, n.LicenceName, n.Input = markup, markup, markup, markup, form.Input{"class": {"x"}, "area": {markup}}
	})
	for _, path := range []string{
		bare + "/target?project=p1", bare + "/target?project=p1&cluster=c3", bare + "/target?project=" + url.QueryEscape(markup), draft + "/licence", draft + "/configuration", draft + "/review",
		"/workloads", "/workloads?state=" + url.QueryEscape(markup), "/workloads?q=" + url.QueryEscape(markup), "/workloads/wl_failed", "/workloads/wl_running", "/workloads/wl_failed/agreement", "/workloads/wl_failed/rollback", "/workloads/wl_failed/uninstall",
	} {
		a := b.get(path)
		a.lacks(t, "<img src=x", "'<b>", "onerror=alert(1)>'", "⟦")
		if a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// What was entered as a secret is on no page, whatever the page does with the draft.
func TestSecretsAreOnNoPage(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	f.deployments.form = testForm
	b := f.signIn("D1", "owner.one")
	draft := b.beginAt("licensed-app")
	check := func(a answer) { a.lacks(t, canaryPassword, canaryLicence, "canary-iam-token") }
	check(b.sendFile(draft+"/licence", "a.lic", []byte(canaryLicence), "form_token", b.token()))
	f.deployments.inputErr = fault.Faults{fault.New(fault.Invalid, "auth.password", "must not be empty")}
	check(b.post(draft+"/configuration", "f.auth.password", canaryPassword))
	f.deployments.inputErr = nil
	check(b.post(draft+"/configuration", "f.auth.password", canaryPassword, "then", "stay"))
	for _, path := range []string{draft + "/target", draft + "/licence", draft + "/configuration", draft + "/review", "/workloads"} {
		check(b.get(path))
	}
	check(b.post(draft + "/review"))
	if strings.Contains(f.log.String(), "canary") {
		t.Error("the log has a secret")
	}
}

// A draft is listed for the one who has begun it, and can be thrown away.
func TestDraftsAreTheirOwners(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	b, colleague := f.signIn("D1", "owner.one"), f.signIn("D1", "admin.two")
	draft := b.beginAt("valkey")
	b.get("/workloads").contains(t, `href="`+draft+`"`, "Begun, not deployed yet", "prod-1 / shop")
	colleague.get("/workloads").lacks(t, draft)
	if a := colleague.get(draft + "/target"); a.status != http.StatusNotFound {
		t.Errorf("a colleague gets %d", a.status)
	}
	b.post(draft+"/discard").leads(t, "/workloads?done=draft-discarded")
	if a := b.get(draft + "/target"); a.status != http.StatusNotFound {
		t.Errorf("a draft that was thrown away: %d", a.status)
	}
}

// Why a product cannot be deployed stands at its button.
func TestDeployingIsGated(t *testing.T) {
	f := newFixture(t)
	b := f.signIn("D1", "owner.one")
	page := b.get("/catalog/valkey")
	page.contains(t, "The organization profile has not been submitted.")
	page.lacks(t, `action="/catalog/valkey/deploy"`)
	if a := b.post("/catalog/valkey/deploy"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", a.status)
	}
	f.browser().get("/catalog/valkey").contains(t, "/login?next=/catalog/valkey")
}
