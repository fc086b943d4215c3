package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"llmhub/config"
)

// TestOneFault changes one line of a valid file, or adds one, and expects exactly one fault.
func TestOneFault(t *testing.T) {
	const admin, upstream, deployments = "admin: {token: {env: LLMHUB_ADMIN_TOKEN}}", `  - {name: local, base_url: "http://127.0.0.1:9100/v1/"}`, "    deployments: [{upstream: local}]"
	up := func(more string) string {
		return `  - {name: local, base_url: "http://127.0.0.1:9100/v1/", ` + more + "}"
	}
	url := func(u string) string { return `  - {name: local, base_url: "` + u + `"}` }
	deployed := func(p string) string { return "    deployments: [{upstream: local, " + p + "}]" }
	price := func(p string) string { return deployments + "\n    prices: [" + p + "]" }
	const good = `{from: 2026-01-01, input_per_million: "1", output_per_million: "2"}`
	cases := []struct{ name, old, new, want string }{
		{"unknown key", "", "lisen: :80", `F:8: unknown key "lisen"; did you mean "listen"?`},
		{"far-off key", "", "xyzzy: 1", `F:8: unknown key "xyzzy"; known are listen, data, store, free_space_floor, billing, admin, keys, limits, stream, shutdown, log, catalog, portal, iam, cce, clusters, webhooks, upstreams, models`},
		{"nested unknown key", upstream, up("on_disconect: drain"), `F:4: upstreams[0]: unknown key "on_disconect"; did you mean "on_disconnect"?`},
		{"repeated key", "", "data: elsewhere", `F:8: data: is given twice, first in line 1`},
		{"no value", "", "listen:", `F:8: listen: has no value`},
		{"missing data", "data: ./data", "# nothing", `F:2: data: is required`},
		{"missing in a list", upstream, "  - name: local", `F:4: upstreams[0].base_url: is required`},
		{"mapping expected", "", "limits: 5", `F:8: limits: must be a mapping (key: value), not a number`},
		{"list expected", deployments, "    deployments: {upstream: local}", `F:7: models[0].deployments: must be a list, not a mapping`},
		{"empty list", deployments, "    deployments: []", `F:7: models[0].deployments: must not be empty`},
		{"text expected", upstream, `  - {name: 7, base_url: "http://h/"}`, `F:4: upstreams[0].name: must be text, not a number`},
		{"alias", "", "listen: &a :80", `F:8: listen: anchors and aliases are not supported; write the value out`},
		{"merge", "", "<<: {listen: ':80'}", `F:8: unknown key "<<"; known are listen, data, store, free_space_floor, billing, admin, keys, limits, stream, shutdown, log, catalog, portal, iam, cce, clusters, webhooks, upstreams, models`},

		{"address", "", "listen: localhost", `F:8: listen: "localhost" is not an address such as 127.0.0.1:8080`},
		{"port", "", "listen: localhost:70000", `F:8: listen: "localhost:70000" is not an address such as 127.0.0.1:8080`},
		{"zone", "", "billing: {time_zone: Europe/Bärlin}", `F:8: billing.time_zone: "Europe/Bärlin" is not a time zone such as Europe/Berlin or UTC`},
		{"local zone", "", "billing: {time_zone: Local}", `F:8: billing.time_zone: "Local" is not a time zone such as Europe/Berlin or UTC`},
		{"retention", "", "billing: {request_retention_days: -1}", `F:8: billing.request_retention_days: "-1" is not a whole number from 0 to 36500`},
		{"currency", "", "billing: {currency: euro}", `F:8: billing.currency: "euro" is not a currency code such as EUR`},
		{"size without unit", "", "free_space_floor: 512", `F:8: free_space_floor: must be a size such as 512MiB, not a number`},
		{"size unit", "", "free_space_floor: 512MB", `F:8: free_space_floor: "512MB" is not a size such as 512MiB (units: B, KiB, MiB, GiB, TiB)`},
		{"size overflow", "", "free_space_floor: 999999999999999TiB", `F:8: free_space_floor: 999999999999999TiB is out of range: from 0B to 1024TiB`},
		{"size too small", "", "limits: {body: 5B}", `F:8: limits.body: 5B is out of range: from 1KiB to 1GiB`},
		{"duration without unit", "", "shutdown: {grace: 30}", `F:8: shutdown.grace: must be a duration such as 30s or 5m, not a number`},
		{"duration", "", "shutdown: {grace: 30 seconds}", `F:8: shutdown.grace: "30 seconds" is not a duration such as 30s or 5m`},
		{"negative duration", "", "shutdown: {grace: -1s}", `F:8: shutdown.grace: -1s is out of range: from 0s to 24h0m0s`},
		{"flag", "", "keys: {pepper: 'yes'}", `F:8: keys.pepper: must be true or false, not text`},
		{"count", "", "limits: {requests: -1}", `F:8: limits.requests: "-1" is not a whole number from 0 to 1000000`},
		{"fraction", "", "limits: {requests: 1.5}", `F:8: limits.requests: must be a whole number, not a number`},
		{"level", "", "log: {level: loud}", `F:8: log.level: "loud" is not one of debug, info, warn, error`},

		{"url scheme", upstream, url("ftp://h/v1"), `F:4: upstreams[0].base_url: must begin with http:// or https://`},
		{"url password", upstream, url("http://u:hunter2@h/v1"), `F:4: upstreams[0].base_url: must not contain a user or password; give the key as api_key`},
		{"url query", upstream, url("http://h/v1?key=hunter2"), `F:4: upstreams[0].base_url: must not contain a query or fragment`},
		{"url host", upstream, url("http:///v1"), `F:4: upstreams[0].base_url: names no host`},
		{"anthropic without version", upstream, "  - {name: local, kind: anthropic, base_url: \"https://api.anthropic.com\"}", `F:4: upstreams[0].base_url: must end with the API's version, such as https://api.anthropic.com/v1`},
		{"url", upstream, url("http://h:port/v1"), `F:4: upstreams[0].base_url: is not a URL such as https://models.example.com/v1`},
		{"kind", upstream, up("kind: bedrock"), `F:4: upstreams[0].kind: "bedrock" is not one of openai, azure, anthropic`},
		{"version of openai", upstream, up("api_version: v2"), `F:4: upstreams[0].api_version: is for the kinds azure and anthropic`},
		{"version", upstream, up("kind: azure, api_version: 'a b'"), `F:4: upstreams[0].api_version: "a b" is not a version such as 2024-10-21`},
		{"auth of openai", upstream, up("auth: key"), `F:4: upstreams[0].auth: is for the kinds azure and anthropic; openai takes keys as bearer only`},
		{"azure path", upstream, `  - {name: local, kind: azure, base_url: "https://h/openai/v1"}`, `F:4: upstreams[0].base_url: must be the address of the resource, without /openai and what follows`},
		{"header list", upstream, up("headers: [a]"), `F:4: upstreams[0].headers: must be a mapping of header names to values`},
		{"header name", upstream, up("headers: {'a b': c}"), `F:4: upstreams[0].headers: "a b" is not the name of a header`},
		{"own header", upstream, up("headers: {AUTHORIZATION: Bearer hunter2}"), `F:4: upstreams[0].headers.AUTHORIZATION: is a header that llmhub sets itself, or passes on from callers`},
		{"hop-by-hop header", upstream, up("headers: {Transfer-Encoding: chunked}"), `F:4: upstreams[0].headers.Transfer-Encoding: is a header that llmhub sets itself, or passes on from callers`},
		{"repeated header", upstream, up("headers: {X-A: b, x-a: c}"), `F:4: upstreams[0].headers.x-a: is given twice`},
		{"header value", upstream, up("headers: {X-A: grün}"), `F:4: upstreams[0].headers.X-A: "grün" is not a value of visible ASCII characters and spaces between them`},
		{"header of two lines", upstream, up(`headers: {X-A: "b\r\nHost: c"}`), `F:4: upstreams[0].headers.X-A: must not contain control characters`},
		{"secret header", upstream, up("headers: {X-A: {env: NO_SUCH}}"), `F:4: upstreams[0].headers.X-A.env: environment variable NO_SUCH is not set`},
		{"thinking", deployments, "    deployments: [{upstream: local, thinking: hard}]", `F:7: models[0].deployments[0].thinking: "hard" is not one of budget, adaptive`},
		{"thinking of another kind", deployments, "    deployments: [{upstream: local, thinking: adaptive}]", `F:6: models[0].deployments[0].thinking: is for upstreams of kind anthropic`},
		{"upstream name", upstream, `  - {name: Local, base_url: "http://h/v1"}`, `F:4: upstreams[0].name: "Local" is not a name of lower-case letters, digits, dots, hyphens and underscores`},
		{"repeated upstream", upstream, upstream + "\n" + upstream, `F:5: upstreams[1].name: "local" is already the name of the upstream in line 4`},
		{"on_disconnect", upstream, up("on_disconnect: hang"), `F:4: upstreams[0].on_disconnect: "hang" is not one of cancel, drain`},
		{"no certificates", upstream, up("ca_file: llmhub.yaml"), `F:4: upstreams[0].ca_file: "llmhub.yaml" holds no PEM certificate`},

		{"dangling upstream", deployments, "    deployments: [{upstream: remote}]", `F:7: models[0].deployments[0].upstream: there is no upstream named "remote"`},
		{"repeated deployment", deployments, "    deployments: [{upstream: local}, {upstream: local, model: gpt-4o-mini}]", `F:6: models[0].deployments[1]: is the same as an earlier deployment of this model`},
		{"weight", deployments, deployed("weight: -1"), `F:7: models[0].deployments[0].weight: "-1" is not a whole number from 0 to 1000000`},
		{"queue without slots", deployments, deployed("queue: 5"), `F:7: models[0].deployments[0].queue: needs max_concurrency: without it nothing waits`},
		{"queue timeout", deployments, deployed("max_concurrency: 1, queue_timeout: 2h"), `F:7: models[0].deployments[0].queue_timeout: 2h is out of range: from 1ms to 1h0m0s`},
		{"breaker", deployments, deployed("breaker: {open: 1ms}"), `F:7: models[0].deployments[0].breaker.open: 1ms is out of range: from 100ms to 1h0m0s`},
		{"other bounds", deployments, deployments + "\n  - name: b\n" + deployed("model: gpt-4o-mini, drain: true"), `F:8: models[1].deployments[0]: has another max_concurrency, queue, queue_timeout, drain or breaker than the same deployment of the model in line 6`},
		{"balance", deployments, deployments + "\n    balance: round", `F:8: models[0].balance: "round" is not one of least_busy, weighted`},
		{"no attempts", deployments, deployments + "\n    retries: {attempts: 0}", `F:8: models[0].retries.attempts: "0" is not a whole number from 1 to 100`},
		{"backoff", deployments, deployments + "\n    retries: {backoff: 6s}", `F:8: models[0].retries.backoff: 6s is out of range: from 1ms to 5s`},
		{"unknown fall-back", deployments, deployments + "\n    fallbacks: [b]", `F:6: models[0].fallbacks: there is no model named "b"`},
		{"repeated fall-back", deployments, deployments + "\n    fallbacks: [b, b]\n  - name: b\n" + deployed(""), `F:8: models[0].fallbacks[1]: "b" is already among them`},
		{"fall-back to itself", deployments, deployments + "\n    fallbacks: [gpt-4o-mini]", `F:6: models[0].fallbacks: "gpt-4o-mini" leads back to this model`},
		{"fall-backs in a circle", deployments, deployments + "\n    fallbacks: [b]\n  - name: b\n" + deployed("") + "\n    fallbacks: [gpt-4o-mini]", `F:9: models[1].fallbacks: "gpt-4o-mini" leads back to this model`},
		{"repeated model", deployments, deployments + "\n  - name: gpt-4o-mini\n" + deployments, `F:8: models[1].name: "gpt-4o-mini" is already the name of the model in line 6`},
		{"model name", "  - name: gpt-4o-mini", "  - name: a,b", `F:6: models[0].name: "a,b" is not a model name: visible ASCII characters but no comma`},
		{"long model name", "  - name: gpt-4o-mini", "  - name: " + strings.Repeat("m", 129), `F:6: models[0].name: is longer than 128 bytes`},

		{"bare price", deployments, price(`{from: 2026-01-01, input_per_million: 0.15, output_per_million: "2"}`), `F:8: models[0].prices[0].input_per_million: must be in quotes, so that it stays exact: "0.15"`},
		{"negative price", deployments, price(`{from: 2026-01-01, input_per_million: "-1", output_per_million: "2"}`), `F:8: models[0].prices[0].input_per_million: "-1" is not a price such as "0.15": digits, at most 9 before and 9 behind the point, not negative`},
		{"price with exponent", deployments, price(`{from: 2026-01-01, input_per_million: "1e3", output_per_million: "2"}`), `F:8: models[0].prices[0].input_per_million: "1e3" is not a price such as "0.15": digits, at most 9 before and 9 behind the point, not negative`},
		{"missing price", deployments, price(`{from: 2026-01-01, input_per_million: "1"}`), `F:8: models[0].prices[0].output_per_million: is required`},
		{"missing price beside no sizes", deployments, price(`{from: 2026-01-01, images: {}, output_per_million: "1"}`), `F:8: models[0].prices[0].input_per_million: is required`},
		{"bare price of a unit", deployments, price(`{from: 2026-01-01, audio_second: 0.01}`), `F:8: models[0].prices[0].audio_second: must be in quotes, so that it stays exact: "0.01"`},
		{"negative price of a unit", deployments, price(`{from: 2026-01-01, image: "-1"}`), `F:8: models[0].prices[0].image: "-1" is not a price such as "0.15": digits, at most 9 before and 9 behind the point, not negative`},
		{"price of an unknown size", deployments, price(`{from: 2026-01-01, images: {1024x1025: "1"}, image: "1"}`), `F:8: models[0].prices[0].images: unknown key "1024x1025"; did you mean "1024x1024"?`},
		{"a price for all sizes", deployments, price(`{from: 2026-01-01, images: "1", image: "1"}`), `F:8: models[0].prices[0].images: must be a mapping (key: value), not text`},
		{"a size twice", deployments, price(`{from: 2026-01-01, images: {512x512: "1", 512x512: "2"}}`), `F:8: models[0].prices[0].images.512x512: is given twice, first in line 8`},
		{"no price of a size", deployments, price(`{from: 2026-01-01, images: {512x512: ""}}`), `F:8: models[0].prices[0].images.512x512: "" is not a price such as "0.15": digits, at most 9 before and 9 behind the point, not negative`},
		{"price of a misspelt unit", deployments, price(`{from: 2026-01-01, image: "1", search_per_thousand: "1"}`), `F:8: models[0].prices[0]: unknown key "search_per_thousand"; did you mean "searches_per_thousand"?`},
		{"characters as a number", deployments, price(`{from: 2026-01-01, characters_per_million: 15}`), `F:8: models[0].prices[0].characters_per_million: must be in quotes, so that it stays exact: "15"`},
		{"searches with exponent", deployments, price(`{from: 2026-01-01, searches_per_thousand: "2e3"}`), `F:8: models[0].prices[0].searches_per_thousand: "2e3" is not a price such as "0.15": digits, at most 9 before and 9 behind the point, not negative`},
		{"cached without input", deployments, price(`{from: 2026-01-01, image: "1", cached_input_per_million: "1"}`), `F:8: models[0].prices[0].cached_input_per_million: is a part of the input, whose price is missing: give input_per_million, too`},
		{"order of unit prices", deployments, price(`{from: 2026-01-01, image: "1"}, {from: 2025-01-01, image: "1"}`), `F:8: models[0].prices[1].from: must be later than the date of the price before it, 2026-01-01`},
		{"price day", deployments, price(`{from: 2026-02-30, input_per_million: "1", output_per_million: "2"}`), `F:8: models[0].prices[0].from: "2026-02-30" is not a date such as 2026-01-31`},
		{"price time", deployments, price(`{from: 2026-02-01T10:00:00Z, input_per_million: "1", output_per_million: "2"}`), `F:8: models[0].prices[0].from: "2026-02-01T10:00:00Z" is not a date such as 2026-01-31`},
		{"price order", deployments, price(good + ", " + good), `F:8: models[0].prices[1].from: must be later than the date of the price before it, 2026-01-01`},

		{"plain secret", admin, "admin: {token: sk-hunter2-hunter2}", `F:2: admin.token: a secret is not written into this file; it must be a reference: {env: NAME} or {file: PATH}`},
		{"odd reference", admin, "admin: {token: {vault: x}}", `F:2: admin.token: must be a reference: {env: NAME} or {file: PATH}`},
		{"two references", admin, "admin: {token: {env: A, file: b}}", `F:2: admin.token: must be a reference: {env: NAME} or {file: PATH}`},
		{"secret for a name", admin, "admin: {token: {env: sk-hunter2-hunter2}}", `F:2: admin.token.env: is not the name of an environment variable`},
		{"unset variable", admin, "admin: {token: {env: NO_SUCH}}", `F:2: admin.token.env: environment variable NO_SUCH is not set`},
		{"empty variable", admin, "admin: {token: {env: EMPTY}}", `F:2: admin.token.env: the secret is empty`},
		{"short token", admin, "admin: {token: {env: SHORT}}", `F:2: admin.token.env: the secret has 5 characters; at least 16 are required`},
		{"token with spaces", admin, "admin: {token: {env: SPACED}}", `F:2: admin.token.env: the secret contains spaces or characters other than ASCII`},
		{"no secret file", admin, "admin: {token: {file: none}}", `F:2: admin.token.file: "none" cannot be read: no such file or directory`},
		{"folder for a file", admin, "admin: {token: {file: .}}", `F:2: admin.token.file: "." cannot be read: not a regular file`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := minimal + c.new + "\n"
			if c.old != "" {
				if text = strings.Replace(minimal, c.old, c.new, 1); text == minimal {
					t.Fatalf("%q is not in the file", c.old)
				}
			}
			if got := faultsOf(t, text); len(got) != 1 || got[0] != c.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

func TestAllFaultsAtOnceInOrder(t *testing.T) {
	got := faultsOf(t, `listen: nowhere
billing: {time_zone: Nirgends, currency: €}
admin: {token: secret}
upstreams:
  - {name: local, base_url: "http://h"}
  - {name: local, base_url: "gopher://h", retries: 3}
models:
  - name: m
    deployments: [{upstream: far}]
    prices: [{from: soon, input_per_million: 1, output_per_million: "x"}]
`)
	want := []string{
		`F:1: listen: "nowhere" is not an address such as 127.0.0.1:8080`,
		`F:1: data: is required`,
		`F:2: billing.time_zone: "Nirgends" is not a time zone such as Europe/Berlin or UTC`,
		`F:2: billing.currency: "€" is not a currency code such as EUR`,
		`F:3: admin.token: a secret is not written into this file; it must be a reference: {env: NAME} or {file: PATH}`,
		`F:6: upstreams[1].base_url: must begin with http:// or https://`,
		`F:6: upstreams[1]: unknown key "retries"; known are name, kind, base_url, api_key, auth, api_version, headers, on_disconnect, stream_usage, connect_timeout, first_byte_timeout, idle_timeout, max_connections, ca_file`,
		`F:6: upstreams[1].name: "local" is already the name of the upstream in line 5`,
		`F:9: models[0].deployments[0].upstream: there is no upstream named "far"`,
		`F:10: models[0].prices[0].from: "soon" is not a date such as 2026-01-31`,
		`F:10: models[0].prices[0].input_per_million: must be in quotes, so that it stays exact: "1"`,
		`F:10: models[0].prices[0].output_per_million: "x" is not a price such as "0.15": digits, at most 9 before and 9 behind the point, not negative`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFileAsAWhole(t *testing.T) {
	laughs := "a: &a [x]\n"
	for c := 'b'; c <= 'z'; c++ {
		laughs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	cases := []struct{ name, text, want string }{
		{"empty", "", "F: is empty"},
		{"spaces", " \n\n", "F: is empty"},
		{"comment only", "# nothing\n", "F: is empty"},
		{"too large", minimal + strings.Repeat("# filling\n", 1<<17), "F: is larger than 1 MiB"},
		{"two documents", minimal + "---\n" + minimal, "F:8: holds more than one document; only one is read"},
		{"syntax", "a: b\n  c: d\n", "F:2: is not valid YAML: mapping values are not allowed in this context"},
		{"not a mapping", "hello", "F:1: must be a mapping (key: value), not text"},
		{"binary", "\x00\x01\x02", "F: is not valid YAML: control characters are not allowed"},
		{"many faults", strings.Repeat("x: 1\n", 200), "F: 104 more faults"},
		{"billion laughs", laughs, `F:1: unknown key "a"`},
		{"deep", "data: " + strings.Repeat("[", 20000), "F: is not valid YAML: exceeded max depth of 10000"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := faultsOf(t, c.text)
			if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, c.want) }) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "cannot be read: no such file or directory",
		dir:                             "cannot be read: is a directory",
	} {
		_, err := config.LoadEnv(path, env)
		if err == nil || err.Error() != path+": "+want {
			t.Errorf("got %v, want %s: %s", err, path, want)
		}
	}
}

func TestTooLargeSecretFile(t *testing.T) {
	path := write(t, strings.Replace(minimal, "{env: LLMHUB_ADMIN_TOKEN}", "{file: token}", 1))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "token"), make([]byte, 1<<17), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.LoadEnv(path, env)
	if err == nil || !strings.Contains(err.Error(), "larger than 65536 bytes") {
		t.Errorf("got %v", err)
	}
}

// FuzzLoad insists that no text makes the reader fail otherwise than by faults.
func FuzzLoad(f *testing.F) {
	f.Add(minimal)
	f.Add("a: &a [*a]")
	f.Add("admin: {token: {? [a] : b}}")
	f.Add(minimal + "    fallbacks: [a]\n  - {name: a, fallbacks: [b], deployments: [{upstream: local, queue: 1}]}\n  - {name: b, fallbacks: [a], deployments: []}")
	f.Add("models: [{prices: [{from: !!binary x}]}]")
	f.Add(minimal + "    about: {kind: image, end_of_life: 2027-01-31, licence_url: 'https://h', description: {en: E, de: D}}\n")
	f.Add(minimal + "portal: {public_url: 'https://[::1]:443', admin_listen: ':0', trusted_proxies: ['::/1', 10.0.0.1], links: {contact: 'mailto:a@b'}}")
	f.Add(minimal + "portal: {brand_css: llmhub.yaml, logo: llmhub.yaml, session: {idle: 5m}}\niam: {url: 'http://localhost', customer_role: ''}")
	f.Fuzz(func(t *testing.T, text string) { faultsOf(t, text) })
}
