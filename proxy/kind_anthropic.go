package proxy

import (
	"io"
	"net/http"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/anthropic"
	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
)

// anthropicKind speaks to servers of Anthropic's Messages API. Messages are passed on as they are, chat completions are
// translated there and back.
type anthropicKind struct{}

const chatPath = "/chat/completions"

func (anthropicKind) serves(ep *endpoint) bool {
	return ep.path == chatPath || ep.path == "/messages" || ep.path == "/messages/count_tokens"
}

func (anthropicKind) prefix() string { return "" }

func (anthropicKind) request(x *exchange, ctx *fasthttp.RequestCtx, d *Deployment, _ bool) (upstream.Request, *openai.Error) {
	body := ctx.Request.Body()
	x.body = x.request.AppendPatched(make([]byte, 0, len(body)+64), body, openai.Patch{Model: d.Model, MaxTokens: x.maxOutput()})
	path, out := x.endpoint.path, x.body
	if path == chatPath {
		path = "/messages"
		o := anthropic.Options{Model: d.Model, Adaptive: d.AdaptiveThinking}
		if x.model.About != nil {
			o.MaxTokens = x.model.About.MaxOutputTokens
		}
		var refusal *openai.Error
		if out, refusal = anthropic.Request(x.body, o); refusal != nil {
			return upstream.Request{}, refusal
		}
	}
	return upstream.Request{
		Method: http.MethodPost, Path: path, Header: anthropicHeaders(&ctx.Request.Header, d), Body: [][]byte{out},
	}, nil
}

// anthropicHeaders returns what is passed on of the caller's headers. The version that the caller names wins.
func anthropicHeaders(h *fasthttp.RequestHeader, d *Deployment) []upstream.Header {
	out := passHeaders(h)
	version := d.APIVersion
	if v := h.Peek("Anthropic-Version"); len(v) > 0 {
		version = string(v)
	}
	out = append(out, upstream.Header{Name: "anthropic-version", Value: version})
	if v := h.Peek("Anthropic-Beta"); len(v) > 0 {
		out = append(out, upstream.Header{Name: "anthropic-beta", Value: string(v)})
	}
	return out
}

func (anthropicKind) answer(x *exchange, call *upstream.Call) io.Reader {
	if x.endpoint.path != chatPath {
		return call
	}
	o := anthropic.AnswerOptions{
		Model: x.model.Name, Created: x.arrived.Unix(), Limit: x.p.Limits.AnswerBytes,
		// An answer that is broken off is charged the input that the model server has counted.
		Started: func(chunk []byte) { x.meter.Event(chunk) },
	}
	if x.streamed() {
		o.Limit, x.meter.Running = x.p.Limits.EventBytes, true
		return anthropic.NewStream(call, o)
	}
	return anthropic.NewAnswer(call, o)
}
