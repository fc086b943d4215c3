package helm_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/deployer/helm"
	"llmhub/secret"
)

const workerArg = "helm-worker"

// TestMain is a worker, too: the tests' own executable is what Options.Command names. It is also a parent that can be killed.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, workerArg) {
		os.Exit(helm.Main(os.Stdin, os.Stdout))
	}
	if at := slices.Index(os.Args, parentArg); at > 0 {
		parent(os.Args[at+1])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func newReleases(t *testing.T, tune func(*helm.Options)) *helm.Releases {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := helm.Options{Command: []string{self, workerArg}}
	if tune != nil {
		tune(&o)
	}
	return helm.New(o)
}

const chartYAML = "apiVersion: v2\nname: probe\nversion: 1.0.0\nappVersion: \"7\"\n"

const configMap = `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }} }
data: {password: {{ .Values.password | quote }}, kube: {{ .Capabilities.KubeVersion.Version }}, upgrade: "{{ .Release.IsUpgrade }}" }
`

// chartOf returns a chart of files given as name and text, in turn, besides Chart.yaml.
func chartOf(nameText ...string) deployer.Chart {
	files := []catalog.ChartFile{{Name: "Chart.yaml", Data: []byte(chartYAML)}}
	for i := 0; i < len(nameText); i += 2 {
		if nameText[i] == "Chart.yaml" {
			files[0].Data = []byte(nameText[i+1])
			continue
		}
		files = append(files, catalog.ChartFile{Name: nameText[i], Data: []byte(nameText[i+1])})
	}
	return deployer.Chart{Name: "probe", Version: "1.0.0", Files: files}
}

func renderOf(c deployer.Chart, values string) deployer.RenderInput {
	return deployer.RenderInput{
		Chart: c, Namespace: "here", Release: "web", Values: secret.New(values), SecretPaths: []string{"password"},
		KubeVersion: "v1.31.4", APIVersions: []string{"v1", "apps/v1", "apps/v1/Deployment"},
	}
}

// reasonOf returns the reason that an error is, and fails the test if it is none.
func reasonOf(t *testing.T, err error) *deployer.Reason {
	t.Helper()
	var r *deployer.Reason
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a reason", err)
	}
	return r
}

func TestRender(t *testing.T) {
	c := chartOf("templates/a.yaml", configMap, "values.yaml", "password: \"\"\n", "crds/c.yaml", "kind: CustomResourceDefinition\n",
		"templates/hook.yaml", "kind: Pod\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install}}\n",
		"templates/api.yaml", `kind: {{ if .Capabilities.APIVersions.Has "batch/v1" }}Wrong{{ else }}Right{{ end }}`)
	in := renderOf(c, `{"password":"geheim"}`)
	got, err := newReleases(t, nil).Render(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"password: \"geheim\"", "kube: v1.31.4", `upgrade: "false"`, "CustomResourceDefinition", "name: hook", "kind: Right"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	in.Upgrade = true
	if got, err := newReleases(t, nil).Render(t.Context(), in); err != nil || !strings.Contains(string(got), `upgrade: "true"`) {
		t.Errorf("an upgrade renders %s, %v", got, err)
	}
}
