// Package portal is the management API: JSON over HTTP under /api/v1, for customers, for operators and for the command
// line.
//
// It finds out who asks, reads requests strictly and turns the domain's answers and errors into JSON. It decides nothing
// itself: what may be seen, bought, cancelled or deactivated is up to the domain packages, which are told who acts. It
// refuses bodies that are too large, not JSON or contain unknown fields, and it never shows an API key again after its
// creation. Its endpoints stand in one table, from which the OpenAPI document is made, too.
package portal

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/alert"
	"llmhub/catalog"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/portal/access"
	"llmhub/portal/gateway"
	"llmhub/store"
	"llmhub/subscription"
)

const (
	basePath = "/api/v1"
	// requestTimeout bounds what one request may take inside.
	requestTimeout = 20 * time.Second
	// clusterTimeout is the same where clusters and charts at other places are asked.
	clusterTimeout = 55 * time.Second
)

// Options is what the management API works with. All fields but Deployments and OperatorsElsewhere are required.
type Options struct {
	// Guard knows the sessions of the pages.
	Guard     *access.Guard
	Service   *subscription.Service
	Tenants   *identity.Tenants
	Users     *identity.Users
	Profiles  *identity.Profiles
	Operators *identity.Operators
	Tokens    *identity.PersonalTokens
	Audit     *identity.Audit
	Ledger    store.Ledger
	// Catalog, Models, Prices and Upstreams return what is in force; they are called once per request that needs them.
	Catalog   func() *catalog.Catalog
	Models    func() []gateway.Model
	Prices    func() metering.PriceList
	Upstreams func() []gateway.Upstream
	// Budget tells how much of a scope's budgets has been used this month.
	Budget func(context.Context, limit.Scope) (limit.BudgetState, error)
	Alerts *alert.Service
	// DrainUpstream has a deployment take no new requests, or ends that, and returns when that is in force.
	DrainUpstream func(ctx context.Context, by identity.Actor, deployment string, draining bool) error
	// Deployments may be nil, where nothing is deployed.
	Deployments Deployments
	// OperatorsElsewhere says that operators have a listener of their own, so that their sessions are none at others.
	OperatorsElsewhere bool
	// Location is the billing time zone, Currency what prices are in.
	Location *time.Location
	Currency string
	// AdminToken is the bearer token of the administrator. Only its hash is kept.
	AdminToken interface{ Reveal() string }
	Now        func() time.Time
	Logger     *slog.Logger
}

// Portal serves the management API. It may be used concurrently.
type Portal struct {
	guard     *access.Guard
	throttle  *identity.Throttle
	service   *subscription.Service
	tenants   *identity.Tenants
	users     *identity.Users
	profiles  *identity.Profiles
	operators *identity.Operators
	tokens    *identity.PersonalTokens
	audit     *identity.Audit
	ledger    store.Ledger
	catalog   func() *catalog.Catalog
	models    func() []gateway.Model
	prices    func() metering.PriceList
	upstreams func() []gateway.Upstream
	budgets   func(context.Context, limit.Scope) (limit.BudgetState, error)
	drain     func(ctx context.Context, by identity.Actor, deployment string, draining bool) error
	alerts    *alert.Service
	deploying Deployments
	location  *time.Location
	currency  string
	elsewhere bool
	admin     tokenHash
	document  []byte
	now       func() time.Time
	log       *slog.Logger
}

// New returns a Portal.
func New(o Options) *Portal {
	p := &Portal{
		guard: o.Guard, throttle: identity.NewThrottle(o.Now),
		service: o.Service, tenants: o.Tenants, users: o.Users, profiles: o.Profiles, operators: o.Operators,
		tokens: o.Tokens, audit: o.Audit, ledger: o.Ledger,
		deploying: o.Deployments, catalog: o.Catalog, models: o.Models, prices: o.Prices, upstreams: o.Upstreams, budgets: o.Budget, alerts: o.Alerts, drain: o.DrainUpstream,
		location: o.Location, currency: o.Currency, elsewhere: o.OperatorsElsewhere, admin: hashToken([]byte(o.AdminToken.Reveal())),
		now: o.Now, log: o.Logger,
	}
	p.document = describe(p.endpoints())
	return p
}

// Register adds the endpoints below /api/v1. Other paths and methods there are answered with JSON errors, too.
func (p *Portal) Register(app fiber.Router) { p.register(app, !p.elsewhere) }

// RegisterOperators does the same on a listener of the operators' own.
func (p *Portal) RegisterOperators(app fiber.Router) { p.register(app, true) }

// register adds the endpoints; operators says whether sessions of operators hold.
func (p *Portal) register(app fiber.Router, operators bool) {
	api := app.Group(basePath)
	allowed := map[string]string{}
	var paths []string
	for _, e := range p.endpoints() {
		path := fiberPath(e.Path)
		api.Add(e.Method, path, p.handle(&e, operators))
		if allowed[path] == "" {
			paths = append(paths, path)
			allowed[path] = e.Method
		} else {
			allowed[path] += ", " + e.Method
		}
	}
	for _, path := range paths {
		methods := allowed[path]
		api.All(path, p.handle(&endpoint{serve: func(r *request) (any, error) {
			r.c.Set(fiber.HeaderAllow, methods)
			return nil, refuse(fiber.StatusMethodNotAllowed, "method_not_allowed", "this path takes "+methods)
		}}, operators))
	}
	api.Use(p.handle(&endpoint{serve: func(*request) (any, error) { return nil, notFound("there is no such path") }}, operators))
}

// fiberPath turns /keys/{id} into /keys/:id.
func fiberPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// handle serves an endpoint: headers, who asks, the query, a bound in time, and the one place where errors are answered.
func (p *Portal) handle(e *endpoint, operators bool) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id := newRequestID()
		setHeaders(c, id)
		ctx, cancel := context.WithTimeout(context.Background(), e.timeout())
		defer cancel()
		answer, err := p.serve(&request{ctx: ctx, c: c, endpoint: e, operators: operators})
		if err != nil {
			return p.answerError(c, id, err)
		}
		return c.Status(e.Status).JSON(answer)
	}
}

func setHeaders(c *fiber.Ctx, id string) {
	c.Set(fiber.HeaderXRequestID, id)
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
}

func (p *Portal) serve(r *request) (any, error) {
	e := r.endpoint
	if e.audience != anyone {
		if err := p.authenticate(r); err != nil {
			return nil, err
		}
	}
	if err := e.admit(r); err != nil {
		return nil, err
	}
	if e.Path != "" { // what is not served has no parameters to judge
		if err := checkQuery(r.c, e.Query); err != nil {
			return nil, err
		}
	}
	if e.deploys && p.deploying == nil {
		return nil, fault.New(fault.State, "", "nothing can be deployed here: this server is not set up for it")
	}
	return e.serve(r)
}
