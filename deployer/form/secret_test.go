package form_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"llmhub/catalog"
	"llmhub/deployer/form"
	"llmhub/secret"
)

const canary = "c4n4ry-in-the-c0al-mine"

const guarded = `{
  "required": ["auth"],
  "properties": {
    "user": {"type": "string"},
    "auth": {"type": "object", "required": ["password"], "properties": {
      "password": {"type": "string", "pattern": "^[a-z0-9-]{12,}$"},
      "token": {"type": "string", "writeOnly": true}
    }}
  }
}`

// No way of printing values, and no fault, shows a secret, wherever it is wrong.
func TestNoSecretIsShown(t *testing.T) {
	fields := map[string]func(string) string{
		"pattern":  func(s string) string { return fmt.Sprintf(`{"type": "string", "pattern": "^%s$"}`, s) },
		"length":   func(string) string { return `{"type": "string", "minLength": 100}` },
		"too long": func(string) string { return `{"type": "string", "maxLength": 3}` },
		"enum":     func(string) string { return `{"type": "string", "enum": ["x"], "writeOnly": true}` },
		"const":    func(string) string { return `{"type": "string", "allOf": [{"const": "x"}]}` },
		"format":   func(string) string { return `{"type": "string", "format": "ipv4"}` },
		"not":      func(string) string { return `{"type": "string", "not": {}}` },
		"any":      func(string) string { return `{"type": "string", "anyOf": [{"pattern": "x{5}"}, {"const": "x"}]}` },
		"content":  func(string) string { return `{"type": "string", "contentEncoding": "base64", "pattern": "^$"}` },
	}
	for name, property := range fields {
		schema := `{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"password": ` + property("x") + `}, "additionalProperties": {"type": "integer"}}`
		f := compile(t, []catalog.Field{text("password", confidential), text("key", confidential)}, schema, "")
		_, err := f.Check(form.Input{"password": {canary}, "key": {canary}}, false)
		if err == nil {
			t.Fatalf("%s: nothing is wrong", name)
		}
		for _, printed := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, err)} {
			if strings.Contains(printed, canary) {
				t.Errorf("%s: %s", name, printed)
			}
		}
		for _, bad := range []string{canary + "\x00", canary + "\xff", canary + strings.Repeat("x", 64<<10)} {
			if _, err := f.Check(form.Input{"password": {bad}}, false); err == nil || strings.Contains(fmt.Sprintf("%+v", err), canary) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}

	f := compile(t, nil, guarded, "auth: {password: ''}")
	v, err := f.Check(form.Input{"user": {"me"}, "auth.password": {canary}}, false)
	if err != nil {
		t.Fatal(err)
	}
	kept, secrets := f.Clean(form.Input{"user": {"me"}, "auth.password": {canary}, "auth.token": {canary}})
	plain, _ := json.Marshal(v)
	for what, printed := range map[string]string{
		"%v": fmt.Sprintf("%v", v), "%+v": fmt.Sprintf("%+v", v), "%#v": fmt.Sprintf("%#v", v), "JSON of the values": string(plain),
		"plain": fmt.Sprint(v.Plain), "YAML": v.YAML(), "JSON": fmt.Sprint(v.JSON()), "difference": fmt.Sprint(f.Difference(v)),
		"draft": fmt.Sprint(kept), "secrets of the draft": fmt.Sprintf("%+v", secrets), "input": fmt.Sprint(f.InputOf(v.Plain)),
	} {
		if strings.Contains(printed, canary) {
			t.Errorf("%s: %s", what, printed)
		}
	}
	if v.Secrets["auth.password"].Reveal() != canary || secrets["auth.token"].Reveal() != canary {
		t.Error("the secrets are lost")
	}
	if got := v.JSON().Reveal(); got != `{"auth":{"password":"`+canary+`"},"user":"me"}` {
		t.Error(got)
	}
	if !reflect.DeepEqual(v.Plain, map[string]any{"user": "me"}) {
		t.Errorf("%v", v.Plain)
	}
}

