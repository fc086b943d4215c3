package form

import (
	"encoding/json"
	"io"
	"log"
	"os"
	"reflect"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"pgregory.net/rapid"
	helmyaml "sigs.k8s.io/yaml"
)

// Helm reads values.yaml in the same way.
func TestDefaultsAreReadAsHelmDoes(t *testing.T) {
	for _, text := range []string{
		"a: yes\nb: 'yes'\nc: on\nd: Off\ne: !!str no\nf: \"n\"\ng: y\nyes: 1\nh: true\ni: True",
		"a: 1\nb: -0\nc: 1.5\nd: 1e3\ne: 0x1f\nf: 9007199254740993\ng: 18446744073709551615\nh: 1_000\ni: 0o17\nj: 017\nk: 1.0\nl: .5\nm: 99999999999999999999999",
		"a: null\nb: ~\nc:\nd: ''\ne: {}\nf: []\ng: Null",
		"a: 2026-01-31\nb: 2026-01-31T10:00:00Z\nc: 12:30\nd: 1:30:00",
		"a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, c: 3}\nf: {<<: [*x, {c: 4, g: 5}]}",
		"1: a\ntrue: b\n1.5: c\n'q': d",
		"a: |\n  x\n  y\nb: >-\n  x\n  y\nc: \"\\u00e4\\n\"",
		"# nothing\n", "", "---\na: 1\n", "a: !!binary aGVsbG8=",
		"a: [1, [2, {b: 3}], null, yes]",
	} {
		got, err := readDefaults([]byte(text))
		want := map[string]any{}
		helmErr := helmyaml.Unmarshal([]byte(text), &want, func(d *json.Decoder) *json.Decoder { d.UseNumber(); return d })
		if (err == nil) != (helmErr == nil) {
			t.Errorf("%q: %v; Helm: %v", text, err, helmErr)
			continue
		}
		if want == nil {
			want = map[string]any{}
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v; Helm: %#v", text, got, want)
		}
	}
}

// object draws the values of a chart: nested maps in which the same names come up.
func drawMap(t *rapid.T, depth int) map[string]any {
	m := map[string]any{}
	for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4, rapid.ID).Draw(t, "keys") {
		switch n := rapid.IntRange(0, 6).Draw(t, "kind"); {
		case n < 3 && depth > 0:
			m[k] = drawMap(t, depth-1)
		case n == 3:
			m[k] = nil
		case n == 4:
			m[k] = []any{json.Number("1"), "x"}
		default:
			m[k] = rapid.SampledFrom([]any{"x", true, json.Number("2")}).Draw(t, "value")
		}
	}
	return m
}

// Helm lays values over defaults in the same way, and agrees on what a schema allows.
func TestWholeIsHelms(t *testing.T) {
	log.SetOutput(io.Discard) // Helm tells there what it overwrites
	defer log.SetOutput(os.Stderr)
	rapid.Check(t, func(t *rapid.T) {
		values, defaults := drawMap(t, 3), drawMap(t, 3)
		before := cloned(defaults)
		got := coalesce(values, defaults)
		want, err := chartutil.CoalesceValues(&chart.Chart{Metadata: &chart.Metadata{Name: "x"}, Values: defaults}, cloned(values))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, map[string]any(want)) {
			t.Fatalf("%v over %v gives %v; Helm: %v", values, defaults, got, want)
		}
		clear(got)
		if !reflect.DeepEqual(defaults, before) {
			t.Fatalf("the defaults have changed to %v", defaults)
		}
	})
}

func TestHelmAgreesOnWhatIsValid(t *testing.T) {
	schema := []byte(`{"properties": {"a": {"type": ["string", "object"], "minLength": 2}, "b": {"type": "boolean"}, "c": {"properties": {"a": {"type": "integer"}}}}, "required": ["b"], "minProperties": 2}`)
	_, document, err := readSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	v, err := newValidator(document)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		values := drawMap(t, 2)
		got, want := v.validate(values), chartutil.ValidateAgainstSingleSchema(values, schema)
		if (got == nil) != (want == nil) {
			t.Fatalf("%v: %v; Helm: %v", values, got, want)
		}
	})
}

func TestHumanized(t *testing.T) {
	for name, want := range map[string]string{
		"storageClass": "Storage class", "maxMemory": "Max memory", "TLS": "TLS", "enableTLS": "Enable TLS", "tlsCertFile": "Tls cert file",
		"HTTPPort": "HTTP port", "keep-days": "Keep days", "a_b.c": "A b c", "s3": "S3", "x": "X", "größe": "Größe", "-": "-",
	} {
		if got := humanized(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}
