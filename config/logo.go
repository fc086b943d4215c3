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

// logoReader checks the parts of a logo one after the other.
type logoReader struct {
	rooted bool
	depth  int  // of elements that are open
	styled bool // within a style element
	style  []byte
}

// checkLogo insists on an SVG image that runs nothing and refers to nothing outside of itself.
func checkLogo(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	var r logoReader
	for {
		token, err := d.Token()
		if err == io.EOF && r.rooted {
			return nil
		}
		if err == io.EOF {
			return errors.New("is not an SVG image")
		}
		if err != nil {
			return errors.New("is not well-formed XML: " + strings.TrimPrefix(err.Error(), "XML syntax error on "))
		}
		if message := r.token(token); message != "" {
			line, _ := d.InputPos()
			return fmt.Errorf("line %d: %s", line, message)
		}
	}
}

// token says what is wrong with a part of a logo. The text of a style is looked at as a whole, since comments and
// CDATA sections can come in between.
func (r *logoReader) token(token xml.Token) string {
	switch t := token.(type) {
	case xml.Directive:
		return "a document type is not allowed"
	case xml.ProcInst:
		if t.Target != "xml" {
			return "the instruction " + yamldoc.Quote("<?"+t.Target) + " is not allowed"
		}
	case xml.CharData:
		if r.styled {
			r.style = append(r.style, t...)
		}
	case xml.EndElement:
		r.depth--
		if t.Name.Local == "style" {
			r.styled = false
			return checkLogoStyle(string(r.style))
		}
	case xml.StartElement:
		return r.element(t)
	}
	return ""
}

func (r *logoReader) element(t xml.StartElement) string {
	name := t.Name.Local
	switch {
	case !r.rooted && name != "svg":
		return "the element " + yamldoc.Quote(name) + " is not the beginning of an SVG image"
	case r.rooted && r.depth == 0:
		return "the element " + yamldoc.Quote(name) + " comes behind the end of the image"
	case r.styled:
		return "a style must hold text only"
	case t.Name.Space != svgSpace:
		return "the element " + yamldoc.Quote(name) + " is not of SVG (xmlns=\"" + svgSpace + "\"); save the logo as plain SVG"
	case !slices.Contains(logoElements, name):
		return "the element " + yamldoc.Quote(name) + " is not allowed in a logo"
	}
	r.rooted = true
	r.depth++
	if name == "style" {
		r.styled, r.style = true, nil
	}
	for _, a := range t.Attr {
		if message := checkLogoAttribute(a); message != "" {
			return message
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
