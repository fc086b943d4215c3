package form

import (
	"fmt"
	"strings"

	"llmhub/catalog"
)

// Compile returns the form of a product: from its field list, or from the schema where it has none. schema and defaults are
// the chart's values.schema.json and values.yaml; both may be empty. An error says what cannot be understood.
//
// From a schema alone, only what a form can express is asked for, and at most 200 fields of it: objects with properties are
// groups, and texts, numbers, booleans, enumerations and lists of these are fields. Everything else keeps the chart's default.
// Where any property has Kubeapps' "form": true, only those that have it are fields.
//
// Fields below x are of use only while the switch x.enabled is on, if the form has one; the nearest counts.
func Compile(fields []catalog.Field, schema, defaults []byte) (*Form, error) {
	s, document, err := readSchema(schema)
	if err != nil {
		return nil, fmt.Errorf("values.schema.json %w", err)
	}
	values, err := readDefaults(defaults)
	if err != nil {
		return nil, fmt.Errorf("values.yaml %w", err)
	}
	check, err := newValidator(document)
	if err != nil {
		return nil, fmt.Errorf("values.schema.json %w", err)
	}
	c := compiler{schema: s, form: &Form{types: map[string]valueType{}, at: map[string]int{}, defaults: values, check: check}, forms: map[string]bool{}}
	if len(fields) > 0 {
		err = c.listed(fields)
	} else {
		c.described(s, nil, nil, 0)
		c.marked()
	}
	if err != nil {
		return nil, err
	}
	c.conditions()
	return c.form, nil
}

// compiler gathers the fields of a form.
type compiler struct {
	schema *schema
	form   *Form
	// forms are the paths that Kubeapps' "form" marks.
	forms map[string]bool
	// visits counts properties: those that contain themselves have no end.
	visits int
}

// leaf is what schema and chart say of the value under a path.
type leaf struct {
	path      string
	schema    *schema
	byDefault any
	valueType valueType
}

func (c *compiler) leaf(path string, s *schema, several bool) leaf {
	d, _ := lookup(c.form.defaults, path)
	return leaf{path: path, schema: s, byDefault: d, valueType: typeOf(s, d, several)}
}

// inner is the schema of what is entered: that of the elements for a list.
func (l leaf) inner() *schema {
	if l.valueType.list {
		return l.schema.items()
	}
	return l.schema
}

// expressible says whether a form can ask for it: for a scalar or a list of such.
func (l leaf) expressible() bool {
	types := l.schema.types()
	if l.valueType.list && len(types) > 0 {
		types = l.schema.items().types()
	}
	if len(types) == 0 {
		_, ok := text(l.byDefault)
		return ok
	}
	for _, t := range types {
		for _, k := range scalarKinds {
			if t == k {
				return true
			}
		}
	}
	return false
}

// add keeps a field, completed by what schema and chart say.
func (c *compiler) add(f Field, l leaf) {
	inner := l.inner()
	if f.Kind != Secret {
		f.ChartDefault = shown(l.byDefault)
	}
	if len(f.Options) == 0 && (f.Kind == Select || f.Kind == Multi) {
		for _, o := range l.valueType.options {
			written, _ := text(o)
			f.Options = append(f.Options, catalog.Choice{Label: catalog.Text{"en": written[0]}, Value: written[0]})
		}
	}
	if f.Kind == Number {
		f.Integer = l.valueType.is("integer")
		f.Minimum, f.Maximum = inner.number("minimum"), inner.number("maximum")
	}
	f.MaxLength = inner.count("maxLength")
	c.form.at[f.Path] = len(c.form.Fields)
	c.form.types[f.Path] = l.valueType
	c.form.Fields = append(c.form.Fields, f)
}

// kind returns the control for what is entered as text, with several for a list.
func (l leaf) kind(hasPatterns bool) Kind {
	inner := l.inner()
	d, _ := l.byDefault.(string)
	switch {
	case l.valueType.list && len(l.valueType.options) > 0:
		return Multi
	case l.valueType.list:
		return List
	case len(l.valueType.options) > 0:
		return Select
	case l.valueType.is("boolean"):
		return Switch
	case l.valueType.is("number"):
		return Number
	case inner.flag("writeOnly") || inner.text("format") == "password":
		return Secret
	case namesStorageClass(lastName(l.path)):
		return StorageClass
	case l.isSize():
		return Size
	case inner.text("render") == "textArea" || strings.Contains(d, "\n") || !hasPatterns && inner.text("pattern") == "" && inner.count("maxLength") > maxHintRunes:
		return TextArea
	}
	return Text
}

// isSize says whether it is an amount of storage or memory: by the schema's pattern, else by the chart's default.
func (l leaf) isSize() bool {
	inner := l.inner()
	if pattern := inner.text("pattern"); pattern != "" {
		if len(pattern) > maxSizePatternBytes {
			return false
		}
		p := catalog.Pattern{Pattern: pattern}
		return takesSizes(p.Match)
	}
	d, _ := l.byDefault.(string)
	return binary.MatchString(d)
}
