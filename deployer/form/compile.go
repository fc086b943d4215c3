package form

import (
	"llmhub/catalog"
	"llmhub/secret"
)

type private struct{}

// Compile returns the form of a product: from its field list, or from the schema where it has none. schema and defaults are
// the chart's values.schema.json and values.yaml; both may be empty. An error says what cannot be understood.
func Compile(fields []catalog.Field, schema, defaults []byte) (*Form, error) { panic("not built yet") }

// Check returns the values of an input, or fault.Faults whose Field is the path. In an upgrade, secrets that are not entered
// are kept. Fields that were not touched are left out, but for hidden ones.
func (f *Form) Check(in Input, upgrade bool) (Values, error) { panic("not built yet") }

// Clean returns what of an input can be kept as a draft, however wrong it is, and the secrets in it, apart: bounded, and
// without paths that are no field.
func (f *Form) Clean(in Input) (Input, map[string]secret.Text) { panic("not built yet") }

// JSON returns the values as a JSON object, with the secrets in their places.
func (v Values) JSON() secret.Text { panic("not built yet") }

// YAML returns the values as YAML with "••••••" in the place of each secret.
func (v Values) YAML() string { panic("not built yet") }
