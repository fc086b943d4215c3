package config

import (
	"strings"
	"testing"
)

func TestBrandContrast(t *testing.T) {
	for _, c := range []struct{ css, want string }{
		{"", ""},
		{":root { --brand: #e20074; --on-brand: #fff; }", ""},
		{":root { --brand: #767676; --on-brand: #ffffff; }", ""}, // 4.54
		{":root { --brand: #777777; --on-brand: #FFFFFF; }", "4.47 in the light theme, 4.47 in the dark theme"},
		{":root { --brand: #fa0; --on-brand: #fff; }", "1.90 in the light theme, 1.90 in the dark theme"},
		{":root { --brand: light-dark( #a34000 , #ff9d5c ); --on-brand: #fff }", "2.05 in the dark theme"},
		{":root { --brand: light-dark(#ff9d5c, #a34000); --on-brand: light-dark(#fff, #ffffff); }", "2.05 in the light theme"},
		{":root { --brand: #cccccc; }", "1.60 in the light theme"}, // on the built-in white; the built-in dark one is enough
		{":root { --on-brand: #06262a; }", "2.40 in the light theme"},
		{":root { --brand: #fff; }\n/* --brand: #000; */\n:root { --on-brand: #000; --brand: #00676f; --brand-soft: #000; }", "3.16 in the light theme, 3.16 in the dark theme"},
		{":root { --brand: rgb(200 200 200); --on-brand: #fff; }", ""},
	} {
		var got []string
		for _, w := range (Portal{BrandCSS: []byte(c.css)}).Warnings() {
			_, after, _ := strings.Cut(w, "has a contrast of ")
			text, _, _ := strings.Cut(after, ";")
			got = append(got, text)
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: %q, want %q", c.css, s, c.want)
		}
	}
}
