package portal

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
)

type tenantView struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`
}

func viewTenant(t identity.Tenant) tenantView {
	return tenantView{ID: t.ID, Name: t.Name, State: string(t.State), CreatedAt: t.CreatedAt.UTC()}
}

func (p *Portal) createTenant(ctx context.Context, c *fiber.Ctx) error {
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	t, err := p.tenants.Create(ctx, identity.Administrator(), in.Name)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(viewTenant(t))
}

func (p *Portal) listTenants(ctx context.Context, c *fiber.Ctx) error {
	if err := knownQuery(c, "after", "limit"); err != nil {
		return err
	}
	n, err := limit(c)
	if err != nil {
		return err
	}
	list, next, err := p.tenants.List(ctx, identity.Administrator(), query(c, "after"), n)
	if err != nil {
		return err
	}
	return c.JSON(pageOf(list, next, viewTenant))
}
