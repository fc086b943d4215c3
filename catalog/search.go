package catalog

import (
	"cmp"
	"slices"
)

// Sort is the order of a search's result.
type Sort string

// The orders.
const (
	// SortWeight is by weight; with a text, products that have it in their name come first. The empty Sort is this one, too.
	SortWeight Sort = "weight"
	SortName   Sort = "name"
	// SortNew is by date of publication, newest first.
	SortNew Sort = "new"
)

const (
	defaultPerPage = 12
	maxPerPage     = 100
)

// Query is a search. The zero Query finds everything.
type Query struct {
	// Text is words that must all be found in name, summary, description, seller or used software, whatever their case and
	// accents. What is beyond 400 bytes or 10 words is ignored.
	Text string
	// Of each of these lists one must fit, if it has any.
	Types      []Type
	Licences   []Licence
	Categories []string
	Sellers    []string
	// Day leaves out what is not on sale on a day such as 2026-01-31; empty leaves out nothing.
	Day  string
	Sort Sort
	// Lang is the language whose texts are searched; empty means all.
	Lang string
	// Page counts from 1; one behind the last means the last. PerPage is 12 by default, and at most 100.
	Page    int
	PerPage int
}

// Result is a page of what was found.
type Result struct {
	Products []Product
	// Total is how many were found, on all pages. Page is the one returned, from 1 to Pages; Pages is at least 1.
	Total int
	Page  int
	Pages int
	// Facets count what would be found with one more value chosen in a list.
	Facets Facets
}

// Search returns a page of the products that a query finds, with facets.
func (c *Catalog) Search(q Query) Result {
	words := queryWords(q.Text)
	tally := newTally(q)
	var found []int
	for i := range c.products {
		p := &c.products[i]
		if (q.Day == "" || p.OnSale(q.Day)) && c.index[i].matches(words, q.Lang) && tally.add(p) {
			found = append(found, i)
		}
	}
	c.sort(found, q.Sort, words)
	r := Result{Total: len(found), Facets: tally.facets(c)}
	perPage := q.PerPage
	if perPage <= 0 {
		perPage = defaultPerPage
	}
	perPage = min(perPage, maxPerPage)
	r.Pages = max(1, (len(found)+perPage-1)/perPage)
	r.Page = min(max(1, q.Page), r.Pages)
	first := (r.Page - 1) * perPage
	for _, i := range found[first:min(first+perPage, len(found))] {
		r.Products = append(r.Products, c.products[i].clone())
	}
	return r
}

// sort orders products, given by their place in the order of weight, which also decides among equals.
func (c *Catalog) sort(found []int, by Sort, words []string) {
	switch by {
	case SortName:
		slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(c.index[a].name, c.index[b].name) })
	case SortNew:
		slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(c.products[b].Published, c.products[a].Published) })
	default:
		rank := func(i int) int {
			if c.index[i].named(words) {
				return 0
			}
			return 1
		}
		slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
	}
}
