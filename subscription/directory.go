package subscription

import (
	"slices"
	"strings"
	"time"
)

// The gate holds of all keys and subscriptions what lists are sorted, searched and counted by. What is shown of a page
// is read from the store. These methods copy what they need, so that keys can be authenticated meanwhile.

// keyEntry is a key as the gate knows it.
type keyEntry struct {
	id, name string
	// folded is the name as it is sorted by, where that is asked for.
	folded  string
	created int64 // Unix seconds
	state   string
}

// entry returns the key's entry at a time; the caller holds mu.
func (k *gateKey) entry(now time.Time) keyEntry {
	return keyEntry{id: k.grant.KeyID, name: k.grant.KeyName, created: k.created, state: k.state(now)}
}

// state agrees with KeyState.
func (k *gateKey) state(now time.Time) string {
	switch {
	case k.deactivated || k.subscription.state != Active:
		return KeyDeactivated
	case !k.grant.ExpiresAt.IsZero() && !now.Before(k.grant.ExpiresAt):
		return KeyExpired
	}
	return KeyActive
}

// keysOf returns the keys of a subscription.
func (g *Gate) keysOf(subscriptionID string, now time.Time) []keyEntry {
	g.mu.RLock()
	defer g.mu.RUnlock()
	s := g.subscriptions[subscriptionID]
	if s == nil {
		return nil
	}
	entries := make([]keyEntry, 0, len(s.keys))
	for k := range s.keys {
		entries = append(entries, k.entry(now))
	}
	return entries
}

// keysOfTenant returns the keys of all subscriptions of a tenant.
func (g *Gate) keysOfTenant(tenantID string, now time.Time) []keyEntry {
	g.mu.RLock()
	defer g.mu.RUnlock()
	tenant := g.tenants[tenantID]
	if tenant == nil {
		return nil
	}
	var entries []keyEntry
	for s := range tenant.subscriptions {
		entries = slices.Grow(entries, len(s.keys))
		for k := range s.keys {
			entries = append(entries, k.entry(now))
		}
	}
	return entries
}

// allKeys returns all keys.
func (g *Gate) allKeys(now time.Time) []keyEntry {
	g.mu.RLock()
	defer g.mu.RUnlock()
	entries := make([]keyEntry, 0, len(g.keys))
	for _, k := range g.keys {
		entries = append(entries, k.entry(now))
	}
	return entries
}

// tenantOfKey returns the ID of the tenant that a key belongs to.
func (g *Gate) tenantOfKey(keyID string) (tenantID string, found bool) {
	public, isKey := strings.CutPrefix(keyID, keyIDPrefix)
	g.mu.RLock()
	defer g.mu.RUnlock()
	k := g.keys[public]
	if !isKey || k == nil {
		return "", false
	}
	return k.grant.TenantID, true
}

// subscriptionEntry is a subscription as the gate knows it.
type subscriptionEntry struct {
	id                     string
	productID, productName string
	tenantID, tenantName   string
	created                int64 // Unix seconds
	state                  State
}

func (s *gateSubscription) entry() subscriptionEntry {
	return subscriptionEntry{
		id: s.id, productID: s.productID, productName: s.productName,
		tenantID: s.tenant.id, tenantName: s.tenant.name, created: s.created, state: s.state,
	}
}

// subscriptionsOf returns the subscriptions of a tenant, or all if tenantID is empty.
func (g *Gate) subscriptionsOf(tenantID string) []subscriptionEntry {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var entries []subscriptionEntry
	if tenantID == "" {
		for _, s := range g.subscriptions {
			if s.tenant != nil && s.state != "" {
				entries = append(entries, s.entry())
			}
		}
		return entries
	}
	tenant := g.tenants[tenantID]
	if tenant == nil {
		return nil
	}
	for s := range tenant.subscriptions {
		if s.state != "" {
			entries = append(entries, s.entry())
		}
	}
	return entries
}

// keyCounts counts a subscription's keys by state.
func (g *Gate) keyCounts(subscriptionID string, now time.Time) (c KeyCounts) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if s := g.subscriptions[subscriptionID]; s != nil {
		for k := range s.keys {
			c.add(k.state(now))
		}
	}
	return c
}

// activeOf returns the latest active subscription that a tenant has of a product.
func (g *Gate) activeOf(tenantID, productID string) (id string, found bool) {
	var latest int64
	for _, s := range g.subscriptionsOf(tenantID) {
		if s.state != Active || s.productID != productID {
			continue
		}
		if !found || s.created > latest || s.created == latest && s.id < id {
			id, latest, found = s.id, s.created, true
		}
	}
	return id, found
}
