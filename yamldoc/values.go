package yamldoc

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxValuesDepth bounds how deep values may be nested.
const maxValuesDepth = 32

// Values reads a mapping of any keys and returns what stands in it by dotted path, such as auth.user: texts, true and false,
// numbers as json.Number, nil for a key without a value, and lists of these. Nothing stands at the path of a mapping.
func (d *Decoder) Values(n Node) map[string]any {
	into := map[string]any{}
	if n.Kind != yaml.MappingNode {
		d.Fault(n, "must be a mapping (key: value), not %s", kindOf(n))
		return into
	}
	d.values(n, into, 0)
	return into
}

func (d *Decoder) values(n Node, into map[string]any, depth int) {
	if depth == maxValuesDepth {
		d.Fault(n, "is nested more than %d times", maxValuesDepth)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, at := n.Content[i], n.Below(n.Content[i].Value, n.Content[i+1])
		_, again := into[at.Path] // by a dotted key
		again = again || seen[key.Value]
		seen[key.Value] = true
		switch {
		case key.Kind != yaml.ScalarNode || key.Value == "":
			d.FaultAt(key.Line, n.Path, "a key must be a plain word")
		case again:
			d.FaultAt(key.Line, at.Path, "is given twice")
		case at.Kind == yaml.MappingNode:
			d.values(at, into, depth+1)
		default:
			into[at.Path] = d.value(at)
		}
	}
}

// value returns what a node says that is no mapping.
func (d *Decoder) value(n Node) any {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.Fault(n, "anchors and aliases are not supported; write the value out")
	case n.Kind == yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, element := range n.Content {
			if element.Kind != yaml.ScalarNode {
				d.Fault(Node{element, n.Path}, "must be a list of plain values")
				return nil
			}
			list[i] = d.value(Node{element, n.Path})
		}
		return list
	case n.ShortTag() == "!!null":
	case n.ShortTag() == "!!bool":
		return strings.EqualFold(n.Value, "true")
	case (n.ShortTag() == "!!int" || n.ShortTag() == "!!float") && json.Valid([]byte(n.Value)):
		return json.Number(n.Value)
	default:
		return n.Value
	}
	return nil
}
