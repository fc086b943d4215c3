package portal

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/subscription"
)

type subscriptionView struct {
	ID        string `json:"id"`
	TenantID  string `json:"tenant_id"`
	ProductID string `json:"product_id"`
	// Models is empty where all models are granted.
	Models      []string   `json:"models"`
	State       string     `json:"state"`
	CreatedAt   time.Time  `json:"created_at"`
	CancelledAt *time.Time `json:"cancelled_at,omitempty"`
}

func viewSubscription(s subscription.Subscription) subscriptionView {
	return subscriptionView{
		ID:          s.ID,
		TenantID:    s.TenantID,
		ProductID:   s.ProductID,
		Models:      orEmpty(s.Models),
		State:       string(s.State),
		CreatedAt:   s.CreatedAt.UTC(),
		CancelledAt: utc(s.CancelledAt),
	}
}

// orEmpty makes an absent list show as [] rather than null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func (p *Portal) createSubscription(ctx context.Context, c *fiber.Ctx) error {
	var in struct {
		TenantID  string   `json:"tenant_id"`
		ProductID string   `json:"product_id"`
		Models    []string `json:"models"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if err := needID("tenant_id", in.TenantID); err != nil {
		return err
	}
	s, err := p.service.CreateSubscription(ctx, identity.Administrator(), subscription.CreateSubscription{
		TenantID: in.TenantID, ProductID: in.ProductID, Models: in.Models,
	})
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(viewSubscription(s))
}

func (p *Portal) listSubscriptions(ctx context.Context, c *fiber.Ctx) error {
	if err := knownQuery(c, "tenant_id", "after", "limit"); err != nil {
		return err
	}
	n, err := limit(c)
	if err != nil {
		return err
	}
	tenant := query(c, "tenant_id")
	if tenant != "" {
		if _, err := p.tenants.Get(ctx, tenant); err != nil {
			return err
		}
	}
	list, next, err := p.service.ListSubscriptions(ctx, identity.Administrator(), tenant, query(c, "after"), n)
	if err != nil {
		return err
	}
	return c.JSON(pageOf(list, next, viewSubscription))
}

func (p *Portal) getSubscription(ctx context.Context, c *fiber.Ctx) error {
	return p.oneSubscription(ctx, c, p.service.GetSubscription)
}

func (p *Portal) cancelSubscription(ctx context.Context, c *fiber.Ctx) error {
	if err := noBody(c); err != nil {
		return err
	}
	return p.oneSubscription(ctx, c, func(ctx context.Context, by identity.Actor, id string) (subscription.Subscription, error) {
		return p.service.CancelSubscription(ctx, by, id, "")
	})
}

func (p *Portal) oneSubscription(ctx context.Context, c *fiber.Ctx, do func(context.Context, identity.Actor, string) (subscription.Subscription, error)) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	s, err := do(ctx, identity.Administrator(), id)
	if err != nil {
		return err
	}
	return c.JSON(viewSubscription(s))
}
