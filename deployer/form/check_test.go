package form_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"llmhub/catalog"
	"llmhub/deployer/form"
	"llmhub/fault"
)

// faultsOf returns what is wrong with an input, by field; "" where a fault names none.
func faultsOf(t *testing.T, f *form.Form, in form.Input, upgrade bool) map[string]string {
	t.Helper()
	v, err := f.Check(in, upgrade)
	if err == nil {
		return nil
	}
	var all fault.Faults
	if !errors.As(err, &all) || len(all) > 20 || v.Plain != nil || v.Secrets != nil {
		t.Fatalf("%T with %d faults and values %v", err, len(all), v)
	}
	out := map[string]string{}
	for _, e := range all {
		out[e.Field] = e.Message
	}
	return out
}

// values returns what an input gives, as JSON with the secrets.
func values(t *testing.T, f *form.Form, in form.Input) string {
	t.Helper()
	v, err := f.Check(in, false)
	if err != nil {
		t.Fatal(err)
	}
	return v.JSON().Reveal()
}

func text(key string, more ...func(*catalog.Field)) catalog.Field {
	f := catalog.Field{Key: key, Label: catalog.Text{"en": key}, Input: catalog.InputText}
	for _, m := range more {
		m(&f)
	}
	return f
}

func required(f *catalog.Field)     { f.Required = true }
func confidential(f *catalog.Field) { f.Confidential = true }
func multiple(f *catalog.Field)     { f.Multiple = true }
func toggle(f *catalog.Field)       { f.Input = catalog.InputSwitch }
func hidden(d string) func(*catalog.Field) {
	return func(f *catalog.Field) { f.Hidden, f.Default = true, d }
}

func selection(values ...string) func(*catalog.Field) {
	return func(f *catalog.Field) {
		f.Input = catalog.InputSelection
		for _, v := range values {
			f.Values = append(f.Values, catalog.Choice{Label: catalog.Text{"en": v}, Value: v})
		}
	}
}

