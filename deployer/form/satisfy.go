package form

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"llmhub/fault"
)

// satisfies says what is wrong with the chart's defaults with the values laid over them. Secrets that are kept are not known
// here, and nothing is said of them.
func (f *Form) satisfies(v Values) fault.Faults {
	if f.check == nil {
		return nil
	}
	whole := coalesce(v.withSecrets(), f.defaults)
	for _, path := range v.Kept {
		remove(whole, path)
	}
	err := f.check.validate(whole)
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return fault.Faults{fault.New(fault.Invalid, "", "the chart's schema is too complicated to be checked")}
	}
	e := explainer{form: f, kept: v.Kept}
	e.explain(invalid)
	slices.SortFunc(e.faults, func(a, b *fault.Error) int {
		return cmp.Or(f.before(a.Field, b.Field), strings.Compare(a.Message, b.Message))
	})
	faults := slices.CompactFunc(e.faults, func(a, b *fault.Error) bool { return a.Field == b.Field && a.Message == b.Message })
	return faults[:min(len(faults), maxFaults)]
}

// before compares paths: fields as they stand, then what is no field by its name.
func (f *Form) before(a, b string) int {
	return cmp.Or(f.place(a)-f.place(b), strings.Compare(a, b))
}

func (f *Form) place(path string) int {
	if i, ok := f.at[path]; ok {
		return i
	}
	return len(f.Fields)
}

// explainer puts what the library has found into words. Values are in none of them.
type explainer struct {
	form   *Form
	kept   []string
	faults fault.Faults
}

// explain goes to the leaf causes. Of alternatives only that none fits is said: each has its own reasons.
func (e *explainer) explain(v *jsonschema.ValidationError) {
	switch v.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Contains, *kind.MinContains:
		if len(e.kept) == 0 || !e.concernsKept(v) {
			e.note(fault.New(fault.Invalid, e.field(dotted(v.InstanceLocation)), "does not fit what the chart's schema asks for"))
		}
		return
	}
	if len(v.Causes) == 0 {
		e.leaf(v)
		return
	}
	for _, cause := range v.Causes {
		e.explain(cause)
	}
}

// concernsKept says whether one of the causes is that a kept secret is not there.
func (e *explainer) concernsKept(v *jsonschema.ValidationError) bool {
	for _, name := range missing(v.ErrorKind) {
		if slices.Contains(e.kept, dotted(v.InstanceLocation, name)) {
			return true
		}
	}
	return slices.ContainsFunc(v.Causes, e.concernsKept)
}

// missing returns the members that a kind of error misses.
func missing(k jsonschema.ErrorKind) []string {
	switch k := k.(type) {
	case *kind.Required:
		return k.Missing
	case *kind.Dependency:
		return k.Missing
	case *kind.DependentRequired:
		return k.Missing
	}
	return nil
}

// leaf notes a cause that has no other. What is missing, or too much, is noted where it would be or is.
func (e *explainer) leaf(v *jsonschema.ValidationError) {
	if names := missing(v.ErrorKind); names != nil {
		for _, name := range names {
			path := dotted(v.InstanceLocation, name)
			if !slices.Contains(e.kept, path) {
				e.note(fault.New(fault.Invalid, e.field(path), "must not be empty"))
			}
		}
		return
	}
	if more, ok := v.ErrorKind.(*kind.AdditionalProperties); ok {
		for _, name := range more.Properties {
			e.note(fault.New(fault.Invalid, e.field(dotted(v.InstanceLocation, name)), "is not a setting of the chart"))
		}
		return
	}
	field := e.field(dotted(v.InstanceLocation))
	for _, words := range []func(string, jsonschema.ErrorKind) *fault.Error{ofText, ofNumber, ofList, ofValue} {
		if err := words(field, v.ErrorKind); err != nil {
			e.note(err)
			return
		}
	}
	e.note(fault.New(fault.Invalid, field, "does not fit what the chart's schema asks for"))
}

// note keeps a bounded number of faults; the first of them in the order of fields are told in the end.
func (e *explainer) note(err *fault.Error) {
	if len(e.faults) < maxNodes {
		e.faults = append(e.faults, err)
	}
}

// dotted returns a location as a path.
func dotted(location []string, more ...string) string {
	return strings.Join(append(slices.Clone(location), more...), ".")
}

// field returns the field that a path is, or is within, such as an element of a list; else the path.
func (e *explainer) field(path string) string {
	for at := path; at != ""; {
		if e.form.field(at) != nil {
			return at
		}
		i := strings.LastIndexByte(at, '.')
		if i < 0 {
			break
		}
		at = at[:i]
	}
	return cut(path, maxPathBytes)
}
