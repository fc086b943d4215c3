package portal

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/fault"
)

const (
	// maxValueFaults bounds what is told of wrong values, maxValueDepth how deep they may be nested.
	maxValueFaults = 20
	maxValueDepth  = 32
)

// inputOf returns what is entered into a form by a body, or faults by path: over what the form starts with, as on the page,
// and in an upgrade over what there is. It finds the fields; whether their values are right is up to the form.
func inputOf(f *form.Form, d deployer.Draft, c configuration) (form.Input, error) {
	e := entry{fields: map[string]form.Field{}, input: form.Input{}, seen: map[string]bool{}}
	maps.Copy(e.input, d.Input)
	for _, field := range f.Fields {
		if field.Hidden {
			continue
		}
		e.fields[field.Path] = field
		if d.WorkloadID == "" && len(field.Default) > 0 {
			e.input[field.Path] = field.Default
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Values)) {
		e.value(key, c.Values[key], 0)
	}
	for _, path := range slices.Sorted(maps.Keys(c.Secrets)) {
		e.secret(path, c.Secrets[path])
	}
	for _, path := range c.ClearSecrets {
		if e.fields[path].Kind != form.Secret {
			e.note(fault.New(fault.Invalid, path, "is no secret of the product"))
		}
	}
	if len(e.faults) > 0 {
		return nil, e.faults
	}
	return e.input, nil
}

// entry is a form being filled in.
type entry struct {
	fields map[string]form.Field
	input  form.Input
	seen   map[string]bool
	faults fault.Faults
}

func (e *entry) note(f *fault.Error) {
	if len(e.faults) < maxValueFaults {
		e.faults = append(e.faults, f)
	}
}

// value enters what stands at a path: the value of a field, or an object with fields below.
func (e *entry) value(path string, v any, depth int) {
	below, object := v.(map[string]any)
	field, known := e.fields[path]
	switch {
	case known:
		e.set(field, v)
	case object && len(below) > 0 && depth < maxValueDepth:
		for _, key := range slices.Sorted(maps.Keys(below)) {
			e.value(path+"."+key, below[key], depth+1)
		}
	default:
		e.note(fault.New(fault.Invalid, path, "the product has no such field"))
	}
}

func (e *entry) set(field form.Field, v any) {
	texts, ok := textsOf(v)
	list, isList := v.([]any)
	switch {
	case field.Kind == form.Secret:
		e.note(fault.New(fault.Invalid, field.Path, "is a secret: give it as one, not among the values"))
	case e.seen[field.Path]:
		e.note(fault.New(fault.Invalid, field.Path, "is given twice"))
	case !ok:
		e.note(fault.New(fault.Invalid, field.Path, "must be a text, a number, true or false, or a list of them"))
	case isList && len(list) != 1 && field.Kind != form.Multi && field.Kind != form.List:
		e.note(fault.New(fault.Invalid, field.Path, "must be one value"))
	case v == nil:
		delete(e.input, field.Path)
	default:
		e.input[field.Path] = texts
	}
	e.seen[field.Path] = true
}

func (e *entry) secret(path, text string) {
	switch field, known := e.fields[path]; {
	case !known || field.Kind != form.Secret:
		e.note(fault.New(fault.Invalid, path, "is no secret of the product"))
	case text == "":
		e.note(fault.New(fault.Invalid, path, "must not be empty"))
	default:
		e.input[path] = []string{text}
	}
}

// textsOf returns a value of JSON as it is entered into a form.
func textsOf(v any) ([]string, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case bool:
		return []string{strconv.FormatBool(v)}, true
	case json.Number:
		return []string{v.String()}, true
	case []any:
		texts := make([]string, 0, len(v))
		for _, element := range v {
			_, nested := element.([]any)
			text, ok := textsOf(element)
			if nested || !ok || len(text) != 1 {
				return nil, false
			}
			texts = append(texts, text...)
		}
		return texts, true
	}
	return nil, false
}
