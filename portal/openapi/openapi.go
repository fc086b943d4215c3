// Package openapi describes an HTTP API in the form of OpenAPI 3.1: its operations, and the schemas of the Go types that
// they take and answer with. It knows nothing of what the API is about and of how it is served.
//
// Fields of the types may say more in tags: doc is the description, enum the values separated by commas, example an
// example (JSON where the field is no string) and format the format. Fields with omitempty may be left out.
package openapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Info says what the API is.
type Info struct {
	Title, Version, Description string
	// Server is the path that all others begin with.
	Server string
	// Error is a value of the type that every error has.
	Error any
	// Schemes are the ways to say who asks, by name.
	Schemes map[string]SecurityScheme
}

// SecurityScheme is a way to say who asks.
type SecurityScheme struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme,omitempty"`
	In          string `json:"in,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
}

// Operation is what one method of one path does.
type Operation struct {
	Method string
	// Path is such as /keys/{id}.
	Path string
	// ID is unique; Tag groups operations.
	ID, Tag, Summary, Description string
	Query                         []Parameter
	// Body and Answer are nil for none. Status is that of the answer.
	Body, Answer reflect.Type
	Status       int
	// BodyOptional says that the body may be left out.
	BodyOptional bool
	// Errors are the statuses of errors to be expected.
	Errors []int
	// Security names alternative schemes; none means that everyone may ask.
	Security []string
	// Headers are required with some of the schemes only, and so optional here.
	Headers []Parameter
}

// Parameter is one in the query or the header.
type Parameter struct {
	Name, Description string
	// Type is string unless it is integer.
	Type string
	// Format is such as date; Enum are all values there are.
	Format string
	Enum   []string
	// Minimum and Maximum bound an integer, if Maximum is not 0.
	Minimum, Maximum int
	Example          string
}

func (p Parameter) node(in string) parameterNode {
	s := &Schema{Type: "string", Format: p.Format, Enum: p.Enum}
	if p.Type != "" {
		s.Type = p.Type
	}
	if p.Maximum != 0 {
		s.Minimum, s.Maximum = &p.Minimum, &p.Maximum
	}
	n := parameterNode{Name: p.Name, In: in, Description: p.Description, Required: in == "path", Schema: s}
	if p.Example != "" {
		n.Example = p.Example
	}
	return n
}

// Document returns the document of an API as JSON. It panics if an operation's types have no schema, which is a mistake
// of the program.
func Document(info Info, operations []Operation) []byte {
	b := builder{schemas: newSchemas(), paths: map[string]map[string]operationNode{}}
	failure := b.schemas.of(reflect.TypeOf(info.Error))
	tags := map[string]bool{}
	for _, o := range operations {
		if b.paths[o.Path] == nil {
			b.paths[o.Path] = map[string]operationNode{}
		}
		b.paths[o.Path][strings.ToLower(o.Method)] = b.operation(o, failure)
		tags[o.Tag] = true
	}
	d := documentNode{
		OpenAPI: "3.1.0",
		Info:    infoNode{info.Title, info.Version, info.Description},
		Servers: []serverNode{{info.Server}},
		Paths:   b.paths,
		Components: componentsNode{
			Schemas: b.schemas.components, SecuritySchemes: info.Schemes,
		},
	}
	for _, t := range slices.Sorted(maps.Keys(tags)) {
		d.Tags = append(d.Tags, tagNode{t})
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		panic("openapi: " + err.Error())
	}
	return append(text, '\n')
}

type builder struct {
	schemas *schemas
	paths   map[string]map[string]operationNode
}

func (b *builder) operation(o Operation, failure *Schema) operationNode {
	n := operationNode{
		OperationID: o.ID, Tags: []string{o.Tag}, Summary: o.Summary, Description: o.Description,
		Responses: map[string]responseNode{}, Security: []map[string][]string{},
	}
	for _, name := range pathParameters(o.Path) {
		n.Parameters = append(n.Parameters, Parameter{Name: name}.node("path"))
	}
	for _, p := range o.Query {
		n.Parameters = append(n.Parameters, p.node("query"))
	}
	for _, p := range o.Headers {
		n.Parameters = append(n.Parameters, p.node("header"))
	}
	if o.Body != nil {
		n.RequestBody = &bodyNode{Required: !o.BodyOptional, Content: jsonContent(b.request(o.Body))}
	}
	answer := responseNode{Description: http.StatusText(o.Status)}
	if o.Answer != nil {
		answer.Content = jsonContent(b.schemas.of(o.Answer))
	}
	n.Responses[strconv.Itoa(o.Status)] = answer
	for _, status := range o.Errors {
		r := responseNode{Description: http.StatusText(status), Content: jsonContent(failure)}
		if status == http.StatusTooManyRequests {
			r.Headers = map[string]headerNode{"Retry-After": {"Seconds to wait.", &Schema{Type: "integer"}}}
		}
		n.Responses[strconv.Itoa(status)] = r
	}
	n.Responses["default"] = responseNode{Description: "An error", Content: jsonContent(failure)}
	for _, scheme := range o.Security {
		n.Security = append(n.Security, map[string][]string{scheme: {}})
	}
	return n
}

// request returns the schema of a body, in which other fields are refused.
func (b *builder) request(t reflect.Type) *Schema {
	s := b.schemas.of(t)
	object := s
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		object = b.schemas.components[name]
	}
	object.AdditionalProperties = false
	return s
}

func jsonContent(s *Schema) map[string]mediaNode {
	return map[string]mediaNode{"application/json": {Schema: s}}
}

// pathParameters returns the names in braces.
func pathParameters(path string) []string {
	var names []string
	for _, part := range strings.Split(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}
