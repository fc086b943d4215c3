package helm

import (
	"encoding/json"
	"strings"

	"llmhub/deployer"
)

// parse returns the values as what Helm works with, and what hides those that are secret.
func (v values) parse() (map[string]any, *hider, error) {
	vals := map[string]any{}
	if v.JSON != "" {
		if err := json.Unmarshal([]byte(v.JSON), &vals); err != nil {
			return nil, nil, &deployer.Reason{Code: deployer.ValuesInvalid, Detail: "the values are not a JSON object"}
		}
	}
	return vals, newHider(vals, v.SecretPaths), nil
}

// valueAt returns what a dotted path leads to.
func valueAt(vals map[string]any, path string) (any, bool) {
	first, rest, more := strings.Cut(path, ".")
	v, ok := vals[first]
	if !ok || !more {
		return v, ok
	}
	inner, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	return valueAt(inner, rest)
}

// setValue puts a value where a dotted path leads to, and makes the mappings on the way.
func setValue(vals map[string]any, path string, v any) {
	first, rest, more := strings.Cut(path, ".")
	if !more {
		vals[first] = v
		return
	}
	inner, ok := vals[first].(map[string]any)
	if !ok {
		inner = map[string]any{}
		vals[first] = inner
	}
	setValue(inner, rest, v)
}
