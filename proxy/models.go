package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/subscription"
)

// modelObject is a model in OpenAI's form.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	// MetaData is an addition to OpenAI's form.
	MetaData *metaData `json:"meta_data,omitempty"`
}

func (m *Model) object() modelObject {
	o := modelObject{ID: m.Name, Object: "model", OwnedBy: m.OwnedBy, MetaData: m.metaData()}
	if !m.Created.IsZero() {
		o.Created = m.Created.Unix()
	}
	if o.OwnedBy == "" {
		o.OwnedBy = "llmhub"
	}
	return o
}

// query answers a request about the gateway itself: it authenticates, and writes what f returns as JSON.
func (p *Proxy) query(c *fiber.Ctx, f func(*subscription.Grant) (any, *openai.Error)) error {
	ctx := c.Context()
	id := p.Recorder.NewID().String()
	grant, refusal := p.authenticate(ctx, time.Now())
	var v any
	if refusal == nil {
		v, refusal = f(grant)
	}
	if refusal != nil {
		p.Metrics.refusedQuery(refusal)
		answerError(ctx, refusal, formOf(ctx.Path()), id)
		return nil
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx.Response.Header.SetContentType("application/json")
	ctx.Response.Header.Set("X-Request-Id", id)
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.Response.SetBodyRaw(body)
	return nil
}

func (p *Proxy) listModels(c *fiber.Ctx) error {
	return p.query(c, func(g *subscription.Grant) (any, *openai.Error) {
		routes := p.routes.Load()
		data := make([]modelObject, 0, len(routes.names))
		for _, name := range routes.names {
			if g.Allows(name) {
				data = append(data, routes.models[name].object())
			}
		}
		return map[string]any{"object": "list", "data": data}, nil
	})
}

func (p *Proxy) getModel(c *fiber.Ctx) error {
	return p.query(c, func(g *subscription.Grant) (any, *openai.Error) {
		name, err := url.PathUnescape(c.Params("*"))
		if err != nil {
			name = c.Params("*")
		}
		m := p.routes.Load().models[name]
		if m == nil || !g.Allows(name) {
			return nil, modelNotFound(name)
		}
		return m.object(), nil
	})
}

// unknown answers requests to paths that do not exist, or not by that method.
func (p *Proxy) unknown(c *fiber.Ctx) error {
	return p.query(c, func(*subscription.Grant) (any, *openai.Error) {
		if method := methodOf(c.Path()); method != "" {
			c.Set("Allow", method)
			return nil, &openai.Error{
				Status: http.StatusMethodNotAllowed, Type: "invalid_request_error", Code: "method_not_allowed",
				Message: "Not allowed to " + c.Method() + " " + c.Path() + ". Use " + method + ".",
			}
		}
		return nil, &openai.Error{
			Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url",
			Message: "Unknown request URL: " + c.Method() + " " + c.Path() + ".",
		}
	})
}

// methodOf returns the method of a path without parameters, which begins with its version; "" if there is no such path.
func methodOf(path string) string {
	path = path[min(len("/v1"), len(path)):]
	switch {
	case path == modelsPath || path == usagePath || path == realtimeEndpoint.path:
		return http.MethodGet
	case slices.ContainsFunc(endpoints, func(ep endpoint) bool { return ep.path == path }):
		return http.MethodPost
	}
	return ""
}

// RefuseKey answers a request whose key is not good, for the reason that Authenticate gives.
func (p *Proxy) RefuseKey(ctx *fasthttp.RequestCtx) {
	_, e := p.authenticate(ctx, time.Now())
	if e == nil {
		e = authError(subscription.ErrBadKey) // it has become good in between, too late for this request
	}
	p.Metrics.refusedQuery(e)
	answerError(ctx, e, formOf(ctx.Path()), p.Recorder.NewID().String())
}

// ServerError answers what goes wrong before or outside a handler, in OpenAI's form.
func (p *Proxy) ServerError(ctx *fasthttp.RequestCtx, status int) {
	e := &openai.Error{Status: status, Type: "invalid_request_error", Message: http.StatusText(status) + "."}
	switch status {
	case http.StatusRequestEntityTooLarge:
		e.Code, e.Message = "request_too_large", "The request's body is larger than the gateway takes."
		if path := ctx.Path(); bytes.HasPrefix(path, []byte("/v1/")) || bytes.HasPrefix(path, []byte("/v2/")) {
			e.Message += " It may have " + strconv.Itoa(p.Limits.BodyBytes) + " bytes at most."
		}
	case http.StatusRequestHeaderFieldsTooLarge:
		e.Code, e.Message = "headers_too_large", "The request's headers are larger than the gateway takes."
	case http.StatusMethodNotAllowed:
		e.Code, e.Message = "unknown_method", "The request's method is none that HTTP knows."
	case http.StatusInternalServerError:
		e = errInternal
	}
	p.Metrics.refusedQuery(e)
	answerError(ctx, e, formOf(ctx.Path()), p.Recorder.NewID().String())
}
