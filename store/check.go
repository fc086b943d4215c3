package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// Limits of documents and of the names in them, in bytes. They are those of every engine.
const (
	MaxKind       = 64
	MaxID         = 255
	MaxIndexValue = 255
	MaxBody       = 1 << 20
)

// MaxName bounds the names of keys, models and deployments in bytes, MaxTokens each count of tokens.
const (
	MaxName   = 255
	MaxTokens = 1 << 50
)

// PageSize returns how many entries a page has for the limit of a query.
func PageSize(limit int) int {
	const usual, most = 100, 1000
	if limit <= 0 {
		return usual
	}
	return min(limit, most)
}

// CheckName refuses names that no document can have, with ErrInvalid.
func CheckName(kind, id string) error {
	if len(kind) == 0 || len(kind) > MaxKind {
		return fmt.Errorf("%w: a document's kind has 1 to %d bytes, not %d", ErrInvalid, MaxKind, len(kind))
	}
	if len(id) == 0 || len(id) > MaxID {
		return fmt.Errorf("%w: a document's ID has 1 to %d bytes, not %d", ErrInvalid, MaxID, len(id))
	}
	return nil
}

func checkIndex(name, value string) error {
	if len(name) == 0 || len(name) > MaxKind {
		return fmt.Errorf("%w: the name of an index has 1 to %d bytes, not %d", ErrInvalid, MaxKind, len(name))
	}
	if len(value) > MaxIndexValue {
		return fmt.Errorf("%w: a value of index %q has %d bytes, more than %d",
			ErrInvalid, name, len(value), MaxIndexValue)
	}
	return nil
}

// CheckList refuses queries that no engine answers, with ErrInvalid.
func CheckList(q ListQuery) error {
	if err := CheckName(q.Kind, "-"); err != nil {
		return err
	}
	if len(q.After) > MaxID {
		return fmt.Errorf("%w: the cursor is longer than any ID", ErrInvalid)
	}
	if q.Index == "" {
		return nil
	}
	return checkIndex(q.Index, q.Value)
}

// CheckWrite refuses what cannot be stored, whatever is stored already, with ErrInvalid or ErrTooLarge.
func CheckWrite(w Write) error {
	if err := CheckName(w.Kind, w.ID); err != nil {
		return err
	}
	if w.Check {
		return nil
	}
	if w.Delete {
		if w.Expect == 0 {
			return fmt.Errorf("%w: delete %s %q without its version", ErrInvalid, w.Kind, w.ID)
		}
		return nil
	}
	for name, value := range w.Index {
		if err := checkIndex(name, value); err != nil {
			return err
		}
	}
	if len(w.Body) > MaxBody {
		return fmt.Errorf("%s %q has %d bytes: %w", w.Kind, w.ID, len(w.Body), ErrTooLarge)
	}
	if !json.Valid(w.Body) {
		return fmt.Errorf("%w: the body of %s %q is not JSON", ErrInvalid, w.Kind, w.ID)
	}
	return nil
}

// CheckEvent refuses an event that no engine takes, with ErrInvalid.
func CheckEvent(e *Event) error {
	if e.Provenance < FromUpstream || e.Provenance > FromEstimate {
		return fmt.Errorf("%w: event %s has provenance %d", ErrInvalid, e.ID, e.Provenance)
	}
	t := &e.Tokens
	for _, n := range [...]int64{t.Input, t.CachedInput, t.Output, t.Reasoning, t.Estimated} {
		if n < 0 || n > MaxTokens {
			return fmt.Errorf("%w: event %s counts %d tokens", ErrInvalid, e.ID, n)
		}
	}
	if e.Duration < 0 {
		return fmt.Errorf("%w: event %s took %s", ErrInvalid, e.ID, e.Duration)
	}
	if err := checkQuantities(e); err != nil {
		return err
	}
	return checkNames(e.ID, e.Key, e.Model, e.Deployment, e.At)
}

// CheckMark refuses a mark that no engine takes, with ErrInvalid.
func CheckMark(m *Mark) error {
	if m.Kind < MarkBegun || m.Kind > MarkVoid {
		return fmt.Errorf("%w: mark %s is of kind %d", ErrInvalid, m.ID, m.Kind)
	}
	if m.RequestBytes < 0 || m.Deltas < 0 {
		return fmt.Errorf("%w: mark %s has negative sizes", ErrInvalid, m.ID)
	}
	if m.Kind != MarkBegun {
		return nil
	}
	return checkNames(m.ID, m.Key, m.Model, m.Deployment, m.At)
}

// earliest and Latest bound the time of what is recorded.
var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	Latest   = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
)

func checkNames(id RequestID, key, model, deployment string, at time.Time) error {
	if key == "" || len(key) > MaxName || len(model) > MaxName || len(deployment) > MaxName {
		return fmt.Errorf("%w: the names of %s are empty or longer than %d bytes", ErrInvalid, id, MaxName)
	}
	if at.Before(earliest) || at.After(Latest) {
		return fmt.Errorf("%w: the time of %s is %s", ErrInvalid, id, at)
	}
	return nil
}

func checkQuantities(e *Event) error {
	if len(e.Quantities) > MaxQuantities {
		return fmt.Errorf("%w: event %s has %d quantities", ErrInvalid, e.ID, len(e.Quantities))
	}
	last := Unit(0)
	for _, q := range e.Quantities {
		switch {
		case !q.Unit.Valid():
			return fmt.Errorf("%w: event %s counts the unknown %s", ErrInvalid, e.ID, q.Unit)
		case q.Unit <= last:
			return fmt.Errorf("%w: the quantities of event %s are not in ascending order of units", ErrInvalid, e.ID)
		case q.N <= 0 || q.N > MaxQuantity:
			return fmt.Errorf("%w: event %s counts %d of unit %s", ErrInvalid, e.ID, q.N, q.Unit)
		}
		last = q.Unit
	}
	return nil
}
