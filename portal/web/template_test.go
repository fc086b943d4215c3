package web

import (
	"reflect"
	"testing"
	"time"

	"github.com/jba/templatecheck"

	"llmhub/portal/locale"
)

// Each template is checked against the type of its page's data: a field that does not exist is found here and not by a
// visitor.
func TestTemplatesFitTheirData(t *testing.T) {
	texts, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	w := &Web{Options: Options{Location: time.UTC, Currency: "EUR"}, locale: texts}
	if w.assets, err = newAssets(Brand{}); err != nil {
		t.Fatal(err)
	}
	all, err := w.parseTemplates()
	if err != nil {
		t.Fatal(err)
	}
	for lang, set := range all.byLanguage {
		if err := templatecheck.CheckHTML(set.Lookup("layout"), document{}); err != nil {
			t.Errorf("layout in %s: %v", lang, err)
		}
		for name, data := range declared {
			if err := templatecheck.CheckHTML(set.Lookup(pageTemplate(name)), data); err != nil {
				t.Errorf("%s in %s: %v", name, lang, err)
			}
		}
	}
	if len(declared) < 5 {
		t.Errorf("only %d pages", len(declared))
	}
	for name, data := range declared {
		if reflect.TypeOf(data).Kind() != reflect.Struct {
			t.Errorf("data of page %s is no struct", name)
		}
	}
}
