package form

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"llmhub/catalog"
)

// english returns a text of a schema, which has one language only; nothing for an empty one.
func english(s string, runes int) catalog.Text {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.In(r, unicode.Cc, unicode.Cf) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	return catalog.Text{"en": cut(s, runes)}
}

// title returns the title of a schema, else its name in words: storageClass becomes "Storage class".
func (s *schema) title(name string) catalog.Text {
	if t := english(s.text("title"), maxTitleRunes); t != nil {
		return t
	}
	return english(humanized(name), maxTitleRunes)
}

var (
	separators = regexp.MustCompile(`[-_.\s]+`)
	humps      = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)
)

// humanized puts a name into words.
func humanized(name string) string {
	spaced := humps.ReplaceAllString(separators.ReplaceAllString(name, " "), "$1$3 $2$4")
	words := strings.Fields(spaced)
	for i, w := range words {
		switch {
		case len(w) > 1 && w == strings.ToUpper(w): // TLS stays TLS
		case i == 0:
			r, size := utf8.DecodeRuneInString(w)
			words[i] = string(unicode.ToUpper(r)) + strings.ToLower(w[size:])
		default:
			words[i] = strings.ToLower(w)
		}
	}
	if len(words) == 0 {
		return name
	}
	return strings.Join(words, " ")
}

var (
	secretName = regexp.MustCompile(`(password|passwd|passphrase|pwd|secret|token|credentials?|apikey|accesskey|secretkey|privatekey|encryptionkey|licensekey|licencekey)$`)
	// reference are names of what names a secret, and is none.
	reference = regexp.MustCompile(`^existing|pullsecret$`)
	quantity  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$`)
	binary    = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei)$`)
)

// namesSecret says whether what has this name is one, as far as a name tells.
func namesSecret(name string) bool {
	name = strings.ToLower(separators.ReplaceAllString(name, ""))
	return secretName.MatchString(name) && !reference.MatchString(name)
}

// namesStorageClass says whether what has this name is a storage class.
func namesStorageClass(name string) bool { return name == "storageClass" || name == "storageClassName" }

// takesSizes says whether a pattern is one of amounts of storage or memory.
func takesSizes(match func(string) bool) bool {
	return (match("8Gi") || match("512Mi")) && !match("abc") && !match("Gi")
}

// lastName returns the last element of a path.
func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
