package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The catalog of the proofs. Each product is a chart of one small template, whose values say how it fares.

const clusterShared = `sellers:
  - {id: acme, name: Acme, email: sales@acme.example, support_email: help@acme.example}
categories:
  - {id: data, name: {en: Data, de: Daten}}
documents:
  - {id: terms, title: {en: Terms, de: Bedingungen}, version: "1", date: 2026-01-01, file: {en: terms.md, de: terms.md}, consent: true}
`

const clusterProduct = `type: cce
licence: %[2]s
name: %[1]s
version: 1.0.0
seller: acme
icon: icon.svg
summary: {en: A product, de: Ein Produkt}
description: {en: A product, de: Ein Produkt}
post_deployment: {en: Use it, de: Nutzen}
categories: [data]
licence_fee: {en: none, de: keine}
price_info: {en: free, de: frei}
used_software: [{name: Thing, licence: MIT, url: "https://thing.example/licence"}]
documents:
  - {id: eula, title: {en: E, de: E}, version: "1", date: 2026-01-01, file: {en: eula.md, de: eula.md}, consent: true}
published: 2026-01-02
cce:
  time_limit: %[5]s
  chart: %[3]s
%[4]s  fields:
`

// slowProduct has time for what is begun while much else is, and is not to end before that. All others have shortLimit.
const (
	slowProduct = "slow"
	slowLimit   = "10m"
	shortLimit  = "1m"
)

// probeFields are those of every product.
var probeFields = []string{"image", "replicas", "gate", "hookImage", "hookGate", "removalGate", "cpu", "class", "address", "text"}

const probeValues = `image: nginx:1
replicas: 1
password: ""
gate: ""
hookImage: ""
hookGate: ""
removalGate: ""
cpu: 10m
class: ""
address: ""
text: ""
`

const probeSchema = `{"type": "object", "properties": {"replicas": {"type": "integer"}, "image": {"type": "string", "not": {"const": "refused:1"}}}}`

// probeTemplate has what can go wrong. A gate is the name of a label that nodes need to take the pods: until one has it they wait. A
// licence that is not there when the chart is applied would be seen in the annotation.
const probeTemplate = `apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-password}
stringData: {password: {{ .Values.password | quote }} }
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  annotations:
    test.example/licence: {{ if lookup "v1" "Secret" .Release.Namespace "licence" }}"there"{{ else }}"missing"{{ end }}
    test.example/text: {{ .Values.text | quote }}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }} }}
  template:
    metadata: {labels: {app: {{ .Release.Name }} }}
    spec:
      terminationGracePeriodSeconds: 0
      {{- with .Values.gate }}
      nodeSelector: {test.example/{{ . }}: open}
      {{- end }}
      containers:
      - {name: web, image: {{ .Values.image | quote }}, resources: {requests: {cpu: {{ .Values.cpu | quote }} }}}
{{- with .Values.class }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{ $.Release.Name }}-data}
spec: {accessModes: [ReadWriteOnce], storageClassName: {{ . | quote }}, resources: {requests: {storage: 1Gi}}}
{{- end }}
{{- with .Values.address }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $.Release.Name }}
  {{- if eq . "none" }}
  annotations: {test.example/no-address: "yes"}
  {{- end }}
spec: {type: LoadBalancer, selector: {app: {{ $.Release.Name }} }, ports: [{port: 80}]}
{{- end }}
{{- range $kind, $gate := dict "pre-install,pre-upgrade" .Values.hookGate "pre-delete" .Values.removalGate }}
{{- if or $gate (and $.Values.hookImage (ne $kind "pre-delete")) }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $.Release.Name }}-{{ $kind | replace "," "-" }}
  annotations: {helm.sh/hook: {{ $kind | quote }}, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      {{- with $gate }}
      nodeSelector: {test.example/{{ . }}: open}
      {{- end }}
      containers: [{name: job, image: {{ $.Values.hookImage | default "job:1" | quote }} }]
{{- end }}
{{- end }}
`

// endless renders for longer than anybody waits.
const endless = `{{- range until 30000 }}{{ range until 30000 }}{{ range until 30000 }}{{ end }}{{ end }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: never}
`

