package web

import (
	"strings"
	"testing"

	"llmhub/portal/locale"
)

// What a page can say has been done has a text in every language.
func TestWhatIsDoneIsSaid(t *testing.T) {
	texts, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	for code := range done {
		for _, lang := range locale.Languages {
			if text := texts.In(lang).T("done." + code); strings.Contains(text, "⟦") {
				t.Errorf("%s in %s", text, lang)
			}
		}
	}
}
