package web

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/portal/access"
	"llmhub/portal/locale"
)

const (
	// maxFormBytes and maxFormFields bound a form.
	maxFormBytes  = 64 << 10
	maxFormFields = 250
	// maxQueryBytes bounds a value of the query.
	maxQueryBytes = 300
	formTokenName = "form_token"
)

// formLimits bound the forms that may be larger: what a product is configured with can hold files of settings, and every
// character of them may take three.
var formLimits = map[string]int{configurationRoute: 768 << 10}

// visit is one request for a page.
type visit struct {
	access.Visitor
	web *Web
	c   *fiber.Ctx
	ctx context.Context
	loc *locale.Localizer
	// id joins the answer with its line in the log.
	id   string
	form url.Values
	// file is what a form of one of the uploads brings.
	file upload
	// token is what this visitor's forms carry.
	token string
}

// query returns a parameter of the URL as a string of its own.
func (v *visit) query(name string) string {
	s := strings.TrimSpace(strings.Clone(v.c.Query(name)))
	return s[:min(len(s), maxQueryBytes)]
}

// next returns where the URL says that a sign-in leads, whole or not at all: half a path leads elsewhere.
func (v *visit) next() string { return localPath(strings.Clone(v.c.Query("next")), "") }

// queries returns all values of a parameter of the URL.
func (v *visit) queries(name string) []string {
	var all []string
	for _, s := range v.c.Context().QueryArgs().PeekMulti(name) {
		if len(all) < 50 && len(s) > 0 && len(s) <= maxQueryBytes {
			all = append(all, string(s))
		}
	}
	return all
}

// param returns a part of the path as a string of its own.
func (v *visit) param(name string) string { return strings.Clone(v.c.Params(name)) }

// value returns a field of the form.
func (v *visit) value(name string) string { return v.form.Get(name) }

// checked says whether a box of the form is ticked.
func (v *visit) checked(name string) bool { return v.form.Get(name) != "" }

// readForm reads the body of a form and makes sure that it is this site's own.
func (v *visit) readForm() error {
	body := v.c.BodyRaw()
	kind, _, _ := strings.Cut(v.c.Get(fiber.HeaderContentType), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	limit, withFile := maxFormBytes, false
	if l, own := formLimits[v.c.Route().Path]; own {
		limit = l
	}
	if kind == fiber.MIMEMultipartForm && uploads[v.c.Route().Path] {
		limit, withFile = MaxUploadBytes, true
	}
	switch {
	case len(body) > limit:
		return fault.New(fault.Invalid, "", "the form is too large")
	case kind != fiber.MIMEApplicationForm && !withFile || v.c.Get(fiber.HeaderContentEncoding) != "":
		return fault.New(fault.Invalid, "", "the form is not understood")
	}
	if withFile {
		if err := v.readUpload(body); err != nil {
			return err
		}
		return v.web.Guard.CheckForm(v.c, v.form.Get(formTokenName))
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form) > maxFormFields {
		return fault.New(fault.Invalid, "", "the form is not understood")
	}
	v.form = form
	return v.web.Guard.CheckForm(v.c, form.Get(formTokenName))
}

// redirect answers a form that has done its work.
func (v *visit) redirect(path string) error {
	return v.c.Redirect(path, fiber.StatusSeeOther)
}

// t returns a message in the visitor's language.
func (v *visit) t(key string, args ...any) string { return v.loc.T(key, args...) }

// phrase returns the text of an error of the domain in the visitor's language, to stand behind the name of a field.
func (v *visit) phrase(e *fault.Error) string { return v.loc.Fault(e.Format, e.Message, e.Args) }

// say returns the text of an error of the domain in the visitor's language, to stand alone.
func (v *visit) say(e *fault.Error) string { return sentence(v.phrase(e)) }

// sentence gives a text that begins in lower case and has no full stop, as errors do, both.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if text == "" {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.ContainsAny(text[len(text)-1:], ".!?:") {
		return text
	}
	return text + "."
}

// sayFault returns the text of an error of the domain, or the error if it is none.
func (v *visit) sayFault(err error) (string, error) {
	var domain *fault.Error
	if errors.As(err, &domain) {
		return v.say(domain), nil
	}
	return "", err
}

// faults returns the errors of a form by field, if err is such; the field without a name stands for the whole form.
func (v *visit) faults(err error) (map[string]string, bool) {
	var many fault.Faults
	if !errors.As(err, &many) {
		var one *fault.Error
		if !errors.As(err, &one) || one.Kind == fault.NotFound || one.Kind == fault.Forbidden {
			return nil, false
		}
		many = fault.Faults{one}
	}
	byField := make(map[string]string, len(many))
	for _, f := range many {
		if _, first := byField[f.Field]; !first {
			byField[f.Field] = v.phrase(f)
		}
	}
	return byField, true
}

// localPath returns a path of this site that a visitor is sent back to, or other if it is none.
func localPath(path, other string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") ||
		strings.ContainsAny(path, "\\\r\n\t") || len(path) > 1000 {
		return other
	}
	return path
}
