package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"llmhub/config"
)

const (
	withIAM = "iam: {url: 'https://iam.example.com/v3'}\n"
	tenant  = "ten_abcdefghijklmnopqrstuvwxyz"
	// kubeconfig is one as far as this package looks at it.
	kubeconfig = "apiVersion: v1\nkind: Config\nusers:\n- name: ü\n"
)

func TestClusters(t *testing.T) {
	files := map[string]string{"lab.kubeconfig": kubeconfig, "ca.pem": string(certificate(t))}
	c, _, err := load(t, `cce: {}
clusters:
  - {name: lab, domain: "Domäne & Söhne", kubeconfig: {file: lab.kubeconfig}}
  - {name: factory-2, tenant: `+tenant+`, kubeconfig: {env: SPACED}}
`+withIAM, files)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c.CCE, config.DefaultCCE()) || c.CCE.Access != config.AccessGateway || c.CCE.Timeout != 10*time.Second {
		t.Errorf("cce %+v", c.CCE)
	}
	lab, factory := c.Clusters[0], c.Clusters[1]
	if lab.Name != "lab" || lab.Domain != "Domäne & Söhne" || lab.Tenant != "" || lab.Kubeconfig.Reveal() != strings.TrimSuffix(kubeconfig, "\n") {
		t.Errorf("cluster %+v", lab)
	}
	if factory.Tenant != tenant || factory.Domain != "" || factory.Kubeconfig.Reveal() != "two words of sixteen" {
		t.Errorf("cluster %+v", factory)
	}
	c, _, err = load(t, withIAM+`cce:
  url: http://127.0.0.1:8444/{region}/
  kubernetes_url: http://127.0.0.1:8444/k8s/{cluster_id}
  access: certificate
  timeout: 3s
  ca_file: ca.pem
`, files)
	if err != nil {
		t.Fatal(err)
	}
	want := config.CCE{URL: "http://127.0.0.1:8444/{region}", KubernetesURL: "http://127.0.0.1:8444/k8s/{cluster_id}", Access: config.AccessCertificate, Timeout: 3 * time.Second, CA: []byte(files["ca.pem"])}
	if !reflect.DeepEqual(c.CCE, want) || c.Clusters != nil {
		t.Errorf("cce %+v", c.CCE)
	}
	if c, _, err = load(t, withIAM, nil); err != nil || !reflect.DeepEqual(c.CCE, config.CCE{}) {
		t.Errorf("without a section: %+v, %v", c.CCE, err)
	}
}

