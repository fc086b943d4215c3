package form

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// schema is one schema of a chart's values.schema.json, with references followed. A nil *schema says nothing.
type schema struct {
	root *object
	// own are the members of the schema itself, to are those of what it refers to, which count where own says nothing.
	own []*object
}

// readSchema returns the schema of a values.schema.json with the document it stands in; both are nil for an empty text.
func readSchema(data []byte) (*schema, any, error) {
	if len(strings.TrimSpace(string(data))) == 0 {
		return nil, nil, nil
	}
	v, err := readJSON(data)
	if err != nil {
		return nil, nil, err
	}
	root, ok := v.(*object)
	if !ok {
		return nil, plain(v), nil
	}
	return (&schema{root: root}).at(root), plain(v), nil
}

// at returns a schema below the same root.
func (s *schema) at(v any) *schema {
	o, ok := v.(*object)
	if !ok {
		return nil
	}
	at := &schema{root: s.root}
	for range maxReferences {
		at.own = append(at.own, o)
		ref, _ := o.members["$ref"].(string)
		if o = s.resolve(ref); o == nil {
			break
		}
	}
	return at
}

// resolve returns what a reference within the document leads to, nil if it leads nowhere or elsewhere.
func (s *schema) resolve(ref string) *object {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	var v any = s.root
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch in := v.(type) {
		case *object:
			v = in.members[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	o, _ := v.(*object)
	return o
}

// member returns what a keyword says, nil if nothing.
func (s *schema) member(keyword string) any {
	if s == nil {
		return nil
	}
	for _, o := range s.own {
		if v, ok := o.members[keyword]; ok {
			return v
		}
	}
	return nil
}

func (s *schema) text(keyword string) string {
	v, _ := s.member(keyword).(string)
	return v
}

func (s *schema) flag(keyword string) bool {
	v, _ := s.member(keyword).(bool)
	return v
}

func (s *schema) list(keyword string) []any {
	v, _ := s.member(keyword).([]any)
	return v
}

// number returns a limit, nil if there is none.
func (s *schema) number(keyword string) *float64 {
	n, ok := s.member(keyword).(json.Number)
	if !ok {
		return nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil
	}
	return &f
}

// count returns a limit of lengths, 0 if there is none that an int holds.
func (s *schema) count(keyword string) int {
	if f := s.number(keyword); f != nil && *f > 0 && *f < 1<<31 {
		return int(*f)
	}
	return 0
}

// properties are the members of an object, in the order of the file.
func (s *schema) properties() []string {
	o, _ := s.member("properties").(*object)
	if o == nil {
		return nil
	}
	return o.keys
}

// property returns the schema of a member of an object, nil if nothing is said of it.
func (s *schema) property(name string) *schema {
	if s == nil {
		return nil
	}
	o, _ := s.member("properties").(*object)
	if o == nil {
		return nil
	}
	return s.at(o.members[name])
}

// find returns the schema of what stands under a dotted path, nil if nothing is said of it.
func (s *schema) find(path string) *schema {
	for name := range strings.SplitSeq(path, ".") {
		s = s.property(name)
	}
	return s
}

// items returns the schema of the elements of a list.
func (s *schema) items() *schema {
	if s == nil {
		return nil
	}
	return s.at(s.member("items"))
}

// demands says whether an object must have a member.
func (s *schema) demands(name string) bool {
	return slices.Contains(s.list("required"), any(name))
}

// types returns the JSON types that are allowed but for null, none if nothing is said of them.
func (s *schema) types() []string {
	all := s.list("type")
	if one := s.text("type"); one != "" {
		all = []any{one}
	}
	var types []string
	for _, v := range all {
		if t, ok := v.(string); ok && t != "null" {
			types = append(types, t)
		}
	}
	return types
}

// options returns the scalar values of an enum, and whether it has no others and not too many.
func (s *schema) options() ([]any, bool) {
	var options []any
	for _, v := range s.list("enum") {
		switch v.(type) {
		case nil:
			continue
		case *object, []any:
			return nil, false
		}
		options = append(options, v)
	}
	return options, len(options) > 0 && len(options) <= maxOptions
}

// kindOf returns the JSON type of a value.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any, *object:
		return "object"
	case json.Number, float64, float32, int, int64, int32, uint64:
		return "number"
	default:
		return fmt.Sprintf("%T", v)
	}
}
