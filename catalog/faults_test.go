package catalog_test

import (
	"strings"
	"testing"
)

type faultCase struct{ name, old, new, want string }

// check makes one change to a file at a time and insists on exactly the faults wanted, the first of which is in that file.
func check(t *testing.T, file string, cases []faultCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(faultsOf(t, mapFS(edited(t, file, c.old, c.new))), "\n"); got != file+c.want {
				t.Errorf("got\n%s\nwant\n%s", got, file+c.want)
			}
		})
	}
}

func TestFixtureIsValid(t *testing.T) {
	if got := faultsOf(t, mapFS(files())); got != nil {
		t.Fatal(strings.Join(got, "\n"))
	}
}

func TestSharedFaults(t *testing.T) {
	check(t, "catalog.yaml", []faultCase{
		{"unknown key", "sellers:", "owner: me\nsellers:", `:1: unknown key "owner"; known are sellers, categories, documents`},
		{"seller id", "id: acme,", "id: Acme,", `:2: sellers[0].id: "Acme" is not an ID of lower-case letters, digits and hyphens` + "\n" + cacheFile + `:5: seller: there is no seller "acme" in catalog.yaml` + "\n" + hubFile + `:4: seller: there is no seller "acme" in catalog.yaml`},
		{"e-mail", "email: sales@acme.example", "email: sales@acme", `:2: sellers[0].email: "sales@acme" is not an e-mail address such as team@example.com`},
		{"website", "name: Acme,", "name: Acme, website: 'http://acme.example',", `:2: sellers[0].website: must begin with https://`},
		{"repeated seller", "categories:", "  - {id: acme, name: B, email: a@b.example, support_email: a@b.example}\ncategories:", `:3: sellers[1].id: "acme" is already the ID of the seller in line 2`},
		{"repeated category", "id: web,", "id: data,", `:5: categories[1].id: "data" is already the ID of the category in line 4` + "\n" + hubFile + `:7: categories[0]: there is no category "web" in catalog.yaml`},
		{"German missing", ", de: Daten", "", `:4: categories[0].name.de: is required`},
		{"document missing", "en: terms.md", "en: none.md", `:7: documents[0].file.en: "none.md" cannot be read: file does not exist`},
	})
}

