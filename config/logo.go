package config

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"llmhub/yamldoc"
)

const svgSpace = "http://www.w3.org/2000/svg"

// logoElements are what a logo may be made of. Left out are those that run something (script, the animations, which
// can set attributes), that load something (image, feImage, a) or that hold HTML (foreignObject).
var logoElements = []string{
	"svg", "g", "defs", "symbol", "use", "title", "desc", "style", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon",
	"text", "tspan", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "pattern", "marker", "switch",
}

// foreignURL finds a url() that does not point into the image itself.
var foreignURL = regexp.MustCompile(`(?i)url\(\s*["']?\s*[^#"'\s]`)

// checkLogo insists on an SVG image that runs nothing and refers to nothing outside of itself.
func checkLogo(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	rooted := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			if !rooted {
				return errors.New("is not an SVG image")
			}
			return nil
		}
		line, _ := d.InputPos()
		if err != nil {
			return errors.New("is not well-formed XML: " + strings.TrimPrefix(err.Error(), "XML syntax error on "))
		}
		if element, ok := token.(xml.StartElement); ok && !rooted {
			if rooted = element.Name.Local == "svg"; !rooted {
				return errors.New("is not an SVG image")
			}
		}
		if message := checkLogoToken(token); message != "" {
			return fmt.Errorf("line %d: %s", line, message)
		}
	}
}

// checkLogoToken says what is wrong with a part of a logo.
func checkLogoToken(token xml.Token) string {
	switch t := token.(type) {
	case xml.Directive:
		return "a document type is not allowed"
	case xml.ProcInst:
		if t.Target != "xml" {
			return "the instruction " + yamldoc.Quote("<?"+t.Target) + " is not allowed"
		}
	case xml.CharData:
		return checkLogoStyle(string(t)) // the text of a style element; other text is none the worse for it
	case xml.StartElement:
		if t.Name.Space != svgSpace {
			return "the element " + yamldoc.Quote(t.Name.Local) + " is not of SVG (xmlns=\"" + svgSpace + "\"); save the logo as plain SVG"
		}
		if !slices.Contains(logoElements, t.Name.Local) {
			return "the element " + yamldoc.Quote(t.Name.Local) + " is not allowed in a logo"
		}
		for _, a := range t.Attr {
			if message := checkLogoAttribute(a); message != "" {
				return message
			}
		}
	}
	return ""
}

func checkLogoAttribute(a xml.Attr) string {
	name := strings.ToLower(a.Name.Local)
	switch {
	case strings.HasPrefix(name, "on"):
		return "the attribute " + yamldoc.Quote(a.Name.Local) + " would run a script"
	case name == "href" || name == "src" || name == "base":
		if !strings.HasPrefix(strings.TrimSpace(a.Value), "#") {
			return "the attribute " + yamldoc.Quote(a.Name.Local) + " must point into the image itself (#name)"
		}
	}
	return checkLogoStyle(a.Value)
}

// checkLogoStyle refuses what loads in a style. Backslashes could hide it.
func checkLogoStyle(text string) string {
	lower := strings.ToLower(text)
	switch {
	case foreignURL.MatchString(text):
		return "url() must point into the image itself (#name)"
	case strings.Contains(lower, "@import"), strings.Contains(lower, "image-set("), strings.Contains(lower, "image("),
		strings.Contains(lower, "src("), strings.Contains(lower, "javascript:"), strings.Contains(text, `\`):
		return "styles must not load anything"
	}
	return ""
}
