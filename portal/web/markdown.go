package web

import (
	"bytes"
	"html/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// A page has a heading above a document, and two above a section.
var (
	documentText = newRenderer(1)
	sectionText  = newRenderer(2)
)

// newRenderer returns what turns Markdown into HTML below so many headings of the page. Raw HTML in it is left out, and
// so are links that run script: goldmark does both unless told otherwise.
func newRenderer(headings int) goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(safeNodes{headings}, 500))),
	)
}

// safeNodes keeps what a seller writes within its place: links tell the other site nothing of this one, headings stay
// below those of the page, and images, which would be foreign requests, become their descriptions.
type safeNodes struct{ headings int }

// Transform implements parser.ASTTransformer.
func (s safeNodes) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	var images []*ast.Image
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			n.SetAttributeString("rel", []byte("noopener noreferrer"))
		case *ast.AutoLink:
			n.SetAttributeString("rel", []byte("noopener noreferrer"))
		case *ast.Heading:
			n.Level = min(n.Level+s.headings, 6)
		case *ast.Image:
			images = append(images, n)
		}
		return ast.WalkContinue, nil
	})
	for _, img := range images {
		parent := img.Parent()
		for child := img.FirstChild(); child != nil; {
			next := child.NextSibling()
			parent.InsertBefore(parent, img, child)
			child = next
		}
		parent.RemoveChild(parent, img)
	}
}

// markdown returns the HTML of a text; one that cannot be rendered is shown as it is.
func markdown(renderer goldmark.Markdown, source string) template.HTML {
	var b bytes.Buffer
	if err := renderer.Convert([]byte(source), &b); err != nil {
		return template.HTML(template.HTMLEscapeString(source))
	}
	return template.HTML(b.String())
}
