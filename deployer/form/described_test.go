package form_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"llmhub/catalog"
	"llmhub/deployer/form"
)

// compile insists on a form.
func compile(t *testing.T, fields []catalog.Field, schema, defaults string) *form.Form {
	t.Helper()
	f, err := form.Compile(fields, []byte(schema), []byte(defaults))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// one returns the field of a path.
func one(t *testing.T, f *form.Form, path string) form.Field {
	t.Helper()
	for _, d := range f.Fields {
		if d.Path == path {
			return d
		}
	}
	t.Fatalf("there is no field %s", path)
	return form.Field{}
}

func paths(f *form.Form) []string {
	var all []string
	for _, d := range f.Fields {
		all = append(all, d.Path)
	}
	return all
}

// Each property becomes the control that fits it.
func TestKindsOfProperties(t *testing.T) {
	for _, c := range []struct {
		name, property, byDefault string
		want                      form.Kind
	}{
		{"x", `{"type": "string"}`, "", form.Text},
		{"x", `{"type": ["null", "string"]}`, "", form.Text},
		{"x", `{"type": "string", "maxLength": 2000}`, "", form.TextArea},
		{"x", `{"type": "string", "render": "textArea"}`, "", form.TextArea},
		{"x", `{"type": "string"}`, "\"a\\nb\"", form.TextArea},
		{"x", `{"type": "string", "writeOnly": true}`, "", form.Secret},
		{"x", `{"type": "string", "format": "password"}`, "", form.Secret},
		{"rootPassword", `{"type": "string"}`, "", form.Secret},
		{"api-key", `{"type": "string"}`, "", form.Secret},
		{"token", `{"type": "string"}`, "", form.Secret},
		{"existingSecret", `{"type": "string"}`, "", form.Text},
		{"secretName", `{"type": "string"}`, "", form.Text},
		{"tokenTTL", `{"type": "integer"}`, "", form.Number},
		{"x", `{"enum": ["a", "b"]}`, "", form.Select},
		{"x", `{"enum": [1, 2, null]}`, "", form.Select},
		{"x", `{"type": "array", "items": {"enum": ["a", "b"]}}`, "", form.Multi},
		{"x", `{"type": "array", "items": {"type": "string"}}`, "", form.List},
		{"x", `{"type": "array", "items": {"type": "integer"}}`, "[1]", form.List},
		{"x", `{"type": "boolean"}`, "", form.Switch},
		{"x", `{"type": "integer"}`, "", form.Number},
		{"x", `{"type": "number"}`, "", form.Number},
		{"x", `{"type": ["integer", "string"]}`, "", form.Text},
		{"x", `{"type": "string", "pattern": "^[0-9]+(Mi|Gi)$"}`, "", form.Size},
		{"x", `{"type": "string"}`, "8Gi", form.Size},
		{"x", `{"type": "string", "render": "slider", "sliderUnit": "Gi"}`, "", form.Size},
		{"storageClass", `{"type": "string"}`, "", form.StorageClass},
		{"x", `{"title": "No type"}`, "true", form.Switch},
		{"x", `{"title": "No type"}`, "1.5", form.Number},
		{"x", `{"title": "No type"}`, "[a]", form.List},
		// What no form can express keeps the chart's default.
		{"x", `{"title": "No type"}`, "", ""},
		{"x", `{}`, "{a: 1}", ""},
		{"x", `true`, "1", ""},
		{"x", `{"type": "object"}`, "", ""},
		{"x", `{"type": "object", "additionalProperties": {"type": "string"}}`, "", ""},
		{"x", `{"type": "array", "items": {"type": "object"}}`, "", ""},
		{"x", `{"type": "array", "items": {"type": "array", "items": {"type": "string"}}}`, "", ""},
		{"x", `{"const": "a", "type": "string"}`, "", ""},
		{"x", `{"type": "string", "hidden": true}`, "", ""},
		{"a.b", `{"type": "string"}`, "", ""},
	} {
		f := compile(t, nil, fmt.Sprintf(`{"properties": {%q: %s}}`, c.name, c.property), c.name+": "+c.byDefault)
		var got form.Kind
		if len(f.Fields) > 0 {
			got = f.Fields[0].Kind
		}
		if got != c.want {
			t.Errorf("%s %s with the default %q is %q, not %q", c.name, c.property, c.byDefault, got, c.want)
		}
	}
}

const database = `{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["name", "mode"],
  "properties": {
    "zone": {"type": "string", "title": "Zone of\nthe world", "description": "Where it runs."},
    "name": {"type": "string", "maxLength": 20, "pattern": "^[a-z]+$"},
    "mode": {"$ref": "#/definitions/mode", "title": "Mode"},
    "backup": {
      "type": "object", "title": "Backups",
      "properties": {
        "enabled": {"type": "boolean"},
        "keepDays": {"type": "integer", "minimum": 1, "maximum": 30},
        "s3": {"type": "object", "properties": {
          "enabled": {"type": "boolean"},
          "secretKey": {"type": "string"}
        }}
      }
    },
    "ratio": {"type": "number", "default": 0.5}
  },
  "definitions": {"mode": {"enum": ["single", "cluster"], "title": "other"}}
}`

const databaseValues = `
name: ""
mode: single
backup:
  enabled: false
  keepDays: 7
  s3: {enabled: true, secretKey: known-to-all}
`

func TestFormOfASchema(t *testing.T) {
	f := compile(t, nil, database, databaseValues)
	want := []string{"zone", "name", "mode", "backup.enabled", "backup.keepDays", "backup.s3.enabled", "backup.s3.secretKey", "ratio"}
	if !slices.Equal(paths(f), want) {
		t.Errorf("fields %v, not in the order of the file", paths(f))
	}
	if d := one(t, f, "zone"); d.Label["en"] != "Zone of the world" || d.Hint["en"] != "Where it runs." || d.Group != nil || d.Required || d.ShowIf != nil {
		t.Errorf("%+v", d)
	}
	if d := one(t, f, "name"); d.Label["en"] != "Name" || !d.Required || d.MaxLength != 20 || len(d.Patterns) != 1 {
		t.Errorf("%+v", d)
	}
	if d := one(t, f, "mode"); d.Required || d.Label["en"] != "Mode" || d.ChartDefault != "single" || len(d.Options) != 2 || d.Options[1].Value != "cluster" {
		t.Errorf("what the chart has itself need not be given: %+v", d)
	}
	d := one(t, f, "backup.keepDays")
	if d.Label["en"] != "Keep days" || d.Group["en"] != "Backups" || *d.Minimum != 1 || *d.Maximum != 30 || !d.Integer || d.ChartDefault != "7" {
		t.Errorf("%+v", d)
	}
	if d.ShowIf == nil || *d.ShowIf != (form.Condition{Path: "backup.enabled", Value: "true"}) {
		t.Errorf("shown if %v", d.ShowIf)
	}
	d = one(t, f, "backup.s3.secretKey")
	if d.Kind != form.Secret || d.ChartDefault != "" || d.Group["en"] != "Backups – S3" || d.ShowIf.Path != "backup.s3.enabled" {
		t.Errorf("%+v", d)
	}
	if d := one(t, f, "backup.s3.enabled"); d.ShowIf == nil || d.ShowIf.Path != "backup.enabled" {
		t.Errorf("%+v", d)
	}
	if d := one(t, f, "ratio"); d.Integer || !slices.Equal(d.Default, []string{"0.5"}) || d.ChartDefault != "" {
		t.Errorf("%+v", d)
	}
}

// Kubeapps' own words in a schema: form, hidden and render.
func TestKubeapps(t *testing.T) {
	f := compile(t, nil, `{"properties": {
		"shown": {"type": "string", "form": true},
		"other": {"type": "string"},
		"db": {"type": "object", "form": true, "properties": {
			"external": {"type": "boolean", "form": true},
			"size": {"type": "string", "form": true, "hidden": "db/external"},
			"host": {"type": "string", "form": true, "hidden": {"value": false, "path": "db/external"}},
			"port": {"type": "string", "form": true, "hidden": {"value": "x", "path": "db/external"}},
			"lost": {"type": "string", "form": true, "hidden": "nothing/there"}
		}}
	}}`, "")
	if want := []string{"shown", "db.external", "db.size", "db.host", "db.port", "db.lost"}; !slices.Equal(paths(f), want) {
		t.Errorf("fields %v", paths(f))
	}
	for path, want := range map[string]*form.Condition{
		"db.size": {Path: "db.external", Value: "false"},
		"db.host": {Path: "db.external", Value: "true"},
		"db.port": nil,
		"db.lost": nil,
	} {
		if d := one(t, f, path); !reflect.DeepEqual(d.ShowIf, want) {
			t.Errorf("%s is shown if %v", path, d.ShowIf)
		}
	}
}

// What is too large, too deep or leads out of the file is refused; what is merely too much for a form is left to the chart.
func TestCompileRefuses(t *testing.T) {
	deep := strings.Repeat(`{"properties":{"a":`, 70) + "{}" + strings.Repeat("}}", 70)
	for _, c := range []struct{ name, schema, defaults, want string }{
		{"no JSON", `{"type"`, "", "values.schema.json is not JSON"},
		{"two documents", `{} {}`, "", "values.schema.json has something behind its end"},
		{"large schema", `{"title": "` + strings.Repeat("x", 1<<20) + `"}`, "", "values.schema.json has more than 1048576 bytes"},
		{"deep schema", deep, "", "values.schema.json is deeper than 64 levels"},
		{"many values", `{"enum": [` + strings.Repeat("1,", 30_000) + `1]}`, "", "values.schema.json has more than 20000 values"},
		{"file", `{"$ref": "file:///etc/passwd"}`, "", "outside"},
		{"relative file", `{"properties": {"a": {"$ref": "other.json"}}}`, "", "outside"},
		{"web", `{"$ref": "http://192.0.2.1/schema.json"}`, "", "outside"},
		{"dialect", `{"$schema": "https://example.com/own"}`, "", "outside"},
		{"dangling", `{"$ref": "#/definitions/nothing"}`, "", "cannot be understood"},
		{"look-ahead", `{"pattern": "^(?=a)"}`, "", "cannot be understood"},
		{"repetitions", `{"pattern": "(x{1000}){5}x{1000}x{1000}x{1000}x{1000}x{1000}"}`, "", "cannot be understood"},
		{"no schema", `{"type": "nothing"}`, "", "cannot be understood"},
		{"exponent", `{"properties": {"a": {"maximum": 1e999999999}}}`, "", "too large an exponent"},
		{"digits", `{"maximum": ` + strings.Repeat("9", 100) + `}`, "", "more than 64 characters"},
		{"no YAML", "", "a: [", "values.yaml is not YAML"},
		{"a list", "", "[a]", "values.yaml is not a mapping"},
		{"large values", "", "a: " + strings.Repeat("x", 1<<20), "values.yaml has more than 1048576 bytes"},
		{"deep values", "", strings.Repeat("{a: ", 70) + strings.Repeat("}", 70), "values.yaml is deeper than 64 levels"},
		{"bomb", "", bomb(), "values.yaml has more than 20000 values"},
		{"alias of itself", "", "a: &a [*a]", "values.yaml is deeper than 64 levels"},
		{"infinite", "", "a: .inf", "JSON does not know"},
		{"key", "", "[1]: a", "not a word"},
	} {
		_, err := form.Compile(nil, []byte(c.schema), []byte(c.defaults))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// bomb is a short text of a billion laughs.
func bomb() string {
	text := "a0: &a0 [lol]\n"
	for i := 1; i < 10; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	return text
}

func TestFormIsBounded(t *testing.T) {
	var properties []string
	for i := range 300 {
		properties = append(properties, fmt.Sprintf(`"p%d": {"type": "string"}`, i))
	}
	f := compile(t, nil, `{"properties": {`+strings.Join(properties, ",")+`}}`, "")
	if len(f.Fields) != 200 {
		t.Errorf("%d fields", len(f.Fields))
	}
	f = compile(t, nil, `{"$ref": "#/definitions/a", "definitions": {"a": {"properties": {"b": {"$ref": "#/definitions/a"}, "c": {"type": "string"}}}}}`, "")
	if len(f.Fields) != 11 {
		t.Errorf("%d fields of a schema that contains itself", len(f.Fields))
	}
	itself := `{"properties": {"b1": {"$ref": "#"}, "b2": {"$ref": "#"}, "b3": {"$ref": "#"}, "b4": {"$ref": "#"}, "b5": {"$ref": "#"}}}`
	if f = compile(t, nil, itself, ""); len(f.Fields) != 0 {
		t.Errorf("%d fields of a schema that contains nothing but itself", len(f.Fields))
	}
	f = compile(t, nil, "", "a: 1")
	if v, err := f.Check(form.Input{}, false); err != nil || len(v.Plain) != 0 || len(f.Fields) != 0 {
		t.Errorf("a chart without schema: %v, %v", v, err)
	}
}
