package form

import (
	"slices"
	"strings"
)

// conditions sets when fields are of use, and takes away the conditions on what is no field.
func (c *compiler) conditions() {
	for i := range c.form.Fields {
		f := &c.form.Fields[i]
		if f.ShowIf == nil {
			f.ShowIf = c.form.enabledBy(f.Path)
		}
		if f.ShowIf != nil && c.form.field(f.ShowIf.Path) == nil {
			f.ShowIf = nil
		}
	}
}

// enabledBy returns the condition that the nearest switch x.enabled is on, for a field below x.
func (f *Form) enabledBy(path string) *Condition {
	for i := strings.LastIndexByte(path, '.'); i > 0; i = strings.LastIndexByte(path[:i], '.') {
		enabled := path[:i] + ".enabled"
		if s := f.field(enabled); s != nil && enabled != path && s.Kind == Switch && !s.Hidden {
			return &Condition{Path: enabled, Value: "true"}
		}
	}
	return nil
}

// field returns the field of a path, nil if there is none.
func (f *Form) field(path string) *Field {
	if i, ok := f.at[path]; ok {
		return &f.Fields[i]
	}
	return nil
}

// used says whether a field is of use with an input: its condition holds, and the field that this is about is of use, too.
func (f *Form) used(d *Field, in Input) bool {
	for range maxReferences {
		if d.ShowIf == nil {
			return true
		}
		on := f.field(d.ShowIf.Path)
		if !slices.Contains(f.current(on, in), d.ShowIf.Value) {
			return false
		}
		d = on
	}
	return true
}

// current returns what a field has: what was entered, or else what the chart takes.
func (f *Form) current(d *Field, in Input) []string {
	if given, ok := in[d.Path]; ok && !d.Hidden && len(given) > 0 {
		if d.Kind == Multi || d.Kind == List {
			return given
		}
		return given[len(given)-1:]
	}
	if d.Hidden {
		return d.Default
	}
	v, _ := lookup(f.defaults, d.Path)
	list, _ := text(v)
	return list
}
