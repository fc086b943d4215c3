// Package deploy_test tests what llmhub is deployed by: the Helm chart, the container file and the systemd unit.
package deploy_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/releaseutil"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"llmhub/config"
)

const (
	adminToken  = "an-admin-token-of-the-test"
	postgresURL = "postgres://llmhub:geheim@db.example.com/llmhub?sslmode=verify-full"
)

// values returns those that every installation needs, with more in YAML on top, in one or several documents.
func values(t *testing.T, more ...string) map[string]any {
	t.Helper()
	merged := map[string]any{}
	for _, text := range strings.Split(strings.Join(append([]string{`
image: {repository: registry.example.com/llmhub}
secrets: {LLMHUB_ADMIN_TOKEN: ` + adminToken + `, UPSTREAM_KEY: a-key}
config:
  upstreams:
    - {name: gpu, base_url: "http://vllm.models.svc:8000/v1"}
    - {name: provider, base_url: "https://models.example.com/v1", api_key: {env: UPSTREAM_KEY}}
  models:
    - name: gpt-4o-mini
      deployments: [{upstream: gpu}, {upstream: provider, priority: 1}]
      prices: [{from: 2026-01-01, input_per_million: "0.15", output_per_million: "0.60"}]
`}, more...), "\n---\n"), "\n---\n") {
		var v map[string]any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		merged = chartutil.CoalesceTables(v, merged)
	}
	return merged
}

// usePostgres has what replicas share.
const (
	sharedKey   = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	usePostgres = "store: {engine: postgres}\nsecrets: {LLMHUB_DATABASE_URL: \"" + postgresURL + "\", LLMHUB_PEPPER: " + sharedKey + ", LLMHUB_RESPONSES: " + sharedKey + ", LLMHUB_SEAL: " + sharedKey + "}\n"
)

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir("chart")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// render returns the objects by kind and name. What Kubernetes' own types do not know is refused, unknown fields included.
func render(c *chart.Chart, kubeVersion string, vals map[string]any) (objects, error) {
	version, err := chartutil.ParseKubeVersion(kubeVersion)
	if err != nil {
		return nil, err
	}
	i := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	i.DryRun, i.ClientOnly, i.KubeVersion = true, true, version
	i.ReleaseName, i.Namespace = "hub", "gateways"
	r, err := i.Run(c, vals)
	if err != nil {
		return nil, err
	}
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	found := objects{}
	for _, text := range releaseutil.SplitManifests(r.Manifest) {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(text), &head); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, text)
		}
		var o runtime.Object
		if head.Kind != "ServiceMonitor" { // the real API server checks its form in TestClusterOwnChart
			if o, _, err = strict.Decode([]byte(text), nil, nil); err != nil {
				return nil, fmt.Errorf("%w in\n%s", err, text)
			}
		}
		key := head.Kind + "/" + head.Metadata.Name
		if _, again := found[key]; again {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		found[key] = o
	}
	return found, nil
}

// objects are those of a release, by kind and name.
type objects map[string]runtime.Object

