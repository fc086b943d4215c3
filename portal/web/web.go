// Package web serves the portal's pages: the customer's and the operator's.
//
// Every page works without JavaScript: forms post, and answers redirect. What can be seen or done is up to the domain
// packages; pages only say it in words. Nothing of a prompt, an answer or a key is kept here.
package web

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"llmhub/alert"
	"llmhub/catalog"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/portal/access"
	"llmhub/portal/gateway"
	"llmhub/portal/locale"
	"llmhub/store"
	"llmhub/subscription"
)

// Brand is what a white label changes.
type Brand struct {
	// Name is the portal's name.
	Name string
	// CSS sets tokens; Logo is an SVG. Both may be empty.
	CSS, Logo []byte
}

// Links lead to pages that are the operator's own; empty ones to the built-in pages.
type Links struct {
	Imprint, Privacy, Terms, Documentation, Contact string
	// Console and PasswordReset are shown to users who have no password at IAM yet.
	Console, PasswordReset string
}

// Options is what the pages work with. All fields but Brand, Links and SignUps are required.
type Options struct {
	Guard    *access.Guard
	SignIn   *identity.SignIn
	Sessions *identity.Sessions
	Tenants  *identity.Tenants
	Users    *identity.Users
	Profiles *identity.Profiles
	Tokens   *identity.PersonalTokens
	Audit    *identity.Audit
	Service  *subscription.Service
	Ledger   store.Ledger
	// Deployments brings products to clusters: a *deployer.Service.
	Deployments Deployments
	// TenantUsage reports on all tenants.
	TenantUsage *metering.Tenants
	// Catalog, Models and Prices return what is in force; they are called once per request that needs them.
	Catalog func() *catalog.Catalog
	Models  func() []gateway.Model
	Prices  func() metering.PriceList
	// Upstreams returns how the model servers are doing.
	Upstreams func() []gateway.Upstream
	// DrainUpstream has a deployment take no new requests, or ends that, and returns when that is in force.
	DrainUpstream func(ctx context.Context, by identity.Actor, deployment string, draining bool) error
	// Budget tells how much of a scope's budgets has been used this month.
	Budget func(context.Context, limit.Scope) (limit.BudgetState, error)
	// Alerts are those of budgets.
	Alerts *alert.Service
	// Chat answers a prompt with a key for browsers without JavaScript.
	Chat Chat
	// CustomersSignIn says that there is a directory customers can sign in with.
	CustomersSignIn bool
	// OperatorsElsewhere says that operators have a listener of their own, so that their pages are not served here.
	OperatorsElsewhere bool
	// PublicURL is what customers and applications reach the gateway by.
	PublicURL *url.URL
	// Location is the billing time zone, Currency what prices are in.
	Location *time.Location
	Currency string
	// RequestRetentionDays is for how many days single requests are kept; 0 means for ever.
	RequestRetentionDays int
	Brand                Brand
	Links                Links
	Now                  func() time.Time
	Logger               *slog.Logger
}

// Chat sends one prompt to a model with a key and returns the answer's text.
type Chat func(ctx context.Context, key, model, prompt string) (string, error)

// ChatError is an error of the gateway whose text is for the caller.
type ChatError struct{ Message string }

// Error returns the message.
func (e *ChatError) Error() string { return e.Message }

// Web serves the pages. It may be used concurrently.
type Web struct {
	Options
	locale    *locale.Catalog
	assets    *assets
	templates *templates
	pending   *pendingSignIns
	// usage answers from memory for days that are over.
	usage metering.Usage
}

// New reads templates, texts and files, all of them or none, and returns the pages.
func New(o Options) (*Web, error) {
	texts, err := locale.Load()
	if err != nil {
		return nil, err
	}
	w := &Web{Options: o, locale: texts, pending: newPendingSignIns(o.Now), usage: metering.NewCache(o.Ledger)}
	if w.assets, err = newAssets(o.Brand); err != nil {
		return nil, err
	}
	if w.templates, err = w.parseTemplates(); err != nil {
		return nil, err
	}
	return w, nil
}
