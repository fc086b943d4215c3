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

// messagesHeaders are those of Anthropic's endpoints beside them.
var messagesHeaders = []string{"Anthropic-Version", "Anthropic-Beta"}

// trouble says what may help after an attempt that failed.
type trouble struct {
	again    bool          // another deployment may do better
	same     bool          // so may the same one, later
	timedOut bool          // the server may still be at work on it
	after    time.Duration // when the server wants to be asked again; 0 says nothing
	reason   string        // label in metrics
}

// callOn is one attempt at a deployment. It is judged here unless an answer has begun.
func (x *exchange) callOn(ctx *fasthttp.RequestCtx, d *Deployment, askUsage bool) (*openai.Error, trouble) {
	out, refusal := d.kind().request(x, ctx, d, askUsage)
	if refusal != nil {
		x.attempt.end(abandoned, "")
		return refusal, trouble{again: true, reason: "unfit"}
	}
	call, err := x.do(d, out, false)
	if errors.Is(err, upstream.ErrStale) {
		call, err = x.do(d, out, true)
	}
	if err != nil {
		refusal = x.broken(err)
		x.atWork = call.Sent
		x.attempt.endError(refusal)
		x.p.Logger.Warn("upstream call failed", "request", x.name, "deployment", d.Name(), "err", err)
		return refusal, x.troubleOf(refusal)
	}
	if call.Status < 300 {
		x.source = d.kind().answer(x, call)
		return x.receive(ctx)
	}
	refusal = x.readError(call)
	if askUsage && !x.request.IncludeUsage && namesUsage(refusal) {
		d.rejectsUsage.Store(true)
		x.p.Logger.Warn("upstream refuses to be asked for the usage of streams; its tokens will be estimated", "deployment", d.Name())
		return x.callOn(ctx, d, false)
	}
	failure := troubleOfStatus(call.Status)
	failure.after = retryAfterOf(call)
	x.attempt.endStatus(call.Status, failure.after)
	x.p.Logger.Warn("upstream refused", "request", x.name, "deployment", d.Name(), "status", call.Status)
	return refusal, failure
}

// receive takes the answer so far as it must have come before anything goes to the client.
func (x *exchange) receive(ctx *fasthttp.RequestCtx) (refusal *openai.Error, failure trouble) {
	switch {
	case x.streamed():
		refusal = x.receiveStream()
	case x.endpoint.sound && !isJSON(x.call.Load().ContentType):
		refusal = x.receiveSound()
	default:
		refusal = x.receiveWhole(&ctx.Response)
	}
	if refusal == nil {
		return nil, trouble{}
	}
	x.atWork = true
	x.attempt.endError(refusal)
	// What the model server says may quote the prompt, so that only the code is logged.
	x.p.Logger.Warn("upstream failed to answer", "request", x.name, "deployment", x.deployment.Load().Name(), "status", refusal.Status, "code", refusal.Code)
	return refusal, x.troubleOf(refusal)
}

// troubleOf says what may help after an attempt that was answered with no status, or with one of success.
func (x *exchange) troubleOf(e *openai.Error) trouble {
	if x.unwantedNow() {
		return trouble{}
	}
	switch e {
	case errStalled:
		return trouble{timedOut: true, same: true, reason: "timeout"}
	case errUpstreamBusy:
		return trouble{again: true, same: true, reason: "busy"}
	case errUpstream:
		return trouble{again: true, same: true, reason: "connect"}
	case errTruncated:
		return trouble{again: true, same: true, reason: "truncated"}
	case errBadAnswer:
		return trouble{again: true, same: true, reason: "invalid"}
	}
	if isOwn(e) {
		return trouble{}
	}
	if e.Code == "upstream_auth" {
		return trouble{again: true, reason: "auth"}
	}
	return troubleOfStatus(e.Status)
}

// unwantedNow says whether the call was interrupted because nobody wants its answer any more.
func (x *exchange) unwantedNow() bool { return x.cut.Load() != nil || x.gone() }

// troubleOfStatus says what may help after an answer with a status other than success. Another deployment may take
// credentials that one refuses; a fault of the request is one everywhere.
func troubleOfStatus(status int) trouble {
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooManyRequests:
		return trouble{again: true, same: true, reason: strconv.Itoa(status)}
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return trouble{again: true, reason: "auth"}
	case status >= 500:
		return trouble{again: true, same: true, reason: "5xx"}
	}
	return trouble{}
}

// namesUsage says whether an upstream's refusal is about having been asked for usage.
func namesUsage(e *openai.Error) bool {
	return (e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity) &&
		(strings.Contains(e.Message, "stream_options") || strings.Contains(e.Message, "include_usage") ||
			strings.Contains(e.Param, "stream_options"))
}

// do makes one call. The calls before are closed, and one that is interrupted meanwhile is not begun.
func (x *exchange) do(d *Deployment, out upstream.Request, fresh bool) (*upstream.Call, error) {
	if old := x.call.Load(); old != nil {
		old.Close()
	}
	call := d.Client.NewCall()
	call.Fresh = fresh
	x.call.Store(call)
	if x.unwantedNow() {
		return call, upstream.ErrInterrupted
	}
	return call, call.Do(out)
}

func passHeaders(h *fasthttp.RequestHeader) []upstream.Header {
	return appendHeaders(nil, h, passedHeaders)
}

// appendHeaders appends those headers of the names that the request has.
func appendHeaders(out []upstream.Header, h *fasthttp.RequestHeader, names []string) []upstream.Header {
	for _, name := range names {
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
	if x.previous != "" {
		e.Message = strings.ReplaceAll(e.Message, x.previous, x.previousSealed) // the model server knows its own ID
	}
	if call.Status >= 500 && e.Code != "upstream_auth" {
		e.Status = call.Status // an early error keeps its status: clients know what to do about it
	}
	if after := retryAfterOf(call); after > 0 {
		e.RetryAfter = after
	}
	return e
}

// retryAfterOf returns when the model server wants to be asked again, which it says in seconds or by a date; 0 if it does
// not say so, or not within a day.
func retryAfterOf(call *upstream.Call) time.Duration {
	if call.RetryAfter == "" {
		return 0
	}
	var d time.Duration
	if s, err := strconv.Atoi(call.RetryAfter); err == nil {
		d = time.Duration(min(max(s, 0), 86400)) * time.Second
	} else if date, err := http.ParseTime(call.RetryAfter); err == nil {
		d = time.Until(date)
	}
	if d <= 0 || d >= 24*time.Hour {
		return 0
	}
	return d
}
