package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// object is a JSON object that knows the order of its members, which Go's maps lose and forms need.
type object struct {
	keys    []string
	members map[string]any
}

// readJSON reads a bounded JSON document: *object, []any, string, json.Number, bool or nil. Of members with the same name
// the last counts, as elsewhere in Go.
func readJSON(data []byte) (any, error) {
	if len(data) > maxDocumentBytes {
		return nil, fmt.Errorf("has more than %d bytes", maxDocumentBytes)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	r := jsonReader{d: d}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has something behind its end")
	}
	return v, nil
}

type jsonReader struct {
	d     *json.Decoder
	nodes int
}

func (r *jsonReader) value(depth int) (any, error) {
	token, err := r.d.Token()
	if err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	if r.nodes++; r.nodes > maxNodes {
		return nil, fmt.Errorf("has more than %d values", maxNodes)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("is deeper than %d levels", maxDepth)
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(depth)
		}
		return r.list(depth)
	case json.Number:
		return t, checkNumber(t)
	}
	return token, nil
}

func (r *jsonReader) object(depth int) (any, error) {
	o := &object{members: map[string]any{}}
	for r.d.More() {
		token, err := r.d.Token()
		if err != nil {
			return nil, fmt.Errorf("is not JSON: %w", err)
		}
		key, _ := token.(string)
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, again := o.members[key]; !again {
			o.keys = append(o.keys, key)
		}
		o.members[key] = v
	}
	_, err := r.d.Token()
	return o, err
}

func (r *jsonReader) list(depth int) (any, error) {
	list := []any{}
	for r.d.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.d.Token()
	return list, err
}

// checkNumber refuses numbers that are short as a text and huge to calculate with.
func checkNumber(n json.Number) error {
	if len(n) > maxNumberBytes {
		return fmt.Errorf("has a number of more than %d characters", maxNumberBytes)
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(string(n)), "e"); ok {
		if e, err := strconv.Atoi(exponent); err != nil || e > maxExponent || e < -maxExponent {
			return errors.New("has a number with too large an exponent")
		}
	}
	return nil
}

// plain returns a value without the order of its objects.
func plain(v any) any {
	switch v := v.(type) {
	case *object:
		m := make(map[string]any, len(v.members))
		for k, member := range v.members {
			m[k] = plain(member)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plain(e)
		}
		return list
	}
	return v
}