// A text becomes what the schema says, else what the chart's default is, else a text: true stays no "true".
func TestTypesAreKept(t *testing.T) {
	for _, c := range []struct {
		name      string
		field     catalog.Field
		property  string
		byDefault string
		given     []string
		want      string
	}{
		{"boolean by schema", text("a", toggle), `{"type": "boolean"}`, "", []string{"true"}, `{"a":true}`},
		{"switch that is off", text("a", toggle), `{"type": "boolean"}`, "true", []string{"false"}, `{"a":false}`},
		{"switch behind its companion", text("a", toggle), `{"type": "boolean"}`, "", []string{"false", "true"}, `{"a":true}`},
		{"boolean by default", text("a", toggle), "", "false", []string{"true"}, `{"a":true}`},
		{"switch of a text", text("a", toggle), `{"type": "string"}`, "", []string{"true"}, `{"a":"true"}`},
		{"text of a boolean", text("a"), "", "true", []string{"false"}, `{"a":false}`},
		{"text that looks like one", text("a"), `{"type": "string"}`, "true", []string{"true"}, `{"a":"true"}`},
		{"text that looks like a number", text("a"), "", `"1"`, []string{"007"}, `{"a":"007"}`},
		{"text by nothing", text("a"), "", "", []string{"1"}, `{"a":"1"}`},
		{"old boolean", text("a", toggle), "", "yes", []string{"false"}, `{"a":false}`},
		{"selection of numbers", text("a", selection("1", "2")), `{"type": "integer"}`, "1", []string{"2"}, `{"a":2}`},
		{"selection of numbers by default", text("a", selection("1", "2")), "", "1", []string{"2"}, `{"a":2}`},
		{"selection of texts", text("a", selection("1", "2")), `{"type": "string"}`, `"1"`, []string{"2"}, `{"a":"2"}`},
		{"selection of a mixed enum", text("a", selection("1", "true", "x")), `{"enum": ["x", 1, true]}`, "", []string{"true"}, `{"a":true}`},
		{"selection for a list", text("a", selection("1", "2")), `{"type": "array", "items": {"type": "integer"}}`, "", []string{"2"}, `{"a":[2]}`},
		{"several", text("a", selection("1", "2", "3"), multiple), `{"type": "array", "items": {"type": "integer"}}`, "", []string{"", "3", "1", "3"}, `{"a":[3,1]}`},
		{"list", text("a", multiple), "", "[x]", []string{" b \r\nc\n\n", "d"}, `{"a":["b","c","d"]}`},
		{"list of numbers", text("a", multiple), "", "[1]", []string{"1\n2"}, `{"a":[1,2]}`},
		{"list without default", text("a", multiple), "", "", []string{"1\n2"}, `{"a":["1","2"]}`},
		{"list emptied", text("a", multiple), "", "[x]", []string{""}, `{"a":[]}`},
		{"list empty before", text("a", multiple), "", "[]", []string{""}, `{}`},
		{"large integer", text("a"), `{"type": "integer"}`, "", []string{"9007199254740993"}, `{"a":9007199254740993}`},
		{"very large integer", text("a"), "", "1", []string{"123456789012345678901234567890"}, `{"a":123456789012345678901234567890}`},
		{"fraction", text("a"), `{"type": "number"}`, "", []string{" 0.10 "}, `{"a":0.10}`},
		{"integer or text", text("a"), `{"type": ["string", "integer"]}`, "80", []string{"81"}, `{"a":81}`},
		{"text or integer", text("a"), `{"type": ["string", "integer"]}`, `"80"`, []string{"81"}, `{"a":"81"}`},
		{"integer or text that is none", text("a"), `{"type": ["string", "integer"]}`, "80", []string{"http"}, `{"a":"http"}`},
		{"deep", text("a.b.c"), "", "{b: {c: 1, d: 2}}", []string{"3"}, `{"a":{"b":{"c":3}}}`},
		{"not touched", text("a"), `{"type": "string"}`, "x", nil, `{}`},
		{"emptied", text("a"), `{"type": "string"}`, "x", []string{" "}, `{}`},
		{"hidden", text("a", hidden("5")), `{"type": "integer"}`, "1", nil, `{"a":5}`},
		{"hidden and entered", text("a", hidden("5")), "", "1", []string{"6"}, `{"a":5}`},
		{"secret", text("a", confidential), `{"type": "string"}`, "", []string{" p<&> "}, `{"a":" p<&> "}`},
		{"secret of lines", text("a", confidential), "", "", []string{"-----\r\nx\r\n"}, `{"a":"-----\nx\n"}`},
		{"lines", text("a"), `{"type": "string", "maxLength": 5000}`, "", []string{"a\r\n b\r\n"}, `{"a":"a\n b\n"}`},
		{"not ASCII", text("a"), "", "", []string{"Zoë 🙂"}, `{"a":"Zoë 🙂"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			schema := ""
			if c.property != "" {
				schema = `{"properties": {"a": ` + c.property + `}}`
			}
			in := form.Input{}
			if c.given != nil {
				in[c.field.Key] = c.given
			}
			if got := values(t, compile(t, []catalog.Field{c.field}, schema, "a: "+c.byDefault), in); got != c.want {
				t.Errorf("%q gives %s, not %s", c.given, got, c.want)
			}
		})
	}
}

// What is wrong with a field is said of it, and in words that do not quote what was entered.
func TestFaultsOfFields(t *testing.T) {
	short := func(f *catalog.Field) {
		f.Validation = []catalog.Pattern{{Pattern: "^.{1,3}$", Message: catalog.Text{"en": "Three at most.", "de": "Höchstens drei."}}}
	}
	for _, c := range []struct {
		name      string
		field     catalog.Field
		property  string
		byDefault string
		given     []string
		want      string
	}{
		{"required and not touched", text("a", required), `{}`, "", nil, "must not be empty"},
		{"required and emptied", text("a", required), `{}`, "x", []string{""}, "must not be empty"},
		{"required, the chart has it", text("a", required), `{}`, "x", nil, ""},
		{"required list", text("a", required, multiple), `{}`, "", []string{" "}, "must not be empty"},
		{"required secret, the chart has one", text("a", required, confidential), `{}`, "changeme", nil, "must not be empty"},
		{"pattern", text("a", short), `{}`, "", []string{"long"}, "Three at most."},
		{"pattern of a secret", text("a", short, confidential), `{}`, "", []string{"long"}, "Three at most."},
		{"pattern of one in a list", text("a", short, multiple), `{}`, "", []string{"ok\nlong"}, "Three at most."},
		{"two values", text("a"), `{}`, "", []string{"x", "y"}, "must be a single value"},
		{"no option", text("a", selection("x")), `{}`, "", []string{"long"}, "must be one of the options"},
		{"no boolean", text("a", toggle), `{"type": "boolean"}`, "", []string{"on"}, "must be true or false"},
		{"no whole number", text("a"), `{"type": "integer"}`, "", []string{"1.5"}, "must be a whole number"},
		{"no number", text("a"), `{"type": "number"}`, "", []string{"1,5"}, "must be a number such as 2 or 0.5"},
		{"exponent", text("a"), `{"type": "number"}`, "", []string{"1e999"}, "must be a number such as 2 or 0.5"},
		{"no number in a list", text("a", multiple), "{}", "[1]", []string{"x"}, "must be a number such as 2 or 0.5"},
		{"too small", text("a"), `{"type": "integer", "minimum": 1}`, "", []string{"0"}, "must be at least 1"},
		{"too large", text("a"), `{"type": "number", "maximum": 2.5}`, "", []string{"2.50001"}, "must be at most 2.5"},
		{"too large by one", text("a"), `{"type": "integer", "maximum": 9007199254740992}`, "", []string{"9007199254740993"}, "must be at most 9007199254740992"},
		{"no size", text("a"), `{"type": "string"}`, "8Gi", []string{"8 GB"}, "must be a size such as 8Gi"},
		{"too long", text("a"), `{"type": "string", "maxLength": 3}`, "", []string{"äöüß"}, "must have at most 3 characters"},
		{"too long for a line", text("a"), `{}`, "", []string{strings.Repeat("x", 4001)}, "must have at most 4000 characters"},
		{"too many bytes", text("a", confidential), `{}`, "", []string{strings.Repeat("x", 64<<10+1)}, "must have at most 65536 bytes"},
		{"too many entries", text("a", multiple), `{}`, "", []string{strings.Repeat("x\n", 201)}, "must have at most 200 entries"},
		{"control", text("a"), `{}`, "", []string{"a\x00b"}, "must not contain control characters"},
		{"two lines", text("a"), `{}`, "", []string{"a\nb"}, "must not contain control characters"},
		{"not UTF-8", text("a", confidential), `{}`, "", []string{"a\xff"}, "must be UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := compile(t, []catalog.Field{c.field}, `{"properties": {"a": `+c.property+`}}`, "a: "+c.byDefault)
			in := form.Input{}
			if c.given != nil {
				in["a"] = c.given
			}
			if got := faultsOf(t, f, in, false)["a"]; got != c.want {
				t.Errorf("%q is said of %.20q, not %q", got, c.given, c.want)
			}
		})
	}
}

// What only the schema of the whole knows is said in words, too, where it is to be mended.
func TestFaultsOfTheWhole(t *testing.T) {
	for _, c := range []struct {
		name, schema, byDefault string
		given                   form.Input
		field, want             string
	}{
		{"short", `{"properties": {"a": {"type": "string", "minLength": 5}}}`, "a: x", form.Input{"a": {"y"}}, "a", "must have at least 5 characters"},
		{"default too long", `{"properties": {"a": {"type": "string"}, "b": {"maxLength": 1}}}`, "b: xx", nil, "b", "must have at most 1 characters"},
		{"pattern", `{"properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}, "allOf": [{"properties": {"a": {"properties": {"b": {"pattern": "^x"}}}}}]}`, "", form.Input{"a.b": {"y"}}, "a.b", "must match the pattern ^x"},
		{"e-mail", `{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"type": "string", "format": "email"}}}`, "", form.Input{"a": {"y"}}, "a", "must be an e-mail address such as team@example.com"},
		{"host", `{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"type": "string", "format": "hostname"}}}`, "", form.Input{"a": {"-"}}, "a", "must be the name of a host such as www.example.com"},
		{"uuid", `{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"type": "string", "format": "ipv4"}}}`, "", form.Input{"a": {"y"}}, "a", "must be an address such as 192.0.2.1"},
		{"more", `{"properties": {"a": {"type": "number", "exclusiveMinimum": 1}}}`, "", form.Input{"a": {"1"}}, "a", "must be more than 1"},
		{"less", `{"properties": {"a": {"type": "number", "exclusiveMaximum": 1}}}`, "", form.Input{"a": {"1"}}, "a", "must be less than 1"},
		{"multiple", `{"properties": {"a": {"type": "integer", "multipleOf": 2}}}`, "", form.Input{"a": {"3"}}, "a", "must be a multiple of 2"},
		{"few", `{"properties": {"a": {"type": "array", "minItems": 2, "items": {"type": "string"}}}}`, "", form.Input{"a": {"x"}}, "a", "must have at least 2 entries"},
		{"twice", `{"properties": {"a": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}}`, "", form.Input{"a": {"x", "x"}}, "a", "must not have the same entry twice"},
		{"element", `{"properties": {"a": {"type": "array", "items": {"type": "string", "minLength": 2}}}}`, "", form.Input{"a": {"xx", "x"}}, "a", "must have at least 2 characters"},
		{"enum", `{"properties": {"a": {"type": "string"}}, "allOf": [{"properties": {"a": {"enum": ["x", 1]}}}]}`, "", form.Input{"a": {"y"}}, "a", `must be one of "x", 1`},
		{"type", `{"properties": {"a": {"type": "string"}, "b": {"type": "boolean"}}}`, `b: "true"`, form.Input{}, "b", "must be true or false"},
		{"missing", `{"required": ["a"], "properties": {"a": {"type": "integer"}}}`, "", nil, "a", "must not be empty"},
		{"missing elsewhere", `{"properties": {"o": {"type": "object", "required": ["p"]}}}`, "o: {}", nil, "o.p", "must not be empty"},
		{"dependent", `{"dependentRequired": {"a": ["b"]}, "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}`, "", form.Input{"a": {"x"}}, "b", "must not be empty"},
		{"too much", `{"additionalProperties": false, "properties": {"a": {"type": "string"}}}`, "b: 1", nil, "b", "is not a setting of the chart"},
		{"none fits", `{"anyOf": [{"required": ["x"]}, {"required": ["y"]}]}`, "", nil, "", "does not fit what the chart's schema asks for"},
		{"not", `{"properties": {"a": {"type": "string", "not": {"const": "x"}}}}`, "", form.Input{"a": {"x"}}, "a", "does not fit what the chart's schema asks for"},
		{"never", `{"properties": {"a": false}}`, "a: 1", nil, "a", "does not fit what the chart's schema asks for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := faultsOf(t, compile(t, nil, c.schema, c.byDefault), c.given, false)
			if len(got) != 1 || got[c.field] != c.want {
				t.Errorf("%q, not %q of %q", got, c.want, c.field)
			}
		})
	}
}

// What is large and usual is not too much: an enumeration of all time zones, say, in a chart of thousands of values.
func TestUsualWorkIsDone(t *testing.T) {
	var zones, properties []string
	defaults := "zone: Zone/1\n"
	for i := range 600 {
		zones = append(zones, fmt.Sprintf(`"Zone/%d"`, i))
	}
	for i := range 1500 {
		properties = append(properties, fmt.Sprintf(`"o%d": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]{0,63}$"}, "b": {"type": "integer"}}}`, i))
		defaults += fmt.Sprintf("o%d: {a: x, b: 1}\n", i)
	}
	f := compile(t, nil, `{"properties": {"zone": {"enum": [`+strings.Join(zones, ",")+`]}, `+strings.Join(properties, ",")+`}}`, defaults)
	if got := faultsOf(t, f, form.Input{"o7.a": {"y"}}, false); got != nil {
		t.Errorf("%q", got)
	}
}

// A schema of a few lines cannot keep a machine busy, nor can a value.
func TestWorkIsBounded(t *testing.T) {
	doubled := ""
	for i := range 60 {
		doubled += fmt.Sprintf(`"d%d": {"allOf": [{"$ref": "#/definitions/d%d"}, {"$ref": "#/definitions/d%d"}]},`, i, i+1, i+1)
	}
	const tooMuch = "the chart's schema is too complicated to be checked"
	var numbers []string
	for i := range 9000 {
		numbers = append(numbers, fmt.Sprint(i))
	}
	enum := `{"enum": [` + strings.Join(numbers, ",") + `]}`
	for name, c := range map[string]struct {
		schema string
		given  form.Input
	}{
		"enum":             {`{"properties": {"z": {"items": ` + enum + `}}}`, nil},
		"doubled":          {`{"$ref": "#/definitions/d0", "definitions": {` + doubled + `"d60": {"minProperties": 0}}}`, nil},
		"doubled failures": {`{"$ref": "#/definitions/d0", "definitions": {` + doubled + `"d60": {"type": "string"}}}`, nil},
		"doubled draft 7":  {`{"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/d0", "definitions": {` + doubled + `"d60": {"type": "object"}}}`, nil},
		"pattern":          {`{"properties": {"a": {"type": "string", "maxLength": 60000, "pattern": "^(x{1000}|x{999}|x{998}|x{900})*y"}}, "definitions": {}}`, form.Input{"a": {strings.Repeat("x", 60_000)}}},
	} {
		f := compile(t, nil, c.schema, "z: ["+strings.Repeat("9999, ", 9000)+"1]")
		if got := faultsOf(t, f, c.given, false); got[""] != tooMuch {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// All that is wrong is said at once, in the order of the fields, but not what only follows from something else.
func TestFaultsOfFieldsAndWhole(t *testing.T) {
	f := compile(t, nil, `{"required": ["d"], "properties": {
		"b": {"type": "string", "pattern": "^x"}, "c": {"type": "integer"}, "a": {"type": "string", "minLength": 3},
		"d": {"type": "string"}, "e": {"type": "string", "pattern": "^x"}}}`, "e: wrong")
	_, err := f.Check(form.Input{"a": {"y"}, "b": {"y"}, "c": {"y"}}, false)
	want := "b: must match the pattern ^x; c: must be a whole number; a: must have at least 3 characters; d: must not be empty"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestInputOutOfBounds(t *testing.T) {
	f := compile(t, []catalog.Field{text("a"), text("b", confidential)}, "", "{a: x, b: 1}")
	if got := faultsOf(t, f, form.Input{"c": {"x"}, "a": {"y"}}, false); got["c"] != "is not a setting of the product" || len(got) != 1 {
		t.Errorf("%q", got)
	}
	if got := faultsOf(t, f, form.Input{"a": {strings.Repeat("x", 256<<10)}}, false); !strings.Contains(got[""], "more than 262144 bytes") {
		t.Errorf("%q", got)
	}
	unknown := form.Input{}
	for i := range 1000 {
		unknown[strings.Repeat("x", i)] = nil
	}
	if got := faultsOf(t, f, unknown, false); len(got) != 256 && len(got) > 20 {
		t.Errorf("%d faults", len(got))
	}
}

// Fields that are of no use need not be filled in, are not checked and not sent.
func TestFieldsOfNoUse(t *testing.T) {
	fields := []catalog.Field{text("disk.enabled", toggle), text("disk.size", required), text("disk.backup.enabled", toggle), text("disk.backup.target", required)}
	f := compile(t, fields, "", "disk: {enabled: false, size: '', backup: {enabled: true, target: ''}}")
	for _, c := range []struct {
		in   form.Input
		want string
	}{
		{form.Input{}, `{}`},
		{form.Input{"disk.enabled": {"false"}, "disk.size": {"8Gi"}, "disk.backup.target": {"x"}}, `{"disk":{"enabled":false}}`},
		{form.Input{"disk.enabled": {"true"}, "disk.size": {"8Gi"}, "disk.backup.target": {"x"}}, `{"disk":{"backup":{"target":"x"},"enabled":true,"size":"8Gi"}}`},
		{form.Input{"disk.enabled": {"true"}, "disk.size": {"8Gi"}, "disk.backup.enabled": {"false"}}, `{"disk":{"backup":{"enabled":false},"enabled":true,"size":"8Gi"}}`},
	} {
		if got := values(t, f, c.in); got != c.want {
			t.Errorf("%v gives %s, not %s", c.in, got, c.want)
		}
	}
	got := faultsOf(t, f, form.Input{"disk.enabled": {"true"}}, false)
	if want := map[string]string{"disk.size": "must not be empty", "disk.backup.target": "must not be empty"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// A fault about a seller's pattern carries the seller's text in all its languages.
func TestMessageInALanguage(t *testing.T) {
	f := compile(t, []catalog.Field{text("a", func(f *catalog.Field) {
		f.Validation = []catalog.Pattern{{Pattern: "^x", Message: catalog.Text{"en": "Begin with x.", "de": "Mit x beginnen."}}}
	})}, "", "a: x")
	_, err := f.Check(form.Input{"a": {"y"}}, false)
	var e *fault.Error
	if !errors.As(err, &e) || e.Message != "Begin with x." || e.Format != "%s" || len(e.Args) != 1 {
		t.Fatalf("%v", err)
	}
	if got := e.Args[0].(interface{ In(string) string }).In("de"); got != "Mit x beginnen." {
		t.Error(got)
	}
}

func TestFieldListIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, schema, byDefault string
		field                   catalog.Field
	}{
		{"a map", "", "{b: 1}", text("a")},
		{"an object", `{"properties": {"a": {"type": "object"}}}`, "", text("a")},
		{"a list of objects", `{"properties": {"a": {"type": "array", "items": {"type": "object"}}}}`, "", text("a", multiple)},
		{"a confidential number", `{"properties": {"a": {"type": "integer"}}}`, "", text("a", confidential)},
		{"a hidden default of another type", `{"properties": {"a": {"type": "integer"}}}`, "", text("a", hidden("x"))},
	} {
		if _, err := form.Compile([]catalog.Field{c.field}, []byte(c.schema), []byte("a: "+c.byDefault)); err == nil || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	many := make([]catalog.Field, 201)
	if _, err := form.Compile(many, nil, nil); err == nil {
		t.Error("201 fields are taken")
	}
}

// Plain has nothing but the types of JSON, and is the same after it was kept.
func TestPlainIsJSON(t *testing.T) {
	f := compile(t, nil, database, databaseValues)
	v, err := f.Check(form.Input{"name": {"x"}, "backup.enabled": {"true"}, "backup.keepDays": {"30"}, "ratio": {"0.25"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(v.Plain)
	if err != nil {
		t.Fatal(err)
	}
	var kept map[string]any
	if err := json.Unmarshal(written, &kept); err != nil {
		t.Fatal(err)
	}
	if got := f.InputOf(kept); !reflect.DeepEqual(got, f.InputOf(v.Plain)) {
		t.Errorf("%v", got)
	}
}

// A form that is shared gives each its own values.
func TestConcurrentUse(t *testing.T) {
	f := compile(t, nil, database, databaseValues)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := fmt.Sprintf(`{"backup":{"enabled":true,"keepDays":%d},"name":"x"}`, i+1)
			v, err := f.Check(form.Input{"name": {"x"}, "backup.enabled": {"true"}, "backup.keepDays": {fmt.Sprint(i + 1)}}, false)
			if got := v.JSON().Reveal(); err != nil || got != want {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	wg.Wait()
}
