package subscription

import (
	"llmhub/identity"
	"llmhub/store"
)

// subscriptionAudit returns the audit entry of a change of a subscription; before is nil for a new one.
func (s *Service) subscriptionAudit(by identity.Actor, action string, before, after *Subscription) (store.Write, error) {
	c := identity.Change{
		At: s.now().UTC(), Action: action, TenantID: after.TenantID,
		ObjectID: after.ID, ObjectName: after.Title(), Reason: after.CancelReason,
	}
	if before == nil {
		return s.audit.Write(by, c, nil, after)
	}
	return s.audit.Write(by, c, before, after)
}

// Title is what people call the subscription.
func (s Subscription) Title() string {
	if s.ProductName != "" {
		return s.ProductName
	}
	return s.ProductID
}

// keyAudit returns the audit entry of a change of a key; before is nil for a new one.
func (s *Service) keyAudit(by identity.Actor, action string, before, after *Key) (store.Write, error) {
	c := identity.Change{
		At: s.now().UTC(), Action: action, TenantID: after.TenantID, ObjectID: after.ID, ObjectName: after.Name,
	}
	if before == nil {
		return s.audit.Write(by, c, nil, after.withoutHash())
	}
	return s.audit.Write(by, c, before.withoutHash(), after.withoutHash())
}

// withoutHash returns what the audit keeps of a key.
func (k Key) withoutHash() Key {
	k.Hash, k.Scheme = nil, ""
	return k
}
