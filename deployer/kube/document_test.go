package kube

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"llmhub/deployer"
)

func names(all []manifest) []string {
	var out []string
	for i := range all {
		out = append(out, all[i].APIVersion+" "+all[i].text())
	}
	return out
}

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"nothing":            {"", nil},
		"comments only":      {"# Source: a\n---\n# b\n---\n\n", nil},
		"one":                {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}", []string{"v1 Pod/a"}},
		"JSON":               {`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}`, []string{"v1 Pod/a"}},
		"several":            {"---\n# Source: a\n{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}\n", []string{"v1 Pod/a", "apps/v1 Deployment/b"}},
		"a comment at ---":   {"{apiVersion: v1, kind: Pod, metadata: {name: a}}\n--- # b\n{apiVersion: v1, kind: Pod, metadata: {name: b}}\n", []string{"v1 Pod/a", "v1 Pod/b"}},
		"--- in a text":      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    a\n    ---\n    kind: no\n", []string{"v1 ConfigMap/a"}},
		"Windows":            {"apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: a}\r\n---\r\napiVersion: v1\r\nkind: Pod\r\nmetadata: {name: b}\r\n", []string{"v1 Pod/a", "v1 Pod/b"}},
		"a list":             {"{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: a}}, {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: b}}]}]}", []string{"v1 Pod/a", "v1 Pod/b"}},
		"a list of one kind": {"{apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: a}}]}", []string{"v1 ConfigMap/a"}},
		"an empty list":      {"{apiVersion: v1, kind: List, items: []}", nil},
		"a generated name":   {"{apiVersion: v1, kind: Pod, metadata: {generateName: a-}}", []string{"v1 Pod/a-"}},
		"an anchor":          {"{apiVersion: v1, kind: Pod, metadata: {name: &n a, labels: {app: *n}}}", []string{"v1 Pod/a"}},
		"a test":             {"{apiVersion: v1, kind: Pod, metadata: {name: a, annotations: {helm.sh/hook: 'test, test-failure'}}}", nil},
		"a hook and test":    {"{apiVersion: v1, kind: Pod, metadata: {name: a, annotations: {helm.sh/hook: 'test,post-install'}}}", []string{"v1 Pod/a"}},
		"a key twice":        {"{apiVersion: v1, kind: Pod, kind: Pod, metadata: {name: a}}", []string{"v1 Pod/a"}},
	} {
		all, err := parse([]byte(test.text))
		if err != nil || !slices.Equal(names(all), test.want) {
			t.Errorf("%s: %q, %v", name, names(all), err)
		}
	}
}

// bomb returns text whose aliases, written out, are ten times as large at every level.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i <= levels; i++ {
		r := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Join(slices.Repeat([]string{r}, 10), ","))
	}
	return b.String()
}

// chain returns text whose values are nested as deep as wanted by aliases alone.
func chain(n int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 x\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d]\n", i, i, i-1)
	}
	return b.String()
}

