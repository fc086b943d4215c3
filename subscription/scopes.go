package subscription

import (
	"cmp"
	"strings"

	"llmhub/limit"
)

// KeyIDs returns the IDs of all keys a subscription has, deactivated ones included.
func (g *Gate) KeyIDs(subscriptionID string) []string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	s := g.subscriptions[subscriptionID]
	if s == nil {
		return nil
	}
	ids := make([]string, 0, len(s.keys))
	for k := range s.keys {
		ids = append(ids, k.grant.KeyID)
	}
	return ids
}

// SubscriptionOf returns the ID of the subscription that a key belongs to, empty if the key is not known.
func (g *Gate) SubscriptionOf(keyID string) string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	k := g.keys[publicOf(keyID)]
	if k == nil {
		return ""
	}
	return k.subscription.id
}

// Scope is what the limits of a key, of a subscription, or of a model within one count under, with the names it goes by.
type Scope struct {
	limit.Scope
	TenantID                         string
	KeyID, KeyName                   string // empty unless it is a key
	SubscriptionID, SubscriptionName string // a subscription is called by its product
	Model                            string // empty unless it is a model
}

// ScopeOf returns the scope of an ID, as limit.Crossing tells it; false if it is not known.
func (g *Gate) ScopeOf(id string) (s Scope, found bool) {
	owner, model, _ := strings.Cut(id, "/")
	g.mu.RLock()
	defer g.mu.RUnlock()
	sub := g.subscriptions[owner]
	if k := g.keys[publicOf(owner)]; k != nil {
		sub = k.subscription
		s.KeyID, s.KeyName, s.Rules = k.grant.KeyID, k.grant.KeyName, k.grant.ownRules()
	}
	if sub == nil || sub.tenant == nil {
		return Scope{}, false
	}
	s.ID, s.TenantID, s.SubscriptionID, s.Model = id, sub.tenant.id, sub.id, model
	s.SubscriptionName = cmp.Or(sub.productName, sub.productID)
	switch {
	case model != "":
		s.Rules = sub.limits.models[model].Rules
	case s.KeyID == "":
		s.Rules = sub.limits.all
	}
	return s, true
}

// BudgetIDs returns the IDs of all scopes with a budget, of keys and subscriptions that are not over, in no order.
func (g *Gate) BudgetIDs() []string {
	var ids []string
	add := func(id string, r *limit.Rules) {
		if r != nil && r.HasBudget() {
			ids = append(ids, id)
		}
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, sub := range g.subscriptions {
		if sub.state != Active {
			continue
		}
		add(sub.id, sub.limits.all)
		for _, m := range sub.limits.models {
			add(m.ID, m.Rules)
		}
		for k := range sub.keys {
			if !k.deactivated {
				add(k.grant.KeyID, k.grant.ownRules())
			}
		}
	}
	return ids
}