// TestClusterFault adds lines to a valid file with iam and expects exactly one fault, in the line that is the ninth unless
// told.
func TestClusterFault(t *testing.T) {
	cluster := func(body string) string { return "clusters: [{name: lab, domain: d, " + body + "}]" }
	const private = `must begin with https:// (http:// is for 127.0.0.1, [::1] and localhost alone)`
	const good = "kubeconfig: {env: SPACED}"
	for _, c := range []struct{ text, want string }{
		{"cce: yes", `F:9: cce: must be a mapping (key: value), not text`},
		{"cce: {urls: x}", `F:9: cce: unknown key "urls"; did you mean "url"?`},
		{"cce: {url: 'http://cce.{region}.example.com'}", `F:9: cce.url: ` + private},
		{"cce: {url: 'https://{cluster_id}.example.com'}", `F:9: cce.url: may contain {region} and no other braces`},
		{"cce: {url: 'https://{zone}.example.com'}", `F:9: cce.url: may contain {region} and no other braces`},
		{"cce: {url: 'https://u:hunter2@{region}.example.com'}", `F:9: cce.url: must not contain a user or password`},
		{"cce: {url: 'https://{region}.example.com?a'}", `F:9: cce.url: must not contain a query or fragment`},
		{"cce: {url: 'https://{region} example.com'}", `F:9: cce.url: is not a URL such as https://cce.{region}.example.com`},
		{"cce: {url: [x]}", `F:9: cce.url: must be a URL such as https://cce.{region}.example.com, not a list`},
		{"cce: {kubernetes_url: 'https://{region}.example.com'}", `F:9: cce.kubernetes_url: must contain {cluster_id}`},
		{"cce: {kubernetes_url: 'https://{cluster_id}.{zone}.example.com'}", `F:9: cce.kubernetes_url: may contain {cluster_id} and {region} and no other braces`},
		{"cce: {kubernetes_url: 'http://{cluster_id}.example.com'}", `F:9: cce.kubernetes_url: ` + private},
		{"cce: {access: ssh}", `F:9: cce.access: "ssh" is not one of gateway, certificate`},
		{"cce: {timeout: 2m}", `F:9: cce.timeout: 2m is out of range: from 1s to 1m0s`},
		{"cce: {ca_file: llmhub.yaml}", `F:9: cce.ca_file: "llmhub.yaml" holds no PEM certificate`},
		{"cce: {ca_file: none.pem}", `F:9: cce.ca_file: "none.pem" cannot be read: no such file or directory`},

		{"clusters: {}", `F:9: clusters: must be a list, not a mapping`},
		{"clusters: []", `F:9: clusters: must not be empty`},
		{"clusters: [{domain: d, " + good + "}]", `F:9: clusters[0].name: is required`},
		{"clusters: [{name: Lab, domain: d, " + good + "}]", `F:9: clusters[0].name: "Lab" is not a name of lower-case letters, digits, dots, hyphens and underscores`},
		{"clusters: [{name: lab, " + good + "}]", `F:9: clusters[0]: must say whose it is by either tenant or domain`},
		{cluster("tenant: " + tenant + ", " + good), `F:9: clusters[0]: must say whose it is by either tenant or domain`},
		{"clusters: [{name: lab, tenant: acme, " + good + "}]", `F:9: clusters[0].tenant: "acme" is not the ID of a tenant, ten_ and 26 letters and digits`},
		{"clusters:\n  - {name: lab, domain: d, " + good + "}\n  - {name: lab, domain: e, " + good + "}", `F:11: clusters[1].name: "lab" is already the name of the cluster in line 10`},
		{"clusters: [{name: lab, domain: d}]", `F:9: clusters[0].kubeconfig: is required`},
		{cluster("kubeconfig: lab.kubeconfig"), `F:9: clusters[0].kubeconfig: a secret is not written into this file; it must be a reference: {env: NAME} or {file: PATH}`},
		{cluster("kubeconfig: {apiVersion: v1}"), `F:9: clusters[0].kubeconfig: must be a reference: {env: NAME} or {file: PATH}`},
		{cluster("kubeconfig: {env: NO_SUCH}"), `F:9: clusters[0].kubeconfig.env: environment variable NO_SUCH is not set`},
		{cluster("kubeconfig: {env: EMPTY}"), `F:9: clusters[0].kubeconfig.env: the secret is empty`},
		{cluster("kubeconfig: {file: none}"), `F:9: clusters[0].kubeconfig.file: "none" cannot be read: no such file or directory`},
	} {
		t.Run(c.text, func(t *testing.T) {
			if got := faultsOf(t, minimal+withIAM+c.text+"\n"); len(got) != 1 || got[0] != c.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

// Clusters are found with the tokens of users, so without iam there are none.
func TestCCENeedsIAM(t *testing.T) {
	const want = "F:8: cce: needs iam: clusters are found with the tokens of users who sign in there"
	if got := faultsOf(t, minimal+"cce: {}\n"); len(got) != 1 || got[0] != want {
		t.Errorf("got %q", got)
	}
	// An iam that is at fault is there.
	if got := faultsOf(t, minimal+"cce: {}\niam: {timeout: 5s}\n"); len(got) != 1 || got[0] != "F:9: iam.url: is required" {
		t.Errorf("got %q", got)
	}
}

// A file that is no text is no kubeconfig, and nothing of it is repeated.
func TestKubeconfigIsText(t *testing.T) {
	for name, content := range map[string]string{"not UTF-8": "hunter2\xff", "binary": "hunter2\x00", "too large": strings.Repeat("hunter2", 10<<10)} {
		_, _, err := load(t, "clusters: [{name: lab, domain: d, kubeconfig: {file: k}}]\n", map[string]string{"k": content})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
