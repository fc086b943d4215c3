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
		for name, tmpl := range set {
			layout := tmpl.Lookup("layout")
			if err := templatecheck.CheckHTML(layout, declared[name]); err != nil {
				t.Errorf("%s in %s: %v", name, lang, err)
			}
		}
		if len(set) != len(declared) || len(set) < 5 {
			t.Errorf("%d templates for %d pages in %s", len(set), len(declared), lang)
		}
	}
	for name, data := range declared {
		if reflect.TypeOf(data).Kind() != reflect.Struct {
			t.Errorf("data of page %s is no struct", name)
		}
	}
}
