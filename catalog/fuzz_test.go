package catalog_test

import (
	"strings"
	"testing"
)

// FuzzProduct insists that no text makes the reader fail otherwise than by faults, each in the file it is in.
func FuzzProduct(f *testing.F) {
	f.Add(cache)
	f.Add(hub)
	f.Add("cce: {fields: [{key: a, key: b}, 1, [], {default_value: [x]}]}")
	f.Add("cce: {chart: {oci: ':'}, byol: {}, fields: {}}")
	f.Add("documents: [{file: {en: chart/../eula.md}}]\nsummary: &a {en: *a}")
	f.Add("cce: {fields: [{validation: [{pattern: '//gi'}]}]}")
	f.Fuzz(func(t *testing.T, text string) {
		all := files()
		all[cacheFile] = text
		for _, line := range faultsOf(t, mapFS(all)) {
			if !strings.HasPrefix(line, cacheFile+":") && !strings.HasPrefix(line, "products/cache/") {
				t.Errorf("a fault elsewhere: %s", line)
			}
		}
	})
}