func mustRender(t *testing.T, vals map[string]any) objects {
	t.Helper()
	found, err := render(loadChart(t), "v1.32.0", vals)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// pod returns the template of the one workload, and what its pods are selected by.
func (o objects) pod(t *testing.T) (corev1.PodTemplateSpec, *metav1.LabelSelector) {
	t.Helper()
	set, isSet := o["StatefulSet/hub-llmhub"].(*appsv1.StatefulSet)
	many, isMany := o["Deployment/hub-llmhub"].(*appsv1.Deployment)
	switch {
	case isSet && !isMany:
		return set.Spec.Template, set.Spec.Selector
	case isMany && !isSet:
		return many.Spec.Template, many.Spec.Selector
	}
	t.Fatalf("there is no workload, or more than one, among %v", slices.Collect(maps.Keys(o)))
	return corev1.PodTemplateSpec{}, nil
}

func TestChartLints(t *testing.T) {
	for name, more := range map[string]string{"local": "", "postgres": usePostgres, "all": everything} {
		found := lint.AllWithKubeVersion("chart", values(t, more), "gateways", &chartutil.KubeVersion{Version: "v1.32.0", Major: "1", Minor: "32"})
		if len(found.Messages) > 1 {
			t.Errorf("%s: %v", name, found.Messages)
		}
		for _, m := range found.Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
	if found := lint.AllWithKubeVersion("chart", nil, "gateways", nil); found.HighestSeverity >= support.WarningSev {
		t.Errorf("with the chart's own values: %v", found.Messages)
	}
}

// everything sets what is empty by default.
const everything = `
image: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
imagePullSecrets: [{name: registry}]
commonLabels: {team: ai}
files: {brand.css: ":root { --accent: #123456; }"}
service: {type: LoadBalancer, annotations: {a: b}, loadBalancerSourceRanges: [10.0.0.0/8]}
ingress: {enabled: true, className: nginx, annotations: {nginx.ingress.kubernetes.io/proxy-buffering: "off"}, hosts: [hub.example.com], tls: [{secretName: tls, hosts: [hub.example.com]}]}
persistence: {storageClass: csi-disk, annotations: {a: b}}
networkPolicy:
  ingress: {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]}
  egress:
    dns: {to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}
    upstreams: {to: [{podSelector: {}}], ports: [9100]}
    services: {to: [{ipBlock: {cidr: 192.0.2.0/24}}]}
    postgres: {to: [{podSelector: {matchLabels: {app: db}}}], ports: [6432]}
    extra: [{ports: [{port: 6443}]}]
serviceMonitor: {enabled: true, labels: {release: prometheus}}
grafanaDashboard: {enabled: true, annotations: {grafana_folder: AI}}
serviceAccount: {name: hub, annotations: {a: b}}
annotations: {a: b}
podAnnotations: {a: b}
podLabels: {a: b}
priorityClassName: high
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: a, operator: Exists}]
affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]
extraEnv: [{name: GOMEMLIMIT, value: 1500MiB}]
extraEnvFrom: [{secretRef: {name: more}}]
extraVolumes: [{name: catalog, configMap: {name: catalog}}]
extraVolumeMounts: [{name: catalog, mountPath: /catalog}]
config: {catalog: /catalog, stream: {drain_tokens: 10000000}, portal: {public_url: "https://hub.example.com", brand_css: brand.css}, iam: {url: "https://iam.example.com:5000/v3"}, cce: {access: certificate}}
`

// choices are what is combined: each is one of several pieces of values.
var choices = [][]string{
	{"", usePostgres, usePostgres + "---\nsecrets: {LLMHUB_DATABASE_URL: null}\npostgres: {existingSecret: db, key: uri}\n"},
	{"", "persistence: {enabled: false}\n", "persistence: {existingClaim: disk}\n"},
	{"", "existingSecret: mine\nsecrets: null\n"},
	{"", "networkPolicy: {enabled: false}\n", "networkPolicy: {egress: {enabled: false}}\n", "networkPolicy: {egress: {services: {enabled: false}}}\n"},
	{"", "podDisruptionBudget: {enabled: false}\nserviceAccount: {create: false}\n"},
	{"", everything},
}

// TestChartCombinations renders every combination, and looks whether the objects fit together.
func TestChartCombinations(t *testing.T) {
	c := loadChart(t)
	all := [][]string{nil}
	for _, choice := range choices {
		var longer [][]string
		for _, begun := range all {
			for _, piece := range choice {
				longer = append(longer, append(slices.Clip(begun), piece))
			}
		}
		all = longer
	}
	versions := []string{"v1.25.0", "v1.30.1", "v1.34.0+k3s1"}
	for i, pieces := range all {
		vals := values(t, pieces...)
		if vals["secrets"] == nil {
			delete(vals, "secrets")
		}
		found, err := render(c, versions[i%len(versions)], vals)
		if err != nil {
			t.Fatalf("%v: %v", pieces, err)
		}
		if fault := found.fit(t, vals); fault != "" {
			t.Fatalf("%v: %s", pieces, fault)
		}
	}
	if len(all) < 200 {
		t.Errorf("only %d combinations", len(all))
	}
}

// fit says where objects do not fit together, empty if they do.
func (o objects) fit(t *testing.T, vals map[string]any) string {
	t.Helper()
	template, selector := o.pod(t)
	spec, c := template.Spec, template.Spec.Containers[0]
	by, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil || !by.Matches(labels.Set(template.Labels)) {
		return "the workload does not select its own pods"
	}
	service := o["Service/hub-llmhub"].(*corev1.Service)
	if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(template.Labels)) {
		return "the service does not select the pods"
	}
	for _, p := range service.Spec.Ports {
		if !slices.ContainsFunc(c.Ports, func(have corev1.ContainerPort) bool { return have.Name == p.TargetPort.String() }) {
			return "the service leads to the port " + p.TargetPort.String()
		}
	}
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && v.Name == "config" && o["ConfigMap/"+v.ConfigMap.Name] == nil {
			return "there is no ConfigMap " + v.ConfigMap.Name
		}
	}
	if set, ok := o["StatefulSet/hub-llmhub"].(*appsv1.StatefulSet); ok {
		if *set.Spec.Replicas != 1 {
			return "more than one process on the local engine"
		}
		for _, claim := range set.Spec.VolumeClaimTemplates {
			if volumes[claim.Name] {
				return "the volume " + claim.Name + " is there twice"
			}
			volumes[claim.Name] = true
		}
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			return "there is no volume " + m.Name
		}
	}
	for _, from := range c.EnvFrom {
		if name := from.SecretRef.Name; name != "mine" && name != "more" && o["Secret/"+name] == nil {
			return "there is no Secret " + name
		}
	}
	if name := spec.ServiceAccountName; name != "default" && name != "hub" && o["ServiceAccount/"+name] == nil {
		return "there is no ServiceAccount " + name
	}
	if *spec.AutomountServiceAccountToken {
		return "the pod gets a token of the cluster"
	}
	_, hasPDB := o["PodDisruptionBudget/hub-llmhub"].(*policyv1.PodDisruptionBudget)
	pdb, _ := vals["podDisruptionBudget"].(map[string]any)
	if _, many := o["Deployment/hub-llmhub"]; hasPDB != (many && pdb["enabled"] != false) {
		return "a PodDisruptionBudget is not where it should be"
	}
	return ""
}

