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
	"llmhub/proxy/upstream"
	"llmhub/subscription"
)

// maxErrorBody bounds what is read of an upstream's error.
const maxErrorBody = 64 << 10

// errorWait bounds the time for it.
const errorWait = 5 * time.Second

// passedHeaders are the request headers that reach the model server.
var passedHeaders = []string{"Accept", "OpenAI-Beta", "Traceparent", "Tracestate"}

// forward returns the handler of an endpoint that model servers answer.
func (p *Proxy) forward(ep *endpoint) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx := c.Context()
		x, refusal := p.admit(ctx, ep)
		if refusal == nil {
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
	if x.streamed() {
		return x.stream(ctx)
	}
	return x.whole(ctx)
}

// refuse answers with an error and ends the exchange if it has begun.
func (x *exchange) refuse(ctx *fasthttp.RequestCtx, e *openai.Error) {
	x.p.Metrics.refused(x, e)
	if x.entry != nil {
		x.settleRefused(e)
	}
	answerError(ctx, e, x.name)
}

// authenticate finds what the request's key grants.
func (p *Proxy) authenticate(ctx *fasthttp.RequestCtx, now time.Time) (*subscription.Grant, *openai.Error) {
	key, ok := bearer(ctx.Request.Header.Peek("Authorization"))
	if !ok {
		return nil, &openai.Error{
			Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_api_key",
			Message: "You did not provide an API key. Send it in the header: Authorization: Bearer YOUR_KEY.",
		}
	}
	grant, err := p.Gate.Authenticate(key, now)
	if err != nil {
		return nil, authError(err)
	}
	return grant, nil
}

// KnowsKey says whether a request's header carries a key that is good.
func (p *Proxy) KnowsKey(h *fasthttp.RequestHeader) bool {
	key, ok := bearer(h.Peek("Authorization"))
	if !ok {
		return false
	}
	_, err := p.Gate.Authenticate(key, time.Now())
	return err == nil
}

// bearer returns the credentials of an Authorization header of that scheme.
func bearer(header []byte) ([]byte, bool) {
	const scheme = "bearer "
	if len(header) <= len(scheme) || !bytes.EqualFold(header[:len(scheme)], []byte(scheme)) {
		return nil, false
	}
	return bytes.TrimSpace(header[len(scheme):]), true
}

