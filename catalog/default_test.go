package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"llmhub/catalog"
)

// TestDefault insists that what comes with the program is valid and has one of each kind.
func TestDefault(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	var licences []catalog.Licence
	for _, p := range c.All() {
		if p.IconSVG() == nil || p.PostDeployment == nil || len(p.Consents()) < 2 {
			t.Errorf("%s lacks an icon, a guide or documents to consent to", p.ID)
		}
		if p.Type == catalog.TypeCCE {
			licences = append(licences, p.Licence)
			checkDeployable(t, p)
		}
	}
	slices.Sort(licences)
	if want := []catalog.Licence{catalog.BYOL, catalog.Free, catalog.OpenSource, catalog.Trial}; !slices.Equal(licences, want) {
		t.Errorf("licences %q, want %q", licences, want)
	}
	hub, ok := c.Product("llm-hub")
	if !ok || hub.Type != catalog.TypeLLM || hub.LLM == nil || len(hub.LLM.Models) != 0 {
		t.Errorf("the LLM Hub is %+v", hub)
	}
	for _, id := range []string{"eula", "marketplace-terms", "service-description"} {
		d, ok := hub.Document(id)
		if !ok || d.Consent != (id != "service-description") || d.Content.In("en") == d.Content.In("de") {
			t.Errorf("document %s: %+v", id, d)
		}
	}
}

// checkDeployable looks for what a good chart has.
func checkDeployable(t *testing.T, p catalog.Product) {
	t.Helper()
	templates := ""
	schema := false
	for _, f := range p.CCE.Chart.Files() {
		schema = schema || f.Name == "values.schema.json"
		if strings.HasPrefix(f.Name, "templates/") {
			templates += string(f.Data)
		}
	}
	if !schema {
		t.Errorf("%s has no values.schema.json", p.ID)
	}
	for _, want := range []string{"startupProbe:", "readinessProbe:", "livenessProbe:", "runAsNonRoot: true", "readOnlyRootFilesystem: true", "drop: [ALL]",
		"allowPrivilegeEscalation: false", "automountServiceAccountToken: false", ".Values.resources", "type: RuntimeDefault"} {
		if !strings.Contains(templates, want) {
			t.Errorf("%s: no %q in the templates", p.ID, want)
		}
	}
}

// TestDefaultIsVendorNeutral keeps the marks of others out.
func TestDefaultIsVendorNeutral(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"telekom", "t-systems", "open telekom cloud", "otc"} {
		if r := c.Search(catalog.Query{Text: mark}); r.Total != 0 {
			t.Errorf("%q is in %s", mark, ids(r.Products))
		}
	}
}
