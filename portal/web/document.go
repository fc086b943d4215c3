package web

import (
	"html/template"

	"github.com/gofiber/fiber/v2"
)

// documentPage is a document of a product's, such as its terms.
type documentPage struct {
	Title, Version, Date, Digest string
	Text                         template.HTML
}

var documentTemplate = newPage[documentPage]("document")

func (w *Web) showDocument(v *visit) error {
	p, err := w.product(v)
	if err != nil {
		return err
	}
	for _, d := range p.Documents {
		if d.ID != v.param("document") {
			continue
		}
		title := d.Title.In(v.loc.Language())
		return documentTemplate.render(v, fiber.StatusOK, frame{
			Title: title, Current: "/catalog", Narrow: true,
			Crumbs: []link{{"/catalog", v.t("catalog.title")}, {"/catalog/" + p.ID, p.Name}, {"", title}},
		}, documentPage{title, d.Version, v.day(d.Date), d.Digest, markdown(documentText, d.Content.In(v.loc.Language()))})
	}
	return errNoPage
}
