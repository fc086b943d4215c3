package catalog_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/catalog"
)

func TestProductAsRead(t *testing.T) {
	all := edited(t, cacheFile, "chart: {folder: chart}", "chart: {folder: chart}\n  kube_version: \">=1.27\"\n  time_limit: 5m\n  byol: {secret_name: s, file_name: f, shop_url: \"https://shop.example\"}")
	all[cacheFile] = strings.Replace(all[cacheFile], "open-source", "byol\nweight: 3\nrecommended: true\nrevision: 2\nend_of_life: 2027-01-01", 1)
	p, ok := load(t, all).Product("cache")
	if !ok {
		t.Fatal("not found")
	}
	if p.ID != "cache" || p.Type != catalog.TypeCCE || p.Licence != catalog.BYOL || p.Name != "Cache" || p.Version != "1.0.0" || p.Revision != 2 ||
		p.Seller.SupportEmail != "help@acme.example" || p.Icon != "icon.svg" || string(p.IconSVG()) != icon || p.Summary.In("de") != "Merkt sich Dinge" ||
		p.Weight != 3 || !p.Recommended || p.Published != "2026-01-02" || p.EndOfLife != "2027-01-01" || p.LLM != nil {
		t.Errorf("%+v", p)
	}
	if want := []catalog.Software{{Name: "Thing", Licence: "MIT", URL: "https://thing.example/licence"}}; !slices.Equal(p.UsedSoftware, want) {
		t.Errorf("%+v", p.UsedSoftware)
	}
	c := p.CCE
	if c.KubeVersion != ">=1.27" || c.TimeLimit != 5*time.Minute || *c.BYOL != (catalog.OwnLicence{SecretName: "s", FileName: "f", ShopURL: "https://shop.example"}) {
		t.Errorf("%+v", c)
	}
	var names []string
	for _, f := range c.Chart.Files() {
		names = append(names, f.Name)
	}
	if want := []string{"Chart.yaml", "templates/_help.tpl", "templates/pod.yaml", "values.schema.json", "values.yaml"}; !slices.Equal(names, want) {
		t.Errorf("files of the chart: %q", names)
	}
	if _, ok := load(t, all).Product("none"); ok {
		t.Error("there is a product none")
	}
}

func TestDocuments(t *testing.T) {
	c := load(t, files())
	p, _ := c.Product("cache")
	var ids []string
	for _, d := range p.Documents {
		ids = append(ids, d.ID)
	}
	if !slices.Equal(ids, []string{"eula", "terms"}) || len(p.Consents()) != 2 {
		t.Errorf("documents %q", ids)
	}
	eula, _ := p.Document("eula")
	if eula.Content.In("en") != "Be nice." || !strings.HasPrefix(eula.Digest, "sha256:") || len(eula.Digest) != 71 {
		t.Errorf("%+v", eula)
	}
	if _, ok := p.Document("none"); ok {
		t.Error("there is a document none")
	}
	changed, _ := load(t, with(map[string]string{"products/cache/eula.md": "Be nicer.\n"})).Product("cache")
	if again, _ := changed.Document("eula"); again.Digest == eula.Digest {
		t.Error("another text has the same digest")
	}
	windows, _ := load(t, with(map[string]string{"products/cache/eula.md": "Be nice.\r\n"})).Product("cache")
	if again, _ := windows.Document("eula"); again.Digest != eula.Digest {
		t.Error("the end of lines changes the digest")
	}
}

func TestRemoteCharts(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	for chart, want := range map[string]catalog.ChartRef{
		"{repository: 'https://c.example/stable', name: app, version: 1.2.3}": {Kind: catalog.ChartRepository, URL: "https://c.example/stable", Name: "app", Version: "1.2.3"},
		"{repository: 'http://127.0.0.1:8080', name: app, version: 1.2.3}":    {Kind: catalog.ChartRepository, URL: "http://127.0.0.1:8080", Name: "app", Version: "1.2.3"},
		"{oci: 'oci://r.example:5000/c/app:1.2.3-rc.1'}":                      {Kind: catalog.ChartOCI, URL: "oci://r.example:5000/c/app", Name: "app", Version: "1.2.3-rc.1"},
		"{oci: 'oci://r.example/app:1.2.3', digest: '" + digest + "'}":        {Kind: catalog.ChartOCI, URL: "oci://r.example/app", Name: "app", Version: "1.2.3", Digest: digest},
	} {
		p, _ := load(t, edited(t, cacheFile, "{folder: chart}", chart)).Product("cache")
		if got := p.CCE.Chart; !reflect.DeepEqual(got, want) || got.Files() != nil {
			t.Errorf("%s: %+v", chart, got)
		}
	}
}

