package form

import (
	"encoding/json"
	"regexp"
	"slices"
)

// valueType says what the text of a field becomes in the chart's values.
type valueType struct {
	// list makes it a list of such values.
	list bool
	// kinds are the JSON types it may have, the preferred first; never empty.
	kinds []string
	// options are what it must be one of, with their types; empty for no such limit.
	options []any
}

// typeOf returns the type of a value: what the schema says, else that of the chart's default, else text. several forces a list.
func typeOf(s *schema, byDefault any, several bool) valueType {
	kinds := s.types()
	list := several || slices.Equal(kinds, []string{"array"})
	if len(kinds) == 0 && kindOf(byDefault) == "array" {
		list = true
	}
	if list {
		s, byDefault = s.items(), first(byDefault)
	}
	t := valueType{list: list}
	t.options, _ = s.options()
	for _, k := range s.types() {
		if slices.Contains(scalarKinds, k) {
			t.kinds = append(t.kinds, k)
		}
	}
	own := kindOf(byDefault)
	if len(t.kinds) == 0 && len(t.options) > 0 {
		for _, o := range t.options {
			t.kinds = append(t.kinds, kindOf(o))
		}
	}
	if len(t.kinds) == 0 && slices.Contains(scalarKinds, own) {
		t.kinds = []string{own}
	}
	if len(t.kinds) == 0 {
		t.kinds = []string{"string"}
	}
	slices.SortStableFunc(t.kinds, func(a, b string) int { return rank(a, own) - rank(b, own) })
	return t
}

var scalarKinds = []string{"boolean", "integer", "number", "string"}

// rank prefers the type of the chart's default, then what fewer texts are.
func rank(kind, own string) int {
	if kind == own || kind == "integer" && own == "number" {
		return -1
	}
	return slices.Index(scalarKinds, kind)
}

func first(v any) any {
	if list, _ := v.([]any); len(list) > 0 {
		return list[0]
	}
	return nil
}

// is says whether a value can only be of a kind; a number may have to be an integer.
func (t valueType) is(kind string) bool {
	return !slices.ContainsFunc(t.kinds, func(k string) bool { return k != kind && (kind != "number" || k != "integer") })
}

// numberForm is JSON's own.
var (
	numberForm  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$`)
	integerForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
)

// value returns what a text becomes, and whether it can become anything of the type.
func (t valueType) value(s string) (any, bool) {
	for _, o := range t.options {
		if written, ok := text(o); ok && slices.Equal(written, []string{s}) {
			return o, true
		}
	}
	for _, k := range t.kinds {
		switch k {
		case "boolean":
			if s == "true" || s == "false" {
				return s == "true", true
			}
		case "integer", "number":
			if n := json.Number(s); isNumber(s, k == "integer") {
				return n, true
			}
		case "string":
			return s, true
		}
	}
	return nil, false
}

// isNumber says whether a text is a number as JSON writes it; its digits stay as they are, so that none is lost.
func isNumber(s string, integer bool) bool {
	form := numberForm
	if integer {
		form = integerForm
	}
	return len(s) <= maxNumberBytes && form.MatchString(s) && checkNumber(json.Number(s)) == nil
}
