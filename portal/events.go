package portal

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/metering"
	"llmhub/store"
)

type eventView struct {
	RequestID  string    `json:"request_id"`
	Model      string    `json:"model"`
	Deployment string    `json:"deployment"`
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Provenance string    `json:"provenance"`
	Recovered  bool      `json:"recovered"`
	metering.TokenCounts
}

func viewEvent(e store.Event) eventView {
	return eventView{
		RequestID:   e.ID.String(),
		Model:       e.Model,
		Deployment:  e.Deployment,
		At:          e.At.UTC(),
		DurationMS:  e.Duration.Milliseconds(),
		Provenance:  e.Provenance.String(),
		Recovered:   e.Recovered,
		TokenCounts: metering.CountTokens(e.Tokens),
	}
}

// listEvents shows the single requests of a key, newest first, with where their counts come from.
func (p *Portal) listEvents(ctx context.Context, c *fiber.Ctx) error {
	if err := knownQuery(c, "cursor", "limit"); err != nil {
		return err
	}
	n, err := limit(c)
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil {
		return err
	}
	if _, err := p.service.GetKey(ctx, identity.Administrator(), id); err != nil {
		return err
	}
	events, next, err := p.ledger.Events(ctx, store.EventQuery{Key: id, Cursor: query(c, "cursor"), Limit: n})
	if err != nil {
		return err
	}
	return c.JSON(pageOf(events, next, viewEvent))
}
