package catalog

import (
	"maps"
	"slices"
)

// fallbackLanguage is the language every text has.
const fallbackLanguage = "en"

// requiredLanguages are those every shown text must be given in.
var requiredLanguages = []string{"en", "de"}

// Text is a text by language, such as "en" and "de". An empty Text says nothing.
type Text map[string]string

// In returns the text in a language, else in English, else in the first language there is in alphabetical order.
func (t Text) In(lang string) string {
	for _, l := range []string{lang, fallbackLanguage} {
		if s, ok := t[l]; ok {
			return s
		}
	}
	for _, l := range slices.Sorted(maps.Keys(t)) {
		return t[l]
	}
	return ""
}
