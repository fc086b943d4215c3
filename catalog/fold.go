package catalog

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// fold makes texts the same that differ in case, accents or width only, such as "Größe" and "GROSSE".
func fold(s string) string {
	// A transformer has state, so each call makes its own.
	plain := transform.Chain(cases.Fold(), norm.NFKD, runes.Remove(runes.In(unicode.Mn)))
	folded, _, err := transform.String(plain, s)
	if err != nil {
		return strings.ToLower(s) // transformers of package norm and runes do not fail
	}
	return folded
}

// Bounds on what is searched for. More words find nothing more precisely.
const (
	maxQueryBytes = 400
	maxQueryWords = 10
)

// queryWords returns the folded words of a search.
func queryWords(text string) []string {
	words := strings.Fields(fold(strings.ToValidUTF8(text[:min(len(text), maxQueryBytes)], " ")))
	return words[:min(len(words), maxQueryWords)]
}

// entry is what a product is found by.
type entry struct {
	name string
	// texts are by language; that under "" is of all languages.
	texts map[string]string
}

func newEntry(p *Product) entry {
	common := []string{p.Name, p.Seller.Name}
	for _, s := range p.UsedSoftware {
		common = append(common, s.Name)
	}
	e := entry{name: fold(p.Name), texts: map[string]string{}}
	all := common
	for lang := range p.Summary {
		own := []string{p.Summary[lang], p.Description.In(lang)}
		// The separator keeps a word from being found across the end of one text and the beginning of the next.
		e.texts[lang] = fold(strings.Join(append(own, common...), "\n"))
		all = append(all, own...)
	}
	e.texts[""] = fold(strings.Join(all, "\n"))
	return e
}

// matches says whether all words are in the product's texts of a language, or of all languages if it has none of that one.
func (e *entry) matches(words []string, lang string) bool {
	text, ok := e.texts[lang]
	if !ok {
		text = e.texts[""]
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// named says whether one of the words is in the name.
func (e *entry) named(words []string) bool {
	for _, w := range words {
		if strings.Contains(e.name, w) {
			return true
		}
	}
	return false
}
