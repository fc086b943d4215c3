package form

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"go.yaml.in/yaml/v3"
)

// readDefaults reads a chart's values.yaml as Helm does: as JSON, in which numbers are json.Number, with the words yes, no,
// on and off of YAML 1.1 as booleans. Aliases count as often as they are used, so that a short text cannot become a long one.
func readDefaults(data []byte) (map[string]any, error) {
	if len(data) > maxDocumentBytes {
		return nil, fmt.Errorf("has more than %d bytes", maxDocumentBytes)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("is not YAML: %w", err)
	}
	if document.Kind == 0 {
		return map[string]any{}, nil
	}
	var r yamlReader
	v, err := r.value(&document, 0)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return v, nil
	}
	return nil, errors.New("is not a mapping")
}

type yamlReader struct{ nodes int }

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if r.nodes++; r.nodes > maxNodes {
		return nil, fmt.Errorf("has more than %d values, aliases counted as often as they are used", maxNodes)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("is deeper than %d levels", maxDepth)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return r.value(n.Content[0], depth)
	case yaml.AliasNode:
		return r.value(n.Alias, depth+1)
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		return m, r.mapping(n, m, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return scalar(n)
}

// mapping reads a mapping into m; what << merges gives way to what the mapping has itself.
func (r *yamlReader) mapping(n *yaml.Node, m map[string]any, depth int) error {
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return fmt.Errorf("has a key in line %d that is not a word", key.Line)
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		v, err := r.value(value, depth+1)
		if err != nil {
			return err
		}
		m[keyText(key)] = v
	}
	for _, source := range merged {
		if err := r.merge(source, m, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (r *yamlReader) merge(source *yaml.Node, m map[string]any, depth int) error {
	v, err := r.value(source, depth)
	if err != nil {
		return err
	}
	sources, several := v.([]any)
	if !several {
		sources = []any{v}
	}
	for _, s := range sources {
		from, ok := s.(map[string]any)
		if !ok {
			return fmt.Errorf("merges what is not a mapping in line %d", source.Line)
		}
		for k, v := range from {
			if _, own := m[k]; !own {
				m[k] = v
			}
		}
	}
	return nil
}

// keyText returns a key as Helm sees it: an unquoted y or on is a boolean to it, too.
func keyText(n *yaml.Node) string {
	if on, ok := oldBoolean(n); ok {
		return fmt.Sprint(on)
	}
	return n.Value
}

// oldBoolean returns the value of the words that are booleans in YAML 1.1 only.
func oldBoolean(n *yaml.Node) (on, ok bool) {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return false, false
	}
	switch n.Value {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

func scalar(n *yaml.Node) (any, error) {
	if on, ok := oldBoolean(n); ok {
		return on, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, fmt.Errorf("has a value in line %d that cannot be read", n.Line)
	}
	switch v := v.(type) {
	case nil, bool, string:
		return v, nil
	case time.Time:
		return n.Value, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("has a number in line %d that JSON does not know", n.Line)
		}
	}
	text, err := json.Marshal(v)
	return json.Number(text), err
}
