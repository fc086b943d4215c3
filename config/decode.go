package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder walks the YAML nodes, fills a Config and gathers faults. It goes on after a fault wherever the rest still has
// a meaning.
type decoder struct {
	file   string
	dir    string
	lookup func(name string) (string, bool)
	faults []Fault
}

// node is a YAML node and the path that leads to it.
type node struct {
	*yaml.Node
	path string
}

// reader reads one value.
type reader func(n node)

// setting is one key of a mapping.
type setting struct {
	key      string
	required bool
	read     reader
}

func optional(key string, read reader) setting { return setting{key: key, read: read} }

func required(key string, read reader) setting { return setting{key: key, required: true, read: read} }

func (d *decoder) faultAt(line int, path, format string, args ...any) {
	d.faults = append(d.faults, Fault{File: d.file, Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) fault(n node, format string, args ...any) {
	d.faultAt(n.Line, n.path, format, args...)
}

// usable refuses what no setting takes: aliases, and keys without a value.
func (d *decoder) usable(n node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(n, "anchors and aliases are not supported; write the value out")
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		d.fault(n, "has no value")
	default:
		return true
	}
	return false
}

// mapping reads a mapping with the given settings and reports unknown, repeated and missing keys.
func (d *decoder) mapping(n node, settings ...setting) bool {
	if !d.usable(n) {
		return false
	}
	if n.Kind != yaml.MappingNode {
		d.fault(n, "must be a mapping (key: value), not %s", kindOf(n))
		return false
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := node{value, join(n.path, key.Value)}
		s := find(settings, key.Value)
		switch first, again := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			d.faultAt(key.Line, n.path, "a key must be a plain word")
		case again:
			d.faultAt(key.Line, at.path, "is given twice, first in line %d", first)
		case s == nil:
			d.faultAt(key.Line, n.path, "unknown key %s%s", quote(key.Value), suggestion(key.Value, settings))
		default:
			s.read(at)
		}
		seen[key.Value] = max(seen[key.Value], key.Line)
	}
	for _, s := range settings {
		if _, ok := seen[s.key]; s.required && !ok {
			d.faultAt(n.Line, join(n.path, s.key), "is required")
		}
	}
	return true
}

// sequence reads a list that may not be empty nor longer than limit.
func (d *decoder) sequence(n node, limit int, element func(i int, n node)) {
	switch {
	case !d.usable(n):
	case n.Kind != yaml.SequenceNode:
		d.fault(n, "must be a list, not %s", kindOf(n))
	case len(n.Content) == 0:
		d.fault(n, "must not be empty")
	case len(n.Content) > limit:
		d.fault(n, "has %d elements; at most %d are allowed", len(n.Content), limit)
	default:
		for i, c := range n.Content {
			element(i, node{c, fmt.Sprintf("%s[%d]", n.path, i)})
		}
	}
}

// scalar returns the text of a plain value of one of the given tags, false after a fault.
func (d *decoder) scalar(n node, want string, tags ...string) (string, bool) {
	if !d.usable(n) {
		return "", false
	}
	if n.Kind == yaml.ScalarNode {
		for _, tag := range tags {
			if n.ShortTag() == tag {
				return n.Value, true
			}
		}
	}
	d.fault(n, "must be %s, not %s", want, kindOf(n))
	return "", false
}

func kindOf(n node) string {
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

func find(settings []setting, key string) *setting {
	for i := range settings {
		if settings[i].key == key {
			return &settings[i]
		}
	}
	return nil
}

// quote returns a text in quotes, shortened.
func quote(text string) string {
	if r := []rune(text); len(r) > 40 {
		text = string(r[:40]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// suggestion names the key that was probably meant, or all there are.
func suggestion(key string, settings []setting) string {
	best, distance := "", 1+len(key)/3
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.key
		if n := editDistance(strings.ToLower(key), s.key, distance); n <= distance && (best == "" || n < distance) {
			best, distance = s.key, n
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known are " + strings.Join(names, ", ")
}

// editDistance counts the letters to insert, remove or replace to turn a into b; above limit it is only a lower bound.
func editDistance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff > limit || -diff > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
