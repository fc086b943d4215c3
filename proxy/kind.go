package proxy

import (
	"io"
	"net/http"
	"strconv"

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
	// prefix stands before the paths of endpoints.
	prefix() string
}

// kind returns how the deployment's server is spoken to. The names are those of the configuration.
func (d *Deployment) kind() kind {
	switch d.Kind {
	case "azure":
		if d.APIVersion != "" {
			return azureClassic{}
		}
		return azureKind{}
	case "anthropic":
		return anthropicKind{}
	}
	return openaiKind{}
}

// notServed says that no deployment of the model has the endpoint, or that the one that must serve the request has not.
func (x *exchange) notServed() *openai.Error {
	if x.pinned != nil {
		return errUpstream
	}
	return &openai.Error{
		Status: http.StatusNotFound, Type: openai.TypeInvalidRequest, Param: "model", Code: "endpoint_not_supported",
		Message: "The model " + strconv.Quote(x.model.Name) + " does not serve " + x.endpoint.path + ". Use another endpoint, or another model.",
	}
}

// openaiKind speaks to servers of the OpenAI API, whose requests and answers are passed on as they are.
type openaiKind struct{}

func (openaiKind) serves(*endpoint) bool { return true }

func (openaiKind) request(x *exchange, ctx *fasthttp.RequestCtx, d *Deployment, askUsage bool) (upstream.Request, *openai.Error) {
	body := ctx.Request.Body()
	patch := openai.Patch{Model: d.Model, IncludeUsage: askUsage || x.request.IncludeUsage, PreviousResponse: x.previous, MaxTokens: x.maxOutput()}
	out := upstream.Request{Method: http.MethodPost, Path: x.endpoint.path, Header: passHeaders(&ctx.Request.Header)}
	if x.endpoint.dialect == openai.DialectMessages {
		out.Header = appendHeaders(out.Header, &ctx.Request.Header, messagesHeaders)
	}
	if x.endpoint.multipart {
		// The file in it is sent from where it is.
		out.Body, out.ContentType = x.request.PatchedPieces(body, patch), string(ctx.Request.Header.ContentType())
		return out, nil
	}
	x.body = x.request.AppendPatched(make([]byte, 0, len(body)+64), body, patch)
	x.pieces[0] = x.body
	out.Body = x.pieces[:]
	return out, nil
}

func (openaiKind) prefix() string { return "" }

func (openaiKind) answer(_ *exchange, call *upstream.Call) io.Reader { return call }