func TestProductFaults(t *testing.T) {
	check(t, cacheFile, []faultCase{
		{"unknown key", "name: Cache", "nmae: Cache\nname: Cache", `:3: unknown key "nmae"; did you mean "name"?`},
		{"repeated key", "version: 1.0.0", "version: 1.0.0\nversion: 1.0.0", `:5: version: is given twice, first in line 4`},
		{"missing key", "version: 1.0.0\n", "", `:1: version: is required`},
		{"type", "type: cce", "type: vm", `:1: type: "vm" is not one of cce, llm`},
		{"licence", "licence: open-source", "licence: gpl", `:2: licence: "gpl" is not one of open-source, free, trial, byol`},
		{"no licence", "licence: open-source\n", "", `:1: licence: is required with the type cce`},
		{"no licence fee", "licence_fee: {en: none, de: keine}\n", "", `:1: licence_fee: is required with the type cce`},
		{"no guide", "post_deployment: {en: Use it, de: Nutzen}\n", "", `:1: post_deployment: is required with the type cce`},
		{"llm in cce", "cce:\n", "llm: {documentation_url: 'https://a.example'}\ncce:\n", `:17: llm: has no place in a product of the type cce`},
		{"long name", "name: Cache", "name: " + strings.Repeat("ü", 41), `:3: name: is longer than 40 characters`},
		{"empty name", "name: Cache", "name: ' '", `:3: name: must not be empty`},
		{"name of two lines", "name: Cache", `name: "a\nb"`, `:3: name: must be a single line`},
		{"turned text", "name: Cache", `name: "a\u202eb"`, `:3: name: must not contain control characters`},
		{"number for a name", "name: Cache", "name: 7", `:3: name: must be text, not a number`},
		{"version", "version: 1.0.0", "version: v1.0", `:4: version: "v1.0" is not a semantic version such as 1.4.2`},
		{"revision", "name: Cache", "name: Cache\nrevision: 0", `:4: revision: "0" is not a whole number from 1 to 1000000`},
		{"weight", "name: Cache", "name: Cache\nweight: -1", `:4: weight: "-1" is not a whole number from 0 to 10000`},
		{"seller", "seller: acme", "seller: umbrella", `:5: seller: there is no seller "umbrella" in catalog.yaml`},
		{"category", "categories: [data]", "categories: [misc]", `:10: categories[0]: there is no category "misc" in catalog.yaml`},
		{"repeated category", "categories: [data]", "categories: [data, data]", `:10: categories[1]: "data" is already the category in line 10`},
		{"no category", "categories: [data]", "categories: []", `:10: categories: must not be empty`},
		{"German missing", "de: Merkt sich Dinge", "fr: retient", `:7: summary.de: is required`},
		{"language", "de: Merkt sich Dinge", "de: Merkt sich Dinge, xx: y", `:7: summary: unknown key "xx"; known are en, de, es, fr, it, nl, pl`},
		{"long summary", "en: Keeps things", "en: " + strings.Repeat("x", 201), `:7: summary.en: is longer than 200 characters`},
		{"text without language", "{en: A cache, de: Ein Cache}", "A cache", `:8: description: must be a mapping (key: value), not text`},
		{"software url", "https://thing", "javascript://thing", `:13: used_software[0].url: must begin with https://`},
		{"software host", "https://thing.example/licence", "https:///licence", `:13: used_software[0].url: names no host`},
		{"software password", "https://thing", "https://a:b@thing", `:13: used_software[0].url: must not contain a user or password`},
		{"opaque url", "https://thing.example/licence", "https:thing", `:13: used_software[0].url: is not a URL such as https://example.com/licence`},
		{"document date", "2026-01-01", "2026-02-30", `:15: documents[0].date: "2026-02-30" is not a date such as 2026-01-31`},
		{"document of the marketplace", "id: eula", "id: terms", `:15: documents[0].id: "terms" is already the ID of a document of the marketplace in catalog.yaml`},
		{"no consent", ", consent: true", "", `:15: documents: needs one with consent: true; what the seller's terms are must be accepted before buying`},
		{"path above", "en: eula.md", "en: ../../terms.md", `:15: documents[0].file.en: "../../terms.md" is not the name of a file within this folder`},
		{"absolute path", "en: eula.md", "en: /etc/passwd", `:15: documents[0].file.en: "/etc/passwd" is not the name of a file within this folder`},
		{"folder for a document", "en: eula.md", "en: chart", `:15: documents[0].file.en: "chart" cannot be read: not a regular file`},
		{"no icon", "icon: icon.svg", "icon: none.svg", `:6: icon: "none.svg" cannot be read: file does not exist`},
		{"published", "published: 2026-01-02", "published: soon", `:16: published: "soon" is not a date such as 2026-01-31`},
		{"end of life", "published: 2026-01-02", "published: 2026-01-02\nend_of_life: 2026-01-02", `:17: end_of_life: must be later than the date of publication, 2026-01-02`},
	})
	check(t, hubFile, []faultCase{
		{"licence", "name: Hub", "licence: free\nname: Hub", `:2: licence: has no place in a product of the type llm`},
		{"cce in llm", "llm: {", "cce: {chart: {oci: 'oci://h.example/a:1.0.0'}}\nllm: {", `:12: cce: has no place in a product of the type llm`},
		{"no llm", `llm: {documentation_url: "https://hub.example/docs", models: [gpt-a]}`, "", `:1: llm: is required with the type llm`},
		{"documentation", `documentation_url: "https://hub.example/docs", `, "", `:12: llm.documentation_url: is required`},
		{"repeated model", "[gpt-a]", "[gpt-a, gpt-a]", `:12: llm.models[1]: "gpt-a" is already the model in line 12`},
	})
}

