package catalog

import (
	"maps"
	"slices"
)

// Facets are the values by which a result can be narrowed. Values that no product of the catalog has are left out; those
// that lead to nothing count 0.
type Facets struct {
	Types    []FacetValue
	Licences []FacetValue
	// Categories are in the order of the catalog, Sellers in order of names.
	Categories []FacetValue
	Sellers    []FacetValue
}

// FacetValue is a value of a facet.
type FacetValue struct {
	// Value is what stands in a Query.
	Value string
	// Name is set for categories and sellers; types and licences have none.
	Name Text
	// Count is how many products have the value, among those that fit the text and the other facets.
	Count    int
	Selected bool
}

// tally counts the values of the products that fit a query but for the facet counted.
type tally struct {
	query      Query
	types      map[string]int
	licences   map[string]int
	categories map[string]int
	sellers    map[string]int
}

func newTally(q Query) *tally {
	return &tally{query: q, types: map[string]int{}, licences: map[string]int{}, categories: map[string]int{}, sellers: map[string]int{}}
}

// fits says whether one of values is chosen, or none is.
func fits[T comparable](chosen []T, values ...T) bool {
	return len(chosen) == 0 || slices.ContainsFunc(values, func(v T) bool { return slices.Contains(chosen, v) })
}

// add counts a product that fits the text, and says whether it fits all facets.
func (t *tally) add(p *Product) bool {
	byType, byLicence := fits(t.query.Types, p.Type), fits(t.query.Licences, p.Licence)
	byCategory, bySeller := fits(t.query.Categories, p.Categories...), fits(t.query.Sellers, p.Seller.ID)
	if byLicence && byCategory && bySeller {
		t.types[string(p.Type)]++
	}
	if byType && byCategory && bySeller {
		t.licences[string(p.Licence)]++
	}
	if byType && byLicence && bySeller {
		for _, c := range p.Categories {
			t.categories[c]++
		}
	}
	if byType && byLicence && byCategory {
		t.sellers[p.Seller.ID]++
	}
	return byType && byLicence && byCategory && bySeller
}

func (t *tally) facets(c *Catalog) Facets {
	var f Facets
	for _, v := range c.types {
		f.Types = append(f.Types, FacetValue{string(v), nil, t.types[string(v)], slices.Contains(t.query.Types, v)})
	}
	for _, v := range c.licences {
		f.Licences = append(f.Licences, FacetValue{string(v), nil, t.licences[string(v)], slices.Contains(t.query.Licences, v)})
	}
	for _, v := range c.used {
		f.Categories = append(f.Categories, FacetValue{v.ID, maps.Clone(v.Name), t.categories[v.ID], slices.Contains(t.query.Categories, v.ID)})
	}
	for _, v := range c.sellers {
		f.Sellers = append(f.Sellers, FacetValue{v.ID, Text{fallbackLanguage: v.Name}, t.sellers[v.ID], slices.Contains(t.query.Sellers, v.ID)})
	}
	return f
}
