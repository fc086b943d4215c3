// Package fault holds the kinds of error that the domain packages answer callers with.
//
// Its texts are meant for callers. What is not one of its errors, nor one of package store's, is internal: callers
// learn only that something failed. It imports nothing of the product, so that every package can use it.
package fault

import (
	"fmt"
	"time"
)

// Kind says what a caller can do about an error.
type Kind int

// The kinds.
const (
	// Invalid: a value given by the caller cannot be accepted.
	Invalid Kind = iota + 1
	// NotFound: what the caller named does not exist, or is not for this caller to see.
	NotFound
	// Conflict: a name is taken.
	Conflict
	// State: the thing is in a state in which this cannot be done.
	State
	// Forbidden: the caller sees the thing, but has not the right to do this with it.
	Forbidden
	// TooMany: the caller has tried too often; Error.RetryAfter says when to try again.
	TooMany
)

// Error is an error whose text is for the caller.
type Error struct {
	Kind Kind
	// Field names the value at fault, in the form of the API; empty if none is.
	Field   string
	Message string
	// Format and Args are what Message was made of: Format is also what translations are found by.
	Format string
	Args   []any
	// RetryAfter is when a fault of kind TooMany may be over; zero otherwise.
	RetryAfter time.Duration
}

// Error returns the message, with the field in front.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// Is lets errors.Is find errors of a kind: errors.Is(err, &Error{Kind: NotFound}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Message == "" && t.Field == ""
}

// New returns an error of a kind about a field.
func New(kind Kind, field, format string, args ...any) *Error {
	return &Error{Kind: kind, Field: field, Message: fmt.Sprintf(format, args...), Format: format, Args: args}
}
