// Package form turns what a product says of its configuration into one kind of field, and what was entered into values of a
// chart: typed, validated, with secrets apart.
//
// There are two sources: the marketplace's field list of a product, and the values.schema.json of its chart. The first
// decides what is asked for and in which order; the second decides on types, limits and options, and says what is asked for
// where a product has no list.
package form

import (
	"llmhub/catalog"
	"llmhub/secret"
)

// Kind is the control a field is entered with.
type Kind string

// The kinds.
const (
	Text     Kind = "text"
	TextArea Kind = "text-area"
	Secret   Kind = "secret"
	Select   Kind = "select"
	Multi    Kind = "multi"
	Switch   Kind = "switch"
	Number   Kind = "number"
	// Size is an amount of storage or memory, such as 8Gi.
	Size Kind = "size"
	// StorageClass is one of the cluster's.
	StorageClass Kind = "storage-class"
	// List is several texts, one to a line.
	List Kind = "list"
)

// Field is one entry of a configuration form.
type Field struct {
	// Path is the dotted path into the chart's values.
	Path                 string
	Label, Hint, Tooltip catalog.Text
	Kind                 Kind
	Required, Hidden     bool
	// Default is what the form starts with, several for Multi and List; none means that the chart's own default holds.
	Default []string
	// ChartDefault is what the chart itself takes, as a text to show; empty if it is nothing or a secret.
	ChartDefault string
	Options      []catalog.Choice
	// Patterns are what a text has to match; those of a schema have no message.
	Patterns []catalog.Pattern
	// Group heads fields that belong together; empty for none.
	Group catalog.Text
	// ShowIf says when the field is of use; nil means always.
	ShowIf *Condition
	// Minimum and Maximum bound a Number, nil where there is no bound; Integer refuses fractions.
	Minimum, Maximum *float64
	Integer          bool
	// MaxLength bounds texts in characters; 0 means the form's own bound.
	MaxLength int
}

// Condition says that another field has a value.
type Condition struct {
	Path, Value string
}

// Form is a compiled form. It may be used concurrently; Fields must not be changed.
type Form struct {
	Fields []Field

	// at and types are place and type of the fields by path.
	at    map[string]int
	types map[string]valueType
	// defaults are the chart's own values.
	defaults map[string]any
	// check is nil where the chart has no schema.
	check *validator
}

// Input is what was entered, by path: one value, or several for Multi and List. A path that is missing was not touched.
//
// Of several values of a Switch the last counts, so that a page can put a hidden "false" before the checkbox "true": a switch
// that is off arrives as "false", and one that is missing was not on the page. In the same way a Multi may have an empty value
// before others, which is left out: alone it says that nothing is chosen. The values of a List may be divided by line breaks.
type Input map[string][]string

// Values are the values for a chart.
type Values struct {
	// Plain is what may be kept and shown: the values without secrets, as nested maps of JSON types.
	Plain map[string]any
	// Secrets are those that were entered, by path.
	Secrets map[string]secret.Text
	// Kept are the paths of secrets that were not entered again and stay as they are in the release; only in an upgrade.
	Kept []string
}
