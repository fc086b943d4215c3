package form

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"llmhub/catalog"
	"llmhub/fault"
)

// typed returns what was entered for a field as the chart takes it, nil for nothing, or what is wrong with it. A list is
// never nil.
func typed(f *Field, t valueType, given []string) (any, *fault.Error) {
	if f.Kind == Multi || f.Kind == List {
		return typedList(f, t, given)
	}
	if len(given) == 0 {
		return nil, nil
	}
	if len(given) > 1 && f.Kind != Switch {
		return nil, fault.New(fault.Invalid, f.Path, "must be a single value")
	}
	s := given[len(given)-1]
	if f.Kind == TextArea {
		s = lines(s)
	} else {
		s = strings.TrimSpace(s)
	}
	if s == "" {
		return nil, nil
	}
	v, err := typedEntry(f, t, s)
	if err == nil && t.list {
		v = []any{v}
	}
	return v, err
}

func typedList(f *Field, t valueType, given []string) (any, *fault.Error) {
	list := []any{}
	var seen []string
	for _, g := range given {
		for _, s := range entries(f, g) {
			if f.Kind == Multi && slices.Contains(seen, s) {
				continue
			}
			if len(list) == maxEntries {
				return nil, fault.New(fault.Invalid, f.Path, "must have at most %d entries", maxEntries)
			}
			v, err := typedEntry(f, t, s)
			if err != nil {
				return nil, err
			}
			list, seen = append(list, v), append(seen, s)
		}
	}
	return list, nil
}

// entries returns the entries of one given value of a list, without empty ones.
func entries(f *Field, given string) []string {
	all := []string{given}
	if f.Kind == List {
		all = strings.FieldsFunc(given, func(r rune) bool { return r == '\n' || r == '\r' })
	}
	var kept []string
	for _, s := range all {
		if s = strings.TrimSpace(s); s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// lines returns a text with its lines ended by a line feed alone, as it was before a browser sent it.
func lines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func typedEntry(f *Field, t valueType, s string) (any, *fault.Error) {
	if err := wrong(f, s); err != nil {
		return nil, err
	}
	v, ok := t.value(s)
	if ok {
		return v, nil
	}
	switch t.kinds[0] {
	case "boolean":
		return nil, fault.New(fault.Invalid, f.Path, "must be true or false")
	case "integer":
		return nil, fault.New(fault.Invalid, f.Path, "must be a whole number")
	default:
		return nil, fault.New(fault.Invalid, f.Path, "must be a number such as 2 or 0.5")
	}
}

// wrong says what is wrong with one text that was entered, without quoting it.
func wrong(f *Field, s string) *fault.Error {
	multiline := f.Kind == TextArea || f.Kind == Secret
	most := f.MaxLength
	if most == 0 && !multiline {
		most = maxLineRunes
	}
	switch {
	case len(s) > maxValueBytes:
		return fault.New(fault.Invalid, f.Path, "must have at most %d bytes", maxValueBytes)
	case !utf8.ValidString(s):
		return fault.New(fault.Invalid, f.Path, "must be UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && (!multiline || r != '\n' && r != '\t') }):
		return fault.New(fault.Invalid, f.Path, "must not contain control characters")
	case most > 0 && utf8.RuneCountInString(s) > most:
		return fault.New(fault.Invalid, f.Path, "must have at most %d characters", most)
	case len(f.Options) > 0 && !slices.ContainsFunc(f.Options, func(c catalog.Choice) bool { return c.Value == s }):
		return fault.New(fault.Invalid, f.Path, "must be one of the options")
	case f.Kind == Switch && s != "true" && s != "false":
		return fault.New(fault.Invalid, f.Path, "must be true or false")
	case f.Kind == Size && !quantity.MatchString(s):
		return fault.New(fault.Invalid, f.Path, "must be a size such as 8Gi")
	case f.Kind == Number:
		if err := wrongNumber(f, s); err != nil {
			return err
		}
	}
	return mismatch(f, s)
}

func wrongNumber(f *Field, s string) *fault.Error {
	if !isNumber(s, f.Integer) {
		if f.Integer {
			return fault.New(fault.Invalid, f.Path, "must be a whole number")
		}
		return fault.New(fault.Invalid, f.Path, "must be a number such as 2 or 0.5")
	}
	switch {
	case f.Minimum != nil && compare(s, *f.Minimum) < 0:
		return fault.New(fault.Invalid, f.Path, "must be at least %s", number(*f.Minimum))
	case f.Maximum != nil && compare(s, *f.Maximum) > 0:
		return fault.New(fault.Invalid, f.Path, "must be at most %s", number(*f.Maximum))
	}
	return nil
}

// compare compares exactly: a float has not the digits of a large integer.
func compare(s string, limit float64) int {
	n, _ := new(big.Rat).SetString(string(json.Number(s)))
	return n.Cmp(new(big.Rat).SetFloat64(limit))
}

// number writes a limit.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// mismatch says which of the seller's patterns a text does not match. Those of a schema are checked with the whole, where
// their work is counted.
func mismatch(f *Field, s string) *fault.Error {
	for _, p := range f.Patterns {
		if len(p.Message) > 0 && !p.Match(s) {
			return fault.New(fault.Invalid, f.Path, "%s", message(p.Message))
		}
	}
	return nil
}

// message is a seller's text within a fault: English where nobody asks for a language.
type message catalog.Text

// In returns the text in a language.
func (m message) In(lang string) string { return catalog.Text(m).In(lang) }

// String returns the text in English.
func (m message) String() string { return m.In("en") }