// checkContentType insists on JSON as it is.
func checkContentType(h *fasthttp.RequestHeader) *openai.Error {
	if e := h.ContentEncoding(); len(e) > 0 && !bytes.EqualFold(e, []byte("identity")) {
		return unsupportedMedia("Compressed requests are not taken; send the body without Content-Encoding.")
	}
	t, _, _ := bytes.Cut(h.ContentType(), []byte(";"))
	if bytes.EqualFold(bytes.TrimSpace(t), []byte("application/json")) {
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

// send sends the request to the model's deployments in turn until one answers with success. Nothing has gone to the
// client yet, so that the next one can be tried.
func (x *exchange) send(ctx *fasthttp.RequestCtx) *openai.Error {
	start := time.Now()
	defer func() { x.upstreamTime += time.Since(start) }()
	var refusal *openai.Error
	for i, d := range x.model.Deployments {
		if i > 0 {
			x.entry.Redirect(d.Name())
		}
		var again bool
		if refusal, again = x.try(ctx, d); refusal == nil || !again {
			return refusal
		}
		// What the model server says may quote the prompt, so that only the code is logged.
		x.p.Logger.Warn("deployment failed", "request", x.name, "deployment", d.Name(), "status", refusal.Status, "code", refusal.Code)
	}
	return refusal
}

// try sends the request to one deployment and says whether another one may do better.
func (x *exchange) try(ctx *fasthttp.RequestCtx, d *Deployment) (refusal *openai.Error, again bool) {
	x.deployment.Store(d)
	askUsage := x.request.Stream && d.AskUsage && !d.rejectsUsage.Load()
	refusal, again = x.callOn(ctx, d, askUsage)
	if refusal == nil || !askUsage || x.request.IncludeUsage || !namesUsage(refusal) {
		return refusal, again
	}
	d.rejectsUsage.Store(true)
	x.p.Logger.Warn("upstream refuses to be asked for the usage of streams; its tokens will be estimated",
		"deployment", d.Name())
	return x.callOn(ctx, d, false)
}

// namesUsage says whether an upstream's refusal is about having been asked for usage.
func namesUsage(e *openai.Error) bool {
	return (e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity) &&
		(strings.Contains(e.Message, "stream_options") || strings.Contains(e.Message, "include_usage") ||
			strings.Contains(e.Param, "stream_options"))
}

// callOn is one attempt at a deployment. It is judged here unless an answer has begun.
func (x *exchange) callOn(ctx *fasthttp.RequestCtx, d *Deployment, askUsage bool) (refusal *openai.Error, again bool) {
	x.attempt = d.begin()
	x.body = x.request.AppendPatched(make([]byte, 0, len(ctx.Request.Body())+64), ctx.Request.Body(), d.Model,
		askUsage || x.request.IncludeUsage)
	call, err := x.do(d, passHeaders(&ctx.Request.Header), false)
	if errors.Is(err, upstream.ErrStale) {
		call, err = x.do(d, passHeaders(&ctx.Request.Header), true)
	}
	if err != nil {
		refusal = x.broken(err)
		x.attempt.endError(refusal)
		x.p.Logger.Warn("upstream call failed", "request", x.name, "deployment", d.Name(), "err", err)
		return refusal, x.cut.Load() == nil && !x.gone() && !errors.Is(err, upstream.ErrTimeout)
	}
	if call.Status < 300 {
		return nil, false
	}
	x.attempt.endStatus(call.Status)
	refusal = x.readError(call)
	x.p.Logger.Warn("upstream refused", "request", x.name, "deployment", d.Name(), "status", call.Status)
	return refusal, call.Status == http.StatusTooManyRequests || call.Status >= 500
}

// do makes one call. The calls before are closed, and one that is interrupted meanwhile is not begun.
func (x *exchange) do(d *Deployment, extra []upstream.Header, fresh bool) (*upstream.Call, error) {
	if old := x.call.Load(); old != nil {
		old.Close()
	}
	call := d.Client.NewCall()
	call.Fresh = fresh
	x.call.Store(call)
	if x.cut.Load() != nil || x.gone() {
		return call, upstream.ErrInterrupted
	}
	return call, call.Do(http.MethodPost, x.endpoint.path, extra, x.body)
}

func passHeaders(h *fasthttp.RequestHeader) []upstream.Header {
	var out []upstream.Header
	for _, name := range passedHeaders {
		if v := h.Peek(name); len(v) > 0 {
			out = append(out, upstream.Header{Name: name, Value: string(v)})
		}
	}
	return out
}

// readError reads an upstream's error and puts it into OpenAI's form.
func (x *exchange) readError(call *upstream.Call) *openai.Error {
	body := make([]byte, 0, 1024)
	for end := time.Now().Add(errorWait); len(body) < maxErrorBody; {
		if call.Within(time.Until(end)) != nil {
			break
		}
		n, err := call.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err != nil {
			break
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
	e := openai.UpstreamError(call.Status, body)
	if call.Status >= 500 && e.Code != "upstream_auth" {
		e.Status = call.Status // an early error keeps its status: clients know what to do about it
	}
	if s, err := strconv.Atoi(call.RetryAfter); err == nil && s > 0 && s < 86400 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
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
	h.Set("Server-Timing", x.serverTiming())
}

// serverTiming gives the gateway's own share of the time up to now, in milliseconds.
func (x *exchange) serverTiming() string {
	own := time.Since(x.arrived) - x.upstreamTime - x.commitTime
	b := make([]byte, 0, 80)
	b = appendTiming(b, "gateway;dur=", own)
	b = appendTiming(b, ", upstream;dur=", x.upstreamTime)
	if x.commitTime > 0 {
		b = appendTiming(b, ", commit;dur=", x.commitTime)
	}
	return string(b)
}

func appendTiming(b []byte, name string, d time.Duration) []byte {
	return strconv.AppendFloat(append(b, name...), float64(max(0, d).Microseconds())/1000, 'f', 3, 64)
}
