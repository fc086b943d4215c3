package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
)

// maxErrorBody bounds what is read of an upstream's error.
const maxErrorBody = 64 << 10

// errorWait bounds the time for it.
const errorWait = 5 * time.Second

// passedHeaders are the request headers that reach the model server.
var passedHeaders = []string{"Accept", "OpenAI-Beta", "Traceparent", "Tracestate"}

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
	out, refusal := d.kind().request(x, ctx, d, askUsage)
	if refusal != nil {
		x.attempt.end(abandoned, "")
		return refusal, false
	}
	call, err := x.do(d, out, false)
	if errors.Is(err, upstream.ErrStale) {
		call, err = x.do(d, out, true)
	}
	if err != nil {
		refusal = x.broken(err)
		x.attempt.endError(refusal)
		x.p.Logger.Warn("upstream call failed", "request", x.name, "deployment", d.Name(), "err", err)
		return refusal, x.cut.Load() == nil && !x.gone() && !errors.Is(err, upstream.ErrTimeout)
	}
	if call.Status < 300 {
		x.source = d.kind().answer(x, call)
		return nil, false
	}
	x.attempt.endStatus(call.Status)
	refusal = x.readError(call)
	x.p.Logger.Warn("upstream refused", "request", x.name, "deployment", d.Name(), "status", call.Status)
	return refusal, call.Status == http.StatusTooManyRequests || call.Status >= 500
}

// do makes one call. The calls before are closed, and one that is interrupted meanwhile is not begun.
func (x *exchange) do(d *Deployment, out upstream.Request, fresh bool) (*upstream.Call, error) {
	if old := x.call.Load(); old != nil {
		old.Close()
	}
	call := d.Client.NewCall()
	call.Fresh = fresh
	x.call.Store(call)
	if x.cut.Load() != nil || x.gone() {
		return call, upstream.ErrInterrupted
	}
	return call, call.Do(out)
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