// In an upgrade a secret that is not entered stays, and the schema has nothing against that.
func TestSecretsAreKeptInAnUpgrade(t *testing.T) {
	f := compile(t, nil, guarded, "auth: {password: ''}")
	in := form.Input{"user": {"me"}, "auth.password": {""}}
	if got := faultsOf(t, f, in, false); got["auth.password"] != "must not be empty" {
		t.Errorf("%q", got)
	}
	v, err := f.Check(in, true)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(v.Kept, []string{"auth.password", "auth.token"}) || len(v.Secrets) != 0 {
		t.Errorf("%+v", v)
	}
	if got := v.YAML(); got != "auth:\n  password: ••••••\n  token: ••••••\nuser: me\n" {
		t.Error(got)
	}
	if got := v.JSON().Reveal(); got != `{"user":"me"}` {
		t.Error(got)
	}
	in["auth.password"] = []string{"short"}
	if got := faultsOf(t, f, in, true); got["auth.password"] != "must match the pattern ^[a-z0-9-]{12,}$" {
		t.Errorf("%q", got)
	}
	alternatives := `{"properties": {"password": {"type": "string"}, "existing": {"type": "string"}}, "oneOf": [{"required": ["password"]}, {"required": ["existing"]}]}`
	f = compile(t, nil, alternatives, "")
	if _, err := f.Check(form.Input{}, true); err != nil {
		t.Errorf("one of two, the kept one: %v", err)
	}
	if got := faultsOf(t, f, form.Input{}, false); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestYAML(t *testing.T) {
	f := compile(t, nil, "", "")
	v := form.Values{
		Plain: map[string]any{
			"text": "true", "number": json.Number("9007199254740993"), "fraction": json.Number("1.50"), "on": true, "old": "yes", "none": nil,
			"list": []any{"a", json.Number("1")}, "map": map[string]any{"b": "x: y", "a": []any{}}, "lines": "a\nb\n", "float": 2.5, "int": 3,
		},
		Secrets: map[string]secret.Text{"map.key": secret.New(canary), "new.deep.key": secret.New(canary)},
	}
	want := `float: 2.5
fraction: 1.50
int: 3
lines: |
  a
  b
list:
  - a
  - 1
map:
  a: []
  b: 'x: y'
  key: ••••••
new:
  deep:
    key: ••••••
none: null
number: 9007199254740993
old: "yes"
"on": true
text: "true"
`
	if got := v.YAML(); got != want {
		t.Errorf("%s", got)
	}
	if got := (form.Values{}).YAML(); got != "{}\n" {
		t.Errorf("%q", got)
	}
	if got := (form.Values{}).JSON().Reveal(); got != "{}" {
		t.Errorf("%q", got)
	}
	if len(f.Difference(form.Values{})) != 0 {
		t.Error("nothing differs from nothing")
	}
}

func TestDifference(t *testing.T) {
	f := compile(t, nil, database, databaseValues)
	v, err := f.Check(form.Input{"name": {"x"}, "mode": {"single"}, "backup.enabled": {"true"}, "backup.keepDays": {"7"}, "backup.s3.secretKey": {canary}, "ratio": {"1"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	v.Plain["besides"] = map[string]any{"list": []any{"a", "b"}}
	want := []form.Change{
		{"name", "", "x"}, {"backup.enabled", "false", "true"}, {"backup.s3.secretKey", "", "••••••"}, {"ratio", "", "1"}, {"besides.list", "", "a, b"},
	}
	if got := f.Difference(v); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// A draft holds whatever was entered, however wrong, as long as it is bounded; and what was too long does not become right.
func TestClean(t *testing.T) {
	f := compile(t, []catalog.Field{text("a"), text("l", multiple), text("h", hidden("x")), text("p", confidential), text("t")}, `{"properties": {"t": {"type": "string", "maxLength": 60000}}}`, "")
	kept, secrets := f.Clean(form.Input{"a": {"first", "last\xff"}, "l": {"", "x"}, "h": {"y"}, "p": {""}, "nothing": {"z"}, "t": {strings.Repeat("ä", 64<<10)}})
	if !slices.Equal(kept["a"], []string{"first", "last\uFFFD"}) || !slices.Equal(kept["l"], []string{"", "x"}) || len(kept) != 3 || len(secrets) != 0 {
		t.Errorf("%.100v %v", kept, secrets)
	}
	if n := len(kept["t"][0]); n <= 64<<10 || n > 64<<10+4 {
		t.Errorf("%d bytes are kept", n)
	}
	if got := faultsOf(t, f, kept, false); got["t"] != "must have at most 65536 bytes" {
		t.Errorf("%q", got)
	}
	many := form.Input{"l": slices.Repeat([]string{"x"}, 1000), "a": {strings.Repeat("x", 64<<10)}, "t": {"x"}}
	if kept, _ := f.Clean(many); len(kept["l"]) != 201 || len(kept) != 3 {
		t.Errorf("%d entries are kept", len(kept["l"]))
	}
	total := 0
	kept, _ = f.Clean(form.Input{"l": slices.Repeat([]string{strings.Repeat("x", 64<<10)}, 100), "t": {"x"}})
	for _, given := range kept {
		total += len(strings.Join(given, ""))
	}
	if total > 256<<10 {
		t.Errorf("%d bytes are kept", total)
	}
}

func TestInputOf(t *testing.T) {
	f := compile(t, nil, `{"properties": {
		"on": {"type": "boolean"}, "n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "integer"}}, "e": {"type": "array", "items": {"type": "string"}},
		"s": {"type": "string"}, "password": {"type": "string"}, "wrong": {"type": "string"}, "null": {"type": "string"}, "gone": {"type": "string"}}}`, "")
	got := f.InputOf(map[string]any{
		"on": false, "n": 1e15, "l": []any{json.Number("1"), 2.0}, "e": []any{}, "s": "x", "password": canary,
		"wrong": map[string]any{"a": 1}, "null": nil, "besides": "x",
	})
	want := form.Input{"on": {"false"}, "n": {"1000000000000000"}, "l": {"1", "2"}, "e": {""}, "s": {"x"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
