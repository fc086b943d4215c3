package form_test

import (
	"reflect"
	"testing"

	"llmhub/catalog"
	"llmhub/deployer/form"
)

// chartFiles returns schema and defaults of a product's chart.
func chartFiles(p catalog.Product) (schema, defaults []byte) {
	for _, f := range p.CCE.Chart.Files() {
		switch f.Name {
		case "values.schema.json":
			schema = f.Data
		case "values.yaml":
			defaults = f.Data
		}
	}
	return schema, defaults
}

// Every product that comes with llmhub can be deployed with what its form starts with, and the secrets that it asks for; so
// can it with nothing but its secrets, and from its schema alone.
func TestProductsOfTheCatalog(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, p := range c.All() {
		if p.Type != catalog.TypeCCE {
			continue
		}
		tested++
		schema, defaults := chartFiles(p)
		for name, fields := range map[string][]catalog.Field{"list": p.CCE.Fields, "schema": nil} {
			t.Run(p.ID+" by "+name, func(t *testing.T) {
				f, err := form.Compile(fields, schema, defaults)
				if err != nil {
					t.Fatal(err)
				}
				secrets, all := form.Input{}, form.Input{}
				for _, d := range f.Fields {
					switch {
					case d.Kind == form.Secret:
						secrets[d.Path], all[d.Path] = []string{"correct-horse-battery"}, []string{"correct-horse-battery"}
					case d.Default != nil && !d.Hidden:
						all[d.Path] = d.Default
					}
				}
				for _, in := range []form.Input{secrets, all} {
					v, err := f.Check(in, false)
					if err != nil {
						t.Fatal(err)
					}
					if again, err := f.Check(f.InputOf(v.Plain), true); err != nil || !reflect.DeepEqual(again.Plain, v.Plain) {
						t.Errorf("an upgrade with %v has %v, %v", v.Plain, again.Plain, err)
					}
				}
			})
		}
	}
	if tested < 4 {
		t.Errorf("only %d products", tested)
	}
}
