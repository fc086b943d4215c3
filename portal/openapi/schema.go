package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// Schema is a JSON Schema as far as Go types need it.
type Schema struct {
	Ref                  string             `json:"$ref,omitempty"`
	Type                 any                `json:"type,omitempty"` // a name, or several
	Format               string             `json:"format,omitempty"`
	Description          string             `json:"description,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Examples             []any              `json:"examples,omitempty"`
	Minimum              *int               `json:"minimum,omitempty"`
	Maximum              *int               `json:"maximum,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	Required             []string           `json:"required,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"` // false or a *Schema
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
	anyType  = reflect.TypeFor[map[string]any]()
)

// schemas turns Go types into schemas. Structs that have a name become components.
type schemas struct {
	components map[string]*Schema
	names      map[reflect.Type]string
}

func newSchemas() *schemas {
	return &schemas{components: map[string]*Schema{}, names: map[reflect.Type]string{}}
}

// of returns the schema of a type, as encoding/json writes it. It panics for types that have no place in an API, which
// is a mistake of the program.
func (s *schemas) of(t reflect.Type) *Schema {
	switch t {
	case timeType:
		return &Schema{Type: "string", Format: "date-time"}
	case rawType:
		return &Schema{} // whatever it is
	case anyType:
		return &Schema{Type: "object"} // whatever is in it
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int32:
		return &Schema{Type: "integer"}
	case reflect.Int64:
		return &Schema{Type: "integer", Format: "int64"}
	case reflect.Float64:
		return &Schema{Type: "number"}
	case reflect.Slice:
		return &Schema{Type: "array", Items: s.of(t.Elem())}
	case reflect.Map:
		return &Schema{Type: "object", AdditionalProperties: s.of(t.Elem())}
	case reflect.Struct:
		return s.component(t)
	}
	panic(fmt.Sprintf("openapi: %s has no schema", t))
}

// component returns a reference to the schema of a struct.
func (s *schemas) component(t reflect.Type) *Schema {
	if t.Name() == "" {
		return s.object(t)
	}
	name, known := s.names[t]
	if !known {
		name = componentName(t.Name())
		if s.components[name] != nil {
			panic(fmt.Sprintf("openapi: two types are called %s", name))
		}
		s.names[t] = name
		s.components[name] = &Schema{} // found by types that contain themselves
		s.components[name] = s.object(t)
	}
	return &Schema{Ref: "#/components/schemas/" + name}
}

// componentName makes a name that clients see of a type's: tenantView is Tenant, page[llmhub/portal.keyView] KeyPage.
func componentName(name string) string {
	outer, inner, generic := strings.Cut(name, "[")
	outer = strings.TrimSuffix(outer, "View")
	outer = string(unicode.ToUpper(rune(outer[0]))) + outer[1:]
	if !generic {
		return outer
	}
	inner = strings.TrimSuffix(inner, "]")
	return componentName(inner[strings.LastIndexByte(inner, '.')+1:]) + outer
}

func (s *schemas) object(t reflect.Type) *Schema {
	o := &Schema{Type: "object", Properties: map[string]*Schema{}}
	s.fields(o, t)
	return o
}

// fields adds the fields of a struct, and those of structs embedded in it.
func (s *schemas) fields(o *Schema, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			s.fields(o, f.Type)
			continue
		case name == "":
			panic(fmt.Sprintf("openapi: %s.%s has no name in JSON", t, f.Name))
		}
		o.Properties[name] = s.field(f)
		if options != "omitempty" {
			o.Required = append(o.Required, name)
		}
	}
}

// field returns the schema of a field with what its tags say.
func (s *schemas) field(f reflect.StructField) *Schema {
	v := s.of(f.Type)
	v.Description = f.Tag.Get("doc")
	if format := f.Tag.Get("format"); format != "" {
		v.Format = format
	}
	if e := f.Tag.Get("example"); e != "" {
		v.Examples = []any{exampleOf(f.Type, e)}
	}
	if e := f.Tag.Get("enum"); e != "" {
		if v.Items != nil {
			v.Items.Enum = strings.Split(e, ",")
		} else {
			v.Enum = strings.Split(e, ",")
		}
	}
	return v
}

// exampleOf reads the text of an example: JSON where the field is no string.
func exampleOf(t reflect.Type, text string) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.String || t == timeType {
		return text
	}
	return json.RawMessage(text)
}
