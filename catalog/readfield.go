package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"llmhub/yamldoc"
)

const (
	maxFields       = 100
	maxChoices      = 100
	maxPatterns     = 10
	maxPatternBytes = 500
	maxDefaultRunes = 4000
)

var keyForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}(\.[A-Za-z_][A-Za-z0-9_-]{0,62}){0,9}$`)

// fields reads the configuration form. A key that leads into the value of another is a fault: one would overwrite the other.
func (d *decoder) fields(into *[]Field) reader {
	return func(list node) {
		seen := map[string]int{}
		d.Sequence(list, maxFields, func(_ int, n node) {
			f := Field{Input: InputText}
			d.field(&f, n)
			d.once(seen, child(n, "key"), f.Key, "key of the field")
			for _, o := range *into {
				if strings.HasPrefix(f.Key, o.Key+".") || strings.HasPrefix(o.Key, f.Key+".") {
					d.Fault(child(n, "key"), "%s and %s cannot both be set: one is a part of the other", yamldoc.Quote(f.Key), yamldoc.Quote(o.Key))
				}
			}
			*into = append(*into, f)
		})
	}
}

func (d *decoder) field(f *Field, n node) {
	before := len(d.Faults())
	ok := d.Mapping(n,
		required("key", d.Text(&f.Key, 250, keyForm, "a dotted path into the chart's values such as global.storageClass")),
		required("label", d.line(&f.Label)),
		optional("hint", d.paragraph(&f.Hint)),
		optional("tooltip", d.paragraph(&f.Tooltip)),
		required("input_type", yamldoc.Choice(d.Decoder, &f.Input, InputText, InputSelection, InputSwitch)),
		optional("required", d.Flag(&f.Required)),
		optional("confidential", d.Flag(&f.Confidential)),
		optional("hidden", d.Flag(&f.Hidden)),
		optional("multiple", d.Flag(&f.Multiple)),
		optional("default_value", func(node) {}), // read below: its form depends on the keys above
		optional("values", d.choices(&f.Values)),
		optional("validation", d.patterns(&f.Validation)),
	)
	if !ok || len(d.Faults()) > before {
		return
	}
	d.fieldAgreement(f, n)
	if at := child(n, "default_value"); at.Node != n.Node {
		d.defaultValue(f, at)
	} else if f.Hidden {
		d.Fault(at, "is required, as the field is hidden")
	}
}

// fieldAgreement checks what depends on several keys of a field.
func (d *decoder) fieldAgreement(f *Field, n node) {
	selection := f.Input == InputSelection
	switch {
	case selection && len(f.Values) == 0:
		d.Fault(n.Named("values"), "is required with the input_type %s", f.Input)
	case !selection && len(f.Values) > 0:
		d.Fault(child(n, "values"), "is only for the input_type %s", InputSelection)
	}
	if len(f.Validation) > 0 && f.Input != InputText {
		d.Fault(child(n, "validation"), "is only for the input_type %s", InputText)
	}
	if f.Confidential && f.Input != InputText {
		d.Fault(child(n, "confidential"), "is only for the input_type %s", InputText)
	}
	if f.Multiple && f.Input == InputSwitch {
		d.Fault(child(n, "multiple"), "is not for the input_type %s", InputSwitch)
	}
	if f.Confidential && has(n, "default_value") {
		d.Fault(child(n, "default_value"), "is not for confidential fields: everybody can read the catalog")
	}
}

// defaultValue reads true or false for a switch, a list where several values are allowed, text otherwise.
func (d *decoder) defaultValue(f *Field, n node) {
	switch {
	case f.Input == InputSwitch:
		var on bool
		before := len(d.Faults())
		d.Flag(&on)(n)
		if len(d.Faults()) == before {
			f.Default = fmt.Sprint(on)
		}
	case f.Multiple:
		var values []string
		d.Sequence(n, maxChoices, func(_ int, n node) { values = append(values, d.oneDefault(f, n)) })
		f.Default = strings.Join(values, "\n")
	default:
		f.Default = d.oneDefault(f, n)
	}
}

func (d *decoder) oneDefault(f *Field, n node) string {
	var text string
	d.prose(&text, maxDefaultRunes, false)(n)
	switch {
	case text == "":
	case f.Input == InputSelection && !slices.ContainsFunc(f.Values, func(c Choice) bool { return c.Value == text }):
		d.Fault(n, "%s is not one of the values", yamldoc.Quote(text))
	default:
		for _, p := range f.Validation {
			if !p.Match(text) {
				d.Fault(n, "%s does not match the field's own pattern %s", yamldoc.Quote(text), p.Pattern)
			}
		}
	}
	return text
}

func (d *decoder) choices(into *[]Choice) reader {
	return func(list node) {
		seen := map[string]int{}
		d.Sequence(list, maxChoices, func(_ int, n node) {
			var c Choice
			d.Mapping(n, required("label", d.line(&c.Label)), required("value", d.phrase(&c.Value, maxLineRunes)))
			d.once(seen, child(n, "value"), c.Value, "value")
			*into = append(*into, c)
		})
	}
}

func (d *decoder) patterns(into *[]Pattern) reader {
	return func(list node) {
		d.Sequence(list, maxPatterns, func(_ int, n node) {
			var p Pattern
			d.Mapping(n, required("pattern", d.pattern(&p)), required("message", d.paragraph(&p.Message)))
			*into = append(*into, p)
		})
	}
}

// slashedForm is how the marketplace writes patterns: between slashes, with the flags of JavaScript behind.
var slashedForm = regexp.MustCompile(`(?s)^/(.*)/([dgimsuvy]*)$`)

// pattern reads a regular expression. Of the flags only i and s have a meaning for a single value.
func (d *decoder) pattern(into *Pattern) reader {
	return func(n node) {
		var text string
		d.Text(&text, maxPatternBytes, nil, "")(n)
		if text == "" {
			return
		}
		if m := slashedForm.FindStringSubmatch(text); m != nil {
			text = m[1]
			if flags := strings.Map(onlyMeant, m[2]); flags != "" {
				text = "(?" + flags + ")" + text
			}
		}
		compiled, err := regexp.Compile(text)
		if err != nil {
			d.Fault(n, "is not a regular expression (look-ahead and back-references are not supported): %s", err)
			return
		}
		into.Pattern, into.compiled = text, compiled
	}
}

func onlyMeant(flag rune) rune {
	if flag == 'i' || flag == 's' {
		return flag
	}
	return -1
}

// fieldsInChart finds keys that lead to nothing in the chart.
func (d *decoder) fieldsInChart(fields []Field, list node, c *chart) {
	for i, f := range fields {
		if f.Key != "" && !c.has(f.Key) {
			d.Fault(child(node{Node: list.Content[i], Path: fmt.Sprintf("%s[%d]", list.Path, i)}, "key"), "the chart's values.yaml has no %s", yamldoc.Quote(f.Key))
		}
	}
}
