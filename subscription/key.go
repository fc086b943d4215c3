package subscription

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/store"
)

const (
	// keyIDPrefix and the public part of its text are the ID of a key.
	keyIDPrefix = "key_"
	// maxYear is the last that JSON's form of a time can hold.
	maxYear = 9999
	// maxFormTokenBytes bounds the token of a form.
	maxFormTokenBytes = 64
)

// ErrAlreadyCreated says that the form by which a key was made has been sent again.
var ErrAlreadyCreated = fault.New(fault.Conflict, "", "the key was created already and cannot be shown again")

// CreateKey says what key to make.
type CreateKey struct {
	SubscriptionID string
	Name           string
	// Models restricts the subscription's; empty means all of them.
	Models    []string
	ExpiresAt *time.Time
	Limits    limit.Rules
	// FormToken is a random text that a form carries, at most 64 bytes, by which its repetition is told from another key
	// of the same name; empty without a form.
	FormToken string
}

// CreateKey makes a key and returns its text, which cannot be had again. A name that is taken is a fault of kind
// Conflict: ErrAlreadyCreated if the same form took it. Subscription and tenant must be active and, where a customer acts,
// the tenant's profile approved.
func (s *Service) CreateKey(ctx context.Context, by identity.Actor, c CreateKey) (Key, Secret, error) {
	key, err := s.prepareKey(by, c)
	if err != nil {
		return Key{}, Secret{}, err
	}
	token := tokenForm.New()
	sum := s.hasher.sum(token)
	key.ID = keyID(tokenForm.PublicID(token))
	key.Prefix = tokenForm.Shown(token)
	key.Hash, key.Scheme = sum[:], s.hasher.Scheme()
	err = s.change(ctx, func() ([]store.Write, error) { return s.newKey(ctx, by, c.FormToken, &key) })
	if err != nil {
		return Key{}, Secret{}, err
	}
	text := string(token)
	return key, Secret{text: &text}, nil
}

// prepareKey checks what can be checked by itself.
func (s *Service) prepareKey(by identity.Actor, c CreateKey) (Key, error) {
	name, err := fault.Name("name", c.Name)
	if err != nil {
		return Key{}, err
	}
	models, err := fault.Models("models", c.Models)
	if err != nil {
		return Key{}, err
	}
	if len(c.FormToken) > maxFormTokenBytes || !utf8.ValidString(c.FormToken) {
		return Key{}, fault.New(fault.Invalid, "form_token", "is none that a form was given")
	}
	limits, err := c.Limits.Check()
	if err != nil {
		return Key{}, err
	}
	key := Key{SubscriptionID: c.SubscriptionID, Name: name, Models: models, Limits: limits, CreatedAt: s.stamp(), CreatedBy: by.Name}
	if c.ExpiresAt != nil {
		at := c.ExpiresAt.UTC().Truncate(time.Second)
		if !at.After(s.now()) || at.Year() > maxYear {
			return Key{}, fault.New(fault.Invalid, "expires_at", "must be in the future and before the year %d", maxYear+1)
		}
		key.ExpiresAt = &at
	}
	return key, nil
}

// newKey returns the writes that make a key: with them, subscription and tenant must be as they have been read, and
// the name free. A key can thus never appear in a subscription that is being cancelled.
func (s *Service) newKey(ctx context.Context, by identity.Actor, formToken string, key *Key) ([]store.Write, error) {
	sub, err := s.ownSubscription(ctx, by, key.SubscriptionID)
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
	checks, err := s.buyers.RequireGood(ctx, by, sub.Value.TenantID)
	if err != nil {
		return nil, err
	}
	key.TenantID = sub.Value.TenantID
	name, err := s.takeName(ctx, formToken, key)
	if err != nil {
		return nil, err
	}
	doc, err := s.keys.Write(key.ID, 0, *key)
	if err != nil {
		return nil, err
	}
	audit, err := s.keyAudit(by, "key.create", nil, key)
	unchanged := store.Write{Kind: kindSubscription, ID: sub.ID, Expect: sub.Version, Check: true}
	return append(checks, unchanged, name, doc, audit), err
}

// takeName returns the write that reserves a key's name in its subscription, for ever.
func (s *Service) takeName(ctx context.Context, formToken string, key *Key) (store.Write, error) {
	id := key.SubscriptionID + "." + textHash(strings.ToLower(key.Name))
	switch taken, err := s.names.Get(ctx, id); {
	case err == nil && formToken != "" && taken.Value.FormToken == formToken:
		return store.Write{}, ErrAlreadyCreated
	case err == nil:
		return store.Write{}, fault.New(fault.Conflict, "name", "the subscription has a key of this name already; names are never used again")
	case !errors.Is(err, store.ErrNotFound):
		return store.Write{}, err
	}
	return s.names.Write(id, 0, keyName{KeyID: key.ID, FormToken: formToken})
}

