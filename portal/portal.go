// Package portal is the management API: JSON over HTTP under /api/v1, for operators and for the command line.
//
// It authenticates the administrator, reads requests strictly and turns the domain's answers and errors into JSON. It
// decides nothing itself: what may be bought, cancelled or deactivated is up to the domain packages. It refuses bodies
// that are too large, not JSON or contain unknown fields, and it never shows an API key again after its creation.
package portal

import (
	"context"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/metering"
	"llmhub/store"
	"llmhub/subscription"
)

// requestTimeout bounds what one request may take inside.
const requestTimeout = 20 * time.Second

// Options is what the management API works with. All fields are required.
type Options struct {
	Service *subscription.Service
	Tenants *identity.Tenants
	Ledger  store.Ledger
	// Prices returns the prices in force; it is called once per request that needs them.
	Prices func() metering.PriceList
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
	service  *subscription.Service
	tenants  *identity.Tenants
	ledger   store.Ledger
	prices   func() metering.PriceList
	location *time.Location
	currency string
	admin    tokenHash
	now      func() time.Time
	log      *slog.Logger
}

// New returns a Portal.
func New(o Options) *Portal {
	return &Portal{
		service:  o.Service,
		tenants:  o.Tenants,
		ledger:   o.Ledger,
		prices:   o.Prices,
		location: o.Location,
		currency: o.Currency,
		admin:    hashToken([]byte(o.AdminToken.Reveal())),
		now:      o.Now,
		log:      o.Logger,
	}
}

// handler answers one request; an error is answered by Portal.handle.
type handler func(ctx context.Context, c *fiber.Ctx) error

type route struct {
	method, path string
	handle       handler
}

func (p *Portal) routes() []route {
	return []route{
		{fiber.MethodGet, "/tenants", p.listTenants},
		{fiber.MethodPost, "/tenants", p.createTenant},
		{fiber.MethodGet, "/subscriptions", p.listSubscriptions},
		{fiber.MethodPost, "/subscriptions", p.createSubscription},
		{fiber.MethodGet, "/subscriptions/:id", p.getSubscription},
		{fiber.MethodPost, "/subscriptions/:id/cancel", p.cancelSubscription},
		{fiber.MethodGet, "/keys", p.listKeys},
		{fiber.MethodPost, "/keys", p.createKey},
		{fiber.MethodGet, "/keys/:id", p.getKey},
		{fiber.MethodPost, "/keys/:id/deactivate", p.deactivateKey},
		{fiber.MethodGet, "/keys/:id/events", p.listEvents},
		{fiber.MethodGet, "/usage", p.usage},
	}
}

// Register adds the routes below /api/v1. Other paths and methods there are answered with JSON errors, too.
func (p *Portal) Register(app fiber.Router) {
	api := app.Group("/api/v1")
	allowed := map[string]string{}
	var paths []string
	for _, r := range p.routes() {
		api.Add(r.method, r.path, p.handle(r.handle))
		if allowed[r.path] == "" {
			paths = append(paths, r.path)
			allowed[r.path] = r.method
		} else {
			allowed[r.path] += ", " + r.method
		}
	}
	for _, path := range paths {
		methods := allowed[path]
		api.All(path, p.handle(func(_ context.Context, c *fiber.Ctx) error {
			c.Set(fiber.HeaderAllow, methods)
			return &apiError{fiber.StatusMethodNotAllowed, "method_not_allowed", "this path takes " + methods}
		}))
	}
	api.Use(p.handle(func(context.Context, *fiber.Ctx) error { return notFound("there is no such path") }))
}

// handle wraps a handler: headers, authentication, a bound in time, and the one place where errors are answered.
func (p *Portal) handle(h handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id := newRequestID()
		c.Set(fiber.HeaderXRequestID, id)
		c.Set(fiber.HeaderCacheControl, "no-store")
		c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
		ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
		defer cancel()
		err := p.authenticate(c)
		if err == nil {
			err = h(ctx, c)
		}
		if err != nil {
			return p.answerError(c, id, err)
		}
		return nil
	}
}
