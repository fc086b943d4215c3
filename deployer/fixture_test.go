package deployer

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"llmhub/catalog"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
)

// fixture is a service on a real store, with Helm, Kubernetes and the cloud in memory. The tenant has the domain acme, whose
// project eu has the cluster c1, with the user jo.
type fixture struct {
	*Service
	t          testing.TB
	dir        string
	store      *local.Store
	tenants    *identity.Tenants
	audit      *identity.Audit
	kubernetes *fakeKubernetes
	cluster    *fakeCluster // c1
	releases   *fakeReleases
	source     *fakeSource
	directory  *fakeDirectory
	jo         identity.Actor
	cred       Credential

	mu    sync.Mutex
	clock time.Time
	files map[string]string // of the catalog
	log   strings.Builder
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), clock: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), files: catalogFiles()}
	d, err := local.Open(f.dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	sealer, err := secret.NewSealer(make([]byte, secret.KeyBytes), "deployment")
	if err != nil {
		t.Fatal(err)
	}
	f.store, f.audit = d, identity.NewAudit(d)
	f.tenants = identity.NewTenants(d, f.audit, f.now)
	f.kubernetes, f.releases, f.source, f.directory = newFakeKubernetes(), newFakeReleases(f.now), newFakeSource(), newFakeDirectory(f.now)
	f.cluster = f.kubernetes.add("https://c1")
	f.source.clusters["eu"] = []ClusterInfo{{ID: "c2", Name: "off", Phase: "Hibernation"}, {ID: "c1", Name: "main", Available: true, Phase: "Available"}}
	f.directory.projects = []identity.Project{{ID: "eu", Name: "eu-de", Enabled: true}, {ID: "old", Name: "a-closed"}, {ID: "nl", Name: "eu-nl", Enabled: true}}
	f.jo = f.user(f.tenant("acme"), "usr_jo")
	f.cred = f.credential("acme")
	f.Service = NewService(Options{
		Documents: d, Buyers: identity.NewBuyers(d, newProfiles(d)), Tenants: f.tenants, Audit: f.audit,
		Directory: f.directory, Source: f.source, Kubernetes: f.kubernetes, Releases: f.releases, Sealer: sealer,
		Configured: []ConfiguredCluster{{Name: "lab", Domain: "globex", Access: Access{Server: "https://lab"}}},
		Catalog:    f.catalog, Day: func() string { return "2026-11-01" }, Now: f.now, Holder: "test",
		Logger: slog.New(slog.NewTextHandler(&f.log, nil)),
	})
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

// tenant makes a tenant with an approved profile, of the domain with that name and the ID id-NAME.
func (f *fixture) tenant(domain string) string {
	f.t.Helper()
	tenant, err := f.tenants.Create(f.t.Context(), identity.Administrator(), domain)
	if err != nil {
		f.t.Fatal(err)
	}
	f.setTenant(tenant.ID, func(v *identity.Tenant) { v.Domain, v.DomainID = domain, "id-"+domain })
	f.approve(tenant.ID)
	return tenant.ID
}

func (f *fixture) setTenant(id string, set func(*identity.Tenant)) {
	f.t.Helper()
	c := store.NewCollection[identity.Tenant](f.store, identity.TenantKind, nil)
	r, err := c.Get(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	set(&r.Value)
	f.put(c.Write(id, r.Version, r.Value))
}

func (f *fixture) put(w store.Write, err error) {
	f.t.Helper()
	if err == nil {
		_, err = f.store.Put(f.t.Context(), w)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// user returns a user of a tenant who may deploy.
func (f *fixture) user(tenant, id string) identity.Actor {
	return identity.Actor{Kind: identity.Customer, ID: id, Name: "name of " + id, TenantID: tenant, Rights: []identity.Right{identity.Subscribe}}
}

// credential returns one of a user of a domain.
func (f *fixture) credential(domain string) Credential {
	token := "canary-token-of-" + domain
	f.directory.set(func(d *fakeDirectory) { d.domains[token] = "id-" + domain })
	return Credential{Token: secret.New(token)}
}

// profiles knows which tenants' profiles are approved, by documents as the real one does.
type profiles struct{ store.Collection[bool] }

func newProfiles(d store.Documents) profiles {
	return profiles{store.NewCollection[bool](d, "test_profile", nil)}
}

func (p profiles) RequireApproved(ctx context.Context, tenantID string) (store.Write, error) {
	r, err := p.Get(ctx, tenantID)
	if err != nil || !r.Value {
		return store.Write{}, fault.New(fault.State, "", "the profile is in review")
	}
	return store.Write{Kind: p.Kind(), ID: tenantID, Expect: r.Version, Check: true}, nil
}

func (f *fixture) approve(tenant string) {
	f.t.Helper()
	f.put(newProfiles(f.store).Write(tenant, 0, true))
}

// isFault insists on a fault of a kind about a field.
func isFault(t *testing.T, err error, kind fault.Kind, field string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field || e.Message == "" {
		t.Errorf("got %v, want a fault of kind %d about %q", err, kind, field)
	}
}

// isReason insists on a reason with a code.
func isReason(t *testing.T, err error, code ReasonCode) {
	t.Helper()
	var r *Reason
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("got %v, want the reason %s", err, code)
	}
}

// leaks insists that none of the texts is in a file of the store or in the log.
func (f *fixture) leaks(texts ...string) {
	f.t.Helper()
	seen := false
	err := filepath.WalkDir(f.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		seen = seen || strings.Contains(string(data), `"tenant_id":"`+f.jo.TenantID)
		for _, text := range texts {
			if strings.Contains(string(data), text) {
				f.t.Errorf("%q is in %s", text, path)
			}
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if !seen {
		f.t.Error("the files do not show what they hold: nothing would be found")
	}
	for _, text := range texts {
		if strings.Contains(f.log.String(), text) {
			f.t.Errorf("%q is in the log", text)
		}
	}
}

// catalog returns the products, read anew each time, so that a test can change them.
func (f *fixture) catalog() *catalog.Catalog {
	f.mu.Lock()
	defer f.mu.Unlock()
	fsys := fstest.MapFS{}
	for name, text := range f.files {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	c, err := catalog.Load(fsys)
	if err != nil {
		f.t.Error(err)
	}
	return c
}

// edit replaces a text in a file of the catalog.
func (f *fixture) edit(file, old, new string) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	text := strings.Replace(f.files[file], old, new, 1)
	if text == f.files[file] {
		f.t.Fatalf("%q is not in %s", old, file)
	}
	f.files[file] = text
}

const sharedYAML = `sellers:
  - {id: acme, name: Acme, email: sales@acme.example, support_email: help@acme.example}
categories:
  - {id: data, name: {en: Data, de: Daten}}
documents:
  - {id: terms, title: {en: Terms, de: Bedingungen}, version: "1", date: 2026-01-01, file: {en: terms.md, de: terms.md}, consent: true}
`

// productYAML is a product of the catalog: licence, then its own part under cce.
func productYAML(name, licence, cce string) string {
	return "type: cce\nlicence: " + licence + "\nname: " + name + `
version: 1.0.0
seller: acme
summary: {en: Keeps things, de: Merkt sich Dinge}
description: {en: A cache, de: Ein Cache}
post_deployment: {en: Use it, de: Nutzen}
categories: [data]
licence_fee: {en: none, de: keine}
price_info: {en: free, de: frei}
used_software: [{name: Thing, licence: MIT, url: "https://thing.example/licence"}]
documents:
  - {id: eula, title: {en: EULA, de: Vertrag}, version: "1", date: 2026-01-01, file: {en: eula.md, de: eula.md}, consent: true}
published: 2026-01-02
cce:
` + cce
}

const (
	cacheFile = "products/cache/product.yaml"
	fieldsCCE = `  fields:
    - {key: size, label: {en: Size, de: Größe}, input_type: text, required: true}
    - {key: auth.password, label: {en: Password, de: Passwort}, input_type: text, required: true, confidential: true}
`
)

// catalogFiles is a catalog with the products cache, licensed (BYOL with a Secret), guided (BYOL entered afterwards), remote
// (a chart of a registry), ended (not on sale) and hub, which is no product to deploy.
func catalogFiles() map[string]string {
	files := map[string]string{
		"catalog.yaml": sharedYAML, "terms.md": "# Terms\n",
		cacheFile:                        productYAML("Cache", "open-source", "  chart: {folder: chart}\n  kube_version: \">=1.27\"\n"+fieldsCCE),
		"products/licensed/product.yaml": productYAML("Licensed", "byol", "  chart: {folder: chart}\n  byol: {shop_url: \"https://shop.example\", secret_name: the-licence, file_name: key.bin}\n"+fieldsCCE),
		"products/guided/product.yaml":   productYAML("Guided", "byol", "  chart: {folder: chart}\n  byol: {shop_url: \"https://shop.example\", licensing_guide: \"https://guide.example\"}\n"),
		"products/remote/product.yaml":   productYAML("Remote", "open-source", "  chart: {oci: \"oci://registry.example/charts/remote:1.0.0\"}\n"),
		"products/ended/product.yaml":    strings.Replace(productYAML("Ended", "free", "  chart: {folder: chart}\n"), "published: 2026-01-02", "published: 2026-01-02\nend_of_life: 2026-11-01", 1),
		"products/hub/product.yaml": `type: llm
name: Hub
version: 1.0.0
seller: acme
summary: {en: Models, de: Modelle}
description: {en: Models for all, de: Modelle}
categories: [data]
price_info: {en: by use, de: nach Verbrauch}
documents:
  - {id: eula, title: {en: E, de: E}, version: "1", date: 2026-01-01, file: {en: eula.md, de: eula.md}, consent: true}
published: 2026-01-02
llm: {documentation_url: "https://hub.example/docs", models: [gpt-a]}
`,
	}
	for _, id := range []string{"cache", "licensed", "guided", "remote", "ended", "hub"} {
		files["products/"+id+"/eula.md"] = "Be nice.\n"
		if id == "hub" || id == "remote" {
			continue
		}
		files["products/"+id+"/chart/Chart.yaml"] = "apiVersion: v2\nname: " + id + "\nversion: 0.1.0\n"
		files["products/"+id+"/chart/values.yaml"] = "size: ''\nauth:\n  password: ''\nopen: {}\n"
		files["products/"+id+"/chart/templates/pod.yaml"] = "kind: Pod\n"
	}
	return files
}

func TestFixture(t *testing.T) {
	f := newFixture(t)
	if c := f.catalog(); c == nil || len(c.All()) != 6 {
		t.Fatal("the catalog is not valid")
	}
}
