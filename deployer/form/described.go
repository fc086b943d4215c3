package form

import (
	"slices"
	"strings"

	"llmhub/catalog"
)

// described compiles the properties of an object of the schema, in the order of the file; path and titles lead to it.
func (c *compiler) described(s *schema, path, titles []string, depth int) {
	for _, name := range s.properties() {
		if c.visits++; c.visits > maxNodes || len(c.form.Fields) >= maxFields {
			return
		}
		p := s.property(name)
		at := append(slices.Clone(path), name)
		dotted := strings.Join(at, ".")
		if p == nil || p.member("hidden") == true || name == "" || strings.Contains(name, ".") || len(dotted) > maxPathBytes {
			continue
		}
		if len(p.properties()) > 0 {
			if depth < maxPathDepth {
				c.described(p, at, append(slices.Clone(titles), p.title(name)["en"]), depth+1)
			}
			continue
		}
		l := c.leaf(dotted, p, false)
		if p.member("const") != nil || !l.asks() || c.taken(dotted) {
			continue
		}
		f := Field{
			Path: dotted, Label: p.title(name), Hint: english(p.text("description"), maxHintRunes), Kind: l.describedKind(name),
			Required: s.demands(name) && isEmpty(l.byDefault), ShowIf: p.condition(),
			Group: english(strings.Join(titles, " – "), maxTitleRunes),
		}
		if d, ok := text(plain(p.member("default"))); ok && l.byDefault == nil && f.Kind != Secret {
			f.Default = d
		}
		if pattern := l.inner().text("pattern"); pattern != "" {
			f.Patterns = []catalog.Pattern{{Pattern: pattern}}
		}
		if p.flag("form") {
			c.forms[dotted] = true
		}
		c.add(f, l)
	}
}

// taken says whether there is a field of that path, or one that it is a part of.
func (c *compiler) taken(path string) bool {
	_, ok := c.form.at[path]
	return ok
}

// asks says whether a schema says enough of a value to ask for it.
func (l leaf) asks() bool {
	if !l.expressible() {
		return false
	}
	_, isEnum := l.inner().options()
	return isEnum || len(l.inner().types()) > 0 || l.byDefault != nil && len(l.schema.types()) == 0
}

// describedKind returns the control for a property.
func (l leaf) describedKind(name string) Kind {
	kind := l.kind(false)
	if (kind == Text || kind == TextArea) && namesSecret(name) {
		return Secret
	}
	if kind == Text && l.schema.text("render") == "slider" && l.schema.text("sliderUnit") != "" {
		return Size
	}
	return kind
}

// condition returns when Kubeapps shows a property. Its "hidden" names a switch that hides it, or the value that does.
func (s *schema) condition() *Condition {
	switch hidden := s.member("hidden").(type) {
	case string:
		return &Condition{Path: strings.ReplaceAll(hidden, "/", "."), Value: "false"}
	case *object:
		path, _ := hidden.members["path"].(string)
		if on, ok := hidden.members["value"].(bool); ok && path != "" {
			value := "true"
			if on {
				value = "false"
			}
			return &Condition{Path: strings.ReplaceAll(path, "/", "."), Value: value}
		}
	}
	return nil
}

// marked leaves only the fields that Kubeapps' "form" marks, if it marks any.
func (c *compiler) marked() {
	if len(c.forms) == 0 {
		return
	}
	c.form.Fields = slices.DeleteFunc(c.form.Fields, func(f Field) bool { return !c.forms[f.Path] })
	clear(c.form.at)
	for i, f := range c.form.Fields {
		c.form.at[f.Path] = i
	}
}

// isEmpty says whether a chart's default is nothing, so that what must be given has to be entered.
func isEmpty(v any) bool {
	list, ok := text(v)
	return ok && (len(list) == 0 || len(list) == 1 && list[0] == "")
}
