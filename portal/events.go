package portal

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/store"
)

type eventView struct {
	RequestID         string    `json:"request_id"`
	Model             string    `json:"model"`
	Deployment        string    `json:"deployment"`
	At                time.Time `json:"at"`
	DurationMS        int64     `json:"duration_ms"`
	Provenance        string    `json:"provenance"`
	Recovered         bool      `json:"recovered"`
	InputTokens       int64     `json:"input_tokens"`
	CachedInputTokens int64     `json:"cached_input_tokens"`
	OutputTokens      int64     `json:"output_tokens"`
	ReasoningTokens   int64     `json:"reasoning_tokens"`
	TotalTokens       int64     `json:"total_tokens"`
	EstimatedTokens   int64     `json:"estimated_tokens"`
}

func viewEvent(e store.Event) eventView {
	return eventView{
		RequestID:         e.ID.String(),
		Model:             e.Model,
		Deployment:        e.Deployment,
		At:                e.At.UTC(),
		DurationMS:        e.Duration.Milliseconds(),
		Provenance:        e.Provenance.String(),
		Recovered:         e.Recovered,
		InputTokens:       e.Tokens.Input,
		CachedInputTokens: e.Tokens.CachedInput,
		OutputTokens:      e.Tokens.Output,
		ReasoningTokens:   e.Tokens.Reasoning,
		TotalTokens:       e.Tokens.Total(),
		EstimatedTokens:   e.Tokens.Estimated,
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
	if _, err := p.service.GetKey(ctx, id); err != nil {
		return err
	}
	events, next, err := p.ledger.Events(ctx, store.EventQuery{Key: id, Cursor: query(c, "cursor"), Limit: n})
	if err != nil {
		return err
	}
	return c.JSON(pageOf(events, next, viewEvent))
}
