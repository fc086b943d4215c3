package portal

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/store"
)

// apiError is an error whose text is meant for the caller.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.message }

func badRequest(message string) error {
	return &apiError{fiber.StatusBadRequest, "bad_request", message}
}

func notFound(message string) error { return &apiError{fiber.StatusNotFound, "not_found", message} }

type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// RequestID joins the answer with the line in the log.
	RequestID string `json:"request_id"`
}

// answerError is the one place where errors become answers. What is not known is internal: the caller gets the request
// ID, the log the details.
func (p *Portal) answerError(c *fiber.Ctx, id string, err error) error {
	e := classify(err)
	if e.status >= fiber.StatusInternalServerError {
		p.log.Error("management request failed",
			slog.String("request_id", id), slog.String("method", c.Method()), slog.String("route", c.Route().Path),
			slog.Int("status", e.status), slog.Any("error", err))
	}
	return c.Status(e.status).JSON(errorBody{errorDetail{e.code, e.message, id}})
}

// classify turns an error into what the caller may see.
func classify(err error) *apiError {
	var own *apiError
	var domain *fault.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &domain):
		return classifyFault(domain)
	case errors.Is(err, store.ErrInvalid):
		return &apiError{fiber.StatusBadRequest, "bad_request", "an ID or a cursor in the request is none that was given out"}
	case errors.Is(err, store.ErrConflict):
		return &apiError{fiber.StatusConflict, "conflict", "changed by another request in between; try again"}
	case errors.Is(err, store.ErrTooLarge):
		return &apiError{fiber.StatusRequestEntityTooLarge, "too_large", "this is too much for one request"}
	case errors.Is(err, store.ErrNoSpace):
		return &apiError{fiber.StatusInsufficientStorage, "no_space", "the server has no space left for data"}
	case errors.Is(err, store.ErrClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &apiError{fiber.StatusServiceUnavailable, "unavailable", "the server cannot answer now; try again"}
	}
	return &apiError{fiber.StatusInternalServerError, "internal", "internal error"}
}

// classifyFault turns an error of the domain into an answer; its text is meant for callers.
func classifyFault(f *fault.Error) *apiError {
	switch f.Kind {
	case fault.Invalid:
		return &apiError{fiber.StatusUnprocessableEntity, "invalid", f.Error()}
	case fault.NotFound:
		return &apiError{fiber.StatusNotFound, "not_found", f.Error()}
	case fault.Conflict:
		return &apiError{fiber.StatusConflict, "conflict", f.Error()}
	case fault.State:
		return &apiError{fiber.StatusConflict, "invalid_state", f.Error()}
	}
	return &apiError{fiber.StatusInternalServerError, "internal", "internal error"}
}
