package portal

import (
	"time"

	"llmhub/metering"
	"llmhub/store"
)

type eventView struct {
	RequestID  string    `json:"request_id"`
	Model      string    `json:"model"`
	Deployment string    `json:"deployment"`
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Provenance string    `json:"provenance" enum:"upstream,drained,partial,estimated" doc:"Where the counts come from."`
	Recovered  bool      `json:"recovered" doc:"The end of the request was not recorded, and was found after a restart."`
	metering.TokenCounts
	metering.QuantityCounts
}

func viewEvent(e store.Event) eventView {
	return eventView{
		RequestID:      e.ID.String(),
		Model:          e.Model,
		Deployment:     e.Deployment,
		At:             e.At.UTC(),
		DurationMS:     e.Duration.Milliseconds(),
		Provenance:     e.Provenance.String(),
		Recovered:      e.Recovered,
		TokenCounts:    metering.CountTokens(e.Tokens),
		QuantityCounts: metering.CountQuantities(e.Quantities),
	}
}

// listEvents shows the single requests of a key, newest first, with where their counts come from.
func (p *Portal) listEvents(r *request) (page[eventView], error) {
	id, err := r.id()
	if err != nil {
		return page[eventView]{}, err
	}
	if _, err := p.service.GetKey(r.ctx, r.by, id); err != nil {
		return page[eventView]{}, err
	}
	events, next, err := p.ledger.Events(r.ctx, store.EventQuery{Key: id, Cursor: r.query("cursor"), Limit: r.limit()})
	return pageOf(events, next, viewEvent), err
}
