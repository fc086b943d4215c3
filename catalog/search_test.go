package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"llmhub/catalog"
)

// market is a catalog to search in: three products of two sellers beside those of the fixture.
func market(t testing.TB) *catalog.Catalog {
	t.Helper()
	all := files()
	all["catalog.yaml"] = strings.Replace(shared, "categories:", "  - {id: muller, name: Müller Söhne, email: a@b.example, support_email: a@b.example}\ncategories:", 1)
	add := func(id string, changes ...string) {
		text := strings.NewReplacer(changes...).Replace(cache)
		for _, name := range []string{"eula.md", "icon.svg", "chart/Chart.yaml", "chart/values.yaml", "chart/templates/pod.yaml"} {
			all["products/"+id+"/"+name] = all["products/cache/"+name]
		}
		all["products/"+id+"/product.yaml"] = text
	}
	add("shop", "name: Cache", "name: Straßenladen\nweight: 5", "seller: acme", "seller: muller", "open-source", "free", "[data]", "[data, web]", "2026-01-02", "2026-03-01", "de: Ein Cache", "de: Ein Geschäft")
	add("trial", "name: Cache", "name: Abacus", "open-source", "trial", "[data]", "[web]", "2026-01-02", "2026-02-01", "name: Thing", "name: Counter")
	add("gone", "name: Cache", "name: Zebra\nend_of_life: 2026-02-10", "open-source", "free", "2026-01-02", "2025-01-01")
	c, err := catalog.Load(mapFS(all))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ids(products []catalog.Product) string {
	var list []string
	for _, p := range products {
		list = append(list, p.ID)
	}
	return strings.Join(list, " ")
}

func TestSearch(t *testing.T) {
	c := market(t)
	for _, s := range []struct {
		name  string
		query catalog.Query
		want  string
	}{
		{"everything by weight, then name", catalog.Query{}, "shop trial cache hub gone"},
		{"by name", catalog.Query{Sort: catalog.SortName}, "trial cache hub shop gone"},
		{"newest first", catalog.Query{Sort: catalog.SortNew}, "shop trial cache hub gone"},
		{"name, other case", catalog.Query{Text: "ABAC"}, "trial"},
		{"sharp s", catalog.Query{Text: "STRASSEN"}, "shop"},
		{"seller without accents", catalog.Query{Text: "muller sohne"}, "shop"},
		{"text with accents of plain letters", catalog.Query{Text: "ábacus"}, "trial"},
		{"decomposed", catalog.Query{Text: "Mu\u0308ller"}, "shop"},
		{"full width", catalog.Query{Text: "Ａｂａｃｕｓ"}, "trial"},
		{"used software", catalog.Query{Text: "counter"}, "trial"},
		{"German description", catalog.Query{Text: "geschäft", Lang: "de"}, "shop"},
		{"German description for an English reader", catalog.Query{Text: "geschäft", Lang: "en"}, ""},
		{"a language nobody has", catalog.Query{Text: "geschäft", Lang: "pl"}, "shop"},
		{"all words", catalog.Query{Text: "abacus geschäft"}, ""},
		{"name before other texts", catalog.Query{Text: "cache"}, "cache shop trial gone"},
		{"nothing", catalog.Query{Text: "zzz"}, ""},
		{"type", catalog.Query{Types: []catalog.Type{catalog.TypeLLM}}, "hub"},
		{"two licences", catalog.Query{Licences: []catalog.Licence{catalog.Free, catalog.Trial}}, "shop trial gone"},
		{"category", catalog.Query{Categories: []string{"web"}}, "shop trial hub"},
		{"seller", catalog.Query{Sellers: []string{"muller"}}, "shop"},
		{"category and licence", catalog.Query{Categories: []string{"web"}, Licences: []catalog.Licence{catalog.Trial}}, "trial"},
		{"on sale", catalog.Query{Day: "2026-02-10"}, "trial cache hub"},
		{"unknown value", catalog.Query{Sellers: []string{"nobody"}}, ""},
		{"not UTF-8", catalog.Query{Text: "abacus\xff"}, "trial"},
		{"long", catalog.Query{Text: "abacus" + strings.Repeat(" abacus", 200)}, "trial"},
	} {
		t.Run(s.name, func(t *testing.T) {
			r := c.Search(s.query)
			if got := ids(r.Products); got != s.want || r.Total != len(r.Products) || r.Page != 1 || r.Pages != 1 {
				t.Errorf("%s, %d on %d pages; want %s", got, r.Total, r.Pages, s.want)
			}
		})
	}
	if got := ids(c.All()); got != "shop trial cache hub gone" {
		t.Errorf("all: %s", got)
	}
}

func TestPages(t *testing.T) {
	c := market(t)
	for _, s := range []struct {
		page, perPage int
		want          string
		at, pages     int
	}{
		{0, 0, "shop trial cache hub gone", 1, 1}, {1, 2, "shop trial", 1, 3}, {3, 2, "gone", 3, 3}, {9, 2, "gone", 3, 3}, {-1, 2, "shop trial", 1, 3},
		{1, -5, "shop trial cache hub gone", 1, 1}, {1, 1 << 40, "shop trial cache hub gone", 1, 1}, {2, 5, "shop trial cache hub gone", 1, 1},
	} {
		r := c.Search(catalog.Query{Page: s.page, PerPage: s.perPage})
		if got := ids(r.Products); got != s.want || r.Page != s.at || r.Pages != s.pages || r.Total != 5 {
			t.Errorf("page %d of %d: %s on page %d of %d", s.page, s.perPage, got, r.Page, r.Pages)
		}
	}
	if r := c.Search(catalog.Query{Text: "zzz", Page: 4}); r.Page != 1 || r.Pages != 1 || r.Total != 0 {
		t.Errorf("nothing found: %+v", r)
	}
}

func TestFacets(t *testing.T) {
	c := market(t)
	show := func(values []catalog.FacetValue) string {
		var list []string
		for _, v := range values {
			mark := ""
			if v.Selected {
				mark = "*"
			}
			list = append(list, fmt.Sprintf("%s%s=%d", v.Value, mark, v.Count))
		}
		return strings.Join(list, " ")
	}
	for _, s := range []struct {
		name                                 string
		query                                catalog.Query
		types, licences, categories, sellers string
	}{
		{"all", catalog.Query{}, "cce=4 llm=1", "open-source=1 free=2 trial=1", "data=3 web=3", "acme=4 muller=1"},
		{"a licence leaves the other licences countable", catalog.Query{Licences: []catalog.Licence{catalog.Free}},
			"cce=2 llm=0", "open-source=1 free*=2 trial=1", "data=2 web=1", "acme=1 muller=1"},
		{"two facets", catalog.Query{Types: []catalog.Type{catalog.TypeCCE}, Categories: []string{"web"}},
			"cce*=2 llm=1", "open-source=0 free=1 trial=1", "data=3 web*=2", "acme=1 muller=1"},
		{"text", catalog.Query{Text: "abacus"}, "cce=1 llm=0", "open-source=0 free=0 trial=1", "data=0 web=1", "acme=1 muller=0"},
		{"day", catalog.Query{Day: "2026-01-10"}, "cce=2 llm=1", "open-source=1 free=1 trial=0", "data=2 web=1", "acme=3 muller=0"},
	} {
		f := c.Search(s.query).Facets
		got := []string{show(f.Types), show(f.Licences), show(f.Categories), show(f.Sellers)}
		if want := []string{s.types, s.licences, s.categories, s.sellers}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", s.name, got, want)
		}
	}
	f := c.Search(catalog.Query{}).Facets
	if f.Categories[1].Name.In("de") != "Netz" || f.Sellers[1].Name.In("de") != "Müller Söhne" || f.Types[0].Name != nil {
		t.Errorf("names: %+v", f)
	}
}

func BenchmarkSearch(b *testing.B) {
	all := files()
	for i := range 499 {
		for name, text := range files() {
			if rest, ok := strings.CutPrefix(name, "products/cache/"); ok && !strings.Contains(rest, "/.") {
				all[fmt.Sprintf("products/p%d/%s", i, rest)] = strings.Replace(text, "en: A cache", "en: "+strings.Repeat("words of a description ", 100), 1)
			}
		}
	}
	delete(all, hubFile)
	delete(all, "products/hub/eula.md")
	c, err := catalog.Load(mapFS(all))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r := c.Search(catalog.Query{Text: "description nowhere", Lang: "en"}); r.Total != 0 {
			b.Fatal(r.Total)
		}
		if r := c.Search(catalog.Query{Lang: "en", Sort: catalog.SortName}); r.Total != 500 {
			b.Fatal(r.Total)
		}
	}
}