func TestDeploymentFaults(t *testing.T) {
	const chart = "chart: {folder: chart}"
	byol := "byol: {shop_url: 'https://shop.example', "
	check(t, cacheFile, []faultCase{
		{"no chart", chart, "kube_version: '>=1.27'", `:18: cce.chart: is required`},
		{"no kind of chart", chart, "chart: {name: a}", `:18: cce.chart: needs one of folder, archive, repository and oci`},
		{"two kinds of chart", chart, "chart: {folder: chart, archive: a.tgz}", `:18: cce.chart.archive: is one place too many; the chart is already given as folder`},
		{"no folder", chart, "chart: {folder: none}", `:18: cce.chart.folder: "none" cannot be read: file does not exist`},
		{"file for a folder", chart, "chart: {folder: eula.md}", `:18: cce.chart.folder: "eula.md" cannot be read: not a folder`},
		{"file for an archive", chart, "chart: {archive: eula.md}", `:18: cce.chart.archive: "eula.md" cannot be read: not a gzip archive: unexpected EOF`},
		{"folder with version", chart, "chart: {folder: chart, version: 1.0.0}", `:18: cce.chart.version: is not for a chart of the kind folder`},
		{"repository", chart, "chart: {repository: 'http://charts.example', name: a, version: 1.0.0}", `:18: cce.chart.repository: must begin with https://`},
		{"repository without version", chart, "chart: {repository: 'https://charts.example', name: a}", `:18: cce.chart.version: is required with a repository`},
		{"oci without version", chart, "chart: {oci: 'oci://r.example/charts/app'}", `:18: cce.chart.oci: is not an address such as oci://registry.example.com/charts/app:1.2.3`},
		{"oci scheme", chart, "chart: {oci: 'https://r.example/app:1.0.0'}", `:18: cce.chart.oci: is not an address such as oci://registry.example.com/charts/app:1.2.3`},
		{"oci version", chart, "chart: {oci: 'oci://r.example/app:latest'}", `:18: cce.chart.oci: "latest", behind the last colon, is not a semantic version such as 1.4.2`},
		{"oci name", chart, "chart: {oci: 'oci://r.example/App:1.0.0'}", `:18: cce.chart.oci: "App" is not the name of a chart: lower-case letters, digits and hyphens`},
		{"digest", chart, "chart: {oci: 'oci://r.example/app:1.0.0', digest: abc}", `:18: cce.chart.digest: "abc" is not a digest: sha256: and 64 hexadecimal digits`},
		{"kube version", chart, chart + "\n  kube_version: new", `:19: cce.kube_version: "new" is not a range of versions such as ">=1.27"`},
		{"time limit", chart, chart + "\n  time_limit: 10s", `:19: cce.time_limit: "10s" is not a duration from 1m to 2h`},
		{"byol of others", chart, chart + "\n  " + byol + "secret_name: a, file_name: b}", `:19: cce.byol: is only for the licence byol`},
		{"byol missing", "licence: open-source", "licence: byol", `:18: cce.byol: is required with the licence byol`},
		{"byol without file", chart, chart + "\n  " + byol + "secret_name: a}", `:19: cce.byol.file_name: is required with secret_name` + "\n" + cacheFile + `:19: cce.byol: is only for the licence byol`},
		{"byol without secret", chart, chart + "\n  " + byol + "file_name: a}", `:19: cce.byol.secret_name: is required with file_name` + "\n" + cacheFile + `:19: cce.byol: is only for the licence byol`},
		{"byol without way", chart, chart + "\n  byol: {shop_url: 'https://shop.example'}", `:19: cce.byol: needs secret_name and file_name, or a licensing_guide that says how the licence is entered` + "\n" + cacheFile + `:19: cce.byol: is only for the licence byol`},
		{"secret name", chart, chart + "\n  " + byol + "secret_name: A, file_name: b}", `:19: cce.byol.secret_name: "A" is not the name of a Secret: lower-case letters, digits, dots and hyphens` + "\n" + cacheFile + `:19: cce.byol: is only for the licence byol`},
	})
}

