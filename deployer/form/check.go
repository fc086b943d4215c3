package form

import (
	"maps"
	"slices"

	"llmhub/fault"
	"llmhub/secret"
)

// Check returns the values of an input, or fault.Faults whose Field is the path: that of a field, or of another place in the
// values where the chart's schema is to blame, or nothing for the whole. There are at most 20, in the order of the fields.
//
// Fields that were not touched, or emptied, are left out, so that the chart's default holds; hidden fields have their Default.
// A list that is emptied is sent as an empty one where the chart's own is not empty. What was entered for a field that is of
// no use, because its ShowIf does not hold, is neither checked nor sent. In an upgrade, secrets that are not entered are kept.
//
// The fields are checked first, then the chart's defaults with the values laid over them against its schema; while fields are
// wrong, only what the schema says of the others that were entered. Defaults of charts within the chart are not known here:
// Helm has the last word when it renders.
func (f *Form) Check(in Input, upgrade bool) (Values, error) {
	if err := bounded(in); err != nil {
		return Values{}, fault.Faults{err}
	}
	c := checker{form: f, in: in, upgrade: upgrade, values: Values{Plain: map[string]any{}}}
	for i := range f.Fields {
		c.field(&f.Fields[i])
	}
	for _, path := range slices.Sorted(maps.Keys(in)) {
		if f.field(path) == nil {
			c.blame(fault.New(fault.Invalid, cut(path, maxTitleRunes), "is not a setting of the product"))
		}
	}
	c.whole()
	if len(c.faults) > 0 {
		return Values{}, c.faults
	}
	return c.values, nil
}

// whole adds what the schema says. Where a field is wrong its value is not in the whole, and what comes of that is not said.
func (c *checker) whole() {
	wrong := len(c.faults) > 0
	named := map[string]bool{}
	for _, e := range c.faults {
		named[e.Field] = true
	}
	for _, e := range c.form.satisfies(c.values) {
		if _, entered := c.in[e.Field]; !wrong || entered && !named[e.Field] {
			c.blame(e)
		}
	}
	slices.SortStableFunc(c.faults, func(a, b *fault.Error) int { return c.form.before(a.Field, b.Field) })
}

// bounded refuses an input that is too large to look at.
func bounded(in Input) *fault.Error {
	total := 0
	for path, given := range in {
		total += len(path)
		for _, s := range given {
			total += len(s) + 1
		}
	}
	if total > maxInputBytes {
		return fault.New(fault.Invalid, "", "the configuration has more than %d bytes", maxInputBytes)
	}
	return nil
}

type checker struct {
	form    *Form
	in      Input
	upgrade bool
	values  Values
	faults  fault.Faults
}

func (c *checker) blame(err *fault.Error) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, err)
	}
}

func (c *checker) field(f *Field) {
	given, touched := c.in[f.Path]
	switch {
	case f.Hidden:
		given, touched = f.Default, true
	case !c.form.used(f, c.in):
		return
	}
	if f.Kind == Secret {
		c.secret(f, given)
		return
	}
	v, err := typed(f, c.form.types[f.Path], given)
	if err != nil {
		c.blame(err)
		return
	}
	own, _ := lookup(c.form.defaults, f.Path)
	if list, isList := v.([]any); isList && len(list) == 0 {
		if f.Required && (touched || isEmpty(own)) {
			c.blame(fault.New(fault.Invalid, f.Path, "must not be empty"))
			return
		}
		if isEmpty(own) || !touched {
			return
		}
	}
	if v != nil {
		put(c.values.Plain, f.Path, v)
	} else if f.Required && (touched || isEmpty(own)) {
		c.blame(fault.New(fault.Invalid, f.Path, "must not be empty"))
	}
}

// secret takes a secret. One that is required has to be entered even where the chart has one of its own, which everybody knows.
func (c *checker) secret(f *Field, given []string) {
	s := ""
	if len(given) > 0 {
		s = lines(given[len(given)-1])
	}
	switch {
	case s == "" && c.upgrade && !f.Hidden:
		c.values.Kept = append(c.values.Kept, f.Path)
	case s == "" && f.Required:
		c.blame(fault.New(fault.Invalid, f.Path, "must not be empty"))
	case s == "":
	default:
		if err := wrong(f, s); err != nil {
			c.blame(err)
			return
		}
		if c.values.Secrets == nil {
			c.values.Secrets = map[string]secret.Text{}
		}
		c.values.Secrets[f.Path] = secret.New(s)
	}
}
