package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
	"llmhub/subscription"
)

// Model servers store responses under IDs of their own, for all who share the gateway's account there. A client sees such an
// ID with a seal behind it: a tag of the deployment that made it, and a MAC over that, the ID and the subscription. So a response
// is found again, by its subscription alone, and nothing of it has to be kept here.
const (
	sealMark = "_lh"
	sealTag  = 5  // bytes that tell deployments apart
	sealMAC  = 16 // bytes of the MAC
)

// sealText is base32 in lower case without padding. A tag is 8 digits.
var sealText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// tag tells deployments apart.
type tag [sealTag]byte

func tagOf(deployment string) (t tag) {
	sum := sha256.Sum256([]byte(deployment))
	copy(t[:], sum[:])
	return t
}

// storage is a deployment that stores responses.
type storage struct {
	deployment *Deployment
	models     []string // that it can have made them for
}

// addStorages notes the deployments that can answer requests for a model and store responses.
func (r *Routes) addStorages(m *Model) {
	ep := responsesEndpoint()
	for _, other := range m.line {
		for _, d := range other.Deployments {
			if !d.kind().serves(ep) {
				continue
			}
			t := tagOf(d.Name())
			if r.storages[t] == nil {
				r.storages[t] = &storage{deployment: d}
			}
			r.storages[t].models = append(r.storages[t].models, m.Name)
		}
	}
}

// appendSealed appends an ID in the form that clients see.
func (p *Proxy) appendSealed(dst []byte, subscription, deployment string, id []byte) []byte {
	t := tagOf(deployment)
	mac := hmac.New(sha256.New, p.IDKey)
	for _, part := range [][]byte{[]byte(subscription), []byte(deployment), id} {
		mac.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		mac.Write([]byte{' '})
		mac.Write(part)
	}
	seal := append(t[:], mac.Sum(nil)[:sealMAC]...)
	return sealText.AppendEncode(append(append(dst, id...), sealMark...), seal)
}

// sealID appends the ID of a response of this exchange in the form that clients see; that of the one it goes on from as it
// was given.
func (x *exchange) sealID(dst, id []byte) []byte {
	if x.pinned != nil && string(id) == x.previous {
		return append(dst, x.previousSealed...)
	}
	return x.p.appendSealed(dst, x.grant.SubscriptionID, x.deployment.Load().Name(), id)
}

// open returns the ID of a stored response at the deployment that made it. ok is false for what is no ID of the subscription's,
// for a response of a deployment that there is no more, and for one of models that the key may not use.
func (p *Proxy) open(grant *subscription.Grant, sealed []byte) (id string, d *Deployment, ok bool) {
	at := bytes.LastIndex(sealed, []byte(sealMark))
	digits := sealText.EncodedLen(sealTag)
	if at < 0 || len(sealed) < at+len(sealMark)+digits {
		return "", nil, false
	}
	var t tag
	if _, err := sealText.Decode(t[:], sealed[at+len(sealMark):][:digits]); err != nil {
		return "", nil, false
	}
	s := p.routes.Load().storages[t]
	if s == nil || !slices.ContainsFunc(s.models, grant.Allows) {
		return "", nil, false
	}
	want := p.appendSealed(nil, grant.SubscriptionID, s.deployment.Name(), sealed[:at])
	return string(sealed[:at]), s.deployment, hmac.Equal(want, sealed)
}

// pin finds the one deployment that can serve a request which goes on from a stored response: that which made it, or
// another one at the same model server, since conversations may go on with another model.
func (x *exchange) pin() *openai.Error {
	sealed := x.request.PreviousResponse
	if len(sealed) == 0 {
		return nil
	}
	id, made, ok := x.p.open(x.grant, sealed)
	if !ok {
		return responseNotFound("Previous response", "previous_response_id", string(sealed))
	}
	for _, m := range x.model.line {
		for _, d := range m.Deployments {
			if d.Client.Name() == made.Client.Name() && d.kind().serves(x.endpoint) && (x.pinned == nil || d.Model == made.Model) {
				x.previous, x.previousSealed, x.pinned, x.pinnedTo = id, string(sealed), d, m
			}
		}
	}
	if x.pinned == nil {
		e := responseNotFound("Previous response", "previous_response_id", string(sealed))
		e.Message += " It was made at a model server that does not serve the model " +
			strconv.Quote(x.model.Name) + ": ask the model that made it, or send the whole conversation."
		return e
	}
	return nil
}

