package portal

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/subscription"
)

type keyView struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	SubscriptionID string `json:"subscription_id"`
	TenantID       string `json:"tenant_id"`
	Prefix         string `json:"prefix"`
	State          string `json:"state"`
	// Models is empty where the key may use all models of its subscription.
	Models        []string   `json:"models"`
	CreatedAt     time.Time  `json:"created_at"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
	DeactivatedAt *time.Time `json:"deactivated_at,omitempty"`
	// LastUsedAt is to the minute; absent while the key has not been used.
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	// Key is the key itself. Only the answer to its creation has it.
	Key string `json:"key,omitempty"`
}

// viewKeys joins keys with their last use.
func (p *Portal) viewKeys(ctx context.Context, keys []subscription.Key) ([]keyView, error) {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	used, err := p.ledger.LastUsed(ctx, ids)
	if err != nil {
		return nil, err
	}
	views := make([]keyView, len(keys))
	for i, k := range keys {
		views[i] = p.viewKey(k)
		if at, ok := used[k.ID]; ok {
			at = at.UTC().Truncate(time.Minute)
			views[i].LastUsedAt = &at
		}
	}
	return views, nil
}

func (p *Portal) viewKey(k subscription.Key) keyView {
	// The service has set DeactivatedAt where the subscription is cancelled, so the state follows from the key alone.
	state := subscription.KeyState(k, subscription.Subscription{State: subscription.Active}, p.now())
	return keyView{
		ID:             k.ID,
		Name:           k.Name,
		SubscriptionID: k.SubscriptionID,
		TenantID:       k.TenantID,
		Prefix:         k.Prefix,
		State:          state,
		Models:         orEmpty(k.Models),
		CreatedAt:      k.CreatedAt.UTC(),
		ExpiresAt:      utc(k.ExpiresAt),
		DeactivatedAt:  utc(k.DeactivatedAt),
	}
}

func (p *Portal) createKey(ctx context.Context, c *fiber.Ctx) error {
	var in struct {
		SubscriptionID string     `json:"subscription_id"`
		Name           string     `json:"name"`
		Models         []string   `json:"models"`
		ExpiresAt      *time.Time `json:"expires_at"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if err := needID("subscription_id", in.SubscriptionID); err != nil {
		return err
	}
	k, secret, err := p.service.CreateKey(ctx, identity.Administrator(), subscription.CreateKey{
		SubscriptionID: in.SubscriptionID, Name: in.Name, Models: in.Models, ExpiresAt: in.ExpiresAt,
	})
	if err != nil {
		return err
	}
	// Nothing is read after the creation: a failure there would lose the one chance to show the key.
	v := p.viewKey(k)
	v.Key = secret.Reveal()
	return c.Status(fiber.StatusCreated).JSON(v)
}

func (p *Portal) listKeys(ctx context.Context, c *fiber.Ctx) error {
	if err := knownQuery(c, "tenant_id", "subscription_id", "after", "limit"); err != nil {
		return err
	}
	n, err := limit(c)
	if err != nil {
		return err
	}
	filter := subscription.KeyFilter{TenantID: query(c, "tenant_id"), SubscriptionID: query(c, "subscription_id")}
	if err := p.checkFilter(ctx, filter); err != nil {
		return err
	}
	keys, next, err := p.service.ListKeys(ctx, identity.Administrator(), filter, query(c, "after"), n)
	if err != nil {
		return err
	}
	views, err := p.viewKeys(ctx, keys)
	if err != nil {
		return err
	}
	return c.JSON(page[keyView]{Data: views, Next: next})
}

// checkFilter insists that what is filtered by exists: an empty list must not stand for a misspelt ID.
func (p *Portal) checkFilter(ctx context.Context, f subscription.KeyFilter) error {
	if f.TenantID != "" && f.SubscriptionID != "" {
		return badRequest("give one of tenant_id and subscription_id")
	}
	if f.TenantID != "" {
		if _, err := p.tenants.Get(ctx, f.TenantID); err != nil {
			return err
		}
	}
	if f.SubscriptionID != "" {
		if _, err := p.service.GetSubscription(ctx, identity.Administrator(), f.SubscriptionID); err != nil {
			return err
		}
	}
	return nil
}

func (p *Portal) getKey(ctx context.Context, c *fiber.Ctx) error {
	return p.oneKey(ctx, c, p.service.GetKey)
}

func (p *Portal) deactivateKey(ctx context.Context, c *fiber.Ctx) error {
	if err := noBody(c); err != nil {
		return err
	}
	return p.oneKey(ctx, c, p.service.DeactivateKey)
}

func (p *Portal) oneKey(ctx context.Context, c *fiber.Ctx, do func(context.Context, identity.Actor, string) (subscription.Key, error)) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	k, err := do(ctx, identity.Administrator(), id)
	if err != nil {
		return err
	}
	views, err := p.viewKeys(ctx, []subscription.Key{k})
	if err != nil {
		return err
	}
	return c.JSON(views[0])
}
