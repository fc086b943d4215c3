package form

import (
	"strings"
	"unicode/utf8"

	"llmhub/secret"
)

// Clean returns what of an input can be kept as a draft, however wrong it is, and the secrets in it, apart: bounded, and
// without paths that are no field. A value that is too long is cut, one character behind what is allowed, so that it stays wrong.
func (f *Form) Clean(in Input) (Input, map[string]secret.Text) {
	kept, secrets, left := Input{}, map[string]secret.Text{}, maxInputBytes
	for i := range f.Fields {
		d := &f.Fields[i]
		given, ok := in[d.Path]
		if !ok || d.Hidden {
			continue
		}
		if len(given) > 0 && (d.Kind == Switch || d.Kind == Secret) {
			given = given[len(given)-1:]
		}
		values := make([]string, 0, min(len(given), maxEntries+1))
		for _, s := range given[:min(len(given), maxEntries+1)] {
			s = bounds(s)
			if left -= len(s) + 1; left < 0 {
				return kept, secrets
			}
			values = append(values, s)
		}
		if d.Kind != Secret {
			kept[d.Path] = values
		} else if len(values) > 0 && values[0] != "" {
			secrets[d.Path] = secret.New(values[0])
		}
	}
	return kept, secrets
}

// bounds returns the beginning of a text that is too long, as valid UTF-8.
func bounds(s string) string {
	if len(s) > maxValueBytes {
		end := maxValueBytes + 1
		for end < len(s) && !utf8.RuneStart(s[end]) {
			end++
		}
		s = s[:end]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// InputOf returns the input that gives values such as those of a workload, for an upgrade: without secrets, and without what
// is no field or cannot be entered in it. Integers beyond 2^53 keep their digits if plain was decoded with json.Number.
func (f *Form) InputOf(plain map[string]any) Input {
	in := Input{}
	for i := range f.Fields {
		d := &f.Fields[i]
		if d.Hidden || d.Kind == Secret {
			continue
		}
		v, ok := lookup(plain, d.Path)
		if !ok || v == nil {
			continue
		}
		list, ok := text(v)
		several := d.Kind == Multi || d.Kind == List
		switch {
		case !ok || !several && len(list) != 1 || len(list) > maxEntries:
		case several && len(list) == 0:
			in[d.Path] = []string{""}
		default:
			in[d.Path] = list
		}
	}
	return in
}
