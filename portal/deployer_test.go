package portal_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/identity"
	"llmhub/portal"
	"llmhub/secret"
)

// emptyCluster stands for a Kubernetes cluster with nothing in it.
type emptyCluster struct{ deployer.Cluster }

func (c emptyCluster) Open(deployer.Access) (deployer.Cluster, error) { return c, nil }

func (emptyCluster) Facts(context.Context) (deployer.Facts, error) {
	return deployer.Facts{Version: "v1.33.1", Nodes: 1, ReadyNodes: 1, FreeMilliCPU: 4000, FreeMemoryMiB: 8192}, nil
}

func (emptyCluster) Namespaces(context.Context) ([]deployer.Namespace, error) {
	return []deployer.Namespace{{Name: "web", Usable: true}}, nil
}

func (emptyCluster) StorageClasses(context.Context) ([]deployer.StorageClass, error) {
	return []deployer.StorageClass{{Name: "csi-disk", Default: true}}, nil
}

func (emptyCluster) Inspect(context.Context, deployer.Inspection) (deployer.Inventory, error) {
	return deployer.Inventory{Claims: []deployer.Claim{{Name: "data", Count: 1, SizeBytes: 8 << 30}}}, nil
}

// noReleases stands for Helm with a cluster that holds no release.
type noReleases struct{ deployer.Releases }

func (noReleases) Fetch(_ context.Context, ref catalog.ChartRef) (deployer.Chart, error) {
	return deployer.Chart{Name: ref.Name, Version: ref.Version, Digest: ref.Digest, Files: ref.Files()}, nil
}

func (noReleases) Render(context.Context, deployer.RenderInput) ([]byte, error) {
	return []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"), nil
}

func (noReleases) Get(context.Context, deployer.Access, string, string) (deployer.Release, bool, error) {
	return deployer.Release{}, false, nil
}

// withDeployer returns a fixture whose API deploys by the real service.
func withDeployer(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	sealer, err := secret.NewSealer(make([]byte, secret.KeyBytes), "deployment")
	if err != nil {
		t.Fatal(err)
	}
	f.options.Deployments = deployer.NewService(deployer.Options{
		Documents: f.store, Buyers: identity.NewBuyers(f.store, f.options.Profiles), Tenants: f.options.Tenants, Audit: f.options.Audit,
		Configured: []deployer.ConfiguredCluster{{Name: "lab", Domain: "Example", Access: deployer.Access{Server: "https://lab"}}},
		Kubernetes: emptyCluster{}, Releases: noReleases{}, Sealer: sealer, Catalog: f.options.Catalog,
		Day: func() string { return "2026-11-01" }, Now: f.options.Now, Holder: "test", Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	})
	f.reopen(portal.New(f.options))
	return f
}

// onLab is a body that deploys a product to the configured cluster, with its documents accepted as the API shows them.
func (f *fixture) onLab(product, rest string) string {
	f.t.Helper()
	var accepted []string
	for _, v := range f.must(200, "GET", "/products/"+product, "")["documents"].([]any) {
		if d := v.(map[string]any); d["consent"] == true {
			accepted = append(accepted, `{"document_id":"`+d["id"].(string)+`","digest":"`+d["digest"].(string)+`"}`)
		}
	}
	return `{"product_id":"` + product + `","target":{"project_id":"configured","cluster_id":"lab","namespace":"web","release":"` + product + `"},"accepted":[` +
		strings.Join(accepted, ",") + `]` + rest + `}`
}

// TestDeployerBehindTheAPI deploys products of the catalog by the real service, up to where a cluster would have to work.
func TestDeployerBehindTheAPI(t *testing.T) {
	f := withDeployer(t)
	owner, tenant := f.customer("Example", "owner")
	owner = owner.byToken()
	for _, path := range []string{"/projects", "/projects/configured/clusters", "/projects/configured/clusters/lab"} {
		owner.must(200, "GET", path, "")
	}
	const password = `,"secrets":{"auth.password":"canary-password"}`
	message := owner.do("POST", "/workloads", f.onLab("valkey", password)).isError(t, 409, "invalid_state")
	if !strings.Contains(message, "profile") {
		t.Errorf("without an approved profile: %q", message)
	}
	session, _ := f.customer("Example", "owner")
	f.approve(session, tenant)

	for rest, field := range map[string]string{
		"": "auth.password", `,"secrets":{"auth.password":"short"}`: "auth.password", password + `,"values":{"persistence":{"size":"much"}}`: "persistence.size",
		password + `,"values":{"maxMemory":"1mb"}`: "maxMemory", password + `,"licence_later":true`: "licence",
	} {
		a := owner.do("POST", "/workloads", f.onLab("valkey", rest))
		if a.status/100 != 4 {
			t.Errorf("%s: %d %s", rest, a.status, a.text)
		}
		a.hasDetail(t, field)
	}
	owner.do("POST", "/workloads", strings.Replace(f.onLab("valkey", password), `"web"`, `"nowhere"`, 1)).hasDetail(t, "target.namespace")
	owner.do("POST", "/workloads", f.onLab("licensed-app", "")).hasDetail(t, "licence")

	review := owner.must(200, "POST", "/workloads/review", f.onLab("valkey", password+`,"values":{"persistence":{"enabled":false},"maxMemory":null}`))
	if yaml := review["values_yaml"].(string); review["blocked"] != false || !strings.Contains(yaml, "enabled: false") || strings.Contains(yaml, "8Gi") ||
		strings.Contains(yaml, "maxMemory") || !strings.Contains(yaml, "••••") {
		t.Errorf("review: %v", review)
	}
	v := owner.must(202, "POST", "/workloads", f.onLab("valkey", password))
	if paths := v["secret_paths"].([]any); v["state"] != "requested" || len(paths) != 1 || v["values"].(map[string]any)["maxMemory"] != "256mb" {
		t.Errorf("workload: %v", v)
	}
	licence := base64.StdEncoding.EncodeToString([]byte("canary-licence"))
	owner.must(202, "POST", "/workloads", f.onLab("licensed-app", `,"licence":"`+licence+`"`))
	id := v["id"].(string)
	owner.do("POST", "/workloads/"+id+"/upgrade", f.onLab("valkey", "")).isError(t, 400, "bad_request")
	owner.do("POST", "/workloads/"+id+"/upgrade", "").isError(t, 409, "invalid_state") // the installation is under way
	owner.do("POST", "/workloads/"+id+"/uninstall", `{"release":"other"}`).hasDetail(t, "release")
	if list := owner.must(200, "GET", "/workloads?search=VALKEY&state=pending", ""); list["total"] != 1.0 || list["counts"].(map[string]any)["pending"] != 1.0 {
		t.Errorf("list: %v", list)
	}
	f.do("POST", "/workloads", f.onLab("valkey", password)).isError(t, 403, "forbidden")
	theirs, _ := f.customer("Theirs", "owner-theirs")
	theirs.do("GET", "/workloads/"+id, "").isError(t, 404, "not_found")
	if text := owner.do("GET", "/workloads/"+id, "").text + f.do("GET", "/audit?limit=1000", "").text + f.log.String(); strings.Contains(text, "canary") {
		t.Errorf("a secret is shown: %s", text)
	}
}
