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
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
)

// Model servers store responses under IDs of their own, for all who share the gateway's account there. A client sees such an
// ID with a seal behind it: which model server stores it, and a MAC over that, the ID and the subscription. So a response
// is found again, by its subscription alone, and nothing of it has to be kept here.
const (
	sealMark   = "_lh"
	serverTag  = 5  // bytes that tell model servers apart
	sealMAC    = 16 // bytes of the MAC
	sealLength = (serverTag + sealMAC) * 8 / 5
)

// sealText is base32 in lower case without padding: 21 bytes and the last bits of a digit.
var sealText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// tagOf tells the model server of a name from others.
func tagOf(server string) (tag [serverTag]byte) {
	sum := sha256.Sum256([]byte(server))
	copy(tag[:], sum[:])
	return tag
}

// seal returns what stands behind the ID of a stored response.
func (p *Proxy) seal(subscription, server string, id []byte) [serverTag + sealMAC]byte {
	var out [serverTag + sealMAC]byte
	tag := tagOf(server)
	mac := hmac.New(sha256.New, p.IDKey)
	for _, part := range [][]byte{[]byte(subscription), []byte(server), id} {
		mac.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		mac.Write([]byte{' '})
		mac.Write(part)
	}
	copy(out[:], tag[:])
	copy(out[serverTag:], mac.Sum(nil))
	return out
}

// appendSealed appends an ID in the form that clients see.
func (p *Proxy) appendSealed(dst []byte, subscription, server string, id []byte) []byte {
	seal := p.seal(subscription, server, id)
	dst = append(append(dst, id...), sealMark...)
	return sealText.AppendEncode(dst, seal[:])
}

// sealID appends the ID of a response of this exchange in the form that clients see; that of the one it goes on from likewise.
func (x *exchange) sealID(dst, id []byte) []byte {
	return x.p.appendSealed(dst, x.grant.SubscriptionID, x.deployment.Load().Client.Name(), id)
}

// openID returns the ID at the model server of a response that the subscription has made, and whether it is one of the
// server's.
func (p *Proxy) openID(subscription, server string, sealed []byte) (string, bool) {
	at := bytes.LastIndex(sealed, []byte(sealMark))
	if at < 0 {
		return "", false
	}
	want := p.appendSealed(nil, subscription, server, sealed[:at])
	return string(sealed[:at]), hmac.Equal(want, sealed)
}

// pin finds the one deployment that can serve a request which goes on from a stored response.
func (x *exchange) pin() *openai.Error {
	sealed := x.request.PreviousResponse
	if len(sealed) == 0 {
		return nil
	}
	for _, d := range x.model.Deployments {
		if id, ok := x.p.openID(x.grant.SubscriptionID, d.Client.Name(), sealed); ok && d.kind().serves(x.endpoint) {
			x.previous, x.pinned = id, d
			return nil
		}
	}
	return responseNotFound("Previous response", "previous_response_id", string(sealed))
}

func responseNotFound(what, param, id string) *openai.Error {
	return &openai.Error{
		Status: http.StatusNotFound, Type: openai.TypeInvalidRequest, Param: param, Code: param[:len(param)-len("_id")] + "_not_found",
		Message: what + " with id " + strconv.Quote(id[:min(len(id), 128)]) + " not found.",
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
	sealed := c.Params("id")
	for _, d := range p.routes.Load().servers {
		if id, ok := p.openID(grant.SubscriptionID, d.Client.Name(), []byte(sealed)); ok {
			s := storedCall{p: p, subscription: grant.SubscriptionID, d: d, name: name}
			return s.answer(ctx, url.PathEscape(id)+suffix)
		}
	}
	return responseNotFound("Response", "response_id", sealed)
}

// storedCall is one call about a stored response.
type storedCall struct {
	p            *Proxy
	subscription string
	d            *Deployment
	name         string
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
	if call.Status >= 300 {
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
		return s.p.appendSealed(dst, s.subscription, s.d.Client.Name(), id)
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
