package yamldoc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxFaults bounds a report: whoever has more than this is looking at the wrong file.
const maxFaults = 100

// Fault is one thing wrong with a document.
type Fault struct {
	File string
	// Line counts from 1; 0 where the fault is in no particular line.
	Line int
	// Path leads to the setting, such as upstreams[0].base_url; empty for the file as a whole.
	Path    string
	Message string
}

// String returns the fault as file:line: path: message.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Faults is all that is wrong with one or more documents, in order of files and lines.
type Faults struct {
	List []Fault
}

// Error returns a line for each fault.
func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, fault := range f.List {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Sorted returns the faults in order of files and lines, at most maxFaults and a note on the rest.
func Sorted(list []Fault) *Faults {
	slices.SortStableFunc(list, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	if rest := len(list) - maxFaults; rest > 0 {
		list = append(list[:maxFaults:maxFaults], Fault{File: list[0].File, Message: fmt.Sprintf("%d more faults", rest)})
	}
	return &Faults{List: list}
}
