package openai

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxErrorBody bounds what is read of a model server's error, in bytes.
	maxErrorBody = 64 << 10
	// maxErrorText bounds what is passed on of its message, in bytes.
	maxErrorText = 2 << 10
	// maxErrorWord bounds type, code and param, in bytes.
	maxErrorWord = 128
)

// UpstreamError makes an error for the caller of a model server's answer. Blame goes where it belongs: a server that
// does not take our credentials or wants to be paid is a fault of the gateway's (502, code upstream_auth), of which the
// caller learns no more; failures of the server become 502, 503 or 504; other errors keep status and text, because the
// caller's request has caused them. An error that came with a status of success counts as having the status that its
// body gives as code, or by a word that model servers have for one; 500 if it gives none. RetryAfter is left to the
// caller of this function.
func UpstreamError(status int, body []byte) *Error {
	e := readError(body)
	switch meant := e.meantStatus(); {
	case status < 300 && meant != 0:
		status = meant
	case status >= 500 && meant == statusOverloaded:
		status = meant
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusPaymentRequired,
		status == http.StatusProxyAuthRequired, aboutCredentials(e):
		return apiError(http.StatusBadGateway, "upstream_auth",
			"The gateway is not set up correctly for this model: the model server refused its credentials.")
	case status == http.StatusTooManyRequests && e.Code == "insufficient_quota":
		return &Error{Status: status, Type: TypeRateLimit, Code: "upstream_quota",
			Message: "The model server takes no more requests from the gateway at the moment."}
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return apiError(http.StatusGatewayTimeout, "upstream_timeout", upstreamText("The model server timed out", e))
	case status == http.StatusServiceUnavailable, status == statusOverloaded:
		return apiError(http.StatusServiceUnavailable, "upstream_unavailable", upstreamText("The model server is not available", e))
	case status < 400 || status >= 500:
		return apiError(http.StatusBadGateway, "upstream_error", upstreamText("The model server failed", e))
	}
	e.Status = status
	if e.Message == "" {
		e.Message = "The model server refused the request with status " + strconv.Itoa(status) + "."
	}
	if e.Type == "" {
		e.Type = errorType(status)
	}
	return e
}

// statusOverloaded is what Anthropic answers with when it has too much to do.
const statusOverloaded = 529

// meantStatus returns the status that an error's body gives, 0 if it gives none.
func (e *Error) meantStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	for _, word := range []string{e.Code, e.Type} {
		switch word {
		case "invalid_request_error", "invalid_prompt":
			return http.StatusBadRequest
		case "billing_error":
			return http.StatusPaymentRequired
		case "permission_error":
			return http.StatusForbidden
		case "not_found_error":
			return http.StatusNotFound
		case "request_too_large":
			return http.StatusRequestEntityTooLarge
		case "rate_limit_error", "rate_limit_exceeded", "insufficient_quota":
			return http.StatusTooManyRequests
		case "timeout_error":
			return http.StatusGatewayTimeout
		case "overloaded_error", "server_is_overloaded":
			return statusOverloaded
		}
	}
	return 0
}

func apiError(status int, code, message string) *Error {
	return &Error{Status: status, Type: TypeAPI, Code: code, Message: message}
}

func brokenAnswer() *Error {
	return apiError(http.StatusBadGateway, "upstream_error", "The model server's answer is not valid JSON.")
}

func upstreamText(what string, e *Error) string {
	if e.Message == "" {
		return what + "."
	}
	return what + ": " + e.Message
}

func errorType(status int) string {
	switch status {
	case http.StatusNotFound:
		return TypeNotFound
	case http.StatusTooManyRequests:
		return TypeRateLimit
	}
	return TypeInvalidRequest
}

// aboutCredentials recognises servers that complain of our key with another status than 401.
func aboutCredentials(e *Error) bool {
	if e.Code == "invalid_api_key" || e.Type == TypeAuthentication {
		return true
	}
	text := strings.ToLower(e.Message)
	return strings.Contains(text, "api key") || strings.Contains(text, "api_key") || strings.Contains(text, "apikey")
}

// errorBody has the members under which model servers and the proxies before them put an error.
type errorBody struct {
	Error   json.RawMessage `json:"error"`
	Detail  json.RawMessage `json:"detail"`
	Message json.RawMessage `json:"message"`
	Msg     json.RawMessage `json:"msg"`
	Type    json.RawMessage `json:"type"`
	Code    json.RawMessage `json:"code"`
	Param   json.RawMessage `json:"param"`
	Loc     json.RawMessage `json:"loc"`
	// Response is that of an event which says that it failed.
	Response json.RawMessage `json:"response"`
}

// readError finds message, type, code and param in an error's body: an object, a list whose first element is one, or
// plain text. Whatever it does not understand it leaves empty.
func readError(body []byte) *Error {
	body = bytes.TrimSpace(body[:min(len(body), maxErrorBody)])
	e := &Error{}
	switch {
	case len(body) == 0 || body[0] == '<':
	case validJSON(body):
		e.readValue(body, 0)
	case body[0] != '{' && body[0] != '[':
		e.Message = string(body)
	}
	e.Message = bounded(e.Message, maxErrorText)
	e.Type, e.Code, e.Param = bounded(e.Type, maxErrorWord), bounded(e.Code, maxErrorWord), bounded(e.Param, maxErrorWord)
	return e
}

// readValue reads an error in one of its forms, which contain each other a few levels deep.
func (e *Error) readValue(value json.RawMessage, level int) {
	if len(value) == 0 || level > 3 {
		return
	}
	switch value[0] {
	case '"':
		e.Message = jsonText(value)
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(value, &list) == nil && len(list) > 0 {
			e.readValue(list[0], level+1)
		}
	case '{':
		var b errorBody
		if json.Unmarshal(value, &b) == nil {
			e.readBody(&b, level)
		}
	}
}

func (e *Error) readBody(b *errorBody, level int) {
	e.Message = jsonText(b.Message)
	if e.Message == "" {
		e.Message = jsonText(b.Msg)
	}
	e.Type, e.Code, e.Param = jsonText(b.Type), jsonText(b.Code), jsonText(b.Param)
	if e.Type == "error" || len(b.Response) > 0 {
		e.Type = "" // it is that of an event
	}
	if code, ok := parseCount(b.Code); ok && code >= 400 && code < 600 {
		e.Status = int(code)
	}
	var loc []any
	if json.Unmarshal(b.Loc, &loc) == nil && len(loc) > 0 {
		e.Param, _ = loc[len(loc)-1].(string)
		e.Type = ""
	}
	for _, inner := range []json.RawMessage{b.Error, b.Detail, b.Response} {
		if len(inner) > 0 && string(inner) != "null" {
			outer := *e
			e.readValue(inner, level+1)
			if e.Message == "" {
				*e = outer
			}
			return
		}
	}
}

// jsonText returns the text of a JSON string, and nothing for other values.
func jsonText(value json.RawMessage) string {
	var s string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// bounded makes foreign text fit to be shown: valid, on one line, and of limited length, which what stands for invalid bytes
// counts for.
func bounded(s string, limit int) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
	if len(s) <= limit {
		return s
	}
	s = s[:limit]
	for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s[:max(len(s)-1, 0)] + "…"
}