// TestChartConfiguration loads the rendered file as llmhub does, with the secrets that the pod gets.
func TestChartConfiguration(t *testing.T) {
	for name, more := range map[string]string{
		"local": "", "grace": "shutdown: {graceSeconds: 7}\n", "everything": strings.Replace(everything, "catalog: /catalog, ", "", 1), // which is not here
	} {
		t.Run(name, func(t *testing.T) {
			found := mustRender(t, values(t, more))
			cfg := loadConfig(t, found)
			if cfg.Listen != ":8080" || cfg.Data != "/var/lib/llmhub/data" || cfg.Admin.Token.Reveal() != adminToken || len(cfg.Models) != 1 {
				t.Errorf("listen %q, data %q, %d models", cfg.Listen, cfg.Data, len(cfg.Models))
			}
			if want := map[string]time.Duration{"local": time.Minute, "everything": time.Minute, "grace": 7 * time.Second}[name]; cfg.Shutdown.Grace != want {
				t.Errorf("grace %s, want %s", cfg.Shutdown.Grace, want)
			}
			template, _ := found.pod(t)
			stop := time.Duration(*template.Spec.TerminationGracePeriodSeconds) * time.Second
			stop -= time.Duration(template.Spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
			if left := stop - cfg.Shutdown.Grace; left != 25*time.Second {
				t.Errorf("%s are left to close after the grace period", left)
			}
			if name == "everything" && (cfg.Portal.BrandCSS == nil || cfg.Stream.DrainTokens != 10_000_000) {
				t.Errorf("brand %q, drain_tokens %d", cfg.Portal.BrandCSS, cfg.Stream.DrainTokens)
			}
		})
	}
}

// TestChartDatabase has replicas share a database and keys, and keep nothing on a disk.
func TestChartDatabase(t *testing.T) {
	found := mustRender(t, values(t, usePostgres+"---\npostgres: {settings: {connections: 20, listen_url: {env: LLMHUB_DATABASE_URL}}}\n"))
	cfg := loadConfig(t, found)
	db := cfg.Store.Postgres
	if db == nil || db.URL.Reveal() != postgresURL || db.ListenURL.Reveal() != postgresURL || db.Connections != 20 || cfg.Data != "" {
		t.Errorf("the database is %+v, the data folder %q", db, cfg.Data)
	}
	if len(db.Keys.Pepper.Reveal()) != config.KeyBytes || len(db.Keys.Responses.Reveal()) != config.KeyBytes || len(db.Keys.Seal.Reveal()) != config.KeyBytes {
		t.Error("a shared key is not one")
	}
	template, _ := found.pod(t)
	if slices.ContainsFunc(template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "data" }) {
		t.Error("a replica has a data folder")
	}
}

