package cce

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// endpoints are the addresses of a cluster; one that it does not have is empty.
type endpoints struct{ external, internal string }

// UnmarshalJSON takes every form that is documented: a list of objects with one key each, a list of objects with url and
// type, and an object; keys in any case. What has another form, or is no https address, is left out and never an error,
// since it only matters for clusters that are reached by it.
func (e *endpoints) UnmarshalJSON(text []byte) error {
	*e = endpoints{}
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		list = []json.RawMessage{text}
	}
	for _, element := range list {
		var object map[string]any
		if json.Unmarshal(element, &object) == nil {
			e.take(object)
		}
	}
	return nil
}

// take adds the addresses of an object.
func (e *endpoints) take(object map[string]any) {
	lower := map[string]string{}
	// In order, so that of the same key in two cases the same one wins each time.
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if text, ok := object[key].(string); ok {
			lower[strings.ToLower(key)] = text
		}
	}
	if kind := strings.ToLower(lower["type"]); kind != "" {
		lower = map[string]string{kind: lower["url"]}
	}
	if e.external == "" {
		e.external = address(lower["external"])
	}
	if e.internal == "" {
		e.internal = address(lower["internal"])
	}
}

// address returns the address of a Kubernetes API if the text is one, or an empty text.
func address(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return ""
	}
	return strings.TrimRight(u.String(), "/")
}
