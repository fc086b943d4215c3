package web

import (
	"embed"
	"html/template"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// aboutFiles are what the portal says of itself, in each language.
//
//go:embed texts
var aboutFiles embed.FS

// aboutPage is a text about the portal.
type aboutPage struct {
	Title    string
	Sections []aboutSection
	Contact  string
}

type aboutSection struct {
	Heading string
	Text    template.HTML
}

var aboutTemplate = newPage[aboutPage]("about")

// aboutRoutes are the pages at the foot of each. Where the operator has an own page, that is shown instead.
func (w *Web) aboutRoutes() []route {
	return []route{
		w.aboutRoute("accessibility", "foot.accessibility", ""),
		w.aboutRoute("privacy", "foot.privacy", w.Links.Privacy),
		w.aboutRoute("terms", "foot.terms", w.Links.Terms),
		w.aboutRoute("imprint", "foot.imprint", w.Links.Imprint),
	}
}

func (w *Web) aboutRoute(name, title, own string) route {
	return route{fiber.MethodGet, "/" + name, anyone, func(v *visit) error {
		if own != "" {
			return v.redirect(own)
		}
		text, err := aboutFiles.ReadFile("texts/" + name + "." + v.loc.Language() + ".md")
		if err != nil {
			return err
		}
		p := aboutPage{Title: v.t(title), Contact: w.Links.Contact}
		for _, part := range strings.Split("\n"+string(text), "\n## ")[1:] {
			heading, body, _ := strings.Cut(part, "\n")
			p.Sections = append(p.Sections, aboutSection{heading, markdown(sectionText, body)})
		}
		return aboutTemplate.render(v, fiber.StatusOK, frame{Title: p.Title, Narrow: true}, p)
	}}
}
