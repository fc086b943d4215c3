// Package subscription knows what tenants have subscribed to and the API keys they use it with.
//
// A Service changes subscriptions and keys; a Gate holds what the keys grant, in memory, and follows the store. Keys
// are kept as hashes only, shown once, and deactivated for ever. The package knows no HTTP and no engine.
package subscription

import (
	"time"

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
	// Models are those that may be used; empty means all.
	Models      []string   `json:"models,omitempty"`
	State       State      `json:"state"`
	CreatedAt   time.Time  `json:"created_at"`
	CancelledAt *time.Time `json:"cancelled_at,omitempty"`
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
	Hash   []byte `json:"hash"`
	Scheme string `json:"scheme"`
	// Models restricts the subscription's; empty means all of them.
	Models        []string   `json:"models,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
	DeactivatedAt *time.Time `json:"deactivated_at,omitempty"`
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
}

// The kinds of documents.
const (
	kindSubscription = "subscription"
	kindKey          = "key"
	kindKeyName      = "key_name"
)

// collections are the typed documents of this package.
type collections struct {
	subscriptions store.Collection[Subscription]
	keys          store.Collection[Key]
	names         store.Collection[keyName]
}

func newCollections(d store.Documents) collections {
	return collections{
		subscriptions: store.NewCollection(d, kindSubscription, func(s Subscription) map[string]string {
			return map[string]string{"tenant": s.TenantID}
		}),
		keys: store.NewCollection(d, kindKey, func(k Key) map[string]string {
			return map[string]string{"subscription": k.SubscriptionID, "tenant": k.TenantID}
		}),
		names: store.NewCollection[keyName](d, kindKeyName, nil),
	}
}
