package catalog_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedExample insists that the examples in the documentation are a valid catalog.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile("../docs/CATALOG.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of YAML, want 3", len(blocks))
	}
	values := "auth: {password: ''}\npersistence: {storageClass: ''}\nservice: {type: ClusterIP}\nlicence: {secretName: a}\n"
	llm := regexp.MustCompile(`(?m)^(licence|licence_fee|licence_info|pre_deployment):.*\n`).ReplaceAllString(blocks[1][1], "")
	llm, _, _ = strings.Cut(strings.Replace(llm, "type: cce", "type: llm", 1), "cce:\n")
	all := map[string]string{"catalog.yaml": blocks[0][1], "documents/terms.en.md": "T", "documents/terms.de.md": "T"}
	for dir, product := range map[string]string{"products/store/": blocks[1][1], "products/models/": llm + blocks[2][1]} {
		for name, text := range map[string]string{
			"product.yaml": product, "icon.svg": icon, "eula.en.md": "E", "eula.de.md": "E", "chart/values.yaml": values,
			"chart/Chart.yaml": "apiVersion: v2\nname: store\nversion: 2.4.0\n", "chart/templates/a.yaml": "kind: Pod",
		} {
			all[dir+name] = text
		}
	}
	if got := len(load(t, all).All()); got != 2 {
		t.Errorf("%d products", got)
	}
}
