package form

import (
	"fmt"
	"slices"
	"strings"

	"llmhub/catalog"
	"llmhub/yamldoc"
)

// listed compiles the marketplace's field list of a product.
func (c *compiler) listed(fields []catalog.Field) error {
	if len(fields) > maxFields {
		return fmt.Errorf("the product has more than %d fields", maxFields)
	}
	for _, in := range fields {
		if _, again := c.form.at[in.Key]; again || in.Key == "" || len(in.Key) > maxPathBytes {
			return fmt.Errorf("the field %s is there twice, has no key or too long a one", yamldoc.Quote(in.Key))
		}
		l := c.leaf(in.Key, c.schema.find(in.Key), in.Multiple)
		if !l.expressible() {
			return fmt.Errorf("the field %s leads to what is neither a text, a number, a switch nor a list of these", yamldoc.Quote(in.Key))
		}
		f := Field{
			Path: in.Key, Label: in.Label, Hint: in.Hint, Tooltip: in.Tooltip, Kind: listedKind(in, l),
			Required: in.Required, Hidden: in.Hidden, Default: in.Defaults(),
			Options: slices.Clone(in.Values), Patterns: slices.Clone(in.Validation),
		}
		if types := l.schema.types(); f.Kind == Secret && len(types) > 0 && !slices.Contains(types, "string") {
			return fmt.Errorf("the field %s is confidential, and not a text to the chart", yamldoc.Quote(in.Key))
		}
		if f.Hidden {
			if _, err := typed(&f, l.valueType, f.Default); err != nil {
				return fmt.Errorf("the default of the hidden field %s is not what the chart takes", yamldoc.Quote(in.Key))
			}
		}
		c.add(f, l)
	}
	return nil
}

// listedKind returns the control for a field of the list. The list decides; what it calls a text the schema may know better.
func listedKind(in catalog.Field, l leaf) Kind {
	switch {
	case in.Confidential:
		return Secret
	case in.Input == catalog.InputSwitch:
		return Switch
	case in.Input == catalog.InputSelection && in.Multiple:
		return Multi
	case in.Input == catalog.InputSelection:
		return Select
	}
	kind := l.kind(len(in.Validation) > 0)
	if kind != Text {
		return kind
	}
	switch {
	case strings.Contains(in.Default, "\n"):
		return TextArea
	case in.Default == "" && namesSecret(lastName(in.Key)):
		return Secret
	case slices.ContainsFunc(in.Validation, func(p catalog.Pattern) bool { return takesSizes(p.Match) }):
		return Size
	}
	return Text
}
