package config

import (
	"encoding/xml"
	"regexp"
	"strings"
	"testing"
)

// FuzzBrand looks at style sheets that pass in another way than the check does: without comments and quoted texts they
// have nothing that loads, and no state that reaches into what stands behind them.
func FuzzBrand(f *testing.F) {
	f.Add(":root { --a: rgb(0 0 0 / 50%); /* } */ --b: 'x'; }")
	f.Add(`:root{--a:"/*"}/*"*/:root{--b:"*/"}`)
	f.Add(":root{--a:u/**/rl(x)}")
	f.Add(":root{--a:'\n/*';}*/}")
	f.Add(":root{--A:0/*}")
	token := regexp.MustCompile(`(?s)/\*.*?\*/|"[^"\n]*"|'[^'\n]*'`)
	f.Fuzz(func(t *testing.T, css string) {
		if checkBrand([]byte(css)) != nil {
			return
		}
		bare := strings.ToLower(token.ReplaceAllString(css, " "))
		for _, never := range []string{"url(", "@", `\`, "<", "image(", "image-set(", "/*", "'", `"`} {
			if strings.Contains(bare, never) {
				t.Errorf("%q passes with %q", css, never)
			}
		}
		if err := checkBrand([]byte(css + "\nbody { color: red }")); err == nil {
			t.Errorf("%q hides what stands behind it", css)
		}
		if err := checkBrand([]byte(css + "\n" + css)); err != nil {
			t.Errorf("%q twice: %v", css, err)
		}
	})
}

// FuzzLogo insists that what passes is an image for those who read it as a whole, and that nothing is declared before it.
func FuzzLogo(f *testing.F) {
	head := `<svg xmlns="` + svgSpace + `">`
	f.Add(head + `<path fill="url(#a)" style="fill:red"/><style>a{}</style></svg>`)
	f.Add(`<x:svg xmlns:x="` + svgSpace + `"><x:style>@im<![CDATA[port]]></x:style></x:svg>`)
	f.Add(head + `<style>ur&#x6c;(x)</style></svg>`)
	f.Add(head + "</svg>" + head + "</svg>")
	f.Fuzz(func(t *testing.T, svg string) {
		if checkLogo([]byte(svg)) != nil {
			return
		}
		var root struct {
			XMLName xml.Name
			Inner   string `xml:",innerxml"`
		}
		if err := xml.Unmarshal([]byte(svg), &root); err != nil || root.XMLName != (xml.Name{Space: svgSpace, Local: "svg"}) {
			t.Fatalf("%q passes with root %v, %v", svg, root.XMLName, err)
		}
		lower := strings.ToLower(svg)
		for _, never := range []string{"<!doctype", "<!entity", "<?xml-stylesheet"} {
			// Behind another "<!" it may be the text of a comment or of a CDATA section.
			if i := strings.Index(lower, never); i >= 0 && !strings.Contains(lower[:i], "<!") {
				t.Errorf("%q passes with %q", svg, never)
			}
		}
	})
}
