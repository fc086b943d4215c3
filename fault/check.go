package fault

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxNameRunes bounds names that people give.
	maxNameRunes = 100
	// MaxModelBytes bounds the name of a model.
	MaxModelBytes = 255
	// maxModels bounds a list of models.
	maxModels = 200
)

// Name returns a name that a person gave without space around it, or says what is wrong with it.
func Name(field, s string) (string, error) {
	return check(field, s, maxNameRunes, unprintable)
}

// Text returns a text of several lines that a person gave, without space around it and with lines ended by a line feed
// alone, or says what is wrong with it.
func Text(field, s string, maxRunes int) (string, error) {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return check(field, s, maxRunes, func(r rune) bool { return r != '\n' && unprintable(r) })
}

func check(field, s string, maxRunes int, refused func(rune) bool) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", New(Invalid, field, "must not be empty")
	case !utf8.ValidString(s):
		return "", New(Invalid, field, "must be UTF-8")
	case utf8.RuneCountInString(s) > maxRunes:
		return "", New(Invalid, field, "must have at most %d characters", maxRunes)
	case strings.ContainsFunc(s, refused):
		return "", New(Invalid, field, "must not contain control characters")
	}
	return s, nil
}

// unprintable finds what breaks lines, is not seen, or turns the direction of what is around it.
func unprintable(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// Models checks a list of names of models and returns it without repetitions.
func Models(field string, names []string) ([]string, error) {
	if len(names) > maxModels {
		return nil, New(Invalid, field, "must have at most %d entries", maxModels)
	}
	seen := make(map[string]bool, len(names))
	var out []string
	for _, n := range names {
		if n == "" || len(n) > MaxModelBytes || !utf8.ValidString(n) || strings.ContainsFunc(n, unprintable) {
			return nil, New(Invalid, field, "%q is not the name of a model", n)
		}
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out, nil
}
