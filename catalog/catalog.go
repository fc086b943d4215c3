// Package catalog holds the product offerings of the marketplace: what they are, the documents that go with them, the
// forms they are configured by, and the charts of those that are deployed.
//
// A catalog is a folder of files (docs/CATALOG.md says which). It is read as a whole: everything wrong with it is reported
// at once, each fault with its file and line, and a catalog with a fault is none. Links, scripts and styles in icons, and
// files outside of a product's folder are refused. Markdown is kept as it is; whoever shows it sanitises it.
package catalog

import (
	"cmp"
	"slices"
)

// Catalog is a valid catalog. It does not change, and is safe for concurrent use; what its methods return belongs to the
// caller.
type Catalog struct {
	// products are in order of weight, then name.
	products   []Product
	index      []entry
	byID       map[string]int
	categories []Category

	// What follows is what the products have of each, in the order of the facets.
	types    []Type
	licences []Licence
	used     []Category
	sellers  []Seller
}

func newCatalog(products []Product, categories []Category) *Catalog {
	slices.SortStableFunc(products, func(a, b Product) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(fold(a.Name), fold(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	c := &Catalog{products: products, byID: make(map[string]int, len(products)), categories: categories}
	for i := range products {
		p := &products[i]
		c.byID[p.ID] = i
		c.index = append(c.index, newEntry(p))
		if !slices.Contains(c.sellers, p.Seller) {
			c.sellers = append(c.sellers, p.Seller)
		}
	}
	slices.SortFunc(c.sellers, func(a, b Seller) int {
		return cmp.Or(cmp.Compare(fold(a.Name), fold(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	c.types = had([]Type{TypeCCE, TypeLLM}, products, func(p *Product, t Type) bool { return p.Type == t })
	c.licences = had([]Licence{OpenSource, Free, Trial, BYOL}, products, func(p *Product, l Licence) bool { return p.Licence == l })
	c.used = had(categories, products, func(p *Product, k Category) bool { return slices.Contains(p.Categories, k.ID) })
	return c
}

// had returns those of the values that a product has.
func had[T any](values []T, products []Product, has func(p *Product, v T) bool) []T {
	var some []T
	for _, v := range values {
		for i := range products {
			if has(&products[i], v) {
				some = append(some, v)
				break
			}
		}
	}
	return some
}

// Product returns the product with an ID, false if there is none.
func (c *Catalog) Product(id string) (Product, bool) {
	i, ok := c.byID[id]
	if !ok {
		return Product{}, false
	}
	return c.products[i].clone(), true
}

// All returns all products, those of the highest weight first.
func (c *Catalog) All() []Product {
	all := make([]Product, len(c.products))
	for i := range c.products {
		all[i] = c.products[i].clone()
	}
	return all
}

// Categories returns all categories, in the order of the catalog.
func (c *Catalog) Categories() []Category { return cloneCategories(c.categories) }

// Sellers returns the sellers that have a product, in order of names.
func (c *Catalog) Sellers() []Seller { return slices.Clone(c.sellers) }
