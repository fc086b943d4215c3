// Package yamldoc reads a YAML document strictly and reports everything wrong with it at once, each fault with its line.
//
// Unknown, repeated and missing keys, keys without a value, anchors, aliases and second documents are faults. Readers fill
// the caller's variables and go on after a fault wherever the rest still has a meaning. The package knows nothing of what
// a document is about; limits and forms are the caller's.
package yamldoc

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Decoder gathers the faults of one file. It is not safe for concurrent use.
type Decoder struct {
	// File is the name that faults give the file.
	File   string
	faults []Fault
}

// Node is a YAML node and the path that leads to it, such as upstreams[0].base_url.
type Node struct {
	*yaml.Node
	Path string
}

// Below returns a node under a key of n.
func (n Node) Below(key string, value *yaml.Node) Node { return Node{value, join(n.Path, key)} }

// Named returns n as what stands under one of its keys, for faults that are about the key and known only when all of n
// has been read.
func (n Node) Named(key string) Node { return n.Below(key, n.Node) }

// Reader reads one value.
type Reader func(n Node)

// Setting is one key of a mapping.
type Setting struct {
	key      string
	required bool
	read     Reader
}

// Optional is a key that may be missing.
func Optional(key string, read Reader) Setting { return Setting{key: key, read: read} }

// Required is a key whose absence is a fault.
func Required(key string, read Reader) Setting { return Setting{key: key, required: true, read: read} }

// FaultAt notes a fault at a line that counts from 1, or 0 where it is in no particular line.
func (d *Decoder) FaultAt(line int, path, format string, args ...any) {
	d.faults = append(d.faults, Fault{File: d.File, Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
}

// Fault notes a fault of a node.
func (d *Decoder) Fault(n Node, format string, args ...any) {
	d.FaultAt(n.Line, n.Path, format, args...)
}

// Faults returns what has been noted so far, in the order of finding.
func (d *Decoder) Faults() []Fault { return d.faults }

// Usable refuses what no setting takes: aliases, and keys without a value.
func (d *Decoder) Usable(n Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.Fault(n, "anchors and aliases are not supported; write the value out")
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		d.Fault(n, "has no value")
	default:
		return true
	}
	return false
}

// Mapping reads a mapping with the given settings and reports unknown, repeated and missing keys.
func (d *Decoder) Mapping(n Node, settings ...Setting) bool {
	if !d.Usable(n) {
		return false
	}
	if n.Kind != yaml.MappingNode {
		d.Fault(n, "must be a mapping (key: value), not %s", kindOf(n))
		return false
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := n.Below(key.Value, value)
		s := find(settings, key.Value)
		switch first, again := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			d.FaultAt(key.Line, n.Path, "a key must be a plain word")
		case again:
			d.FaultAt(key.Line, at.Path, "is given twice, first in line %d", first)
		case s == nil:
			d.FaultAt(key.Line, n.Path, "unknown key %s%s", Quote(key.Value), suggestion(key.Value, settings))
		default:
			s.read(at)
		}
		seen[key.Value] = max(seen[key.Value], key.Line)
	}
	for _, s := range settings {
		if _, ok := seen[s.key]; s.required && !ok {
			d.FaultAt(n.Line, join(n.Path, s.key), "is required")
		}
	}
	return true
}

// Sequence reads a list that may not be empty nor longer than limit.
func (d *Decoder) Sequence(n Node, limit int, element func(i int, n Node)) {
	switch {
	case !d.Usable(n):
	case n.Kind != yaml.SequenceNode:
		d.Fault(n, "must be a list, not %s", kindOf(n))
	case len(n.Content) == 0:
		d.Fault(n, "must not be empty")
	case len(n.Content) > limit:
		d.Fault(n, "has %d elements; at most %d are allowed", len(n.Content), limit)
	default:
		for i, c := range n.Content {
			element(i, Node{c, fmt.Sprintf("%s[%d]", n.Path, i)})
		}
	}
}

// Scalar returns the text of a plain value of one of the given tags, false after a fault.
func (d *Decoder) Scalar(n Node, want string, tags ...string) (string, bool) {
	if !d.Usable(n) {
		return "", false
	}
	if n.Kind == yaml.ScalarNode {
		for _, tag := range tags {
			if n.ShortTag() == tag {
				return n.Value, true
			}
		}
	}
	d.Fault(n, "must be %s, not %s", want, kindOf(n))
	return "", false
}

func kindOf(n Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "a value of type " + n.ShortTag()
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func find(settings []Setting, key string) *Setting {
	for i := range settings {
		if settings[i].key == key {
			return &settings[i]
		}
	}
	return nil
}