func TestParseRefuses(t *testing.T) {
	pod := "---\n{apiVersion: v1, kind: Pod, metadata: {name: a}}\n"
	for name, test := range map[string]struct {
		text string
		code deployer.ReasonCode
		want string
	}{
		"large":               {strings.Repeat("#", maxManifestBytes+1), deployer.RenderLimit, "5 MiB"},
		"many objects":        {strings.Repeat(pod, maxObjects+1), deployer.RenderLimit, "1000 objects"},
		"many documents":      {strings.Repeat("---\n", maxDocuments+1), deployer.RenderLimit, "5000 documents"},
		"a large object":      {"a: " + strings.Repeat("x", maxObjectBytes), deployer.RenderLimit, "2048 KiB"},
		"many values":         {"a: [" + strings.Repeat("x,", maxMarks) + "]", deployer.RenderLimit, "300000 lines and values"},
		"many nested values":  {strings.Repeat("- ", maxMarks+1), deployer.RenderLimit, "300000 lines and values"},
		"a bomb":              {bomb(9), deployer.RenderLimit, "aliases"},
		"a large alias":       {"a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 100) + "]", deployer.RenderLimit, "aliases"},
		"large in all":        {strings.Repeat("---\na: &a "+strings.Repeat("x", 1<<10)+"\nb: ["+strings.Repeat("*a,", 1900)+"]\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", 3), deployer.RenderLimit, "aliases"},
		"deep":                {strings.Repeat("[", 200) + strings.Repeat("]", 200), deployer.RenderLimit, "deep"},
		"deep by aliases":     {chain(200), deployer.RenderLimit, "deep"},
		"deep lists":          {strings.Repeat("{apiVersion: v1, kind: List, items: [", 5) + strings.Repeat("]}", 5), deployer.RenderLimit, "nested"},
		"an alias of itself":  {"a: &a [*a]", deployer.RenderFailed, "itself"},
		"no YAML":             {pod + "---\na: b: canary", deployer.RenderFailed, "line 3"},
		"a tab":               {"a:\n\tb: c", deployer.RenderFailed, "YAML"},
		"a text":              {"canary", deployer.RenderFailed, "not an object"},
		"a sequence":          {"[1, 2]", deployer.RenderFailed, "not an object"},
		"a hidden document":   {"{apiVersion: v1, kind: Pod, metadata: {name: a}}\n...\n{apiVersion: v1, kind: Pod, metadata: {name: b}}", deployer.RenderFailed, ""},
		"no kind":             {"{apiVersion: v1, metadata: {name: a}}", deployer.RenderFailed, "no kind"},
		"no version":          {"{kind: Pod, metadata: {name: a}}", deployer.RenderFailed, "no apiVersion"},
		"a bad version":       {"{apiVersion: a/b/c, kind: Pod, metadata: {name: a}}", deployer.RenderFailed, "no apiVersion"},
		"no name":             {"{apiVersion: v1, kind: Pod}", deployer.RenderFailed, "no name"},
		"a name of numbers":   {"{apiVersion: v1, kind: Pod, metadata: {name: 7}}", deployer.RenderFailed, "no name"},
		"a list of texts":     {"{apiVersion: v1, kind: List, items: [a]}", deployer.RenderFailed, "not an object"},
		"a very long name":    {"{apiVersion: v1, kind: Pod, metadata: {name: " + strings.Repeat("x", 2000) + "}}", deployer.RenderFailed, "too long"},
		"a mapping as a key":  {"{{a: b}: c}", deployer.RenderFailed, ""},
		"not UTF-8":           {"a: \xff\xfe", deployer.RenderFailed, ""},
		"an undefined anchor": {"a: *canary", deployer.RenderFailed, "YAML"},
	} {
		all, err := parse([]byte(test.text))
		var r *deployer.Reason
		if all != nil || !errors.As(err, &r) || r.Code != test.code || !strings.Contains(r.Detail, test.want) || strings.Contains(r.Detail, "canary") {
			t.Errorf("%s: %d objects, %v", name, len(all), err)
		}
	}
}

// FuzzParse: whatever the text, reading and planning it ends without a panic, and what is read can be read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{web, bomb(3), chain(5), "--- # c\na: b\n", "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]}",
		"{apiVersion: v1, kind: PersistentVolume, metadata: {name: a}, spec: {hostPath: {path: /}}}", service1(""), claim1("x"), statefulSet1("y"),
		"{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {parallelism: -1, template: {spec: {hostNetwork: yes}}}}}}",
		"{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: aGVsbG8=}, stringData: {b: 1}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parse(text)
		if err != nil {
			var r *deployer.Reason
			if !errors.As(err, &r) {
				t.Fatalf("%T", err)
			}
			return
		}
		secretsOf(all)
		i := &inspection{in: deployer.Inspection{Namespace: "ns", Release: "r"}, kinds: testKinds(), nodes: 3}
		i.plan(all)
		i.compare(deployer.Facts{FreeMilliCPU: 1000, FreeMemoryMiB: 1000})
		i.needs()
		i.finish()
		if len(i.inventory.Objects) != len(all) || i.inventory.MilliCPU < 0 || i.inventory.MemoryMiB < 0 {
			t.Errorf("%+v", i.inventory)
		}
	})
}
