package form

import (
	"maps"
	"slices"
)

// Change is a value that differs from the chart's default, both as texts to show.
type Change struct {
	Path, Default, Value string
}

// Difference returns what of values differs from the chart's defaults: the fields in their order, then the rest by path. In
// the place of secrets, those that are kept included, is "••••••", and their default is not told.
func (f *Form) Difference(v Values) []Change {
	changes := map[string]Change{}
	for _, path := range leaves(v.Plain, "") {
		value, _ := lookup(v.Plain, path)
		own, ok := lookup(f.defaults, path)
		if !ok || !same(value, own) {
			changes[path] = Change{path, shown(own), shown(value)}
		}
	}
	for path := range v.Secrets {
		changes[path] = Change{path, "", mask}
	}
	for _, path := range v.Kept {
		changes[path] = Change{path, "", mask}
	}
	return slices.SortedFunc(maps.Values(changes), func(a, b Change) int { return f.before(a.Path, b.Path) })
}