func TestFields(t *testing.T) {
	p, _ := load(t, edited(t, cacheFile, "input_type: text\n", `input_type: text
      required: true
      confidential: true
      validation: [{pattern: /^ab+$/gim, message: {en: A and b, de: A und b}}]
    - {key: open.storageClass, label: {en: L, de: L}, input_type: text}
    - {key: open.on, label: {en: L, de: L}, input_type: switch, default_value: true}
    - {key: open.list, label: {en: L, de: L}, input_type: text, multiple: true, default_value: [a, b]}
    - key: none.one
      label: {en: L, de: L}
      input_type: selection
      default_value: x
      values: [{label: {en: X, de: X}, value: x}]
`)).Product("cache")
	f := p.CCE.Fields
	if len(f) != 5 || !f[0].Required || !f[0].Confidential || f[0].Defaults() != nil || f[0].StorageClass() || !f[1].StorageClass() {
		t.Fatalf("%+v", f)
	}
	pattern := f[0].Validation[0]
	if pattern.Pattern != "(?i)^ab+$" || !pattern.Match("ABB") || pattern.Match("ABB\nx") || pattern.Match("b") {
		t.Errorf("%+v", pattern)
	}
	if (catalog.Pattern{Pattern: "^a$"}).Match("b") || !(catalog.Pattern{Pattern: "^a$"}).Match("a") {
		t.Error("a pattern of a caller's own does not match")
	}
	if f[2].Default != "true" || !slices.Equal(f[3].Defaults(), []string{"a", "b"}) || !slices.Equal(f[4].Defaults(), []string{"x"}) {
		t.Errorf("%+v", f)
	}
}

func TestPricesAndSale(t *testing.T) {
	for licence, want := range map[catalog.Licence]catalog.Price{
		catalog.OpenSource: catalog.PriceNone, catalog.Free: catalog.PriceNone, catalog.Trial: catalog.PriceTrial, catalog.BYOL: catalog.PriceOwnLicence,
	} {
		if got := (catalog.Product{Type: catalog.TypeCCE, Licence: licence}).Price(); got != want {
			t.Errorf("%s: %s", licence, got)
		}
	}
	if got := (catalog.Product{Type: catalog.TypeLLM}).Price(); got != catalog.PriceUsage {
		t.Error(got)
	}
	p := catalog.Product{Published: "2026-02-01", EndOfLife: "2026-03-01"}
	for day, want := range map[string]bool{"2026-01-31": false, "2026-02-01": true, "2026-02-28": true, "2026-03-01": false} {
		if p.OnSale(day) != want {
			t.Errorf("%s: %v", day, !want)
		}
	}
}

func TestTextFallsBack(t *testing.T) {
	for lang, want := range map[string]string{"de": "D", "en": "E", "fr": "E", "": "E"} {
		if got := (catalog.Text{"en": "E", "de": "D"}).In(lang); got != want {
			t.Errorf("%s: %s", lang, got)
		}
	}
	if got := (catalog.Text{"pl": "P", "fr": "F"}).In("de"); got != "F" {
		t.Error(got)
	}
	if got := (catalog.Text{}).In("de"); got != "" {
		t.Error(got)
	}
}

// spoil changes everything that can be reached from v.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoil(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			v.SetMapIndex(k, reflect.ValueOf("spoilt").Convert(v.Type().Elem()))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString("spoilt")
		}
	case reflect.Uint8:
		if v.CanSet() {
			v.SetUint('#')
		}
	}
}

// TestCallersCannotChangeTheCatalog spoils everything that is handed out, from several goroutines at once for the race
// detector's sake, and insists that the catalog answers as before.
func TestCallersCannotChangeTheCatalog(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	look := func() string {
		all := []any{c.All(), c.Categories(), c.Sellers(), c.Search(catalog.Query{}).Facets}
		for _, p := range c.All() {
			all = append(all, p.IconSVG())
			if p.CCE != nil {
				all = append(all, p.CCE.Chart.Files())
			}
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := look()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, p := range append(c.All(), c.Search(catalog.Query{Text: "valkey"}).Products...) {
				spoil(reflect.ValueOf(p.IconSVG()))
				if p.CCE != nil {
					spoil(reflect.ValueOf(p.CCE.Chart.Files()))
				}
				spoil(reflect.ValueOf(&p))
			}
			p, _ := c.Product("licensed-app")
			spoil(reflect.ValueOf(&p))
			for _, list := range []any{c.Categories(), c.Sellers(), c.Search(catalog.Query{}).Facets.Categories, c.Search(catalog.Query{}).Facets.Sellers} {
				spoil(reflect.ValueOf(list))
			}
		})
	}
	group.Wait()
	after := look()
	if n := strings.Count(after, "spoilt") + strings.Count(after, "####"); n > 0 || after != before {
		t.Errorf("callers have changed %d places of the catalog", n)
	}
}
