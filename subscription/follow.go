package subscription

import (
	"bytes"
	"fmt"

	"llmhub/identity"
	"llmhub/store"
)

// revocation is a key that has stopped being usable.
type revocation struct {
	keyID string
	why   error
}

// apply puts the changes of one commit in force in one step, and returns the keys that have stopped being usable.
func (g *Gate) apply(docs []store.Document, c collections, tenants store.Collection[identity.Tenant]) ([]revocation, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	touched := map[*gateKey]error{} // with their former refusals
	for _, d := range docs {
		var err error
		switch d.Kind {
		case identity.TenantKind:
			var r store.Record[identity.Tenant]
			if r, err = tenants.Decode(d); err == nil {
				g.setTenant(d.ID, r.Value.State, touched)
			}
		case kindSubscription:
			var r store.Record[Subscription]
			if r, err = c.subscriptions.Decode(d); err == nil {
				g.setSubscription(d, r.Value, touched)
			}
		case kindKey:
			var r store.Record[Key]
			if r, err = c.keys.Decode(d); err == nil {
				err = g.setKey(d, r.Value, touched)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	var revoked []revocation
	for k, before := range touched {
		g.rebuild(k)
		if before == nil && k.refusal != nil {
			revoked = append(revoked, revocation{k.grant.KeyID, k.refusal})
		}
	}
	return revoked, nil
}

func touch(touched map[*gateKey]error, k *gateKey) {
	if _, ok := touched[k]; !ok {
		touched[k] = k.refusal
	}
}

func (g *Gate) setTenant(id string, state identity.TenantState, touched map[*gateKey]error) {
	if g.tenants[id] == state {
		return
	}
	g.tenants[id] = state // of a deleted one: empty, thus not active
	for _, s := range g.subscriptions {
		if s.tenantID != id {
			continue
		}
		for _, k := range s.keys {
			touch(touched, k)
		}
	}
}

// subscription returns what is known of a subscription, which may be that it has keys and no more.
func (g *Gate) subscription(id string) *gateSubscription {
	s := g.subscriptions[id]
	if s == nil {
		s = &gateSubscription{keys: map[string]*gateKey{}}
		g.subscriptions[id] = s
	}
	return s
}

func (g *Gate) setSubscription(d store.Document, sub Subscription, touched map[*gateKey]error) {
	s := g.subscription(d.ID)
	s.state, s.models = sub.State, sub.Models
	if !d.Deleted {
		s.tenantID = sub.TenantID
	}
	for _, k := range s.keys {
		touch(touched, k)
	}
}

func (g *Gate) setKey(d store.Document, key Key, touched map[*gateKey]error) error {
	public := d.ID[min(len("key_"), len(d.ID)):]
	k := g.keys[public]
	if d.Deleted {
		if k != nil {
			touch(touched, k)
			delete(g.keys, public)
			delete(g.subscription(k.key.SubscriptionID).keys, public)
			k.hash = nil
		}
		return nil
	}
	if key.Scheme != g.hasher.Scheme() {
		return fmt.Errorf("key %s was made with %s, but keys are hashed with %s: set keys.pepper as it was", key.ID, key.Scheme, g.hasher.Scheme())
	}
	if k == nil {
		k = &gateKey{refusal: ErrBadKey}
		g.keys[public] = k
		g.subscription(key.SubscriptionID).keys[public] = k
	}
	touch(touched, k)
	k.hash = bytes.Clone(key.Hash)
	key.Hash = nil
	k.key = key
	return nil
}

// rebuild derives a key's grant and refusal from what is known.
func (g *Gate) rebuild(k *gateKey) {
	s := g.subscription(k.key.SubscriptionID)
	grant := &Grant{
		KeyID: k.key.ID, KeyName: k.key.Name, SubscriptionID: k.key.SubscriptionID, TenantID: k.key.TenantID,
		models: intersect(s.models, k.key.Models),
	}
	if k.key.ExpiresAt != nil {
		grant.ExpiresAt = *k.key.ExpiresAt
	}
	k.grant, k.refusal = grant, g.refusal(k, s)
}

func (g *Gate) refusal(k *gateKey, s *gateSubscription) error {
	switch {
	case k.hash == nil:
		return ErrBadKey
	case k.key.DeactivatedAt != nil:
		return ErrKeyDeactivated
	case s.state != Active:
		return ErrSubscriptionCancelled
	case g.tenants[s.tenantID] != identity.TenantActive:
		return ErrTenantSuspended
	}
	return nil
}

// intersect returns the models in both lists, of which an empty one means all; nil stands for all.
func intersect(a, b []string) map[string]bool {
	if len(a) == 0 {
		a, b = b, nil
	}
	if len(a) == 0 {
		return nil
	}
	set := make(map[string]bool, len(a))
	for _, m := range a {
		if contains(b, m) {
			set[m] = true
		}
	}
	return set
}
