package subscription

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"llmhub/fault"
	"llmhub/store"
)

const (
	// keyIDPrefix and the public part of its text are the ID of a key.
	keyIDPrefix = "key_"
	// maxYear is the last that JSON's form of a time can hold.
	maxYear = 9999
)

// CreateKey says what key to make.
type CreateKey struct {
	SubscriptionID string
	Name           string
	// Models restricts the subscription's; empty means all of them.
	Models    []string
	ExpiresAt *time.Time
}

// CreateKey makes a key and returns its text, which cannot be had again.
func (s *Service) CreateKey(ctx context.Context, c CreateKey) (Key, Secret, error) {
	name, err := fault.Name("name", c.Name)
	if err != nil {
		return Key{}, Secret{}, err
	}
	models, err := fault.Models("models", c.Models)
	if err != nil {
		return Key{}, Secret{}, err
	}
	key := Key{SubscriptionID: c.SubscriptionID, Name: name, Models: models, CreatedAt: s.stamp()}
	if c.ExpiresAt != nil {
		at := c.ExpiresAt.UTC().Truncate(time.Second)
		if !at.After(s.now()) || at.Year() > maxYear {
			return Key{}, Secret{}, fault.New(fault.Invalid, "expires_at", "must be in the future and before the year %d", maxYear+1)
		}
		key.ExpiresAt = &at
	}
	token := tokenForm.New()
	sum := s.hasher.sum(token)
	key.ID = keyID(tokenForm.PublicID(token))
	key.Prefix = tokenForm.Shown(token)
	key.Hash, key.Scheme = sum[:], s.hasher.Scheme()
	err = s.change(ctx, func() ([]store.Write, error) { return s.newKey(ctx, &key) })
	if err != nil {
		return Key{}, Secret{}, err
	}
	text := string(token)
	return key, Secret{text: &text}, nil
}

// newKey returns the writes that make a key: with them, subscription and tenant must be as they have been read, and
// the name free. A key can thus never appear in a subscription that is being cancelled.
func (s *Service) newKey(ctx context.Context, key *Key) ([]store.Write, error) {
	sub, err := s.getSubscription(ctx, key.SubscriptionID)
	if err != nil {
		return nil, err
	}
	if sub.Value.State != Active {
		return nil, fault.New(fault.State, "", "the subscription has been cancelled")
	}
	for _, m := range key.Models {
		if !contains(sub.Value.Models, m) {
			return nil, fault.New(fault.Invalid, "models", "%q is not among the subscription's models", m)
		}
	}
	tenant, err := s.activeTenant(ctx, sub.Value.TenantID)
	if err != nil {
		return nil, err
	}
	key.TenantID = sub.Value.TenantID
	nameID := key.SubscriptionID + "." + nameHash(key.Name)
	switch _, err := s.names.Get(ctx, nameID); {
	case err == nil:
		return nil, fault.New(fault.Conflict, "name", "the subscription has a key of this name already; names are never used again")
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	name, err := s.names.Write(nameID, 0, keyName{KeyID: key.ID})
	if err != nil {
		return nil, err
	}
	doc, err := s.keys.Write(key.ID, 0, *key)
	unchanged := store.Write{Kind: kindSubscription, ID: sub.ID, Expect: sub.Version, Check: true}
	return []store.Write{tenant, unchanged, name, doc}, err
}

// contains says whether a list of models, empty meaning all, contains one.
func contains(models []string, m string) bool { return len(models) == 0 || slices.Contains(models, m) }

func keyID(public []byte) string { return keyIDPrefix + string(public) }

// nameHash gives a name of any length and script a place among IDs.
func nameHash(name string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	return hex.EncodeToString(sum[:16])
}

// DeactivateKey deactivates a key for ever.
func (s *Service) DeactivateKey(ctx context.Context, id string) (Key, error) {
	var key Key
	err := s.change(ctx, func() ([]store.Write, error) {
		r, err := s.getKey(ctx, id)
		if err != nil {
			return nil, err
		}
		sub, err := s.getSubscription(ctx, r.Value.SubscriptionID)
		if err != nil {
			return nil, err
		}
		key = r.Value
		if KeyState(key, sub.Value, s.now()) == KeyDeactivated {
			return nil, fault.New(fault.State, "", "the key has been deactivated already")
		}
		at := s.stamp()
		key.DeactivatedAt = &at
		w, err := s.keys.Write(key.ID, r.Version, key)
		return []store.Write{w}, err
	})
	return key, err
}

// GetKey returns a key, or a fault of kind NotFound.
func (s *Service) GetKey(ctx context.Context, id string) (Key, error) {
	r, err := s.getKey(ctx, id)
	if err != nil {
		return Key{}, err
	}
	keys, err := s.withCancellations(ctx, []Key{r.Value})
	if err != nil {
		return Key{}, err
	}
	return keys[0], nil
}

func (s *Service) getKey(ctx context.Context, id string) (store.Record[Key], error) {
	r, err := s.keys.Get(ctx, id)
	if missing(err) {
		err = fault.New(fault.NotFound, "", "there is no such key")
	}
	return r, err
}

// KeyFilter selects keys: of a subscription, of a tenant, of both, or all.
type KeyFilter struct {
	TenantID       string
	SubscriptionID string
}

// ListKeys returns a page of keys in order of ID, and the cursor of the next, empty behind the last. DeactivatedAt of
// a cancelled subscription's keys is when it was cancelled.
func (s *Service) ListKeys(ctx context.Context, f KeyFilter, after string, limit int) ([]Key, string, error) {
	index, value := "", ""
	switch {
	case f.SubscriptionID != "":
		index, value = "subscription", f.SubscriptionID
	case f.TenantID != "":
		index, value = "tenant", f.TenantID
	}
	if f.SubscriptionID != "" && f.TenantID != "" {
		// All keys of a subscription are of its tenant.
		sub, err := s.subscriptions.Get(ctx, f.SubscriptionID)
		if missing(err) || err == nil && sub.Value.TenantID != f.TenantID {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", err
		}
	}
	page, next, err := s.keys.List(ctx, index, value, after, limit)
	if err != nil {
		return nil, "", err
	}
	keys, err := s.withCancellations(ctx, values(page))
	return keys, next, err
}

// withCancellations sets when keys were deactivated by the cancellation of their subscription.
func (s *Service) withCancellations(ctx context.Context, keys []Key) ([]Key, error) {
	cancelled := map[string]*time.Time{}
	for i := range keys {
		id := keys[i].SubscriptionID
		at, known := cancelled[id]
		if !known {
			sub, err := s.getSubscription(ctx, id)
			if err != nil {
				return nil, err
			}
			at = sub.Value.CancelledAt
			cancelled[id] = at
		}
		if keys[i].DeactivatedAt == nil {
			keys[i].DeactivatedAt = at
		}
	}
	return keys, nil
}
