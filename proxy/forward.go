package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/subscription"
)

// forward returns the handler of an endpoint that model servers answer.
func (p *Proxy) forward(ep *endpoint) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx := c.Context()
		x, refusal := p.admit(ctx, ep)
		switch {
		case refusal != nil:
		case x.following != nil:
			refusal = x.follow(ctx)
		default:
			refusal = x.answer(ctx)
		}
		if refusal != nil {
			x.refuse(ctx, refusal)
		}
		return nil
	}
}

// answer sends the request on and answers with what comes. A panic must leave neither the process nor the request's
// slot behind; its settlement counts what was delivered, which is nothing yet.
func (x *exchange) answer(ctx *fasthttp.RequestCtx) (refusal *openai.Error) {
	defer func() {
		if r := recover(); r != nil {
			x.p.Logger.Error("panic in a request", "request", x.name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			refusal = errInternal
		}
	}()
	if refusal := x.send(ctx); refusal != nil {
		return refusal
	}
	switch {
	case x.begun != nil:
		x.stream(ctx)
		return nil
	case x.begunSound != nil:
		return x.sound(ctx)
	}
	return x.whole(ctx)
}

// refuse answers with an error and ends the exchange if it has begun.
func (x *exchange) refuse(ctx *fasthttp.RequestCtx, e *openai.Error) {
	x.p.Metrics.refused(x, e)
	if x.entry != nil {
		x.settleRefused(e)
	}
	x.reservation.Void() // of a request that never began
	if x.recording != nil {
		x.recording.Fail()
	}
	answerError(ctx, e, x.endpoint.form, x.name)
	x.beyondHeaders(&ctx.Response.Header)
}

// authenticate finds what the request's key grants.
func (p *Proxy) authenticate(ctx *fasthttp.RequestCtx, now time.Time) (*subscription.Grant, *openai.Error) {
	key, ok := credentials(&ctx.Request.Header)
	if !ok {
		return nil, errNoKey
	}
	grant, err := p.Gate.Authenticate(key, now)
	if err != nil {
		return nil, authError(err)
	}
	return grant, nil
}

// KnowsKey says whether a request's header carries a key that is good.
func (p *Proxy) KnowsKey(h *fasthttp.RequestHeader) bool {
	key, ok := credentials(h)
	if !ok {
		return false
	}
	_, err := p.Gate.Authenticate(key, time.Now())
	return err == nil
}

// credentials returns the key of a request: that of the Authorization header, or else, where Anthropic's clients send it, of
// x-api-key.
func credentials(h *fasthttp.RequestHeader) ([]byte, bool) {
	if key, ok := bearer(h.Peek("Authorization")); ok {
		return key, true
	}
	if formOf(h.RequestURI()) != openai.FormMessages {
		return nil, false
	}
	key := h.Peek("X-Api-Key")
	return key, len(key) > 0
}

// bearer returns the credentials of an Authorization header of that scheme.
func bearer(header []byte) ([]byte, bool) {
	const scheme = "bearer "
	if len(header) <= len(scheme) || !bytes.EqualFold(header[:len(scheme)], []byte(scheme)) {
		return nil, false
	}
	return bytes.TrimSpace(header[len(scheme):]), true
}

// peek reads what the gateway must know of a request.
func (ep *endpoint) peek(ctx *fasthttp.RequestCtx) (openai.Request, error) {
	if ep.multipart {
		return openai.PeekMultipart(ep.dialect, ctx.Request.Body(), string(ctx.Request.Header.ContentType()))
	}
	return openai.PeekAs(ep.dialect, ctx.Request.Body())
}

// checkContentType insists on the endpoint's type of body, as it is.
func (ep *endpoint) checkContentType(h *fasthttp.RequestHeader) *openai.Error {
	if e := h.ContentEncoding(); len(e) > 0 && !bytes.EqualFold(e, []byte("identity")) {
		return unsupportedMedia("Compressed requests are not taken; send the body without Content-Encoding.")
	}
	t, _, _ := bytes.Cut(h.ContentType(), []byte(";"))
	t = bytes.TrimSpace(t)
	switch {
	case ep.multipart && !bytes.EqualFold(t, []byte("multipart/form-data")):
		return unsupportedMedia("The body must be a form with files: send the header Content-Type: multipart/form-data; boundary=…")
	case ep.multipart, bytes.EqualFold(t, []byte("application/json")):
		return nil
	}
	return unsupportedMedia("The body must be JSON: send the header Content-Type: application/json.")
}

func unsupportedMedia(message string) *openai.Error {
	return &openai.Error{Status: http.StatusUnsupportedMediaType, Type: "invalid_request_error", Message: message}
}

func badRequest(err error) *openai.Error {
	var e *openai.Error
	if errors.As(err, &e) {
		return e
	}
	return &openai.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: err.Error()}
}

func modelNotFound(name string) *openai.Error {
	return &openai.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "model_not_found", Param: "model",
		Message: "The model " + strconv.Quote(name) + " does not exist or this key has no access to it. GET /v1/models lists those it has.",
	}
}

func retryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// streamed says whether the answer that has begun is an event stream.
func (x *exchange) streamed() bool {
	return strings.HasPrefix(x.call.Load().ContentType, "text/event-stream")
}

// begin sets the headers that every answer has.
func (x *exchange) begin(ctx *fasthttp.RequestCtx) {
	call := x.call.Load()
	ctx.Response.SetStatusCode(call.Status)
	h := &ctx.Response.Header
	h.SetContentType(call.ContentType)
	h.Set("X-Request-Id", x.name)
	var timing [96]byte
	h.SetBytesV("Server-Timing", x.appendServerTiming(timing[:0]))
	x.limitHeaders(h)
}

// appendServerTiming appends the gateway's own share of the time up to now, in milliseconds.
func (x *exchange) appendServerTiming(b []byte) []byte {
	own := time.Since(x.arrived) - x.upstreamTime - x.waitTime - x.commitTime
	b = appendTiming(b, "gateway;dur=", own)
	b = appendTiming(b, ", upstream;dur=", x.upstreamTime)
	if x.waitTime > 0 {
		b = appendTiming(b, ", queue;dur=", x.waitTime)
	}
	if x.commitTime > 0 {
		b = appendTiming(b, ", commit;dur=", x.commitTime)
	}
	return b
}

func appendTiming(b []byte, name string, d time.Duration) []byte {
	return strconv.AppendFloat(append(b, name...), float64(max(0, d).Microseconds())/1000, 'f', 3, 64)
}
