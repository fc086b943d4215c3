package openai

import (
	"net/http"
	"time"
)

// The types of errors callers see.
const (
	TypeInvalidRequest = "invalid_request_error"
	TypeAuthentication = "authentication_error"
	TypePermission     = "permission_error"
	TypeNotFound       = "not_found_error"
	TypeRateLimit      = "rate_limit_error"
	TypeAPI            = "api_error"
)

// Error is an answer to the caller in OpenAI's shape. All of its text is for the caller's eyes.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Message is a sentence for people.
	Message string
	// Type is the family of the error, such as TypeInvalidRequest.
	Type string
	// Code is for programs, such as "model_not_found"; null on the wire when empty.
	Code string
	// Param names the request member at fault; null on the wire when empty.
	Param string
	// RetryAfter says when to try again; 0 says nothing.
	RetryAfter time.Duration
	// Final says that sending the same request again is of no use, where clients would think so by the status.
	Final bool
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// AppendJSON appends {"error":{...}}. The message ends with the request's id, which is also a member of its own.
func (e *Error) AppendJSON(dst []byte, requestID string) []byte {
	message := e.Message
	if requestID != "" {
		message += " (request id: " + requestID + ")"
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = appendQuoted(dst, message)
	dst = append(dst, `,"type":`...)
	dst = appendQuoted(dst, e.Type)
	dst = append(dst, `,"param":`...)
	dst = appendNullable(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = appendNullable(dst, e.Code)
	if requestID != "" {
		dst = append(dst, `,"request_id":`...)
		dst = appendQuoted(dst, requestID)
	}
	return append(dst, "}}"...)
}

// ErrorForm is the API whose form an error takes.
type ErrorForm uint8

// The forms. FormResponses differs from FormOpenAI in the events of streams only.
const (
	FormOpenAI ErrorForm = iota
	FormResponses
	FormMessages
)

// AppendJSONIn appends the body of an answer with the error in the form of an API.
func (e *Error) AppendJSONIn(f ErrorForm, dst []byte, requestID string) []byte {
	if f != FormMessages {
		return e.AppendJSON(dst, requestID)
	}
	message := e.Message
	if requestID != "" {
		message += " (request id: " + requestID + ")"
	}
	dst = append(dst, `{"type":"error","error":{"type":`...)
	dst = appendQuoted(dst, e.messagesType())
	dst = append(dst, `,"message":`...)
	dst = appendQuoted(dst, message)
	if e.Code != "" {
		dst = append(dst, `,"code":`...)
		dst = appendQuoted(dst, e.Code)
	}
	dst = append(dst, `},"request_id":`...)
	return append(appendNullable(dst, requestID), '}')
}

// messagesType returns Anthropic's word for the family of the error, which goes by the status.
func (e *Error) messagesType() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if e.Status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}

// AppendEventIn is AppendEvent in the form of an API. Clients of responses look for a type of the event, and SDKs for a
// member error, by which they fail: it has both.
func (e *Error) AppendEventIn(f ErrorForm, dst []byte, requestID string) []byte {
	if f == FormOpenAI {
		return e.AppendEvent(dst, requestID)
	}
	dst = append(appendEnd(dst), "event: error\ndata: "...)
	if f == FormMessages {
		return append(e.AppendJSONIn(f, dst, requestID), "\n\n"...)
	}
	dst = append(dst, `{"type":"error","code":`...)
	dst = appendNullable(dst, e.Code)
	dst = append(dst, `,"message":`...)
	dst = appendQuoted(dst, e.Message)
	dst = append(dst, `,"param":`...)
	dst = append(appendNullable(dst, e.Param), ',')
	start := len(dst)
	dst = e.AppendJSON(dst, requestID)
	dst = append(dst[:start], dst[start+1:]...) // without its opening brace: a member of this object
	return append(dst, "\n\n"...)
}

// AppendEvent appends the error as an event of a stream that has already begun. Where dst ends within an event, as the
// last one of a stream may, that one is ended first, so that the two do not become one.
func (e *Error) AppendEvent(dst []byte, requestID string) []byte {
	dst = appendEnd(dst)
	dst = append(dst, "data: "...)
	dst = e.AppendJSON(dst, requestID)
	return append(dst, "\n\n"...)
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendQuoted(dst, s)
}

// badRequest is the answer to a request that cannot be understood.
func badRequest(param, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: TypeInvalidRequest, Param: param, Message: message}
}
