package local

import (
	"fmt"
	"time"

	"llmhub/store"
)

// checkEvent refuses what the format cannot hold.
func checkEvent(e *store.Event) error {
	if e.Provenance < store.FromUpstream || e.Provenance > store.FromEstimate {
		return fmt.Errorf("%w: event %s has provenance %d", store.ErrInvalid, e.ID, e.Provenance)
	}
	t := &e.Tokens
	for _, n := range [...]int64{t.Input, t.CachedInput, t.Output, t.Reasoning, t.Estimated} {
		if n < 0 || n > maxTokens {
			return fmt.Errorf("%w: event %s counts %d tokens", store.ErrInvalid, e.ID, n)
		}
	}
	if e.Duration < 0 {
		return fmt.Errorf("%w: event %s took %s", store.ErrInvalid, e.ID, e.Duration)
	}
	if err := checkQuantities(e); err != nil {
		return err
	}
	return checkNames(e.ID, e.Key, e.Model, e.Deployment, e.At)
}

func checkMark(m *store.Mark) error {
	if m.Kind < store.MarkBegun || m.Kind > store.MarkVoid {
		return fmt.Errorf("%w: mark %s is of kind %d", store.ErrInvalid, m.ID, m.Kind)
	}
	if m.RequestBytes < 0 || m.Deltas < 0 {
		return fmt.Errorf("%w: mark %s has negative sizes", store.ErrInvalid, m.ID)
	}
	if m.Kind != store.MarkBegun {
		return nil
	}
	return checkNames(m.ID, m.Key, m.Model, m.Deployment, m.At)
}

var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
)

func checkNames(id store.RequestID, key, model, deployment string, at time.Time) error {
	if key == "" || len(key) > maxName || len(model) > maxName || len(deployment) > maxName {
		return fmt.Errorf("%w: the names of %s are empty or longer than %d bytes", store.ErrInvalid, id, maxName)
	}
	if at.Before(earliest) || at.After(latest) {
		return fmt.Errorf("%w: the time of %s is %s", store.ErrInvalid, id, at)
	}
	return nil
}
