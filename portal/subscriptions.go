package portal

import (
	"context"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
	"llmhub/subscription"
)

type subscriptionView struct {
	ID        string `json:"id"`
	TenantID  string `json:"tenant_id"`
	ProductID string `json:"product_id" example:"llm-hub"`
	// ProductName and ProductVersion are those of the offer that was accepted.
	ProductName    string `json:"product_name,omitempty"`
	ProductVersion string `json:"product_version,omitempty"`
	// Models is empty where all models are granted.
	Models       []string           `json:"models" doc:"Those that may be used; none means all."`
	Limits       limitsView         `json:"limits" doc:"Of all use together."`
	ModelLimits  []modelLimitsView  `json:"model_limits" doc:"Of the use of single models."`
	Budget       *budgetView        `json:"budget,omitempty" doc:"Of a subscription that has one, where a single one is asked for; so are those of models."`
	State        string             `json:"state" enum:"active,cancelled"`
	Consents     []identity.Consent `json:"consents" doc:"What was accepted; none where an operator subscribed."`
	CreatedAt    time.Time          `json:"created_at"`
	CreatedBy    string             `json:"created_by,omitempty"`
	CancelledAt  *time.Time         `json:"cancelled_at,omitempty"`
	CancelledBy  string             `json:"cancelled_by,omitempty"`
	CancelReason string             `json:"cancel_reason,omitempty"`
}

func viewSubscription(s subscription.Subscription) subscriptionView {
	return subscriptionView{
		ID:             s.ID,
		TenantID:       s.TenantID,
		ProductID:      s.ProductID,
		ProductName:    s.ProductName,
		ProductVersion: s.ProductVersion,
		Models:         orEmpty(s.Models),
		Limits:         limitsView(s.Limits),
		ModelLimits:    viewModelLimits(s),
		State:          string(s.State),
		Consents:       orEmpty(s.Consents),
		CreatedAt:      s.CreatedAt.UTC(),
		CreatedBy:      s.CreatedBy,
		CancelledAt:    utc(s.CancelledAt),
		CancelledBy:    s.CancelledBy,
		CancelReason:   s.CancelReason,
	}
}

// newSubscription is the body that subscribes.
type newSubscription struct {
	TenantID  string       `json:"tenant_id,omitempty" doc:"For operators; customers subscribe their own tenant."`
	ProductID string       `json:"product_id" example:"llm-hub"`
	Models    []string     `json:"models,omitempty" doc:"For operators: what may be used; none means all."`
	Accepted  []acceptance `json:"accepted,omitempty" doc:"For customers: every document of the product that needs consent."`
}

// acceptance says that a document was read and accepted.
type acceptance struct {
	DocumentID string `json:"document_id" example:"eula"`
	Digest     string `json:"digest" doc:"Of what was read: the digest that the product's document has." example:"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
}

func (p *Portal) createSubscription(r *request, in newSubscription) (subscriptionView, error) {
	if r.by.Kind == identity.Customer {
		return p.subscribe(r, in)
	}
	if err := needID("tenant_id", in.TenantID); err != nil {
		return subscriptionView{}, err
	}
	if len(in.Accepted) > 0 {
		return subscriptionView{}, fault.New(fault.Invalid, "accepted", "is for users of the tenant; operators subscribe without documents")
	}
	s, err := p.service.CreateSubscription(r.ctx, r.by, subscription.CreateSubscription{
		TenantID: in.TenantID, ProductID: in.ProductID, Models: in.Models,
	})
	return viewSubscription(s), err
}

// subscribe makes a subscription of a customer, who takes a product as it is offered.
func (p *Portal) subscribe(r *request, in newSubscription) (subscriptionView, error) {
	if in.TenantID == "" {
		in.TenantID = r.by.TenantID
	}
	if len(in.Models) > 0 {
		return subscriptionView{}, fault.New(fault.Invalid, "models", "are those of the product and cannot be chosen")
	}
	product, err := p.product(in.ProductID)
	if err != nil {
		return subscriptionView{}, err
	}
	offer, err := subscription.OfferOf(product, "en", store.DayOf(p.now(), p.location).String())
	if err != nil {
		return subscriptionView{}, err
	}
	accepted := make([]identity.Consent, len(in.Accepted))
	for i, a := range in.Accepted {
		accepted[i] = identity.Consent{DocumentID: a.DocumentID, Digest: a.Digest}
	}
	s, err := p.service.Subscribe(r.ctx, r.by, subscription.Subscribe{
		TenantID: in.TenantID, Product: offer, Accepted: accepted,
	})
	return viewSubscription(s), err
}

func (p *Portal) listSubscriptions(r *request) (page[subscriptionView], error) {
	tenant, err := p.tenantAsked(r)
	if err != nil {
		return page[subscriptionView]{}, err
	}
	list, next, err := p.service.ListSubscriptions(r.ctx, r.by, tenant, r.query("after"), r.limit())
	return pageOf(list, next, viewSubscription), err
}

func (p *Portal) getSubscription(r *request) (subscriptionView, error) {
	return p.subscription(r, p.service.GetSubscription)
}

// cancellation is the body that cancels.
type cancellation struct {
	Reason string `json:"reason,omitempty" example:"moved to another product"`
}

func (p *Portal) cancelSubscription(r *request, in cancellation) (subscriptionView, error) {
	return p.subscription(r, func(ctx context.Context, by identity.Actor, id string) (subscription.Subscription, error) {
		return p.service.CancelSubscription(ctx, by, id, in.Reason)
	})
}

// subscription does something with the subscription in the path.
func (p *Portal) subscription(r *request, do func(context.Context, identity.Actor, string) (subscription.Subscription, error)) (subscriptionView, error) {
	id, err := r.id()
	if err != nil {
		return subscriptionView{}, err
	}
	s, err := do(r.ctx, r.by, id)
	if err != nil {
		return subscriptionView{}, err
	}
	v := viewSubscription(s)
	return v, p.fillBudgets(r.ctx, s, &v)
}

// keySearchView is a page of a subscription's keys.
type keySearchView struct {
	numberedPage[keyView]
	Counts keyCountsView `json:"counts" doc:"Of what the search finds, whatever the state asked for."`
}

type keyCountsView struct {
	Active      int `json:"active"`
	Deactivated int `json:"deactivated"`
	Expired     int `json:"expired"`
}

func (p *Portal) searchKeys(r *request) (keySearchView, error) {
	id, err := r.id()
	if err != nil {
		return keySearchView{}, err
	}
	q := subscription.KeyQuery{
		SubscriptionID: id, Search: r.query("search"), State: r.query("state"), Page: r.number("page", 1), PerPage: r.number("per_page", 0),
	}
	if r.query("sort") == "name" {
		q.Sort = subscription.ByName
	}
	found, err := p.service.KeyPage(r.ctx, r.by, q)
	if err != nil {
		return keySearchView{}, err
	}
	views, err := p.viewKeys(r.ctx, found.Keys)
	return keySearchView{
		numberedPage[keyView]{Data: views, Page: found.Page, Pages: found.Pages, Total: found.Total}, keyCountsView(found.Counts),
	}, err
}
