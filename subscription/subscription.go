// Package subscription knows what tenants have subscribed to and the API keys they use it with.
//
// A Service changes subscriptions and keys; a Gate holds what the keys grant, in memory, and follows the store. Keys
// are kept as hashes only, shown once, and deactivated for ever. The package knows no HTTP and no engine.
package subscription

import (
	"time"

	"llmhub/identity"
	"llmhub/limit"
	"llmhub/store"
)

// State says whether a subscription can be used.
type State string

// The states of a subscription.
const (
	Active    State = "active"
	Cancelled State = "cancelled"
)

// The states of a key, as KeyState gives them.
const (
	KeyActive      = "active"
	KeyDeactivated = "deactivated"
	KeyExpired     = "expired"
)

// Subscription is a tenant's right to use a product.
type Subscription struct {
	ID        string `json:"id"`
	TenantID  string `json:"tenant_id"`
	ProductID string `json:"product_id"`
	// ProductVersion and ProductName are those of the offer that was accepted; empty where an operator subscribed.
	ProductVersion string `json:"product_version,omitempty"`
	ProductName    string `json:"product_name,omitempty"`
	// Models are those that may be used; empty means all.
	Models []string `json:"models,omitempty"`
	// Limits bound all use of the subscription, ModelLimits that of single models, by name. Operators set them.
	Limits      limit.Rules            `json:"limits,omitzero"`
	ModelLimits map[string]limit.Rules `json:"model_limits,omitempty"`
	// Consents are the evidence of what was accepted; empty where an operator subscribed.
	Consents  []identity.Consent `json:"consents,omitempty"`
	State     State              `json:"state"`
	CreatedAt time.Time          `json:"created_at"`
	// CreatedBy and CancelledBy are the names of who did it.
	CreatedBy    string     `json:"created_by,omitempty"`
	CancelledAt  *time.Time `json:"cancelled_at,omitempty"`
	CancelledBy  string     `json:"cancelled_by,omitempty"`
	CancelReason string     `json:"cancel_reason,omitempty"`
}

// Key is an API key as it is kept. Its text is not among it.
type Key struct {
	ID             string `json:"id"`
	SubscriptionID string `json:"subscription_id"`
	TenantID       string `json:"tenant_id"`
	// Name is unique in the subscription, letters of either case being the same, and stays taken for ever.
	Name string `json:"name"`
	// Prefix is the beginning of the key's text, to recognise it by.
	Prefix string `json:"prefix"`
	// Hash is that of the text, by Scheme.
	Hash   []byte `json:"hash,omitempty"`
	Scheme string `json:"scheme,omitempty"`
	// Models restricts the subscription's; empty means all of them.
	Models []string `json:"models,omitempty"`
	// Limits bound the use of this key.
	Limits    limit.Rules `json:"limits,omitzero"`
	CreatedAt time.Time   `json:"created_at"`
	// CreatedBy and DeactivatedBy are the names of who did it.
	CreatedBy     string     `json:"created_by,omitempty"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
	DeactivatedAt *time.Time `json:"deactivated_at,omitempty"`
	DeactivatedBy string     `json:"deactivated_by,omitempty"`
}

// KeyState returns the state of a key of the given subscription. The cancellation of a subscription deactivates all
// its keys, at once and for ever: nothing of that needs to be written with each key.
func KeyState(k Key, s Subscription, now time.Time) string {
	switch {
	case k.DeactivatedAt != nil || s.State == Cancelled:
		return KeyDeactivated
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return KeyExpired
	}
	return KeyActive
}

// keyName reserves a name in a subscription.
type keyName struct {
	KeyID string `json:"key_id"`
	// FormToken is that of the form by which the key was made; empty without one.
	FormToken string `json:"form_token,omitempty"`
}

// activeProduct keeps a tenant from subscribing to a product twice. It is there while the subscription is active.
type activeProduct struct {
	SubscriptionID string `json:"subscription_id"`
}

// The kinds of documents.
const (
	kindSubscription = "subscription"
	kindKey          = "key"
	kindKeyName      = "key_name"
	kindActive       = "active_product"
)

// collections are the typed documents of this package.
type collections struct {
	subscriptions store.Collection[Subscription]
	keys          store.Collection[Key]
	names         store.Collection[keyName]
	active        store.Collection[activeProduct]
}

func newCollections(d store.Documents) collections {
	return collections{
		subscriptions: store.NewCollection(d, kindSubscription, func(s Subscription) map[string]string {
			return map[string]string{"tenant": s.TenantID}
		}),
		keys: store.NewCollection(d, kindKey, func(k Key) map[string]string {
			return map[string]string{"subscription": k.SubscriptionID, "tenant": k.TenantID}
		}),
		names:  store.NewCollection[keyName](d, kindKeyName, nil),
		active: store.NewCollection[activeProduct](d, kindActive, nil),
	}
}
