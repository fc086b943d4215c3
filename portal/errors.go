package portal

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
	"llmhub/fault"
	"llmhub/portal/access"
	"llmhub/store"
)

// apiError is an error whose text is meant for the caller.
type apiError struct {
	status  int
	code    string
	message string
	details []faultDetail
}

func (e *apiError) Error() string { return e.message }

func refuse(status int, code, message string) *apiError {
	return &apiError{status: status, code: code, message: message}
}

func badRequest(message string) error {
	return refuse(fiber.StatusBadRequest, "bad_request", message)
}

func notFound(message string) error { return refuse(fiber.StatusNotFound, "not_found", message) }

// errorBody is the form of every error.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string `json:"code" doc:"For programs; stays the same." enum:"bad_request,unauthorized,forbidden,not_found,method_not_allowed,conflict,invalid_state,too_large,unsupported_media_type,invalid,too_many_requests,internal,unavailable,no_space,unreachable,access-ended,access-denied,cluster-gone,namespace-gone,chart-missing,chart-digest,chart-invalid,values-invalid,render-failed,render-limit,release-exists,release-gone,rejected,kube-version,cluster-scoped,host-access,other-namespace,storage-class-missing,resources,image-pull,crash-loop,unschedulable,quota,pod-config,volume,balancer,hook-failed,not-ready,interrupted" example:"invalid"`
	Message string `json:"message" doc:"For people; may change." example:"website: must be an address such as https://www.example.com"`
	// RequestID joins the answer with the line in the log.
	RequestID string `json:"request_id" doc:"To be quoted when asking for help." example:"api-3f7kq2m5x4aw2p6r"`
	// Details say what is wrong with each field.
	Details []faultDetail `json:"details,omitempty" doc:"What is wrong with the fields of a request."`
}

type faultDetail struct {
	Field   string `json:"field,omitempty" example:"website"`
	Message string `json:"message" example:"must be an address such as https://www.example.com"`
}

// answerError is the one place where errors become answers. What is not known is internal: the caller gets the request
// ID, the log the details.
func (p *Portal) answerError(c *fiber.Ctx, id string, err error) error {
	e := classify(err)
	var often *fault.Error
	if errors.As(err, &often) {
		access.RetryAfter(c, often)
	}
	if e.status >= fiber.StatusInternalServerError {
		p.log.Error("management request failed",
			slog.String("request_id", id), slog.String("method", c.Method()), slog.String("route", c.Route().Path),
			slog.Int("status", e.status), slog.Any("error", err))
	}
	return c.Status(e.status).JSON(errorBody{errorDetail{e.code, e.message, id, e.details}})
}

// classify turns an error into what the caller may see.
func classify(err error) *apiError {
	var own *apiError
	var domain *fault.Error
	var list fault.Faults
	var reason *deployer.Reason
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &list):
		return classifyFaults(list)
	case errors.As(err, &domain):
		return classifyFault(domain)
	case errors.As(err, &reason):
		return classifyReason(reason)
	case errors.Is(err, store.ErrInvalid):
		return refuse(fiber.StatusBadRequest, "bad_request", "an ID or a cursor in the request is none that was given out")
	case errors.Is(err, store.ErrConflict):
		return refuse(fiber.StatusConflict, "conflict", "changed by another request in between; try again")
	case errors.Is(err, store.ErrTooLarge):
		return refuse(fiber.StatusRequestEntityTooLarge, "too_large", "this is too much for one request")
	case errors.Is(err, store.ErrNoSpace):
		return refuse(fiber.StatusInsufficientStorage, "no_space", "the server has no space left for data")
	case errors.Is(err, store.ErrClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return refuse(fiber.StatusServiceUnavailable, "unavailable", "the server cannot answer now; try again")
	}
	return refuse(fiber.StatusInternalServerError, "internal", "internal error")
}

// kinds say how faults of the domain are answered.
var kinds = map[fault.Kind]apiError{
	fault.Invalid:   {status: fiber.StatusUnprocessableEntity, code: "invalid"},
	fault.NotFound:  {status: fiber.StatusNotFound, code: "not_found"},
	fault.Conflict:  {status: fiber.StatusConflict, code: "conflict"},
	fault.State:     {status: fiber.StatusConflict, code: "invalid_state"},
	fault.Forbidden: {status: fiber.StatusForbidden, code: "forbidden"},
	fault.TooMany:   {status: fiber.StatusTooManyRequests, code: "too_many_requests"},
}

// classifyFault turns an error of the domain into an answer; its text is meant for callers.
func classifyFault(f *fault.Error) *apiError {
	e, known := kinds[f.Kind]
	if !known {
		return refuse(fiber.StatusInternalServerError, "internal", "internal error")
	}
	e.message = f.Error()
	if f.Field != "" {
		e.details = []faultDetail{{f.Field, f.Message}}
	}
	return &e
}

// renamed returns an error whose faults have the names of fields that the API has for what the domain calls otherwise.
func renamed(err error, names map[string]string) error {
	var domain *fault.Error
	var list fault.Faults
	switch {
	case errors.As(err, &list):
		out := make(fault.Faults, len(list))
		for i, f := range list {
			out[i] = rename(f, names)
		}
		return out
	case errors.As(err, &domain):
		return rename(domain, names)
	}
	return err
}

func rename(f *fault.Error, names map[string]string) *fault.Error {
	out := *f
	if name, ok := names[f.Field]; ok {
		out.Field = name
	}
	return &out
}

// classifyFaults answers with all that is wrong at once.
func classifyFaults(list fault.Faults) *apiError {
	e := classifyFault(list[0])
	e.message, e.details = list.Error(), nil
	for _, f := range list {
		e.details = append(e.details, faultDetail{f.Field, f.Message})
	}
	return e
}