func responseNotFound(what, param, id string) *openai.Error {
	quoted := strconv.Quote(id[:min(len(id), 128)])
	return &openai.Error{
		Status: http.StatusNotFound, Type: openai.TypeInvalidRequest, Param: param, Code: strings.TrimSuffix(param, "_id") + "_not_found",
		Message: what + " with id '" + quoted[1:len(quoted)-1] + "' not found.",
	}
}

// responsesEndpoint returns the endpoint that makes responses.
func responsesEndpoint() *endpoint {
	i := slices.IndexFunc(endpoints, func(ep endpoint) bool { return ep.path == responsesPath })
	return &endpoints[i]
}

// storedQueries are the parameters that are passed on.
var storedQueries = []string{"include", "include[]", "limit", "order", "after", "before"}

// stored returns the handler of what can be done with a stored response: suffix stands behind its ID. No tokens are used.
func (p *Proxy) stored(suffix string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx := c.Context()
		name := p.Recorder.NewID().String()
		if refusal := p.answerStored(c, suffix, name); refusal != nil {
			p.Metrics.refusedQuery(refusal)
			answerError(ctx, refusal, openai.FormOpenAI, name)
		}
		return nil
	}
}

func (p *Proxy) answerStored(c *fiber.Ctx, suffix, name string) *openai.Error {
	ctx := c.Context()
	grant, refusal := p.authenticate(ctx, time.Now())
	if refusal != nil {
		return refusal
	}
	if ctx.QueryArgs().GetBool("stream") {
		return badParam("stream", "Stored responses are not streamed again; leave stream out.")
	}
	if p.draining.Load() {
		return errShutdown
	}
	sealed := c.Params("id")
	id, d, ok := p.open(grant, []byte(sealed))
	if !ok {
		return responseNotFound("Response", "response_id", sealed)
	}
	s := storedCall{p: p, subscription: grant.SubscriptionID, d: d, name: name, sealed: sealed}
	return s.answer(ctx, url.PathEscape(id)+suffix)
}

// storedCall is one call about a stored response.
type storedCall struct {
	p            *Proxy
	subscription string
	d            *Deployment
	name         string
	sealed       string // its ID as the client knows it
}

// storedWait bounds such a call.
const storedWait = time.Minute

func (s *storedCall) answer(ctx *fasthttp.RequestCtx, path string) *openai.Error {
	call := s.d.Client.NewCall()
	out := upstream.Request{Method: string(ctx.Method()), Path: s.d.kind().prefix() + responsesPath + "/" + path + storedQuery(ctx), Header: passHeaders(&ctx.Request.Header)}
	if err := call.Do(out); err != nil {
		s.p.Logger.Warn("upstream call failed", "request", s.name, "deployment", s.d.Name(), "err", err)
		return callError(err)
	}
	defer call.Close()
	x := exchange{p: s.p, name: s.name}
	switch {
	case call.Status == http.StatusNotFound: // the model server's words would name its own ID
		return responseNotFound("Response", "response_id", s.sealed)
	case call.Status >= 300:
		return x.readError(call)
	}
	body, refusal := s.read(call)
	if refusal != nil {
		return refusal
	}
	m := openai.Meter{Dialect: openai.DialectResponses}
	if _, err := m.Whole(body); err != nil {
		return errBadAnswer
	}
	ctx.Response.SetStatusCode(call.Status)
	ctx.Response.Header.SetContentType("application/json")
	ctx.Response.Header.Set("X-Request-Id", s.name)
	ctx.Response.SetBodyRaw(m.AppendWithIDs(make([]byte, 0, len(body)+128), body, func(dst, id []byte) []byte {
		return s.p.appendSealed(dst, s.subscription, s.d.Name(), id)
	}))
	return nil
}

// read reads the whole answer.
func (s *storedCall) read(call *upstream.Call) ([]byte, *openai.Error) {
	var body []byte
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	for end := time.Now().Add(storedWait); ; {
		if call.Within(time.Until(end)) != nil {
			return nil, errStalled
		}
		n, err := call.Read(*buf)
		if body = append(body, (*buf)[:n]...); len(body) > s.p.Limits.AnswerBytes {
			return nil, errAnswerTooLarge
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return body, nil
		default:
			return nil, callError(err)
		}
	}
}

// storedQuery returns the query that is passed on, with its question mark.
func storedQuery(ctx *fasthttp.RequestCtx) string {
	values := url.Values{}
	for key, value := range ctx.QueryArgs().All() {
		if slices.Contains(storedQueries, string(key)) {
			values.Add(string(key), string(value))
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}
