package subscription

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"llmhub/identity"
	"llmhub/limit"
	"llmhub/store"
)

// follower brings a gate up to date with what the store delivers. The order in which tenants, subscriptions and keys
// come does not matter: a key is refused until all three are known.
type follower struct {
	gate *Gate
	collections
	tenants store.Collection[identity.Tenant]
}

func newFollower(g *Gate, d store.Documents) *follower {
	tenants := store.NewCollection[identity.Tenant](d, identity.TenantKind, nil)
	return &follower{gate: g, collections: newCollections(d), tenants: tenants}
}

// revocation is a key that has stopped being usable.
type revocation struct {
	keyID string
	why   error
}

// touched holds the keys that a commit concerns, with what they were refused for before it.
type touched map[*gateKey]error

func (t touched) add(k *gateKey) {
	if _, ok := t[k]; !ok {
		t[k] = k.refusal
	}
}

func (t touched) addAll(keys map[*gateKey]struct{}) {
	for k := range keys {
		t.add(k)
	}
}

// apply puts the changes of one commit in force in one step, and returns the keys that have stopped being usable.
func (f *follower) apply(docs []store.Document) ([]revocation, error) {
	f.gate.mu.Lock()
	defer f.gate.mu.Unlock()
	t := touched{}
	var errs []error
	for _, d := range docs {
		errs = append(errs, f.set(d, t))
	}
	var revoked []revocation
	for k, before := range t {
		k.refusal = k.refuse()
		if before == nil && k.refusal != nil {
			revoked = append(revoked, revocation{k.grant.KeyID, k.refusal})
		}
	}
	return revoked, errors.Join(errs...)
}

func (f *follower) set(d store.Document, t touched) error {
	switch d.Kind {
	case identity.TenantKind:
		r, err := f.tenants.Decode(d)
		if err != nil {
			return err
		}
		f.gate.setTenant(d.ID, r.Value, t)
	case kindSubscription:
		r, err := f.subscriptions.Decode(d)
		if err != nil {
			return err
		}
		f.gate.setSubscription(d, r.Value, t)
	case kindKey:
		r, err := f.keys.Decode(d)
		if err != nil {
			return err
		}
		if d.Deleted {
			f.gate.deleteKey(d.ID, t)
			return nil
		}
		return f.gate.setKey(r.Value, t)
	}
	return nil
}

// setTenant takes over the state of a tenant; that of a deleted one is empty, thus not active.
func (g *Gate) setTenant(id string, v identity.Tenant, t touched) {
	tenant := g.tenant(id)
	tenant.name = v.Name
	if tenant.state == v.State {
		return
	}
	tenant.state = v.State
	for s := range tenant.subscriptions {
		t.addAll(s.keys)
	}
}

func (g *Gate) tenant(id string) *gateTenant {
	tenant := g.tenants[id]
	if tenant == nil {
		tenant = &gateTenant{id: id, subscriptions: map[*gateSubscription]struct{}{}}
		g.tenants[id] = tenant
	}
	return tenant
}

func (g *Gate) subscription(id string) *gateSubscription {
	s := g.subscriptions[id]
	if s == nil {
		s = &gateSubscription{id: id, keys: map[*gateKey]struct{}{}}
		g.subscriptions[id] = s
	}
	return s
}

// setSubscription takes over a subscription; the state of a deleted one is empty, thus not active.
func (g *Gate) setSubscription(d store.Document, sub Subscription, t touched) {
	s := g.subscription(d.ID)
	s.state, s.models, s.limits = sub.State, newModelSet(sub.Models), limitsOf(sub)
	if !d.Deleted {
		s.productID, s.productName, s.created = sub.ProductID, sub.ProductName, sub.CreatedAt.Unix()
		s.tenant = g.tenant(sub.TenantID)
		s.tenant.subscriptions[s] = struct{}{}
	}
	for k := range s.keys {
		t.add(k)
		grant := *k.grant // others hold the former one
		grant.granted = s.models
		grant.setScopes(k.grant.ownRules(), s.limits)
		k.grant = &grant
	}
}

func limitsOf(sub Subscription) subscriptionLimits {
	l := subscriptionLimits{all: rulesOrNil(sub.Limits)}
	for model := range sub.ModelLimits {
		if scope := sub.Scope(model); scope.Rules != nil {
			if l.models == nil {
				l.models = make(map[string]limit.Scope, len(sub.ModelLimits))
			}
			l.models[model] = scope
		}
	}
	return l
}

func rulesOrNil(r limit.Rules) *limit.Rules {
	if r.IsZero() {
		return nil
	}
	return &r
}

func publicOf(keyID string) string { return strings.TrimPrefix(keyID, keyIDPrefix) }

func (g *Gate) deleteKey(id string, t touched) {
	public := publicOf(id)
	k := g.keys[public]
	if k == nil {
		return
	}
	t.add(k)
	k.deleted = true
	delete(g.keys, public)
	delete(k.subscription.keys, k)
}

func (g *Gate) setKey(key Key, t touched) error {
	if err := g.hasher.accepts(key); err != nil {
		return err
	}
	if len(key.Hash) != sha256.Size {
		return fmt.Errorf("hash of key %s: %w", key.ID, store.ErrDamaged)
	}
	public := publicOf(key.ID)
	k := g.keys[public]
	if k == nil {
		k = &gateKey{refusal: ErrBadKey, subscription: g.subscription(key.SubscriptionID)}
		k.subscription.keys[k] = struct{}{}
		g.keys[public] = k
	}
	t.add(k)
	copy(k.hash[:], key.Hash)
	k.deactivated, k.created = key.DeactivatedAt != nil, key.CreatedAt.Unix()
	k.grant = &Grant{
		KeyID: key.ID, KeyName: key.Name, SubscriptionID: k.subscription.id, TenantID: g.tenant(key.TenantID).id,
		granted: k.subscription.models, own: newModelSet(key.Models),
	}
	k.grant.setScopes(rulesOrNil(key.Limits), k.subscription.limits)
	if key.ExpiresAt != nil {
		k.grant.ExpiresAt = *key.ExpiresAt
	}
	return nil
}

// refuse derives why a key is refused from what is known; nil if it is not.
func (k *gateKey) refuse() error {
	s := k.subscription
	switch {
	case k.deleted:
		return ErrBadKey
	case k.deactivated:
		return ErrKeyDeactivated
	case s.state != Active:
		return ErrSubscriptionCancelled
	case s.tenant == nil || s.tenant.state != identity.TenantActive:
		return ErrTenantSuspended
	}
	return nil
}
