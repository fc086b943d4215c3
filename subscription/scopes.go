package subscription

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
