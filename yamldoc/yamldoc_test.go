package yamldoc_test

import (
	"errors"
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
