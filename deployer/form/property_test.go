package form_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"llmhub/deployer/form"
	"llmhub/fault"
)

// property is a property of a schema, with defaults and texts that people may enter.
type property struct {
	name, schema string
	defaults     []string
	texts        []string
}

var properties = []property{
	{"on", `{"type": "boolean"}`, []string{"true", "no"}, []string{"true", "false"}},
	{"count", `{"type": "integer", "minimum": 1, "maximum": 9007199254740993}`, []string{"3"}, []string{"1", "9007199254740993", " 7 ", "0", "1.5", "x"}},
	{"ratio", `{"type": "number"}`, []string{"0.5"}, []string{"0.25", "-1e3", "100", "1,5"}},
	{"mode", `{"enum": ["a", 2, true]}`, []string{"a", "2"}, []string{"a", "2", "true", "b"}},
	{"either", `{"type": ["integer", "string"]}`, []string{"1", "x"}, []string{"1", "x", "1.0"}},
	{"title", `{"type": "string", "minLength": 2}`, []string{`""`, "xx"}, []string{"xx", "true", "12", "null", " x ", "äöü: 🙂", ""}},
	{"notes", `{"type": "string", "maxLength": 4000}`, []string{"xx"}, []string{"a\r\n\tb\n", " x ", ""}},
	{"size", `{"type": "string", "pattern": "^[1-9][0-9]*Gi$"}`, []string{"8Gi"}, []string{"9Gi", "9"}},
	{"tags", `{"type": "array", "items": {"type": "string"}, "maxItems": 3}`, []string{"[]", "[x]"}, []string{"a\nb", "", "c", "d"}},
	{"ports", `{"type": "array", "items": {"type": "integer"}}`, []string{"[80]"}, []string{"1", "2", "x"}},
	{"zones", `{"type": "array", "items": {"enum": ["a", "b"]}}`, []string{"[a]"}, []string{"a", "b", ""}},
	{"password", `{"type": "string"}`, []string{`""`}, []string{"s3cr3t-0123456789", ""}},
	{"enabled", `{"type": "boolean"}`, []string{"true", "false"}, []string{"true", "false"}},
}

// drawChart draws schema and values of some properties, also within an object.
func drawChart(t *rapid.T) (schema, defaults string) {
	level := func(depth int) ([]string, []string) {
		var s, d []string
		for _, p := range rapid.SliceOfDistinct(rapid.SampledFrom(properties), func(p property) string { return p.name }).Draw(t, "properties") {
			s = append(s, fmt.Sprintf("%q: %s", p.name, p.schema))
			if rapid.Bool().Draw(t, "has a default") {
				d = append(d, p.name+": "+rapid.SampledFrom(p.defaults).Draw(t, "default"))
			}
		}
		return s, d
	}
	s, d := level(0)
	inner, innerDefaults := level(1)
	s = append(s, `"inner": {"type": "object", "properties": {`+strings.Join(inner, ",")+`}}`)
	d = append(d, "inner: {"+strings.Join(innerDefaults, ", ")+"}")
	return `{"properties": {` + strings.Join(s, ",") + `}}`, strings.Join(d, "\n")
}

func drawInput(t *rapid.T, f *form.Form) form.Input {
	in := form.Input{}
	for _, d := range f.Fields {
		i := slices.IndexFunc(properties, func(p property) bool { return d.Path == p.name || d.Path == "inner."+p.name })
		if n := rapid.IntRange(0, 3).Draw(t, "values of "+d.Path); n > 0 {
			if d.Kind != form.Multi && d.Kind != form.List && d.Kind != form.Switch {
				n = 1
			}
			for range n {
				in[d.Path] = append(in[d.Path], rapid.SampledFrom(properties[i].texts).Draw(t, "text"))
			}
		}
	}
	return in
}

// What was deployed comes back into the form for an upgrade, and gives the same values again; so does what was kept as a
// draft. Everything wrong is a fault of a field.
func TestRoundTrip(t *testing.T) {
	right := 0
	rapid.Check(t, func(t *rapid.T) {
		schema, defaults := drawChart(t)
		f, err := form.Compile(nil, []byte(schema), []byte(defaults))
		if err != nil {
			t.Fatal(err)
		}
		in := drawInput(t, f)
		v, err := f.Check(in, false)
		kept, secrets := f.Clean(in)
		for path, s := range secrets {
			kept[path] = []string{s.Reveal()}
		}
		fromDraft, draftErr := f.Check(kept, false)
		if fmt.Sprint(err) != fmt.Sprint(draftErr) || !reflect.DeepEqual(v.Plain, fromDraft.Plain) || v.JSON().Reveal() != fromDraft.JSON().Reveal() {
			t.Fatalf("%v gives %v, %v; kept as a draft %v, %v", in, v.Plain, err, fromDraft.Plain, draftErr)
		}
		if err != nil {
			checkFaults(t, err)
			return
		}
		right++
		upgrade := f.InputOf(throughStore(t, v.Plain))
		again, err := f.Check(upgrade, true)
		if err != nil || !reflect.DeepEqual(again.Plain, v.Plain) || len(again.Secrets) > 0 {
			t.Fatalf("%v\ngives\n%vthen\n%v\ngives\n%v%v", in, v.YAML(), upgrade, again.YAML(), err)
		}
	})
	if right == 0 {
		t.Error("no input was right")
	}
}

// checkFaults insists that an error is a bounded list of faults.
func checkFaults(t interface{ Fatalf(string, ...any) }, err error) {
	var all fault.Faults
	if !errors.As(err, &all) || len(all) == 0 || len(all) > 20 {
		t.Fatalf("%T: %v", err, err)
	}
}

// throughStore returns values as a document in a store has them: with the digits of its numbers.
func throughStore(t *rapid.T, plain map[string]any) map[string]any {
	written, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	d := json.NewDecoder(strings.NewReader(string(written)))
	d.UseNumber()
	if err := d.Decode(&read); err != nil {
		t.Fatal(err)
	}
	return read
}