// bomb returns YAML that grows to billions of elements.
func bomb(kind string) string {
	var b strings.Builder
	b.WriteString(kind)
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [", i, i)
		b.WriteString(strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
		b.WriteString("]\n")
	}
	return b.String()
}

// clusterCatalog is a catalog folder and the chart repository that some of it needs.
type clusterCatalog struct {
	t      *testing.T
	folder string
	*chartRepository
}

func newClusterCatalog(t *testing.T) *clusterCatalog {
	t.Helper()
	c := &clusterCatalog{t: t, folder: t.TempDir(), chartRepository: newChartRepository(t)}
	c.write("catalog.yaml", clusterShared)
	c.write("terms.md", "# Terms\n")
	const folder = "{folder: chart}"
	c.product("probe", "open-source", folder, "", probeTemplate)
	c.product(slowProduct, "open-source", folder, "", probeTemplate)
	c.product("licensed", "byol", folder, "  byol: {secret_name: licence, file_name: key.lic, shop_url: \"https://acme.example/shop\"}\n", probeTemplate)
	c.product("endless", "open-source", folder, "", endless)
	c.product("bomb", "open-source", folder, "", bomb("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\ndata:\n  x: y\n"))
	c.product("remote", "open-source", c.at("probe", fmt.Sprintf("sha256:%x", sha256.Sum256(c.archive))), "", "")
	c.product("altered", "open-source", c.at("probe", "sha256:"+strings.Repeat("ab", 32)), "", "")
	c.product("nowhere", "open-source", c.at("missing", "sha256:"+strings.Repeat("cd", 32)), "", "")
	c.hubProduct()
	return c
}

// at names a chart in the repository.
func (c *clusterCatalog) at(name, digest string) string {
	return fmt.Sprintf("{repository: %q, name: %s, version: 1.0.0, digest: %q}", c.url, name, digest)
}

// product writes a product; without a template it has no chart of its own.
func (c *clusterCatalog) product(id, licence, chart, rest, template string) {
	c.t.Helper()
	var b strings.Builder
	limit := shortLimit
	if id == slowProduct {
		limit = slowLimit
	}
	fmt.Fprintf(&b, clusterProduct, id, licence, chart, rest, limit)
	for _, key := range probeFields {
		fmt.Fprintf(&b, "    - {key: %s, label: {en: %[1]s, de: %[1]s}, input_type: text}\n", key)
	}
	b.WriteString("    - {key: password, label: {en: Password, de: Passwort}, input_type: text, confidential: true}\n")
	dir := "products/" + id + "/"
	c.write(dir+"product.yaml", b.String())
	c.write(dir+"eula.md", "Be nice.\n")
	c.write(dir+"icon.svg", `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8"/></svg>`)
	if template != "" {
		for name, text := range probeChart(id, template) {
			c.write(dir+"chart/"+name, text)
		}
	}
}

func (c *clusterCatalog) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.folder, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// probeChart returns the files of a chart.
func probeChart(name, template string) map[string]string {
	return map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: " + name + "\nversion: 1.0.0\n", "values.yaml": probeValues,
		"values.schema.json": probeSchema, "templates/all.yaml": template,
	}
}

// chartRepository is an HTTP repository with the chart probe. What it is asked for can be held back.
type chartRepository struct {
	url     string
	archive []byte

	mu sync.Mutex
	// held is closed when answers go out again, nil as long as they do. asked gets each archive that is asked for meanwhile.
	held  chan struct{}
	asked chan struct{}
}

func newChartRepository(t *testing.T) *chartRepository {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for name, text := range probeChart("probe", probeTemplate) {
		if err := w.WriteHeader(&tar.Header{Name: "probe/" + name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r := &chartRepository{archive: out.Bytes(), asked: make(chan struct{}, 100)}
	server := httptest.NewServer(r)
	r.url = server.URL
	t.Cleanup(func() {
		r.release()
		server.CloseClientConnections()
		server.Close()
	})
	return r
}

// hold holds archives back until release.
func (r *chartRepository) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = make(chan struct{})
}

func (r *chartRepository) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held != nil {
		close(r.held)
		r.held = nil
	}
}

func (r *chartRepository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case "/index.yaml":
		fmt.Fprintf(w, "apiVersion: v1\nentries:\n  probe:\n  - {apiVersion: v2, name: probe, version: 1.0.0, digest: %x, urls: [probe-1.0.0.tgz]}\n", sha256.Sum256(r.archive))
	case "/probe-1.0.0.tgz":
		r.mu.Lock()
		held := r.held
		r.mu.Unlock()
		if held != nil {
			r.asked <- struct{}{}
			select {
			case <-held:
			case <-req.Context().Done():
				return
			}
		}
		_, _ = w.Write(r.archive)
	default:
		http.NotFound(w, req)
	}
}
