package subscription

import (
	"context"
	"maps"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/store"
)

// maxModelLimits bounds the models of a subscription that have limits of their own.
const maxModelLimits = 64

// SetKeyLimits sets the limits of a key, in place of those it had; the zero value ends them. A key that has been
// deactivated, by itself or with its subscription, is a fault of kind State.
func (s *Service) SetKeyLimits(ctx context.Context, by identity.Actor, id string, rules limit.Rules) (Key, error) {
	rules, err := rules.Check()
	if err != nil {
		return Key{}, err
	}
	var key Key
	err = s.change(ctx, func() ([]store.Write, error) {
		r, state, err := s.ownKey(ctx, by, id)
		if err != nil {
			return nil, err
		}
		if state == KeyDeactivated {
			return nil, fault.New(fault.State, "", "the key has been deactivated")
		}
		key = r.Value
		if key.Limits == rules {
			return nil, nil
		}
		key.Limits = rules
		return s.limitedKey(by, r, key)
	})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

// limitedKey returns the writes that give a key other limits.
func (s *Service) limitedKey(by identity.Actor, old store.Record[Key], key Key) ([]store.Write, error) {
	w, err := s.keys.Write(key.ID, old.Version, key)
	if err != nil {
		return nil, err
	}
	audit, err := s.keyAudit(by, "key.limits", &old.Value, &key)
	return []store.Write{w, audit}, err
}

// SetSubscriptionLimits sets the limits of a subscription, or of its use of one model where that is named, in place of
// those there were; the zero value ends them. It is for operators alone. A model that the subscription does not have is
// a fault, and so is a subscription that has been cancelled.
func (s *Service) SetSubscriptionLimits(ctx context.Context, by identity.Actor, id, model string, rules limit.Rules) (Subscription, error) {
	if err := by.RequireOperator(); err != nil {
		return Subscription{}, err
	}
	rules, err := rules.Check()
	if err != nil {
		return Subscription{}, err
	}
	if model != "" {
		if _, err := fault.Models("model", []string{model}); err != nil {
			return Subscription{}, err
		}
	}
	var sub Subscription
	err = s.change(ctx, func() ([]store.Write, error) {
		r, err := s.ownSubscription(ctx, by, id)
		if err != nil {
			return nil, err
		}
		if r.Value.State != Active {
			return nil, fault.New(fault.State, "", "the subscription has been cancelled")
		}
		var changed bool
		if sub, changed, err = r.Value.limited(model, rules); err != nil || !changed {
			return nil, err
		}
		return s.limitedSubscription(by, r, sub)
	})
	if err != nil {
		return Subscription{}, err
	}
	return sub, nil
}

// limited returns the subscription with other limits, and whether they are others.
func (s Subscription) limited(model string, rules limit.Rules) (_ Subscription, changed bool, err error) {
	if model == "" {
		changed = s.Limits != rules
		s.Limits = rules
		return s, changed, nil
	}
	old, known := s.ModelLimits[model]
	switch {
	case !known && !contains(s.Models, model):
		return s, false, fault.New(fault.Invalid, "model", "%q is not among the subscription's models", model)
	case !known && !rules.IsZero() && len(s.ModelLimits) >= maxModelLimits:
		return s, false, fault.New(fault.Invalid, "model", "the subscription has limits for %d models already", maxModelLimits)
	case old == rules:
		return s, false, nil
	}
	models := maps.Clone(s.ModelLimits)
	if models == nil {
		models = map[string]limit.Rules{}
	}
	models[model] = rules
	if rules.IsZero() {
		delete(models, model)
	}
	s.ModelLimits = models
	return s, true, nil
}

// limitedSubscription returns the writes that give a subscription other limits.
func (s *Service) limitedSubscription(by identity.Actor, old store.Record[Subscription], sub Subscription) ([]store.Write, error) {
	w, err := s.subscriptions.Write(sub.ID, old.Version, sub)
	if err != nil {
		return nil, err
	}
	audit, err := s.subscriptionAudit(by, "subscription.limits", &old.Value, &sub)
	return []store.Write{w, audit}, err
}

// Scope is what the limits of a key count under.
func (k Key) Scope() limit.Scope { return limit.Scope{ID: k.ID, Rules: rulesOrNil(k.Limits)} }

// Scope is what the limits of a subscription, or of its use of one model where that is named, count under.
func (s Subscription) Scope(model string) limit.Scope {
	if model == "" {
		return limit.Scope{ID: s.ID, Rules: rulesOrNil(s.Limits)}
	}
	return limit.Scope{ID: s.ID + "/" + model, Rules: rulesOrNil(s.ModelLimits[model])}
}
