package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/config"
)

const logoHead = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">`

// load reads the minimal file and more, with files beside it.
func load(t *testing.T, more string, files map[string]string) (*config.Config, string, error) {
	t.Helper()
	path := write(t, minimal+more)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.LoadEnv(path, env)
	return c, path, err
}

func TestPortalDefaults(t *testing.T) {
	c, _, err := load(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Portal
	if c.Catalog != "" || p.PublicURL != nil || p.BrandCSS != nil || p.Logo != nil || p.AdminListen != "" || p.TrustedProxies != nil ||
		p.Links != (config.Links{}) || c.IAM.URL != nil || c.IAM.RootCAs != nil || c.Models[0].About != nil {
		t.Errorf("something is set that the file does not say: %+v %+v", p, c.IAM)
	}
	if p.Name != "Cloud Marketplace" || p.Session != (config.Session{Idle: time.Hour, Absolute: 12 * time.Hour}) ||
		c.IAM.CustomerRole != "te_admin" || c.IAM.Timeout != 10*time.Second {
		t.Errorf("defaults are missing: %+v %+v", p, c.IAM)
	}
}

func TestPortalSettings(t *testing.T) {
	const brand = ":root { --brand: #123; }\n"
	const logo = logoHead + "<path d='M0 0'/></svg>"
	c, path, err := load(t, `catalog: .
portal:
  public_url: HTTPS://LLM-Hub.example.com:443/
  name: Marktplatz
  brand_css: brand.css
  logo: logo.svg
  admin_listen: 127.0.0.1:9443
  trusted_proxies: [10.0.0.0/8, "2001:db8::/32", 192.0.2.7]
  session: {idle: 5m, absolute: 24h}
  links: {imprint: "https://example.com/i?lang=en#top", contact: "mailto:help@example.com"}
iam: {url: "http://[::1]:5000/v3/", customer_role: "", timeout: 3s, console_url: "https://console.example.com"}
`, map[string]string{"brand.css": brand, "logo.svg": logo})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Portal
	if c.Catalog != filepath.Dir(path) || string(p.BrandCSS) != brand || string(p.Logo) != logo || p.Name != "Marktplatz" || p.AdminListen != "127.0.0.1:9443" {
		t.Errorf("settings are not taken: %q %+v", c.Catalog, p)
	}
	if got := p.PublicURL.String(); got != "https://llm-hub.example.com" {
		t.Errorf("public URL %q is not as browsers write it", got)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("192.0.2.7/32")}
	if !slices.Equal(p.TrustedProxies, want) {
		t.Errorf("proxies %v, want %v", p.TrustedProxies, want)
	}
	if p.Session != (config.Session{Idle: 5 * time.Minute, Absolute: 24 * time.Hour}) {
		t.Errorf("session %+v", p.Session)
	}
	if p.Links != (config.Links{Imprint: "https://example.com/i?lang=en#top", Contact: "mailto:help@example.com"}) {
		t.Errorf("links %+v", p.Links)
	}
	if c.IAM.URL.String() != "http://[::1]:5000/v3" || c.IAM.CustomerRole != "" || c.IAM.Timeout != 3*time.Second || c.IAM.ConsoleURL != "https://console.example.com" {
		t.Errorf("iam %+v", c.IAM)
	}
}

func TestAbout(t *testing.T) {
	c, err := config.LoadEnv("../docs/config.example.yaml", env)
	if err != nil {
		t.Fatal(err)
	}
	a := c.Models[0].About
	if a == nil || c.Models[1].About != nil {
		t.Fatalf("about: %+v, %+v", a, c.Models[1].About)
	}
	if a.DisplayName != "GPT-4o mini" || a.Kind != config.Chat || a.ContextTokens != 128000 || a.MaxOutputTokens != 16384 || a.Location != "eu-de" ||
		a.Country != "Germany, EU" || a.HostedBy != config.ThirdParty || a.EndOfLife.String() != "2027-12-31" || a.Description.DE == a.Description.EN {
		t.Errorf("about: %+v", a)
	}
	c, err = config.LoadEnv(write(t, minimal+"    about: {description: {en: Small.}}\n"), env)
	if err != nil {
		t.Fatal(err)
	}
	want := config.DefaultAbout()
	want.Description = config.Description{EN: "Small.", DE: "Small."}
	if got := c.Models[0].About; *got != *want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestPortalFault adds a line to a valid file and expects exactly one fault.
func TestPortalFault(t *testing.T) {
	const browsers = `and the port if any, as browsers send them: letters, digits, dots and hyphens (xn--…)`
	for _, c := range []struct{ line, want string }{
		{"catalog: ''", `catalog: must not be empty`},
		{"catalog: none", `catalog: "none" cannot be read: no such file or directory`},
		{"catalog: llmhub.yaml", `catalog: "llmhub.yaml" is not a folder`},

		{"portal: {public_url: 'http://hub.example.com'}", `portal.public_url: must begin with https:// (http:// is for 127.0.0.1, [::1] and localhost alone)`},
		{"portal: {public_url: 'http://127.0.0.1.example.com'}", `portal.public_url: must begin with https:// (http:// is for 127.0.0.1, [::1] and localhost alone)`},
		{"portal: {public_url: 'https://hub.example.com/hub'}", `portal.public_url: must not contain a path`},
		{"portal: {public_url: 'https://u:hunter2@hub.example.com'}", `portal.public_url: must not contain a user or password`},
		{"portal: {public_url: 'https://hub.example.com?a'}", `portal.public_url: must not contain a query or fragment`},
		{"portal: {public_url: [x]}", `portal.public_url: must be a URL such as https://llm-hub.example.com, not a list`},
		{"portal: {public_url: 'https://hüb.example.com'}", `portal.public_url: must name the host, ` + browsers},
		{"portal: {public_url: 'https://hub.example.com:'}", `portal.public_url: must name the host, ` + browsers},
		{"portal: {public_url: 'https://hub.example.com:0443'}", `portal.public_url: must name the host, ` + browsers},
		{"portal: {public_url: 'https://hub<b>.example.com'}", `portal.public_url: must name the host, ` + browsers},
		{"portal: {public_url: 'https://hub%2eexample.com'}", `portal.public_url: is not a URL such as https://llm-hub.example.com`},
		{"portal: {brand_css: [x]}", `portal.brand_css: must be a path, not a list`},
		{"portal: {brand_css: none.css}", `portal.brand_css: "none.css" cannot be read: no such file or directory`},
		{"portal: {trusted_proxies: [1]}", `portal.trusted_proxies[0]: must be a network such as 10.0.0.0/8, not a number`},
		{"portal: {trusted_proxies: ['fe80::1%eth0']}", `portal.trusted_proxies[0]: "fe80::1%eth0" is not a network such as 10.0.0.0/8`},
		{"portal: {links: {imprint: ''}}", `portal.links.imprint: must not be empty`},
		{"portal: {links: {imprint: 'https://example.com/a b'}}", `portal.links.imprint: is not a URL`},
		{"portal: {links: {imprint: 'https://u:hunter2@example.com'}}", `portal.links.imprint: must not contain a user or password`},
		{"portal: {links: {imprint: 'https:example.com'}}", `portal.links.imprint: names no host`},
		{"portal: {links: {contact: 'mailto:Help <help@example.com>'}}", `portal.links.contact: is not a URL`},
		{"portal: {name: ''}", `portal.name: must not be empty`},
		{"portal: {admin_listen: nowhere}", `portal.admin_listen: "nowhere" is not an address such as 127.0.0.1:8080`},
		{"portal: {admin_listen: '127.0.0.1:8080'}", `portal.admin_listen: is the same as listen; leave it out, or give another port`},
		{"portal: {trusted_proxies: [proxy]}", `portal.trusted_proxies[0]: "proxy" is not a network such as 10.0.0.0/8`},
		{"portal: {trusted_proxies: [10.1.0.0/8]}", `portal.trusted_proxies[0]: "10.1.0.0/8" is an address within a network; the network is 10.0.0.0/8`},
		{"portal: {trusted_proxies: [0.0.0.0/0]}", `portal.trusted_proxies[0]: would trust every address`},
		{"portal: {trusted_proxies: ['::ffff:10.0.0.0/104']}", `portal.trusted_proxies[0]: must be written as an IPv4 network`},
		{"portal: {session: {idle: 1m}}", `portal.session.idle: 1m is out of range: from 5m0s to 24h0m0s`},
		{"portal: {session: {absolute: 25h}}", `portal.session.absolute: 25h is out of range: from 5m0s to 24h0m0s`},
		{"portal: {session: {idle: 13h}}", `portal.session: idle is 13h0m0s, which must not be longer than absolute, 12h0m0s`},
		{"portal: {links: {imprint: 'http://example.com'}}", `portal.links.imprint: must begin with https://`},
		{"portal: {links: {terms: 'javascript:alert(1)'}}", `portal.links.terms: must begin with https://`},
		{"portal: {links: {privacy: 'https:///x'}}", `portal.links.privacy: names no host`},
		{"portal: {links: {contact: 'tel:123'}}", `portal.links.contact: must begin with https:// or mailto:`},
		{"portal: {links: {contact: 'mailto:nobody'}}", `portal.links.contact: is not an address such as mailto:help@example.com`},

		{"iam: {timeout: 10s}", `iam.url: is required`},
		{"iam: {url: 'http://iam.example.com/v3'}", `iam.url: must begin with https:// (http:// is for 127.0.0.1, [::1] and localhost alone)`},
		{"iam: {url: 'https://iam.example.com/v3?x'}", `iam.url: must not contain a query or fragment`},
		{"iam: {url: 'https://iam.example.com/v3', ca_file: llmhub.yaml}", `iam.ca_file: "llmhub.yaml" holds no PEM certificate`},
		{"iam: {url: 'https://iam.example.com/v3', ca_file: {a: b}}", `iam.ca_file: must be a path, not a mapping`},
		{"iam: {url: 'https://iam.example.com/v3', ca_file: none.pem}", `iam.ca_file: "none.pem" cannot be read: no such file or directory`},
		{"iam: {url: 'https://iam.example.com/v3', password_reset_url: 'http://example.com'}", `iam.password_reset_url: must begin with https://`},
		{"iam: {url: 'https://iam.example.com/v3', customer_role: }", `iam.customer_role: has no value`},
		{"iam: {url: 'https://iam.example.com/v3', timeout: 0s}", `iam.timeout: 0s is out of range: from 1s to 1m0s`},
		{"iam: {url: 'https://iam.example.com/v3', customer_role: 'two words'}", `iam.customer_role: "two words" is not the name of a role`},

		{"    about: {kind: video}", `models[0].about.kind: "video" is not one of chat, completion, embedding, image, audio, rerank`},
		{"    about: {hosted_by: them}", `models[0].about.hosted_by: "them" is not one of own, third-party`},
		{"    about: {context_tokens: 0}", `models[0].about.context_tokens: "0" is not a whole number from 1 to 1000000000`},
		{"    about: {context_tokens: 10, max_output_tokens: 11}", `models[0].about: max_output_tokens is 11, which must not be more than context_tokens, 10`},
		{"    about: {licence_url: Apache-2.0}", `models[0].about.licence_url: must begin with https://`},
		{"    about: {end_of_life: never}", `models[0].about.end_of_life: "never" is not a date such as 2026-01-31`},
		{"    about: {description: {de: Klein.}}", `models[0].about.description.en: is required`},
	} {
		t.Run(c.line, func(t *testing.T) {
			if got := faultsOf(t, minimal+c.line+"\n"); len(got) != 1 || got[0] != "F:8: "+c.want {
				t.Errorf("got\n%s\nwant\nF:8: %s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

// fileFault loads a file that the portal refers to and returns the fault, empty if there is none.
func fileFault(t *testing.T, key, name, content string) string {
	t.Helper()
	_, path, err := load(t, "portal: {"+key+": "+name+"}\n", map[string]string{name: content})
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), path+":8: portal."+key+": ")
}

func TestBrandCSS(t *testing.T) {
	for _, c := range []struct{ css, want string }{
		{"", ""},
		{"/* tokens */\n:root{--brand:#00676f;--on-brand : light-dark(rgb(0 0 0 / 50%), var(--x, #fff))}\n:root { --font: \"Inter {;}\", system-ui; }", `"brand.css": line 3: --font has characters that are not allowed in a value`},
		{"/* tokens */\n:root{--brand:#00676f;--on-brand : light-dark(rgb(0 0 0 / 50%), var(--x, #fff))}\n:root { --font: \"Inter /* no comment */\", system-ui; }", ""},
		{":root { --radius: calc(2 * (1px + .5rem)); }", ""},
		{"body { --brand: red; }", `"brand.css": line 1: only blocks of the form :root { --name: value; } are allowed`},
		{":root { --a: red; }\n\n@import 'x';", `"brand.css": line 3: only blocks of the form :root { --name: value; } are allowed`},
		{":root, body { --a: red; }", `"brand.css": line 1: only blocks of the form :root { --name: value; } are allowed`},
		{":root {\n --a: red;\n color: red }", `"brand.css": line 3: "color" is not a custom property such as --brand`},
		{":root { --a: url(https://example.com) }", `"brand.css": line 1: --a has characters that are not allowed in a value`},
		{":root { --a: url(x) }", `"brand.css": line 1: --a uses "url()"; allowed are functions of colours and of arithmetic`},
		{":root { --a: URL (x) }", ""},
		{":root { --a: image-set('x' 1x) }", `"brand.css": line 1: --a uses "image-set()"; allowed are functions of colours and of arithmetic`},
		{`:root { --a: u\72l(x) }`, `"brand.css": line 1: --a has characters that are not allowed in a value`},
		{":root { --a: </style> }", `"brand.css": line 1: --a has characters that are not allowed in a value`},
		{":root { --a: ; }", `"brand.css": line 1: --a has no value`},
		{":root { --a: (1px; }", `"brand.css": line 1: --a has a parenthesis without its counterpart`},
		{":root { --a: 'x; }", `"brand.css": line 1: --a has a quote that is not closed`},
		{`:root { --a: "/*"; } body { color: red } /* "*/`, `"brand.css": line 1: only blocks of the form :root { --name: value; } are allowed`},
		{`:root { --a: "; --b: /*"; } body { --c: "*/"; }`, `"brand.css": line 1: --a has a quote that is not closed`},
		{":root { --a: red;", `"brand.css": line 1: the block is not closed`},
		{":root { --a: red; } /* open", `"brand.css": line 1: only blocks of the form :root { --name: value; } are allowed`},
		{":root { :root { --a: red; } }", `"brand.css": line 1: "" is not a custom property such as --brand`},
		{strings.Repeat(" ", 17<<10), `"brand.css" cannot be read: larger than 16384 bytes`},
	} {
		if got := fileFault(t, "brand_css", "brand.css", c.css); got != c.want {
			t.Errorf("%.80q:\ngot  %s\nwant %s", c.css, got, c.want)
		}
	}
}

func TestLogo(t *testing.T) {
	const load, inside = "styles must not load anything", "url() must point into the image itself (#name)"
	for _, c := range []struct{ svg, want string }{
		{logoHead + `<defs><linearGradient id="a"><stop offset="1" stop-color="red"/></linearGradient></defs><path fill="url(#a)" style="stroke:url('#a')"/><use xlink:href="#a"/></svg>`, ""},
		{logoHead + "<style>.a{fill:red}</style>\n<title>on\\off</title></svg>\n", ""},
		{"", `"logo.svg": is not an SVG image`},
		{"<html/>", `"logo.svg": line 1: the element "html" is not the beginning of an SVG image`},
		{"<svg/>", `"logo.svg": line 1: the element "svg" is not of SVG (xmlns="http://www.w3.org/2000/svg"); save the logo as plain SVG`},
		{logoHead + "</svg>\n" + logoHead[len(`<?xml version="1.0"?>`):] + "</svg>", `"logo.svg": line 2: the element "svg" comes behind the end of the image`},
		{logoHead + "<style>a{}<g/></style></svg>", `"logo.svg": line 1: a style must hold text only`},
		{logoHead, `"logo.svg": is not well-formed XML: line 1: unexpected EOF`},
		{logoHead + "\n<script>alert(1)</script></svg>", `"logo.svg": line 2: the element "script" is not allowed in a logo`},
		{logoHead + "<animate attributeName='href'/></svg>", `"logo.svg": line 1: the element "animate" is not allowed in a logo`},
		{logoHead + "<foreignObject/></svg>", `"logo.svg": line 1: the element "foreignObject" is not allowed in a logo`},
		{logoHead + `<h:script xmlns:h="http://www.w3.org/1999/xhtml"/></svg>`, `"logo.svg": line 1: the element "script" is not of SVG (xmlns="http://www.w3.org/2000/svg"); save the logo as plain SVG`},
		{logoHead + `<g onClick="x()"/></svg>`, `"logo.svg": line 1: the attribute "onClick" would run a script`},
		{logoHead + `<use href="https://example.com/#a"/></svg>`, `"logo.svg": line 1: the attribute "href" must point into the image itself (#name)`},
		{logoHead + `<use xlink:href="data:x"/></svg>`, `"logo.svg": line 1: the attribute "href" must point into the image itself (#name)`},
		{logoHead + `<g fill="URL( 'https://example.com/#a')"/></svg>`, `"logo.svg": line 1: ` + inside},
		{logoHead + `<g style="fill:u\72l(x)"/></svg>`, `"logo.svg": line 1: ` + load},
		{logoHead + "<style>@im<![CDATA[port 'x';]]></style></svg>", `"logo.svg": line 1: ` + load},
		{logoHead + "<style>a{fill:ur<!-- -->l(x)}</style></svg>", `"logo.svg": line 1: ` + inside},
		{"<?xml-stylesheet href='x'?>" + logoHead[len(`<?xml version="1.0"?>`):] + "</svg>", `"logo.svg": line 1: the instruction "<?xml-stylesheet" is not allowed`},
		{`<!DOCTYPE svg [<!ENTITY a "b">]>` + logoHead + "</svg>", `"logo.svg": line 1: a document type is not allowed`},
		{strings.Repeat(" ", 65<<10), `"logo.svg" cannot be read: larger than 65536 bytes`},
	} {
		if got := fileFault(t, "logo", "logo.svg", c.svg); got != c.want {
			t.Errorf("%.200q:\ngot  %s\nwant %s", c.svg, got, c.want)
		}
	}
}

// TestIAMEqual reads the same settings again and again with one change each.
func TestIAMEqual(t *testing.T) {
	const text = "iam: {url: 'https://iam.example.com/v3', ca_file: ca.pem}\n"
	ca := map[string]string{"ca.pem": string(certificate(t))}
	read := func(text string) config.IAM {
		t.Helper()
		c, _, err := load(t, text, ca)
		if err != nil {
			t.Fatal(err)
		}
		return c.IAM
	}
	first := read(text)
	if first.RootCAs == nil || !first.Equal(read(text)) {
		t.Error("the same file read twice gives different settings")
	}
	for _, change := range [][2]string{{"/v3", "/v4"}, {", ca_file: ca.pem", ""}, {"ca_file:", "timeout: 9s, ca_file:"}} {
		if first.Equal(read(strings.Replace(text, change[0], change[1], 1))) {
			t.Errorf("%s for %s makes no difference", change[1], change[0])
		}
	}
}
