package proxy

import (
	"io"
	"net/http"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
)

// kind is how the model servers of one kind are spoken to: where an endpoint is, and how requests and answers that are
// in another form are put into that of the endpoint.
type kind interface {
	// serves says whether such a server has the endpoint.
	serves(ep *endpoint) bool
	// request returns what to send for the caller's request, or why it cannot be served. It may be called again for
	// another attempt.
	request(x *exchange, ctx *fasthttp.RequestCtx, d *Deployment, askUsage bool) (upstream.Request, *openai.Error)
	// answer returns what the answer's body is read from, in the form of the endpoint; by itself the call. It passes on
	// errors of the call unchanged, so that reading can go on behind one that wraps os.ErrDeadlineExceeded.
	answer(x *exchange, call *upstream.Call) io.Reader
}

// kinds are those that the configuration can name.
var kinds = map[string]kind{"": openaiKind{}, "openai": openaiKind{}}

func (d *Deployment) kind() kind { return kinds[d.Kind] }

// openaiKind speaks to servers of the OpenAI API, whose requests and answers are passed on as they are.
type openaiKind struct{}

func (openaiKind) serves(*endpoint) bool { return true }

func (openaiKind) request(x *exchange, ctx *fasthttp.RequestCtx, d *Deployment, askUsage bool) (upstream.Request, *openai.Error) {
	body := ctx.Request.Body()
	x.body = x.request.AppendPatched(make([]byte, 0, len(body)+64), body,
		openai.Patch{Model: d.Model, IncludeUsage: askUsage || x.request.IncludeUsage, MaxTokens: x.maxOutput()})
	return upstream.Request{
		Method: http.MethodPost, Path: x.endpoint.path, Header: passHeaders(&ctx.Request.Header), Body: [][]byte{x.body},
	}, nil
}

func (openaiKind) answer(_ *exchange, call *upstream.Call) io.Reader { return call }
