package proxy

import (
	"errors"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
	"llmhub/store"
	"llmhub/subscription"
)

// The errors that requests are refused with for the gateway's own reasons.
var (
	errShutdown = &openai.Error{
		Status: http.StatusServiceUnavailable, Type: "api_error", Code: "shutting_down", RetryAfter: 5 * time.Second,
		Message: "The gateway is being restarted. Please try again.",
	}
	errBusy = &openai.Error{
		Status: http.StatusServiceUnavailable, Type: "api_error", Code: "gateway_busy", RetryAfter: time.Second,
		Message: "The gateway is serving as many requests as it may. Please try again.",
	}
	errUpstreamBusy = &openai.Error{
		Status: http.StatusServiceUnavailable, Type: "api_error", Code: "upstream_busy", RetryAfter: time.Second,
		Message: "The model server is serving as many requests as it may. Please try again.",
	}
	errDrained = &openai.Error{
		Status: http.StatusServiceUnavailable, Type: "api_error", Code: "upstream_drained", RetryAfter: 30 * time.Second,
		Message: "The model servers take no new requests at the moment. Please try again later, or another model.",
	}
	errNotRecorded = &openai.Error{
		Status: http.StatusServiceUnavailable, Type: "api_error", Code: "usage_not_recorded", RetryAfter: 5 * time.Second,
		Message: "The usage of this request could not be recorded, so its answer is withheld. Please try again later.",
	}
	errNoSpace = &openai.Error{
		Status: http.StatusInsufficientStorage, Type: "api_error", Code: "insufficient_storage", RetryAfter: time.Minute,
		Message: "The gateway has no room left to record usage and takes no new requests. Please tell its operator.",
	}
	errTruncated = &openai.Error{
		Status: http.StatusBadGateway, Type: "api_error", Code: "upstream_truncated",
		Message: "The model server ended the answer before it was finished.",
	}
	errStalled = &openai.Error{
		Status: http.StatusGatewayTimeout, Type: "api_error", Code: "upstream_timeout",
		Message: "The model server has been silent for too long.",
	}
	errUpstream = &openai.Error{
		Status: http.StatusBadGateway, Type: "api_error", Code: "upstream_unavailable", RetryAfter: 2 * time.Second,
		Message: "The model server cannot be reached.",
	}
	errBadAnswer = &openai.Error{
		Status: http.StatusBadGateway, Type: "api_error", Code: "upstream_invalid",
		Message: "The model server sent an answer that cannot be understood.",
	}
	errAnswerTooLarge = &openai.Error{
		Status: http.StatusBadGateway, Type: "api_error", Code: "upstream_too_large",
		Message: "The model server sent more at once than the gateway passes on.",
	}
	errNoKey = &openai.Error{
		Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_api_key",
		Message: "You did not provide an API key. Send it in the header Authorization: Bearer YOUR_KEY, or x-api-key: YOUR_KEY.",
	}
	errInternal = &openai.Error{
		Status: http.StatusInternalServerError, Type: "api_error", Code: "internal_error",
		Message: "The gateway failed to deal with the request.",
	}
	errClientLeft = &openai.Error{
		Status: 499, Type: "api_error", Code: "client_closed_request",
		Message: "The client closed the connection.",
	}
)

// isOwn says whether an error's code is one of the gateway's, for what happens once a request has been sent on.
func isOwn(e *openai.Error) bool {
	switch e {
	case errShutdown, errUpstreamBusy, errDrained, errNotRecorded, errNoSpace, errTruncated, errStalled, errUpstream, errBadAnswer, errAnswerTooLarge, errInternal, errClientLeft:
		return true
	}
	if isBudget(e) {
		return true
	}
	switch e.Code {
	case "key_deactivated", "subscription_cancelled", "tenant_suspended":
		return true
	}
	return false
}

// authError blames the key in OpenAI's words.
func authError(err error) *openai.Error {
	e := &openai.Error{Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_api_key"}
	switch {
	case errors.Is(err, subscription.ErrKeyDeactivated):
		e.Code, e.Message = "key_deactivated", "This API key has been deactivated. Please use another key of the subscription."
	case errors.Is(err, subscription.ErrKeyExpired):
		e.Code, e.Message = "key_expired", "This API key has expired. Please use another key of the subscription."
	case errors.Is(err, subscription.ErrSubscriptionCancelled):
		e.Status, e.Type = http.StatusForbidden, "permission_error"
		e.Code, e.Message = "subscription_cancelled", "The subscription of this API key has been cancelled."
	case errors.Is(err, subscription.ErrTenantSuspended):
		e.Status, e.Type = http.StatusForbidden, "permission_error"
		e.Code, e.Message = "tenant_suspended", "The tenant of this API key is suspended. Please contact the operator."
	default:
		e.Message = "Incorrect API key provided. Keys start with sk-lh- and are shown once, when they are made."
	}
	return e
}

// beginError says why no request may begin.
func beginError(err error) *openai.Error {
	switch {
	case errors.Is(err, store.ErrNoSpace):
		return errNoSpace
	case errors.Is(err, store.ErrClosed):
		return errShutdown
	}
	return errNotRecorded
}

// callError says why a call upstream failed.
func callError(err error) *openai.Error {
	switch {
	case errors.Is(err, upstream.ErrTimeout):
		return errStalled
	case errors.Is(err, upstream.ErrBusy):
		return errUpstreamBusy
	case errors.Is(err, upstream.ErrProtocol):
		return errBadAnswer
	}
	return errUpstream
}

// answerError writes an error in the form of an endpoint.
func answerError(ctx *fasthttp.RequestCtx, e *openai.Error, form openai.ErrorForm, id string) {
	h := &ctx.Response.Header
	ctx.Response.ResetBody()
	h.SetContentType("application/json")
	h.Set("X-Request-Id", id)
	if e.RetryAfter > 0 {
		h.Set("Retry-After", retryAfter(e.RetryAfter))
	}
	if e.Final {
		h.Set("X-Should-Retry", "false") // the vendors' clients go by it, and else try each 409 and 429 again
	}
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="llmhub"`)
	}
	ctx.Response.SetStatusCode(e.Status)
	ctx.Response.SetBodyRaw(e.AppendJSONIn(form, nil, id))
}
