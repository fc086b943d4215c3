package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"llmhub/deployer"
	"llmhub/deployer/form"
)

// masked stands in the place of a secret.
const masked = "••••••"

// configField is a field of a product's configuration with what has been entered for it.
type configField struct {
	ID, Name, Label, Hint, Tooltip, Error string
	// Kind is that of the control: text, area, secret, select, boxes or switch.
	Kind     string
	Required bool
	Value    string
	Options  []option
	// Chart is what holds if nothing is entered; empty if that is nothing.
	Chart                  string
	InputMode              string
	MaxLength              int
	ShowPath, ShowValue    string
	Checked                bool
	Entered, KeptByRelease bool
	Path                   string
}

// configGroup are fields that belong together; Legend is empty for those that stand alone.
type configGroup struct {
	Legend string
	Fields []configField
}

// addToGroup adds a field to the last group, or to a new one if it belongs to another.
func addToGroup(groups []configGroup, legend string, f configField) []configGroup {
	if n := len(groups); n > 0 && groups[n-1].Legend == legend {
		groups[n-1].Fields = append(groups[n-1].Fields, f)
		return groups
	}
	return append(groups, configGroup{legend, []configField{f}})
}

// DescribedBy names what explains the control.
func (f configField) DescribedBy() string {
	var ids []string
	for suffix, there := range map[string]bool{"-hint": f.Hint != "" || f.Chart != "" || f.Entered || f.KeptByRelease, "-error": f.Error != ""} {
		if there {
			ids = append(ids, f.ID+suffix)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// fieldName is the name of the control for a path, so that no path can be taken for another control of the form.
func fieldName(path string) string { return "f." + path }

// fieldID is the ID of the control for a path.
func fieldID(f *form.Form, path string) string {
	return "field-" + strconv.Itoa(slices.IndexFunc(f.Fields, func(x form.Field) bool { return x.Path == path }))
}

// configField returns the i-th field with what a draft has for it; kept are the secrets that the workload has.
func (v *visit) configField(i int, x form.Field, d deployer.Draft, classes []deployer.StorageClass, kept []string) configField {
	lang := v.loc.Language()
	values, touched := d.Input[x.Path]
	if !touched {
		values = x.Default
	}
	c := configField{
		ID: "field-" + strconv.Itoa(i), Name: fieldName(x.Path), Path: x.Path, Label: x.Label.In(lang), Hint: x.Hint.In(lang), Tooltip: x.Tooltip.In(lang),
		Required: x.Required, MaxLength: x.MaxLength, Kind: "text", Value: first(values),
	}
	if !x.Required && len(x.Default) == 0 {
		c.Chart = x.ChartDefault
	}
	if c.Label == "" {
		c.Label = x.Path
	}
	if x.ShowIf != nil {
		c.ShowPath, c.ShowValue = fieldName(x.ShowIf.Path), x.ShowIf.Value
	}
	switch x.Kind {
	case form.TextArea:
		c.Kind = "area"
	case form.List:
		c.Kind, c.Value = "area", strings.Join(values, "\n")
		c.Hint = strings.TrimSpace(c.Hint + " " + v.t("config.list"))
	case form.Secret:
		c.Kind, c.Value, c.Chart = "secret", "", ""
		c.Entered = slices.Contains(d.SecretPaths, x.Path)
		c.KeptByRelease = !c.Entered && slices.Contains(kept, x.Path)
		c.Required = c.Required && !c.Entered && !c.KeptByRelease
	case form.Switch:
		c.Kind = "switch"
		c.Checked = c.Value == "true" || len(values) == 0 && x.ChartDefault == "true"
		c.Required, c.Chart = false, ""
	case form.Number:
		c.InputMode = "decimal"
		if x.Integer {
			c.InputMode = "numeric"
		}
		c.Hint = strings.TrimSpace(c.Hint + " " + v.bounds(x))
	case form.Select:
		c.Kind, c.Options = "select", v.selectOptions(x, c.Value)
		c.Chart = ""
	case form.Multi:
		c.Kind, c.Required, c.Chart = "boxes", false, ""
		if !touched && len(values) == 0 && x.ChartDefault != "" {
			values = strings.Split(x.ChartDefault, ", ")
		}
		for n, o := range x.Options {
			c.Options = append(c.Options, option{ID: c.ID + "-" + strconv.Itoa(n), Value: o.Value, Text: optionText(o.Label.In(lang), o.Value), Selected: slices.Contains(values, o.Value)})
		}
	case form.StorageClass:
		if len(classes) > 0 {
			c.Kind, c.Options, c.Chart = "select", v.classOptions(classes, c.Value), ""
		}
	}
	return c
}

// selectOptions are the options of a field. Nothing chosen is one of them where that can be.
func (v *visit) selectOptions(x form.Field, value string) []option {
	var list []option
	switch {
	case x.ChartDefault != "" && len(x.Default) == 0:
		list = append(list, option{Text: v.t("config.chart", "Value", x.ChartDefault)})
	case len(x.Default) == 0 || !x.Required:
		list = append(list, option{Text: v.t("config.choose")})
	}
	for _, o := range x.Options {
		list = append(list, option{Value: o.Value, Text: optionText(o.Label.In(v.loc.Language()), o.Value), Selected: o.Value == value})
	}
	return list
}

// classOptions are the cluster's storage classes. One that was entered and is not there stays, so that it is seen.
func (v *visit) classOptions(classes []deployer.StorageClass, value string) []option {
	none := option{Text: v.t("config.class.none")}
	var list []option
	found := value == ""
	for _, s := range classes {
		text := s.Name
		if s.Default {
			text += " (" + v.t("config.class.default") + ")"
			none.Text = v.t("config.class.usedefault", "Name", s.Name)
		}
		found = found || s.Name == value
		list = append(list, option{Value: s.Name, Text: text, Selected: s.Name == value})
	}
	if !found {
		list = append(list, option{Value: value, Text: v.t("config.class.missing", "Name", value), Selected: true})
	}
	return append([]option{none}, list...)
}

// bounds says in words between what a number has to be.
func (v *visit) bounds(x form.Field) string {
	number := func(f float64) string { return v.decimal(strconv.FormatFloat(f, 'f', -1, 64)) }
	switch {
	case x.Minimum != nil && x.Maximum != nil:
		return v.t("config.between", "From", number(*x.Minimum), "To", number(*x.Maximum))
	case x.Minimum != nil:
		return v.t("config.atleast", "From", number(*x.Minimum))
	case x.Maximum != nil:
		return v.t("config.atmost", "To", number(*x.Maximum))
	}
	return ""
}

func optionText(label, value string) string {
	if label == "" {
		return value
	}
	return label
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func joined(values []string) string { return strings.Join(values, ", ") }

// configInput reads what was entered. What is as it was offered, and is no default of the form's own, was not touched: the
// chart's default holds for it.
func configInput(f *form.Form, entered url.Values) form.Input {
	in := form.Input{}
	for _, x := range f.Fields {
		values, sent := entered[fieldName(x.Path)]
		if x.Hidden || !sent {
			continue
		}
		values = enteredValues(x, values)
		untouched := len(x.Default) == 0 && (joined(values) == "" || x.Kind != form.Secret && joined(values) == x.ChartDefault)
		if x.Kind == form.Switch && len(x.Default) == 0 && x.ChartDefault == "" && joined(values) == "false" {
			untouched = true // a switch that is off in the chart, too
		}
		if x.Kind == form.Secret && joined(values) == "" || untouched {
			continue
		}
		in[x.Path] = values
	}
	return in
}

// enteredValues returns what the control of a field has sent.
func enteredValues(x form.Field, sent []string) []string {
	switch x.Kind {
	case form.List:
		var lines []string
		for line := range strings.Lines(strings.ReplaceAll(sent[0], "\r\n", "\n")) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		return lines
	case form.Multi:
		return slices.DeleteFunc(slices.Clone(sent), func(s string) bool { return s == "" })
	case form.Switch:
		return sent[len(sent)-1:] // the box stands behind its hidden companion
	case form.TextArea:
		return []string{strings.ReplaceAll(sent[0], "\r\n", "\n")}
	case form.Secret:
		return sent[:1]
	}
	return []string{strings.TrimSpace(sent[0])}
}
