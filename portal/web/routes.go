package web

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
)

const (
	// requestTimeout bounds what one page may take inside, clusterTimeout one that asks clouds, clusters and places of charts:
	// a review asks for every object.
	requestTimeout = 20 * time.Second
	clusterTimeout = 55 * time.Second
)

// timeoutOf returns the bound for the pages of a route.
func timeoutOf(path string) time.Duration {
	if strings.HasPrefix(path, "/deploy/") || strings.HasPrefix(path, "/workloads/") {
		return clusterTimeout
	}
	return requestTimeout
}

// audience says for whom a page is.
type audience int

const (
	anyone audience = iota
	signedIn
	customers
	operators
)

// handler answers one visit; an error is answered by Web.handle.
type handler func(v *visit) error

type route struct {
	method, path string
	audience     audience
	handle       handler
}

// routes are all pages there are.
func (w *Web) routes() []route {
	var all []route
	for _, part := range [][]route{
		w.signInRoutes(), w.catalogRoutes(), w.subscribeRoutes(), w.organizationRoutes(), w.operatorRoutes(),
		w.dashboardRoutes(), w.workloadRoutes(), w.deployRoutes(), w.keyRoutes(), w.manageRoutes(), w.consumptionRoutes(), w.alertRoutes(), w.modelsRoutes(), w.integrationRoutes(), w.playgroundRoutes(),
		w.accountRoutes(), w.rightsRoutes(), w.aboutRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

// Pages returns the paths of all pages, with parameters as the routes name them, for tools that go through them.
func Pages() []string {
	var paths []string
	for _, r := range new(Web).routes() {
		if r.method == fiber.MethodGet {
			paths = append(paths, r.path)
		}
	}
	return paths
}

// Register adds the pages. Paths that are none are answered with a page, too, if a browser asks.
func (w *Web) Register(app fiber.Router) {
	app.Get("/static/*", w.assets.serve)
	for _, r := range w.routes() {
		if w.OperatorsElsewhere && isOperatorPath(r.path) {
			continue
		}
		app.Add(r.method, r.path, w.handle(r.audience, r.handle))
	}
	app.Use(func(c *fiber.Ctx) error {
		if !strings.Contains(c.Get(fiber.HeaderAccept), fiber.MIMETextHTML) || strings.HasPrefix(c.Path(), "/v1/") || strings.HasPrefix(c.Path(), "/v2/") {
			return c.Next()
		}
		return w.handle(anyone, func(*visit) error { return errNoPage })(c)
	})
}

// operatorsToo are pages that operators use as everybody does.
var operatorsToo = map[string]bool{
	"/preferences": true, "/logout": true, "/models": true, "/catalog": true, "/catalog/:product": true, "/catalog/:product/icon.svg": true,
	"/catalog/:product/documents/:document": true, "/accessibility": true, "/privacy": true, "/terms": true, "/imprint": true,
}

// RegisterOperators adds what operators need on a listener of their own.
func (w *Web) RegisterOperators(app fiber.Router) {
	app.Get("/static/*", w.assets.serve)
	for _, r := range w.routes() {
		if isOperatorPath(r.path) || operatorsToo[r.path] {
			app.Add(r.method, r.path, w.handle(r.audience, r.handle))
		}
	}
	app.Get("/", func(c *fiber.Ctx) error { return c.Redirect("/operator", fiber.StatusSeeOther) })
	app.Use(w.handle(anyone, func(*visit) error { return errNoPage }))
}

var errNoPage = fault.New(fault.NotFound, "", "there is no such page")

// handle wraps a handler: headers, who is asking, forms that are this site's own, a bound in time, and the one place
// where errors become pages.
func (w *Web) handle(a audience, h handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), timeoutOf(c.Route().Path))
		defer cancel()
		v := &visit{web: w, c: c, ctx: ctx, id: "web-" + strings.ToLower(rand.Text()[:16])}
		v.setHeaders()
		v.loc = w.locale.In(w.language(c))
		err := v.admit(a)
		if err == nil {
			err = h(v)
		}
		if err != nil {
			err = v.answerError(err)
		}
		v.tellTime(began)
		return err
	}
}

// tellTime says how long the page took. What forms take is kept to ourselves: of a sign-in it could tell who exists.
func (v *visit) tellTime(began time.Time) {
	if v.c.Method() == fiber.MethodGet {
		took := float64(time.Since(began)) / float64(time.Millisecond)
		v.c.Set("Server-Timing", "app;dur="+strconv.FormatFloat(took, 'f', 3, 64))
	}
}

// language is the one chosen, or the one that the browser prefers.
func (w *Web) language(c *fiber.Ctx) string {
	if chosen := w.Guard.Language(c); chosen != "" {
		return chosen
	}
	return w.locale.Match(c.Get(fiber.HeaderAcceptLanguage))
}

// errSignIn says that the page is for those who have signed in.
var errSignIn = errors.New("sign in first")

// admit finds out who is asking and whether the page is for them.
func (v *visit) admit(a audience) (err error) {
	if v.Visitor, err = v.web.Guard.Visitor(v.ctx, v.c); err != nil {
		return err
	}
	v.token = v.web.Guard.FormToken(v.c)
	switch {
	case a == signedIn && !v.SignedIn(), a == customers && !v.IsCustomer() && !v.IsOperator():
		return errSignIn
	case a == operators && !v.IsOperator():
		if v.IsCustomer() {
			return errNoPage // what operators have does not exist for customers
		}
		return errSignIn
	case a == customers && v.IsOperator():
		return errNoPage
	case a == customers && !v.Actor.Has(v.Tenant.ID, identity.Reports):
		return v.Actor.See(v.Tenant.ID, errNoPage)
	}
	if v.c.Method() == fiber.MethodPost {
		return v.readForm()
	}
	return nil
}

// policy lets pages load from this site only, run no inline script, and be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'; require-trusted-types-for 'script'; trusted-types portal"

func (v *visit) setHeaders() {
	for name, value := range map[string]string{
		fiber.HeaderContentSecurityPolicy: policy,
		fiber.HeaderCacheControl:          "no-store",
		fiber.HeaderXContentTypeOptions:   "nosniff",
		fiber.HeaderReferrerPolicy:        "same-origin",
		fiber.HeaderXFrameOptions:         "DENY",
		"Cross-Origin-Opener-Policy":      "same-origin",
		"Cross-Origin-Resource-Policy":    "same-origin",
		"Permissions-Policy":              "camera=(), microphone=(), geolocation=(), payment=()",
		fiber.HeaderXRequestID:            v.id,
	} {
		v.c.Set(name, value)
	}
	if u := v.web.PublicURL; u != nil && u.Scheme == "https" {
		v.c.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000")
	}
	v.c.Vary(fiber.HeaderCookie, fiber.HeaderAcceptLanguage)
}
