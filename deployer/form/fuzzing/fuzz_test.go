// Package fuzzing_test fuzzes forms, apart from their other tests: with Helm in the same binary fuzzing is slow.
package fuzzing_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"llmhub/deployer/form"
	"llmhub/fault"
)

// FuzzForm insists that no schema, no defaults and no input make anything fail otherwise than by an error, that faults are
// bounded, and that what is right stays right.
func FuzzForm(f *testing.F) {
	f.Add(`{"required": ["a"], "properties": {"a": {"type": "string", "minLength": 2, "pattern": "^x"}, "b": {"type": "object", "properties": {"enabled": {"type": "boolean"}, "n": {"type": "integer", "maximum": 3}}}}}`, "b: {enabled: true}", "x", "true")
	f.Add(`{"required": ["auth"], "properties": {"auth": {"type": "object", "required": ["password"], "properties": {"password": {"type": "string", "pattern": "^[a-z0-9-]{12,}$"}}}}}`, "auth: {password: ''}", "correct-horse-battery", "")
	f.Add(`{"properties": {"a": {"$ref": "#/properties/a"}, "b": {"type": "array", "items": {"enum": [1, "x"]}}}}`, "b: [1]", "1", "x")
	f.Add(`{"$schema": "https://json-schema.org/draft/2019-09/schema", "properties": {"a": {"type": "integer", "multipleOf": 2}}, "unevaluatedProperties": false}`, "c: &x {d: *x}", "1e5", "4")
	f.Add(`{"anyOf": [{"properties": {"n": {"type": "number"}}}], "properties": {"n": {"type": ["number", "null"]}, "x": {"type": "string", "hidden": "x"}}}`, "n: .5", "0.10", "true")
	f.Fuzz(func(t *testing.T, schema, defaults, one, other string) {
		compiled, err := form.Compile(nil, []byte(schema), []byte(defaults))
		if err != nil {
			return
		}
		if len(compiled.Fields) > 200 {
			t.Fatalf("%d fields", len(compiled.Fields))
		}
		in := form.Input{}
		for i, d := range compiled.Fields {
			in[d.Path] = [][]string{{one}, {other}, {one, other}}[i%3]
		}
		compiled.Clean(in)
		for _, upgrade := range []bool{false, true} {
			v, err := compiled.Check(in, upgrade)
			if err != nil {
				var all fault.Faults
				if !errors.As(err, &all) || len(all) == 0 || len(all) > 20 {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			if !json.Valid([]byte(v.JSON().Reveal())) || v.YAML() == "" {
				t.Fatalf("values that cannot be written: %v", v)
			}
			compiled.Difference(v)
			again, err := compiled.Check(compiled.InputOf(v.Plain), true)
			if err == nil && !reflect.DeepEqual(again.Plain, v.Plain) {
				t.Fatalf("%#v has become %#v", v.Plain, again.Plain)
			}
		}
	})
}
