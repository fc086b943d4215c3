package form

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// lookup returns what stands under a dotted path.
func lookup(m map[string]any, path string) (any, bool) {
	for {
		first, rest, deeper := strings.Cut(path, ".")
		v, ok := m[first]
		if !ok || !deeper {
			return v, ok
		}
		if m, ok = v.(map[string]any); !ok {
			return nil, false
		}
		path = rest
	}
}

// put sets what stands under a dotted path; what is in its way and no map is replaced.
func put(m map[string]any, path string, v any) {
	for {
		first, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			m[first] = v
			return
		}
		below, ok := m[first].(map[string]any)
		if !ok {
			below = map[string]any{}
			m[first] = below
		}
		m, path = below, rest
	}
}

// remove takes away what stands under a dotted path.
func remove(m map[string]any, path string) {
	parent, last := m, path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		v, _ := lookup(m, path[:i])
		parent, _ = v.(map[string]any)
		last = path[i+1:]
	}
	delete(parent, last)
}

// cloned returns a copy whose maps are its own.
func cloned(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if below, ok := v.(map[string]any); ok {
			v = cloned(below)
		}
		out[k] = v
	}
	return out
}

// coalesce lays values over a chart's defaults as Helm does, and returns maps of its own: maps are merged, everything else
// is replaced, and null takes a default away. Null over null stays, but at the top.
func coalesce(values, defaults map[string]any) map[string]any {
	out := merged(values, defaults)
	for k := range defaults {
		if v, ok := values[k]; ok && v == nil {
			delete(out, k)
		}
	}
	return out
}

func merged(values, defaults map[string]any) map[string]any {
	out := cloned(values)
	for k, d := range defaults {
		v, ok := values[k]
		below, isMap := d.(map[string]any)
		switch {
		case !ok && isMap:
			out[k] = cloned(below)
		case !ok:
			out[k] = d
		case v == nil && d != nil:
			delete(out, k)
		case isMap:
			if over, ok := v.(map[string]any); ok {
				out[k] = merged(over, below)
			}
		}
	}
	return out
}

// leaves returns the paths of what is no map, or an empty one, in alphabetical order.
func leaves(m map[string]any, prefix string) []string {
	var paths []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if below, ok := m[k].(map[string]any); ok && len(below) > 0 {
			paths = append(paths, leaves(below, prefix+k+".")...)
			continue
		}
		paths = append(paths, prefix+k)
	}
	return paths
}

// text returns a value as a form shows it, and whether it is one that a form can show: no map, and no list of such.
func text(v any) ([]string, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case json.Number:
		return []string{string(v)}, true
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			one, ok := text(e)
			if _, nested := e.([]any); nested || !ok || len(one) != 1 {
				return nil, false
			}
			list = append(list, one[0])
		}
		return list, true
	case bool, float64, float32, int, int64, int32, uint64:
		written, err := json.Marshal(v)
		return []string{string(written)}, err == nil
	}
	return nil, false
}

// shown returns a value as one bounded text for people: lists with commas between, maps as JSON.
func shown(v any) string {
	list, ok := text(v)
	if !ok {
		written, _ := json.Marshal(v)
		list = []string{string(written)}
	}
	return cut(strings.Join(list, ", "), maxShownRunes)
}

// cut shortens a text to so many characters, the last of them an ellipsis.
func cut(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes-1]) + "…"
}

// same compares two values as JSON, numbers by their text.
func same(a, b any) bool {
	x, ok1 := text(a)
	y, ok2 := text(b)
	if _, list := a.([]any); ok1 && ok2 && kindOf(a) == kindOf(b) {
		return slices.Equal(x, y) || !list && len(x)+len(y) == 0
	}
	return reflect.DeepEqual(a, b)
}
