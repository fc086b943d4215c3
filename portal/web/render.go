package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/portal/locale"
)

//go:embed templates
var templateFiles embed.FS

// view is what a template gets: the frame around every page, and the page's own data.
type view[T any] struct {
	Frame frame
	Page  T
}

// page is a template with the type of its data.
type page[T any] struct{ name string }

// declared are all pages, so that a test can check each template against the type of its data.
var declared = map[string]any{}

// newPage declares the page of templates/NAME.html.
func newPage[T any](name string) page[T] {
	declared[name] = view[T]{}
	return page[T]{name}
}

// document is what the layout gets: the frame, and the page's own part as it has been rendered.
type document struct {
	Frame   frame
	Content template.HTML
}

// templates are all pages in all languages. A language has one set: a copy of layout and parts for each page would take
// 20 MB.
type templates struct {
	byLanguage map[string]*template.Template
}

// parseTemplates reads all templates, once for each language.
func (w *Web) parseTemplates() (*templates, error) {
	all := &templates{map[string]*template.Template{}}
	for _, lang := range locale.Languages {
		set, err := w.parseLanguage(w.locale.In(lang))
		if err != nil {
			return nil, err
		}
		all.byLanguage[lang] = set
	}
	return all, nil
}

// parseLanguage reads layout, parts and pages. The page NAME is the template "page NAME" of NAME.html.
func (w *Web) parseLanguage(l *locale.Localizer) (*template.Template, error) {
	set, err := template.New("").Option("missingkey=error").Funcs(w.functions(l)).ParseFS(templateFiles, "templates/parts/*.html", "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if declared[strings.TrimSuffix(path.Base(f), ".html")] == nil {
			return nil, fmt.Errorf("template %s belongs to no page", f)
		}
	}
	for name := range declared {
		if set.Lookup(pageTemplate(name)) == nil {
			return nil, fmt.Errorf("page %s has no template", name)
		}
	}
	return set, nil
}

func pageTemplate(name string) string { return "page " + name }

// functions are what templates can call.
func (w *Web) functions(l *locale.Localizer) template.FuncMap {
	local := func(t time.Time) time.Time { return t.In(w.Location) }
	return template.FuncMap{
		"t":         l.T,
		"number":    l.Number,
		"short":     l.Short,
		"scale":     l.Scale,
		"permille":  l.Permille,
		"money":     func(amount string) string { return l.Money(amount, w.Currency) },
		"price":     func(amount string) string { return l.Price(amount, w.Currency) },
		"date":      func(t time.Time) string { return l.Date(local(t)) },
		"shortdate": func(t time.Time) string { return l.ShortDate(local(t)) },
		"time":      func(t time.Time) string { return l.Time(local(t)) },
		"clock":     func(t time.Time) string { return local(t).Format(time.TimeOnly) },
		"iso":       func(t time.Time) string { return local(t).Format(time.RFC3339) },
		"zone":      func() string { return w.Location.String() },
		"icon":      icon,
		"asset":     w.assets.url,
		"markdown":  markdown,
		"lang":      l.Language,
		"sentence":  sentence,
	}
}

// buffers hold pages before they are sent, so that one that fails half-way is not.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// render answers with the page.
func (p page[T]) render(v *visit, status int, f frame, data T) error {
	if err := v.complete(&f); err != nil {
		return err
	}
	return p.write(v, status, f, data)
}

// write answers with the page in a frame that is complete.
func (p page[T]) write(v *visit, status int, f frame, data T) error {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	set := v.web.templates.byLanguage[v.loc.Language()]
	if err := set.ExecuteTemplate(b, pageTemplate(p.name), view[T]{f, data}); err != nil {
		return fmt.Errorf("page %s: %w", p.name, err)
	}
	content := template.HTML(b.String()) // escaped by the template that made it
	b.Reset()
	if err := set.ExecuteTemplate(b, "layout", document{f, content}); err != nil {
		return fmt.Errorf("layout of page %s: %w", p.name, err)
	}
	v.c.Set(fiber.HeaderContentType, "text/html; charset=utf-8")
	v.c.Set(fiber.HeaderContentLanguage, v.loc.Language())
	return v.c.Status(status).Send(bytes.Clone(b.Bytes()))
}
