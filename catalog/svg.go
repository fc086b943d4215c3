package catalog

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

const svgNamespace = "http://www.w3.org/2000/svg"

// svgElements and svgAttributes are all that an icon may be made of: shapes and their colours. What could run a script,
// fetch something, or carry a style is not among them.
var (
	svgElements = words(`svg g path rect circle ellipse line polyline polygon title desc defs linearGradient radialGradient stop clipPath`)

	svgAttributes = words(`xmlns viewBox width height x y x1 y1 x2 y2 cx cy r rx ry fx fy d points id transform fill fill-opacity
		fill-rule stroke stroke-width stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-dasharray opacity offset
		stop-color stop-opacity gradientUnits gradientTransform clip-path clip-rule clipPathUnits preserveAspectRatio role aria-label
		aria-hidden focusable version`)
)

// svgReference is the only url() allowed: to something in the icon itself.
var svgReference = regexp.MustCompile(`^url\(#[A-Za-z][A-Za-z0-9_-]*\)$`)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}

// checkSVG returns what is wrong with an icon and in which line.
func checkSVG(data []byte) (int, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	elements := 0
	for {
		token, err := dec.Token()
		line, _ := dec.InputPos()
		var syntax *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF) && elements == 0:
			return 0, errors.New("is not an SVG image: it has no svg element")
		case errors.Is(err, io.EOF):
			return 0, nil
		case errors.As(err, &syntax):
			return syntax.Line, fmt.Errorf("is not an SVG image: %s", syntax.Msg)
		case err != nil:
			return line, fmt.Errorf("is not an SVG image: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			elements++
			if err := checkElement(t, elements == 1); err != nil {
				return line, err
			}
		case xml.Directive:
			return line, errors.New("a document type or other declaration is not allowed in an icon")
		case xml.ProcInst:
			if t.Target != "xml" {
				return line, fmt.Errorf("the processing instruction %q is not allowed in an icon", t.Target)
			}
		}
	}
}

func checkElement(e xml.StartElement, first bool) error {
	switch {
	case e.Name.Space != svgNamespace:
		return fmt.Errorf("<%s> is not in the namespace %s", e.Name.Local, svgNamespace)
	case first != (e.Name.Local == "svg"):
		return errors.New("an icon is one svg element with everything else in it")
	case !svgElements[e.Name.Local]:
		return fmt.Errorf("<%s> is not allowed in an icon", e.Name.Local)
	}
	sized := !first
	for _, a := range e.Attr {
		sized = sized || a.Name.Local == "viewBox"
		switch {
		case a.Name.Space != "" || !svgAttributes[a.Name.Local]:
			return fmt.Errorf("the attribute %s of <%s> is not allowed in an icon", a.Name.Local, e.Name.Local)
		case strings.Contains(strings.ToLower(a.Value), "url(") && !svgReference.MatchString(a.Value), strings.Contains(a.Value, `\`):
			return fmt.Errorf("the attribute %s of <%s> refers to something outside of the icon", a.Name.Local, e.Name.Local)
		}
	}
	if !sized {
		return errors.New("<svg> has no viewBox, without which it cannot be scaled")
	}
	return nil
}
