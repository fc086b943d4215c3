package portal

import (
	"context"
	"time"

	"llmhub/identity"
	"llmhub/limit"
	"llmhub/subscription"
)

type keyView struct {
	ID             string      `json:"id"`
	Name           string      `json:"name" example:"ci"`
	SubscriptionID string      `json:"subscription_id"`
	TenantID       string      `json:"tenant_id"`
	Prefix         string      `json:"prefix" doc:"The beginning of the key, to recognise it by."`
	State          string      `json:"state" enum:"active,deactivated,expired"`
	Models         []string    `json:"models" doc:"Those that may be used; none means all of the subscription."`
	Limits         limitsView  `json:"limits"`
	Budget         *budgetView `json:"budget,omitempty" doc:"Of a key that has one, where a single key is asked for."`
	CreatedAt      time.Time   `json:"created_at"`
	CreatedBy      string      `json:"created_by,omitempty"`
	ExpiresAt      *time.Time  `json:"expires_at,omitempty"`
	DeactivatedAt  *time.Time  `json:"deactivated_at,omitempty"`
	DeactivatedBy  string      `json:"deactivated_by,omitempty"`
	LastUsedAt     *time.Time  `json:"last_used_at,omitempty" doc:"To the minute; absent while it has not been used."`
	Key            string      `json:"key,omitempty" doc:"The key itself. Only the answer to its creation has it."`
}

// viewKeys joins keys with their last use.
func (p *Portal) viewKeys(ctx context.Context, keys []subscription.Key) ([]keyView, error) {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	used, err := p.ledger.LastUsed(ctx, ids)
	if err != nil {
		return nil, err
	}
	views := make([]keyView, len(keys))
	for i, k := range keys {
		views[i] = p.viewKey(k)
		if at, ok := used[k.ID]; ok {
			at = at.UTC().Truncate(time.Minute)
			views[i].LastUsedAt = &at
		}
	}
	return views, nil
}

func (p *Portal) viewKey(k subscription.Key) keyView {
	// The service has set DeactivatedAt where the subscription is cancelled, so the state follows from the key alone.
	state := subscription.KeyState(k, subscription.Subscription{State: subscription.Active}, p.now())
	return keyView{
		ID:             k.ID,
		Name:           k.Name,
		SubscriptionID: k.SubscriptionID,
		TenantID:       k.TenantID,
		Prefix:         k.Prefix,
		State:          state,
		Models:         orEmpty(k.Models),
		Limits:         limitsView(k.Limits),
		CreatedAt:      k.CreatedAt.UTC(),
		ExpiresAt:      utc(k.ExpiresAt),
		DeactivatedAt:  utc(k.DeactivatedAt),
		CreatedBy:      k.CreatedBy,
		DeactivatedBy:  k.DeactivatedBy,
	}
}

// newKey is the body that makes a key.
type newKey struct {
	SubscriptionID string     `json:"subscription_id"`
	Name           string     `json:"name" doc:"Unique in the subscription, for ever." example:"ci"`
	Models         []string   `json:"models,omitempty" doc:"Those that it may use; none means all of the subscription."`
	ExpiresAt      *time.Time `json:"expires_at,omitempty"`
	Limits         limitsView `json:"limits,omitempty"`
}

func (p *Portal) createKey(r *request, in newKey) (keyView, error) {
	if err := needID("subscription_id", in.SubscriptionID); err != nil {
		return keyView{}, err
	}
	k, secret, err := p.service.CreateKey(r.ctx, r.by, subscription.CreateKey{
		SubscriptionID: in.SubscriptionID, Name: in.Name, Models: in.Models, ExpiresAt: in.ExpiresAt, Limits: limit.Rules(in.Limits),
	})
	if err != nil {
		return keyView{}, err
	}
	// Nothing is read after the creation: a failure there would lose the one chance to show the key.
	v := p.viewKey(k)
	v.Key = secret.Reveal()
	return v, nil
}

func (p *Portal) listKeys(r *request) (page[keyView], error) {
	filter, err := p.keyFilter(r)
	if err != nil {
		return page[keyView]{}, err
	}
	keys, next, err := p.service.ListKeys(r.ctx, r.by, filter, r.query("after"), r.limit())
	if err != nil {
		return page[keyView]{}, err
	}
	views, err := p.viewKeys(r.ctx, keys)
	return page[keyView]{Data: views, Next: next}, err
}

// keyFilter returns whose keys a query asks for, and insists that there is such a tenant or subscription: an empty list
// must not stand for a misspelt ID.
func (p *Portal) keyFilter(r *request) (f subscription.KeyFilter, err error) {
	f.SubscriptionID = r.query("subscription_id")
	switch {
	case f.SubscriptionID == "":
		f.TenantID, err = p.tenantAsked(r)
	case r.query("tenant_id") != "":
		err = badRequest("give one of tenant_id and subscription_id")
	default:
		_, err = p.service.GetSubscription(r.ctx, r.by, f.SubscriptionID)
	}
	return f, err
}

func (p *Portal) getKey(r *request) (keyView, error) { return p.key(r, p.service.GetKey) }

func (p *Portal) deactivateKey(r *request) (keyView, error) { return p.key(r, p.service.DeactivateKey) }

// key does something with the key in the path.
func (p *Portal) key(r *request, do func(context.Context, identity.Actor, string) (subscription.Key, error)) (keyView, error) {
	id, err := r.id()
	if err != nil {
		return keyView{}, err
	}
	k, err := do(r.ctx, r.by, id)
	if err != nil {
		return keyView{}, err
	}
	views, err := p.viewKeys(r.ctx, []subscription.Key{k})
	if err != nil {
		return keyView{}, err
	}
	views[0].Budget, err = p.budget(r.ctx, k.Scope())
	return views[0], err
}
