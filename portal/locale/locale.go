// Package locale holds the portal's texts in every language it speaks, and writes numbers, amounts and times as that
// language does.
//
// A message that is missing shows as ⟦its key⟧, so that it is seen, and the tests fail.
package locale

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

//go:embed messages/*.yaml
var messages embed.FS

// Languages are those the portal speaks; the first is the default.
var Languages = []string{"en", "de"}

// Catalog holds the messages of all languages. It is not changed once loaded and may be used concurrently.
type Catalog struct {
	localizers map[string]*Localizer
	matcher    language.Matcher
}

// Load reads the embedded messages.
func Load() (*Catalog, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("yaml", yaml.Unmarshal)
	files, err := fs.Glob(messages, "messages/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if _, err := bundle.LoadMessageFileFS(messages, f); err != nil {
			return nil, fmt.Errorf("messages of %s: %w", f, err)
		}
	}
	c := &Catalog{localizers: map[string]*Localizer{}}
	var tags []language.Tag
	for _, l := range Languages {
		tag := language.MustParse(l)
		tags = append(tags, tag)
		c.localizers[l] = newLocalizer(l, tag, bundle)
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

// In returns the localizer of a language, that of the default language for one that is not spoken.
func (c *Catalog) In(lang string) *Localizer {
	if l, ok := c.localizers[lang]; ok {
		return l
	}
	return c.localizers[Languages[0]]
}

// Match returns the language that fits an Accept-Language header best.
func (c *Catalog) Match(accept string) string {
	if len(accept) > 200 {
		accept = accept[:200]
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return Languages[0]
	}
	_, i, _ := c.matcher.Match(tags...)
	return Languages[i]
}

// Localizer writes in one language. It may be used concurrently.
type Localizer struct {
	lang     string
	messages *i18n.Localizer
	format   format
}

func newLocalizer(lang string, tag language.Tag, b *i18n.Bundle) *Localizer {
	return &Localizer{lang: lang, messages: i18n.NewLocalizer(b, tag.String()), format: formats[lang]}
}

// Language returns the language's code, such as "de".
func (l *Localizer) Language() string { return l.lang }

// T returns a message. args are pairs of a name and a value for the message's placeholders; the value named Count decides
// between singular and plural.
func (l *Localizer) T(key string, args ...any) string {
	config := i18n.LocalizeConfig{MessageID: key}
	if len(args) > 0 {
		data := make(map[string]any, len(args)/2)
		for i := 0; i+1 < len(args); i += 2 {
			name, _ := args[i].(string)
			value := args[i+1]
			if name == "Count" {
				config.PluralCount = value
			}
			switch n := value.(type) {
			case int:
				value = l.Number(int64(n))
			case int64:
				value = l.Number(n)
			}
			data[name] = value
		}
		config.TemplateData = data
	}
	text, tag, err := l.messages.LocalizeWithTag(&config)
	if err != nil || tag.String() != l.lang {
		return "⟦" + key + "⟧"
	}
	return text
}

// Fault returns the text of an error of the domain: format is what translations are found by, message the English text. An
// argument that comes in several languages, such as a catalog.Text, is written in that of l.
func (l *Localizer) Fault(format, message string, args []any) string {
	if l.lang == "en" || format == "" {
		return message
	}
	translated := l.T(format)
	if strings.HasPrefix(translated, "⟦") {
		return translated
	}
	if len(args) == 0 {
		return translated
	}
	inLanguage := slices.Clone(args)
	for i, a := range args {
		if many, ok := a.(interface{ In(lang string) string }); ok {
			inLanguage[i] = many.In(l.lang)
		}
	}
	return fmt.Sprintf(translated, inLanguage...)
}
