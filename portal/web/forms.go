package web

import "net/url"

// field is an input with its label, its hint and what is wrong with its value.
type field struct {
	Name, Label, Type, Value, Hint, Error, Autocomplete, InputMode string
	Required                                                       bool
	MaxLength                                                      int
}

// DescribedBy names what explains the input.
func (f field) DescribedBy() string {
	switch {
	case f.Hint != "" && f.Error != "":
		return f.Name + "-hint " + f.Name + "-error"
	case f.Hint != "":
		return f.Name + "-hint"
	case f.Error != "":
		return f.Name + "-error"
	}
	return ""
}

// summary lists what is wrong with a form, each leading to its field; what concerns the whole form comes first.
func summary(faults map[string]string, fields ...field) []link {
	var list []link
	if whole := faults[""]; whole != "" {
		list = append(list, link{"", sentence(whole)})
	}
	for _, f := range fields {
		if f.Error != "" {
			list = append(list, link{"#" + f.Name, f.Label + ": " + f.Error})
		}
	}
	return list
}

// tab leads to a part of a page, or to a view of a list.
type tab struct {
	Href, Text string
	Count      int64
	Current    bool
}

// pager leads through the pages of a list.
type pager struct {
	Page, Pages    int
	Total          int
	Previous, Next string
}

// newPager returns the pager of a list at a URL; all other parameters of the URL stay.
func newPager(path string, query url.Values, page, pages, total int) pager {
	p := pager{Page: page, Pages: pages, Total: total}
	at := func(n int) string { return withQuery(path, query, "page", itoa(n)) }
	if page > 1 {
		p.Previous = at(page - 1)
	}
	if page < pages {
		p.Next = at(page + 1)
	}
	return p
}
