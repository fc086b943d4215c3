package yamldoc

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Text reads a text of at most limit bytes that satisfies the pattern (nil: anything printable).
func (d *Decoder) Text(into *string, limit int, pattern *regexp.Regexp, rule string) Reader {
	return func(n Node) {
		text, ok := d.Scalar(n, "text", "!!str")
		switch {
		case !ok:
		case text == "":
			d.Fault(n, "must not be empty")
		case len(text) > limit:
			d.Fault(n, "is longer than %d bytes", limit)
		case strings.ContainsFunc(text, unicode.IsControl):
			d.Fault(n, "must not contain control characters")
		case pattern != nil && !pattern.MatchString(text):
			d.Fault(n, "%s is not %s", Quote(text), rule)
		default:
			*into = text
		}
	}
}

// Choice reads one of several words.
func Choice[T ~string](d *Decoder, into *T, words ...T) Reader {
	return func(n Node) {
		text, ok := d.Scalar(n, "text", "!!str")
		if !ok {
			return
		}
		names := make([]string, len(words))
		for i, w := range words {
			if text == string(w) {
				*into = w
				return
			}
			names[i] = string(w)
		}
		d.Fault(n, "%s is not one of %s", Quote(text), strings.Join(names, ", "))
	}
}

// Flag reads true or false.
func (d *Decoder) Flag(into *bool) Reader {
	return func(n Node) {
		if text, ok := d.Scalar(n, "true or false", "!!bool"); ok {
			*into = strings.EqualFold(text, "true")
		}
	}
}

// Count reads a whole number from low to high.
func Count[T ~int | ~int64](d *Decoder, into *T, low, high int64) Reader {
	return func(n Node) {
		text, ok := d.Scalar(n, "a whole number", "!!int")
		if !ok {
			return
		}
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v < low || v > high {
			d.Fault(n, "%s is not a whole number from %d to %d", Quote(text), low, high)
			return
		}
		*into = T(v)
	}
}
