package main

import (
	"cmp"
	"encoding/json"
	"fmt"

	"llmhub/yamldoc"
)

type faultAnswer struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

// reportFaults prints all faults of what was checked and returns an error that counts them.
func reportFaults(env *environment, checked string, faults *yamldoc.Faults, asJSON bool) error {
	failed := fmt.Errorf("%s: %s", checked, plural(len(faults.List), "fault"))
	if !asJSON {
		fmt.Fprintln(env.stderr, faults)
		return failed
	}
	list := make([]faultAnswer, len(faults.List))
	for i, f := range faults.List {
		list[i] = faultAnswer{f.File, f.Line, f.Path, f.Message}
	}
	text, err := json.Marshal(map[string]any{"ok": false, "faults": list})
	if err != nil {
		return err
	}
	return cmp.Or(printJSON(env.stdout, text), failed)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
