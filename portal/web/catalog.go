package web

import (
	"html/template"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
)

// catalogPerPage is how many products a page of the catalog shows.
const catalogPerPage = 12

// catalogPage is the list of products with its search.
type catalogPage struct {
	Search      string
	Sort        string
	Facets      []facetGroup
	Products    []productCard
	Recommended []productCard
	Total       int
	Filtered    bool
	Pager       pager
	Sorts       []choice
}

// facetGroup is a property by which products can be told apart.
type facetGroup struct {
	Name, Heading string
	Values        []facetValue
}

type facetValue struct {
	ID, Value, Text string
	Count           int
	Checked         bool
}

// choice is an entry of a list to choose from.
type choice struct {
	Value, Text string
	Selected    bool
}

// productCard is a product in a list.
type productCard struct {
	Href, Name, Seller, Summary, Type, Licence, Price string
	Icon                                              template.HTML
	Verified                                          bool
}

var catalogTemplate = newPage[catalogPage]("catalog")

func (w *Web) catalogRoutes() []route {
	return []route{
		{fiber.MethodGet, "/", anyone, func(v *visit) error { return v.redirect("/catalog") }},
		{fiber.MethodGet, "/catalog", anyone, w.showCatalog},
		{fiber.MethodGet, "/catalog/:product", anyone, w.showProduct},
		{fiber.MethodGet, "/catalog/:product/icon.svg", anyone, w.sendProductIcon},
		{fiber.MethodGet, "/catalog/:product/documents/:document", anyone, w.showDocument},
	}
}

func (w *Web) showCatalog(v *visit) error {
	q := catalog.Query{
		Text: v.query("q"), Categories: v.queries("category"), Sellers: v.queries("seller"), Sort: catalog.Sort(v.query("sort")),
		Day: w.today().String(), Lang: v.loc.Language(), Page: v.pageNumber(), PerPage: catalogPerPage,
	}
	for _, t := range v.queries("type") {
		q.Types = append(q.Types, catalog.Type(t))
	}
	for _, l := range v.queries("licence") {
		q.Licences = append(q.Licences, catalog.Licence(l))
	}
	products := w.Catalog()
	found := products.Search(q)
	p := catalogPage{
		Search: q.Text, Sort: string(q.Sort), Total: found.Total, Facets: v.facets(found.Facets, q),
		Products: v.cards(found.Products),
		Pager:    newPager("/catalog", v.allQuery(), q.Page, found.Pages, found.Total),
		Filtered: q.Text != "" || len(q.Types)+len(q.Licences)+len(q.Categories)+len(q.Sellers) > 0,
	}
	for _, s := range []catalog.Sort{catalog.SortWeight, catalog.SortName, catalog.SortNew} {
		p.Sorts = append(p.Sorts, choice{string(s), v.t("catalog.sort." + string(s)), s == q.Sort || q.Sort == "" && s == catalog.SortWeight})
	}
	if !p.Filtered && q.Page == 1 {
		for _, product := range products.All() {
			if product.Recommended && product.OnSale(q.Day) {
				p.Recommended = append(p.Recommended, v.card(product))
			}
		}
	}
	return catalogTemplate.render(v, fiber.StatusOK, frame{Title: v.t("catalog.title"), Current: "/catalog"}, p)
}

func (v *visit) cards(products []catalog.Product) []productCard {
	list := make([]productCard, len(products))
	for i, p := range products {
		list[i] = v.card(p)
	}
	return list
}

func (v *visit) card(p catalog.Product) productCard {
	lang := v.loc.Language()
	return productCard{
		Href: "/catalog/" + p.ID, Name: p.Name, Seller: p.Seller.Name, Verified: p.Seller.Verified, Summary: p.Summary.In(lang),
		Type: v.t("product.type." + string(p.Type)), Licence: v.licence(p), Price: v.t("product.cost." + string(p.Price())), Icon: v.productIcon(p),
	}
}

// licence returns the word for a product's licence; empty for a product that has none.
func (v *visit) licence(p catalog.Product) string {
	return v.licenceWord(string(p.Licence))
}

func (v *visit) licenceWord(licence string) string {
	if licence == "" {
		return ""
	}
	return v.t("product.licence." + licence)
}

// productIcon returns the picture of a product, or its initials in place of one.
func (v *visit) productIcon(p catalog.Product) template.HTML {
	if len(p.IconSVG()) == 0 {
		return template.HTML(`<span class="initials" aria-hidden="true">` + template.HTMLEscapeString(initials(p.Name)) + `</span>`)
	}
	return template.HTML(`<img src="/catalog/` + template.HTMLEscapeString(p.ID) + `/icon.svg" alt="" width="44" height="44">`)
}

func (v *visit) facets(f catalog.Facets, q catalog.Query) []facetGroup {
	var groups []facetGroup
	add := func(name string, values []catalog.FacetValue, text func(catalog.FacetValue) string) {
		g := facetGroup{Name: name, Heading: v.t("catalog.facet." + name)}
		for _, value := range values {
			g.Values = append(g.Values, facetValue{
				ID: name + "-" + value.Value, Value: value.Value, Text: text(value), Count: value.Count, Checked: value.Selected,
			})
		}
		if len(g.Values) > 0 {
			groups = append(groups, g)
		}
	}
	own := func(prefix string) func(catalog.FacetValue) string {
		return func(f catalog.FacetValue) string { return v.t(prefix + f.Value) }
	}
	given := func(f catalog.FacetValue) string { return f.Name.In(q.Lang) }
	add("type", f.Types, own("product.type."))
	add("licence", f.Licences, own("product.licence."))
	add("category", f.Categories, given)
	add("seller", f.Sellers, given)
	return groups
}

// product returns the product in the path.
func (w *Web) product(v *visit) (catalog.Product, error) {
	p, ok := w.Catalog().Product(v.param("product"))
	if !ok {
		return catalog.Product{}, errNoPage
	}
	return p, nil
}

// sendProductIcon answers with a picture that a seller gave. It can run no script, whatever is in it.
func (w *Web) sendProductIcon(v *visit) error {
	p, err := w.product(v)
	if err != nil {
		return err
	}
	icon := p.IconSVG()
	if len(icon) == 0 {
		return errNoPage
	}
	v.c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; sandbox")
	v.c.Set(fiber.HeaderCacheControl, "private, max-age=3600") // a new visitor's cookie comes with it
	v.c.Set(fiber.HeaderContentType, "image/svg+xml")
	return v.c.Send(icon)
}