// contains says whether a list of models, empty meaning all, contains one.
func contains(models []string, m string) bool { return len(models) == 0 || slices.Contains(models, m) }

func keyID(public []byte) string { return keyIDPrefix + string(public) }

// textHash gives a text of any length and script a place among IDs.
func textHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// ownKey returns a key that the actor may change, and its state.
func (s *Service) ownKey(ctx context.Context, by identity.Actor, id string) (store.Record[Key], string, error) {
	r, err := s.getKey(ctx, id)
	if err == nil {
		err = by.Require(r.Value.TenantID, identity.Subscribe, errNoKey)
	}
	if err != nil {
		return r, "", err
	}
	sub, err := s.getSubscription(ctx, r.Value.SubscriptionID)
	return r, KeyState(r.Value, sub.Value, s.now()), err
}

// DeactivateKey deactivates a key for ever.
func (s *Service) DeactivateKey(ctx context.Context, by identity.Actor, id string) (Key, error) {
	var key Key
	err := s.change(ctx, func() ([]store.Write, error) {
		r, state, err := s.ownKey(ctx, by, id)
		if err != nil {
			return nil, err
		}
		key = r.Value
		if state == KeyDeactivated {
			return nil, fault.New(fault.State, "", "the key has been deactivated already")
		}
		at := s.stamp()
		key.DeactivatedAt, key.DeactivatedBy = &at, by.Name
		w, err := s.keys.Write(key.ID, r.Version, key)
		if err != nil {
			return nil, err
		}
		audit, err := s.keyAudit(by, "key.deactivate", &r.Value, &key)
		return []store.Write{w, audit}, err
	})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

// GetKey returns a key, or a fault of kind NotFound.
func (s *Service) GetKey(ctx context.Context, by identity.Actor, id string) (Key, error) {
	r, err := s.getKey(ctx, id)
	if err == nil {
		err = by.See(r.Value.TenantID, errNoKey)
	}
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
		err = errNoKey
	}
	return r, err
}

// KeyFilter selects keys: of a subscription, of a tenant, of both, or all, which is for operators.
type KeyFilter struct {
	TenantID       string
	SubscriptionID string
}

// seeKeys returns nil if the actor sees the keys of a filter, or why not; none says that the filter contradicts itself.
func (s *Service) seeKeys(ctx context.Context, by identity.Actor, f KeyFilter) (none bool, err error) {
	if f.SubscriptionID == "" {
		return false, by.See(f.TenantID, errNoTenant)
	}
	sub, err := s.GetSubscription(ctx, by, f.SubscriptionID)
	return err == nil && f.TenantID != "" && f.TenantID != sub.TenantID, err
}

// ListKeys returns a page of keys in order of ID, and the cursor of the next, empty behind the last. DeactivatedAt of
// a cancelled subscription's keys is when it was cancelled.
func (s *Service) ListKeys(ctx context.Context, by identity.Actor, f KeyFilter, after string, limit int) ([]Key, string, error) {
	if none, err := s.seeKeys(ctx, by, f); none || err != nil {
		return nil, "", err
	}
	index, value := "", ""
	switch {
	case f.SubscriptionID != "":
		index, value = "subscription", f.SubscriptionID
	case f.TenantID != "":
		index, value = "tenant", f.TenantID
	}
	page, next, err := s.keys.List(ctx, index, value, after, limit)
	if err != nil {
		return nil, "", err
	}
	keys, err := s.withCancellations(ctx, values(page))
	return keys, next, err
}

// withCancellations sets when, and by whom, keys were deactivated by the cancellation of their subscription.
func (s *Service) withCancellations(ctx context.Context, keys []Key) ([]Key, error) {
	subs := map[string]Subscription{}
	for i := range keys {
		k := &keys[i]
		sub, known := subs[k.SubscriptionID]
		if !known {
			r, err := s.getSubscription(ctx, k.SubscriptionID)
			if err != nil {
				return nil, err
			}
			sub = r.Value
			subs[k.SubscriptionID] = sub
		}
		if k.DeactivatedAt == nil && sub.CancelledAt != nil {
			k.DeactivatedAt, k.DeactivatedBy = sub.CancelledAt, sub.CancelledBy
		}
	}
	return keys, nil
}
