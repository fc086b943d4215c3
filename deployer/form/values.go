package form

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"llmhub/secret"
)

// mask stands for a secret.
const mask = "••••••"

// withSecrets returns the values with the secrets in their places.
func (v Values) withSecrets() map[string]any {
	all := cloned(v.Plain)
	for path, s := range v.Secrets {
		put(all, path, s.Reveal())
	}
	return all
}

// JSON returns the values as a JSON object, with the secrets in their places. Those that are kept are not in it.
func (v Values) JSON() secret.Text {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.withSecrets()); err != nil {
		// Only values that no JSON document can hold come here, and Plain has none.
		return secret.New("{}")
	}
	return secret.New(strings.TrimSuffix(out.String(), "\n"))
}

// YAML returns the values as YAML with "••••••" in the place of each secret, those that are kept included. Keys are in
// alphabetical order.
func (v Values) YAML() string {
	all := cloned(v.Plain)
	for path := range v.Secrets {
		put(all, path, mask)
	}
	for _, path := range v.Kept {
		put(all, path, mask)
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(yamlNode(all)); err != nil {
		return ""
	}
	return out.String()
}

// yamlNode returns a value as YAML in which numbers keep their digits.
func yamlNode(v any) *yaml.Node {
	n := &yaml.Node{}
	switch v := v.(type) {
	case map[string]any:
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, yamlNode(k), yamlNode(v[k]))
		}
	case []any:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		for _, e := range v {
			n.Content = append(n.Content, yamlNode(e))
		}
	case json.Number:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!int", string(v)
		if !integerForm.MatchString(n.Value) {
			n.Tag = "!!float"
		}
	default:
		// Encode fails for functions and channels only.
		_ = n.Encode(v)
	}
	return n
}
