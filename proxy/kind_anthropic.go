package proxy

import (
	"io"
	"net/http"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
)

// anthropicKind speaks to servers of Anthropic's Messages API. Messages are passed on as they are, chat completions are
// translated there and back.
type anthropicKind struct{}

func (anthropicKind) serves(ep *endpoint) bool {
	return ep.path == "/chat/completions" || ep.path == "/messages" || ep.path == "/messages/count_tokens"
}

func (anthropicKind) request(x *exchange, ctx *fasthttp.RequestCtx, d *Deployment, _ bool) (upstream.Request, *openai.Error) {
	body := ctx.Request.Body()
	x.body = x.request.AppendPatched(make([]byte, 0, len(body)+64), body, openai.Patch{Model: d.Model})
	return upstream.Request{
		Method: http.MethodPost, Path: x.endpoint.path, Header: anthropicHeaders(&ctx.Request.Header, d), Body: [][]byte{x.body},
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

func (anthropicKind) answer(_ *exchange, call *upstream.Call) io.Reader { return call }