// loadConfig writes what the ConfigMap holds into a folder and reads it.
func loadConfig(t *testing.T, found objects) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range found["ConfigMap/hub-llmhub"].(*corev1.ConfigMap).Data {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secrets := map[string]string{"LLMHUB_ADMIN_TOKEN": adminToken, "UPSTREAM_KEY": "a-key"}
	if s, ok := found["Secret/hub-llmhub"].(*corev1.Secret); ok {
		secrets = s.StringData
	}
	cfg, err := config.LoadEnv(filepath.Join(dir, "llmhub.yaml"), func(name string) (string, bool) { v, ok := secrets[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestChartRefuses(t *testing.T) {
	c := loadChart(t)
	for name, r := range map[string]struct{ more, want string }{
		"engine":           {"store: {engine: sqlite}", "/store/engine"},
		"unknown":          {"replicas: 3", "additional properties 'replicas' not allowed"},
		"unknown deeper":   {"persistence: {enable: true}", "'enable' not allowed"},
		"replicas":         {"replicaCount: two", "/replicaCount"},
		"port":             {"service: {port: 70000}", "/service/port"},
		"size":             {"persistence: {size: 20 GB}", "/persistence/size"},
		"token":            {"secrets: {LLMHUB_ADMIN_TOKEN: short}", "/secrets/LLMHUB_ADMIN_TOKEN"},
		"variable":         {"secrets: {a-b: c}", "invalid propertyName 'a-b'"},
		"digest":           {"image: {digest: latest}", "/image/digest"},
		"key in clear":     {"config: {upstreams: [{name: x, base_url: \"http://x\", api_key: sk-1}]}", "/config/upstreams/0/api_key"},
		"grace":            {"shutdown: {graceSeconds: 1m}", "/shutdown/graceSeconds"},
		"file":             {"files: {llmhub.yaml: \"\"}", "invalid propertyName 'llmhub.yaml'"},
		"budget":           {"podDisruptionBudget: {maxUnavailable: 0}", "/podDisruptionBudget/maxUnavailable"},
		"probe":            {"startupProbe: {tcpSocket: {port: 1}}", "'tcpSocket' not allowed"},
		"listen":           {"config: {listen: \":1\"}", "config.listen is written by the chart"},
		"data":             {"config: {data: /x}", "config.data is written by the chart"},
		"no models":        {"config: {models: []}", "config.models is empty"},
		"no upstreams":     {"config: {upstreams: []}", "config.upstreams is empty"},
		"no image":         {"image: {repository: \"\"}", "image.repository is required"},
		"no token":         {"secrets: {LLMHUB_ADMIN_TOKEN: null}", "secrets.LLMHUB_ADMIN_TOKEN is required"},
		"two secrets":      {"existingSecret: mine", "existingSecret and secrets are both set"},
		"no pepper":        {usePostgres + "---\nsecrets: {LLMHUB_PEPPER: null}", "secrets.LLMHUB_PEPPER is required"},
		"url in clear":     {usePostgres + "---\npostgres: {settings: {url: x}}", "postgres.settings.url is written by the chart"},
		"listen in clear":  {usePostgres + "---\npostgres: {settings: {listen_url: x}}", "/postgres/settings/listen_url"},
		"no database":      {"store: {engine: postgres}", "secrets.LLMHUB_DATABASE_URL is required"},
		"ingress nowhere":  {"ingress: {enabled: true}", "ingress.hosts is empty"},
		"old Kubernetes":   {"", "incompatible with Kubernetes v1.24"},
		"egress to nobody": {usePostgres + "---\nnetworkPolicy: {egress: {postgres: {ports: []}}}", "/networkPolicy/egress/postgres/ports"},
	} {
		version := "v1.32.0"
		if name == "old Kubernetes" {
			version = "v1.24.9"
		}
		if _, err := render(c, version, values(t, r.more)); err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%s: got %v, want %q", name, err, r.want)
		}
	}
}

// TestChartEgress lets llmhub call what the values say, and nothing else.
func TestChartEgress(t *testing.T) {
	for name, c := range map[string]struct {
		more string
		want []string
	}{
		"local":      {"", []string{"53/UDP 53/TCP", "443/TCP 8000/TCP", "443/TCP"}},
		"postgres":   {usePostgres, []string{"53/UDP 53/TCP", "443/TCP 8000/TCP", "443/TCP", "5432/TCP"}},
		"none":       {"networkPolicy: {egress: {services: {enabled: false}}}", []string{"53/UDP 53/TCP", "443/TCP 8000/TCP"}},
		"IPv6":       {"config: {upstreams: [{name: gpu, base_url: \"http://[2001:db8::1]/v1\"}, {name: provider, base_url: \"https://[2001:db8::1]:9100\"}]}", []string{"53/UDP 53/TCP", "80/TCP 9100/TCP", "443/TCP"}},
		"everything": {everything, []string{"53/UDP 53/TCP to", "443/TCP 8000/TCP 9100/TCP to", "443/TCP 5000/TCP 5443/TCP to", "6443/"}},
	} {
		policy := mustRender(t, values(t, c.more))["NetworkPolicy/hub-llmhub"].(*netv1.NetworkPolicy)
		var got []string
		for _, rule := range policy.Spec.Egress {
			var ports []string
			for _, p := range rule.Ports {
				protocol := ""
				if p.Protocol != nil {
					protocol = string(*p.Protocol)
				}
				ports = append(ports, p.Port.String()+"/"+protocol)
			}
			if len(rule.To) > 0 {
				ports = append(ports, "to")
			}
			got = append(got, strings.Join(ports, " "))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: egress %q, want %q", name, got, c.want)
		}
		if n := len(policy.Spec.Ingress); n != 1 || (len(policy.Spec.Ingress[0].From) > 0) != (name == "everything") {
			t.Errorf("%s: ingress %+v", name, policy.Spec.Ingress)
		}
	}
}

// TestChartKnowsKubernetes leaves out what an older Kubernetes would refuse.
func TestChartKnowsKubernetes(t *testing.T) {
	c := loadChart(t)
	for version, want := range map[string][2]bool{"v1.25.0": {false, false}, "v1.29.9": {false, true}, "v1.30.0": {true, true}, "v1.34.1-gke.100": {true, true}} {
		found, err := render(c, version, values(t, usePostgres))
		if err != nil {
			t.Fatal(err)
		}
		template, _ := found.pod(t)
		pauses := template.Spec.Containers[0].Lifecycle != nil
		evicts := found["PodDisruptionBudget/hub-llmhub"].(*policyv1.PodDisruptionBudget).Spec.UnhealthyPodEvictionPolicy != nil
		if got := [2]bool{pauses, evicts}; got != want {
			t.Errorf("%s: a pause and an eviction policy %v, want %v", version, got, want)
		}
	}
	template, _ := mustRender(t, values(t, "shutdown: {preStopSeconds: 0}")).pod(t)
	if template.Spec.Containers[0].Lifecycle != nil {
		t.Error("a pause of no seconds")
	}
}

// TestChartRollsOut gives pods another checksum when their configuration or secrets change, and only then.
func TestChartRollsOut(t *testing.T) {
	annotations := func(more ...string) map[string]string {
		template, _ := mustRender(t, values(t, more...)).pod(t)
		return template.Annotations
	}
	first := annotations()
	if !reflect.DeepEqual(first, annotations("service: {port: 80}")) {
		t.Error("the port of the service replaces the pods")
	}
	if first["checksum/config"] == annotations("config: {log: {level: debug}}")["checksum/config"] {
		t.Error("another configuration does not replace the pods")
	}
	if first["checksum/secret"] == annotations("secrets: {UPSTREAM_KEY: another}")["checksum/secret"] {
		t.Error("another secret does not replace the pods")
	}
}

// TestChartUpgrades changes nothing of a StatefulSet that Kubernetes does not let be changed.
func TestChartUpgrades(t *testing.T) {
	before := mustRender(t, values(t))["StatefulSet/hub-llmhub"].(*appsv1.StatefulSet)
	c := loadChart(t)
	c.Metadata.Version, c.Metadata.AppVersion = "9.9.9", "9.9.9"
	found, err := render(c, "v1.32.0", values(t, "commonLabels: {team: ai}\npodLabels: {a: b}\nconfig: {log: {level: debug}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	after := found["StatefulSet/hub-llmhub"].(*appsv1.StatefulSet)
	if reflect.DeepEqual(before.Spec.Template, after.Spec.Template) {
		t.Error("nothing is upgraded")
	}
	before.Spec.Template, after.Spec.Template = corev1.PodTemplateSpec{}, corev1.PodTemplateSpec{}
	if !reflect.DeepEqual(before.Spec, after.Spec) {
		t.Errorf("before %+v\nafter %+v", before.Spec, after.Spec)
	}
}

// TestDocumentedValues installs what docs/DEPLOYING.md shows.
func TestDocumentedValues(t *testing.T) {
	text, err := os.ReadFile("../docs/DEPLOYING.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) != 2 {
		t.Fatalf("there are %d pieces of YAML", len(blocks))
	}
	var one, more map[string]any
	if err := errors.Join(yaml.Unmarshal(blocks[0][1], &one), yaml.Unmarshal(blocks[1][1], &more)); err != nil {
		t.Fatal(err)
	}
	found := mustRender(t, one)
	if cfg := loadConfig(t, found); len(cfg.Upstreams) != 2 || found["StatefulSet/hub-llmhub"] == nil || found["Ingress/hub-llmhub"] == nil || found["Secret/hub-llmhub"] != nil {
		t.Errorf("one pod: %v", slices.Collect(maps.Keys(found)))
	}
	found = mustRender(t, chartutil.CoalesceTables(more, one))
	template, _ := found.pod(t)
	url := template.Spec.Containers[0].Env[0]
	if *found["Deployment/hub-llmhub"].(*appsv1.Deployment).Spec.Replicas != 3 || url.Name != "LLMHUB_DATABASE_URL" || url.ValueFrom.SecretKeyRef.Name != "llmhub-db-app" {
		t.Errorf("several: %v with %+v", slices.Collect(maps.Keys(found)), url)
	}
}
