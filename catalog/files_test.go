package catalog_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"llmhub/catalog"
)

func TestFilesOfAProduct(t *testing.T) {
	big := strings.Repeat("x", 256<<10+1)
	const dir = "products/cache/"
	cases := []struct{ name, file, text, want string }{
		{"no catalog.yaml", "catalog.yaml", "", "catalog.yaml: cannot be read: file does not exist"},
		{"no product.yaml", cacheFile, "", cacheFile + ": cannot be read: file does not exist"},
		{"empty product.yaml", cacheFile, "# nothing\n", cacheFile + ": is empty"},
		{"large product.yaml", cacheFile, "# " + big, cacheFile + ": cannot be read: larger than 256 KiB"},
		{"not YAML", cacheFile, "a: b\n  c: d\n", cacheFile + ":2: is not valid YAML: mapping values are not allowed in this context"},
		{"two documents", cacheFile, cache + "---\na: b\n", cacheFile + ":23: holds more than one document; only one is read"},
		{"folder's name", "products/Other/product.yaml", cache, "products/Other: is not the ID of a product: at most 40 lower-case letters, digits and hyphens"},
		{"large document", dir + "eula.md", big, cacheFile + `:15: documents[0].file.en: "eula.md" cannot be read: larger than 256 KiB`},
		{"empty document", dir + "eula.md", " \n", cacheFile + `:15: documents[0].file.en: "eula.md" is empty`},
		{"binary document", dir + "eula.md", "a\xff", cacheFile + `:15: documents[0].file.en: "eula.md" is not UTF-8 text`},
		{"escape in a document", dir + "eula.md", "a\x1b[1m", cacheFile + `:15: documents[0].file.en: "eula.md" contains control characters`},

		{"no Chart.yaml", dir + "chart/Chart.yaml", "", dir + "chart/Chart.yaml: is missing"},
		{"Chart.yaml", dir + "chart/Chart.yaml", "name: cache\nname: b\n", dir + `chart/Chart.yaml:2: is not valid: mapping key "name" already defined at line 1`},
		{"apiVersion", dir + "chart/Chart.yaml", "apiVersion: v1\nname: cache\nversion: 1.0.0\n", dir + `chart/Chart.yaml: apiVersion must be v2, not "v1"`},
		{"chart name", dir + "chart/Chart.yaml", "apiVersion: v2\nversion: 1.0.0\n", dir + `chart/Chart.yaml: name "" is not the name of a chart: lower-case letters, digits and hyphens`},
		{"chart version", dir + "chart/Chart.yaml", "apiVersion: v2\nname: cache\nversion: one\n", dir + `chart/Chart.yaml: version "one" is not a semantic version such as 1.4.2`},
		{"library", dir + "chart/Chart.yaml", "apiVersion: v2\nname: cache\nversion: 1.0.0\ntype: library\n", dir + `chart/Chart.yaml: type must be application, not "library"`},
		{"dependency", dir + "chart/Chart.yaml", "apiVersion: v2\nname: cache\nversion: 1.0.0\ndependencies: [{name: base}]\n", dir + `chart/Chart.yaml: the dependency "base" is not in the folder charts`},
		{"no values", dir + "chart/values.yaml", "", dir + "chart/values.yaml: is missing"},
		{"values", dir + "chart/values.yaml", "- a\n", dir + "chart/values.yaml:1: is not a YAML mapping: cannot unmarshal !!seq into map[string]interface {}"},
		{"schema", dir + "chart/values.schema.json", "{", dir + "chart/values.schema.json: is not a JSON object: unexpected end of JSON input"},
		{"schema from elsewhere", dir + "chart/values.schema.json", `{"properties":{"a":{"anyOf":[{"$ref":"https://x.example/s"}]}}}`, dir + `chart/values.schema.json: $ref "https://x.example/s" leads out of the schema`},
		{"no templates", dir + "chart/templates/pod.yaml", "", dir + "chart/templates: holds no template"},
		{"empty template", dir + "chart/templates/pod.yaml", " ", dir + "chart/templates: holds no template"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := faultsOf(t, mapFS(with(map[string]string{c.file: c.text})))
			if !slices.Contains(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

func TestNoProducts(t *testing.T) {
	for want, name := range map[string]string{"products: holds no product": "products/README.md", "products: cannot be read: file does not exist": "README.md"} {
		got := faultsOf(t, mapFS(map[string]string{"catalog.yaml": shared, "terms.md": "x", name: "x"}))
		if !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestChartTooLarge(t *testing.T) {
	fsys := mapFS(files())
	for i := range 500 {
		fsys["products/cache/chart/files/"+strings.Repeat("a", i+1)] = &fstest.MapFile{Data: []byte("x")}
	}
	if got := faultsOf(t, fsys); !strings.HasSuffix(got[0], `cce.chart.folder: "chart" cannot be read: more than 500 files`) {
		t.Error(got)
	}
	fsys = mapFS(files())
	fsys["products/cache/chart/files/large"] = &fstest.MapFile{Data: make([]byte, 4<<20)}
	if got := faultsOf(t, fsys); !strings.Contains(got[0], `cce.chart.folder: "chart" cannot be read: `) {
		t.Error(got)
	}
	fsys = mapFS(files())
	fsys["products/cache/chart/templates/link.yaml"] = &fstest.MapFile{Data: []byte("pod.yaml"), Mode: fs.ModeSymlink | 0o777}
	if got := faultsOf(t, fsys); !strings.HasSuffix(got[0], `cce.chart.folder: "chart" cannot be read: templates/link.yaml: not a regular file`) {
		t.Error(got)
	}
}

type member struct {
	name, text string
	kind       byte
}

// packed makes a chart archive.
func packed(t *testing.T, members ...member) string {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o644, Typeflag: m.kind}
		if m.kind == tar.TypeReg {
			h.Size = int64(len(m.text))
		} else {
			h.Linkname = m.text
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if m.kind == tar.TypeReg {
			if _, err := w.Write([]byte(m.text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestChartArchive(t *testing.T) {
	good := []member{
		{"cache/", "", tar.TypeDir},
		{"cache/values.yaml", "password: ''\n", tar.TypeReg},
		{"cache/Chart.yaml", "apiVersion: v2\nname: cache\nversion: 0.2.0\n", tar.TypeReg},
		{"cache/templates/pod.yaml", "kind: Pod\n", tar.TypeReg},
	}
	all := edited(t, cacheFile, "chart: {folder: chart}", "chart: {archive: cache.tgz}")
	const name = "products/cache/cache.tgz"
	all[name] = packed(t, good...)
	p, _ := load(t, all).Product("cache")
	chart := p.CCE.Chart
	if chart.Kind != catalog.ChartArchive || chart.Path != "cache.tgz" || chart.Name != "cache" || chart.Version != "0.2.0" || !strings.HasPrefix(chart.Digest, "sha256:") {
		t.Errorf("%+v", chart)
	}
	var names []string
	for _, f := range chart.Files() {
		names = append(names, f.Name)
	}
	if want := []string{"Chart.yaml", "templates/pod.yaml", "values.yaml"}; !slices.Equal(names, want) {
		t.Errorf("files %q", names)
	}
	for why, m := range map[string]member{
		"traversal":   {"cache/../../etc/passwd", "x", tar.TypeReg},
		"absolute":    {"/cache/x", "x", tar.TypeReg},
		"link":        {"cache/x", "/etc/passwd", tar.TypeSymlink},
		"hard link":   {"cache/x", "cache/Chart.yaml", tar.TypeLink},
		"repeated":    {"cache/Chart.yaml", "x", tar.TypeReg},
		"no folder":   {"x", "x", tar.TypeReg},
		"device":      {"cache/x", "", tar.TypeChar},
		"large":       {"cache/x", strings.Repeat("x", 5<<20), tar.TypeReg},
		"very large":  {"cache/x", strings.Repeat("x", 9<<20), tar.TypeReg},
		"broken name": {"cache/./x", "x", tar.TypeReg},
	} {
		all[name] = packed(t, append(slices.Clone(good), m)...)
		if got := faultsOf(t, mapFS(all)); len(got) != 1 || !strings.HasPrefix(got[0], cacheFile+`:18: cce.chart.archive: "cache.tgz" cannot be read: `) {
			t.Errorf("%s: %q", why, got)
		}
	}
}

// TestFolderWithLinks insists that nothing outside of the catalog's folder is read by way of a link.
func TestFolderWithLinks(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.md")
	dir := t.TempDir()
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(outside, "secret")
	for name, text := range files() {
		write(filepath.Join(dir, name), text)
	}
	c, err := catalog.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.All()) != 2 {
		t.Errorf("%d products", len(c.All()))
	}
	for _, name := range []string{"products/cache/eula.md", "products/cache/icon.svg", "terms.md", "products/cache/chart/values.yaml", cacheFile, "catalog.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, path); err != nil {
			t.Fatal(err)
		}
		_, err := catalog.LoadDir(dir)
		if err == nil || !strings.HasPrefix(err.Error(), dir) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write(path, files()[name])
	}
	none := filepath.Join(dir, "none")
	if _, err := catalog.LoadDir(none); err == nil || err.Error() != none+": cannot be read: no such file or directory" {
		t.Error(err)
	}
}

func TestIcons(t *testing.T) {
	wrap := func(inner string) string {
		return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">` + "\n" + inner + "\n</svg>"
	}
	for text, want := range map[string]string{
		wrap(`<script>alert(1)</script>`):                               ":2: <script> is not allowed in an icon",
		wrap(`<style>a{}</style>`):                                      ":2: <style> is not allowed in an icon",
		wrap(`<foreignObject/>`):                                        ":2: <foreignObject> is not allowed in an icon",
		wrap(`<image href="https://x.example/a.png"/>`):                 ":2: <image> is not allowed in an icon",
		wrap(`<use href="#a"/>`):                                        ":2: <use> is not allowed in an icon",
		wrap(`<a href="https://x.example"><path d=""/></a>`):            ":2: <a> is not allowed in an icon",
		wrap(`<animate attributeName="href"/>`):                         ":2: <animate> is not allowed in an icon",
		wrap(`<path onload="x()"/>`):                                    ":2: the attribute onload of <path> is not allowed in an icon",
		wrap(`<path style="fill:red"/>`):                                ":2: the attribute style of <path> is not allowed in an icon",
		wrap(`<path class="a"/>`):                                       ":2: the attribute class of <path> is not allowed in an icon",
		wrap(`<g xmlns:x="http://www.w3.org/1999/xlink" x:href="#a"/>`): ":2: the attribute x of <g> is not allowed in an icon",
		wrap(`<path fill="url(https://x.example/a)"/>`):                 ":2: the attribute fill of <path> refers to something outside of the icon",
		wrap(`<path fill="u\72l(//x.example)"/>`):                       ":2: the attribute fill of <path> refers to something outside of the icon",
		wrap(`<path fill="URL(//x.example)"/>`):                         ":2: the attribute fill of <path> refers to something outside of the icon",
		wrap(`<x:script xmlns:x="http://www.w3.org/1999/xhtml"/>`):      ":2: <script> is not in the namespace http://www.w3.org/2000/svg",
		wrap(`<svg viewBox="0 0 1 1"/>`):                                ":2: an icon is one svg element with everything else in it",
		`<!DOCTYPE svg [<!ENTITY a "b">]>` + icon:                       ":1: a document type or other declaration is not allowed in an icon",
		`<?xml-stylesheet href="a"?>` + icon:                            `:1: the processing instruction "xml-stylesheet" is not allowed in an icon`,
		`<svg xmlns="http://www.w3.org/2000/svg"/>`:                     ":1: <svg> has no viewBox, without which it cannot be scaled",
		`<svg viewBox="0 0 8 8"/>`:                                      ":1: <svg> is not in the namespace http://www.w3.org/2000/svg",
		`<path xmlns="http://www.w3.org/2000/svg" d=""/>`:               ":1: an icon is one svg element with everything else in it",
		icon + icon:    ":1: an icon is one svg element with everything else in it",
		wrap(`<path>`): ":3: is not an SVG image: element <path> closed by </svg>",
		`PNG`:          ": is not an SVG image: it has no svg element",
	} {
		got := faultsOf(t, mapFS(with(map[string]string{"products/cache/icon.svg": text})))
		if len(got) != 1 || got[0] != "products/cache/icon.svg"+want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	good := wrap(`<defs><linearGradient id="a"><stop offset="0" stop-color="#fff"/></linearGradient></defs><path fill="url(#a)" d="M0 0"/>`)
	p, _ := load(t, with(map[string]string{"products/cache/icon.svg": good})).Product("cache")
	if string(p.IconSVG()) != good {
		t.Error("the icon is not what is in the file")
	}
}
