package yamldoc_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"llmhub/yamldoc"
)

func TestReadersGoOnAfterAFault(t *testing.T) {
	d := &yamldoc.Decoder{File: "f"}
	var name string
	var on bool
	var n int
	root := d.Parse([]byte("name: [x]\non: true\nlist:\n  - {n: 7}\n  - {n: x, m: 1}\n"))
	d.Mapping(yamldoc.Node{Node: root},
		yamldoc.Required("name", d.Text(&name, 10, nil, "")),
		yamldoc.Optional("on", d.Flag(&on)),
		yamldoc.Optional("list", func(list yamldoc.Node) {
			d.Sequence(list, 2, func(i int, at yamldoc.Node) {
				d.Mapping(at, yamldoc.Required("n", yamldoc.Count(d, &n, 1, 9)))
				if i == 1 {
					d.Fault(at.Named("n"), "is the second")
				}
			})
		}),
		yamldoc.Required("missing", d.Flag(&on)),
	)
	want := `f:1: name: must be text, not a list
f:1: missing: is required
f:5: list[1].n: must be a whole number, not text
f:5: list[1]: unknown key "m"; did you mean "n"?
f:5: list[1].n: is the second`
	if got := yamldoc.Sorted(d.Faults()).Error(); got != want || !on || n != 7 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFaultsAreInOrderOfFilesAndLines(t *testing.T) {
	got := yamldoc.Sorted([]yamldoc.Fault{{File: "b", Line: 1, Message: "x"}, {File: "a", Line: 2, Message: "x"}, {File: "a", Line: 1, Path: "p", Message: "x"}, {File: "a", Message: "x"}})
	if want := "a: x\na:1: p: x\na:2: x\nb:1: x"; got.Error() != want {
		t.Errorf("got %s", got)
	}
}

func TestSyntax(t *testing.T) {
	for text, want := range map[string]struct {
		line   int
		reason string
	}{
		"yaml: line 3: did not find expected key":                            {3, "did not find expected key"},
		"yaml: control characters are not allowed":                           {0, "control characters are not allowed"},
		"yaml: unmarshal errors:\n  line 2: cannot unmarshal a\n  line 3: b": {2, "cannot unmarshal a"},
	} {
		if line, reason := yamldoc.Syntax(errors.New(text)); line != want.line || reason != want.reason {
			t.Errorf("%q: %d %q", text, line, reason)
		}
	}
}

func TestValues(t *testing.T) {
	d := &yamldoc.Decoder{File: "f"}
	root := d.Parse([]byte("auth: {user: ada, id: 007, on: TRUE}\nreplicas: 3\nshare: 1.50\nempty:\nhosts: [a, 1, true]\nday: 2026-01-01\nnone: []\nbelow: {}\n"))
	got := d.Values(yamldoc.Node{Node: root})
	want := map[string]any{
		"auth.user": "ada", "auth.id": "007", "auth.on": true, "replicas": json.Number("3"), "share": json.Number("1.50"), "empty": nil,
		"hosts": []any{"a", json.Number("1"), true}, "day": "2026-01-01", "none": []any{},
	}
	if !reflect.DeepEqual(got, want) || len(d.Faults()) > 0 {
		t.Errorf("got %v, want %v; faults %v", got, want, d.Faults())
	}
	d = &yamldoc.Decoder{File: "f"}
	d.Values(yamldoc.Node{Node: d.Parse([]byte("a: &x 1\nb: *x\na: 2\nc: {d: 1}\nc.d: 2\nc: {e: 1}\nlist:\n  - {x: 1}\n[k]: v\ndeep: " + strings.Repeat("{x: ", 40) + "1" + strings.Repeat("}", 40) + "\n"))})
	wrong := `f:1: a: anchors and aliases are not supported; write the value out
f:2: b: anchors and aliases are not supported; write the value out
f:3: a: is given twice
f:5: c.d: is given twice
f:6: c: is given twice
f:8: list: must be a list of plain values
f:9: a key must be a plain word
f:10: deep` + strings.Repeat(".x", 31) + `: is nested more than 32 times`
	if got := yamldoc.Sorted(d.Faults()).Error(); got != wrong {
		t.Errorf("got\n%s\nwant\n%s", got, wrong)
	}
	d = &yamldoc.Decoder{File: "f"}
	d.Values(yamldoc.Node{Node: d.Parse([]byte("- x\n"))})
	if got := yamldoc.Sorted(d.Faults()).Error(); got != "f:1: must be a mapping (key: value), not a list" {
		t.Error(got)
	}
}