func TestFieldFaults(t *testing.T) {
	field := func(rest string) string {
		return "input_type: text\n    - {key: plain, label: {en: L, de: L}, " + rest + "}\n"
	}
	const values = "values: [{label: {en: A, de: A}, value: a}]"
	at := `:23: cce.fields[1]`
	old := "input_type: text\n"
	check(t, cacheFile, []faultCase{
		{"input", old, field("input_type: slider"), at + `.input_type: "slider" is not one of text, selection, switch`},
		{"key", "key: password", "key: a..b", `:20: cce.fields[0].key: "a..b" is not a dotted path into the chart's values such as global.storageClass`},
		{"key not in the chart", "key: password", "key: pasword", `:20: cce.fields[0].key: the chart's values.yaml has no "pasword"`},
		{"key below a value", "key: password", "key: plain.more", `:20: cce.fields[0].key: the chart's values.yaml has no "plain.more"`},
		{"repeated key", old, strings.Replace(field("input_type: text"), "plain", "password", 1), at + `.key: "password" is already the key of the field in line 20`},
		{"key within another", "key: password", "key: open.a\n      label: {en: L, de: L}\n      input_type: text\n    - key: open.a.b", `:23: cce.fields[1].key: "open.a.b" and "open.a" cannot both be set: one is a part of the other`},
		{"hidden without default", old, field("input_type: text, hidden: true"), at + `.default_value: is required, as the field is hidden`},
		{"selection without values", old, field("input_type: selection"), at + `.values: is required with the input_type selection`},
		{"values of text", old, field("input_type: text, " + values), at + `.values: is only for the input_type selection`},
		{"default among values", old, field("input_type: selection, default_value: b, " + values), at + `.default_value: "b" is not one of the values`},
		{"list default among values", old, field("input_type: selection, multiple: true, default_value: [a, b], " + values), at + `.default_value[1]: "b" is not one of the values`},
		{"default of multiple", old, field("input_type: text, multiple: true, default_value: a"), at + `.default_value: must be a list, not text`},
		{"default of switch", old, field("input_type: switch, default_value: 'on'"), at + `.default_value: must be true or false, not text`},
		{"multiple switch", old, field("input_type: switch, multiple: true"), at + `.multiple: is not for the input_type switch`},
		{"confidential switch", old, field("input_type: switch, confidential: true"), at + `.confidential: is only for the input_type text`},
		{"confidential default", old, field("input_type: text, confidential: true, default_value: hunter2"), at + `.default_value: is not for confidential fields: everybody can read the catalog`},
		{"repeated value", old, field("input_type: selection, " + strings.Replace(values, "}]", "}, {label: {en: B, de: B}, value: a}]", 1)), at + `.values[1].value: "a" is already the value in line 23`},
		{"validation of switch", old, field("input_type: switch, validation: [{pattern: a, message: {en: A, de: A}}]"), at + `.validation: is only for the input_type text`},
		{"pattern", old, field("input_type: text, validation: [{pattern: '(', message: {en: A, de: A}}]"), at + ".validation[0].pattern: is not a regular expression (look-ahead and back-references are not supported): error parsing regexp: missing closing ): `(`"},
		{"look-ahead", old, field("input_type: text, validation: [{pattern: '/^(?=a)/gm', message: {en: A, de: A}}]"), at + ".validation[0].pattern: is not a regular expression (look-ahead and back-references are not supported): error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
		{"long pattern", old, field("input_type: text, validation: [{pattern: " + strings.Repeat("a", 501) + ", message: {en: A, de: A}}]"), at + `.validation[0].pattern: is longer than 500 bytes`},
		{"no message", old, field("input_type: text, validation: [{pattern: a}]"), at + `.validation[0].message: is required`},
		{"default against pattern", old, field("input_type: text, default_value: b, validation: [{pattern: ^a$, message: {en: A, de: A}}]"), at + `.default_value: "b" does not match the field's own pattern ^a$`},
	})
}
