package catalog_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"llmhub/catalog"
)

const shared = `sellers:
  - {id: acme, name: Acme, email: sales@acme.example, support_email: help@acme.example}
categories:
  - {id: data, name: {en: Data, de: Daten}}
  - {id: web, name: {en: Web, de: Netz}}
documents:
  - {id: terms, title: {en: Terms, de: Bedingungen}, version: "1", date: 2026-01-01, file: {en: terms.md, de: terms.md}, consent: true}
`

const cache = `type: cce
licence: open-source
name: Cache
version: 1.0.0
seller: acme
icon: icon.svg
summary: {en: Keeps things, de: Merkt sich Dinge}
description: {en: A cache, de: Ein Cache}
post_deployment: {en: Use it, de: Nutzen}
categories: [data]
licence_fee: {en: none, de: keine}
price_info: {en: free, de: frei}
used_software: [{name: Thing, licence: MIT, url: "https://thing.example/licence"}]
documents:
  - {id: eula, title: {en: E, de: E}, version: "1", date: 2026-01-01, file: {en: eula.md, de: eula.md}, consent: true}
published: 2026-01-02
cce:
  chart: {folder: chart}
  fields:
    - key: password
      label: {en: Password, de: Passwort}
      input_type: text
`

const hub = `type: llm
name: Hub
version: 1.0.0
seller: acme
summary: {en: Models, de: Modelle}
description: {en: Models for all, de: Modelle für alle}
categories: [web]
price_info: {en: by use, de: nach Verbrauch}
documents:
  - {id: eula, title: {en: E, de: E}, version: "1", date: 2026-01-01, file: {en: eula.md, de: eula.md}, consent: true}
published: 2026-01-02
llm: {documentation_url: "https://hub.example/docs", models: [gpt-a]}
`

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8"/></svg>`

const (
	cacheFile = "products/cache/product.yaml"
	hubFile   = "products/hub/product.yaml"
)

// files is a small valid catalog: a product of each type.
func files() map[string]string {
	return map[string]string{
		"catalog.yaml":                            shared,
		"terms.md":                                "# Terms\n",
		cacheFile:                                 cache,
		"products/cache/eula.md":                  "Be nice.\n",
		"products/cache/icon.svg":                 icon,
		"products/cache/chart/Chart.yaml":         "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
		"products/cache/chart/values.yaml":        "password: ''\nopen: {}\nplain: 1\nnone:\n",
		"products/cache/chart/templates/pod.yaml": "kind: Pod\n",
		"products/cache/chart/values.schema.json": `{"type": "object"}`,
		hubFile:                                    hub,
		"products/hub/eula.md":                     "Be nice.\n",
		"products/README.md":                       "not a product",
		"products/.hidden/anything":                "not a product",
		"products/cache/chart/.helmignore":         "not part of the chart",
		"products/cache/chart/.git/config":         "not part of the chart",
		"products/cache/chart/templates/_help.tpl": "",
	}
}

func mapFS(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fsys
}

// load reads files that must be a valid catalog.
func load(t *testing.T, files map[string]string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load(mapFS(files))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// faultsOf loads files and returns their faults as lines.
func faultsOf(t *testing.T, fsys fstest.MapFS) []string {
	t.Helper()
	c, err := catalog.Load(fsys)
	if err == nil {
		return nil
	}
	var faults *catalog.Faults
	if !errors.As(err, &faults) || c != nil || len(faults.List) == 0 {
		t.Fatalf("error is %T %v with catalog %v", err, err, c)
	}
	return strings.Split(err.Error(), "\n")
}

// with returns the files of the fixture with some replaced; an empty text removes a file.
func with(changes map[string]string) map[string]string {
	all := files()
	for name, text := range changes {
		if text == "" {
			delete(all, name)
		} else {
			all[name] = text
		}
	}
	return all
}

// edited returns the files of the fixture with one text in one file replaced.
func edited(t *testing.T, file, old, new string) map[string]string {
	t.Helper()
	all := maps.Clone(files())
	text := strings.Replace(all[file], old, new, 1)
	if text == all[file] {
		t.Fatalf("%q is not in %s", old, file)
	}
	all[file] = text
	return all
}
