package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/proxy/replay"
)

const (
	// idempotencyHeader names the key under which a request may be sent again.
	idempotencyHeader = "Idempotency-Key"
	// maxIdempotencyKey bounds it, in bytes.
	maxIdempotencyKey = 255
)

var (
	errKeyReused = &openai.Error{
		Status: http.StatusUnprocessableEntity, Type: openai.TypeInvalidRequest, Code: "idempotency_key_reused",
		Message: "This Idempotency-Key was used for another request. Please use a new key for each request.",
	}
	errAnswerGone = &openai.Error{
		Status: http.StatusConflict, Type: openai.TypeInvalidRequest, Code: "idempotency_answer_gone", Final: true,
		Message: "The request with this Idempotency-Key has been served and charged; its answer is no longer kept. Use a new key to ask again.",
	}
	errLeaderFailed = &openai.Error{
		Status: http.StatusConflict, Type: openai.TypeAPI, Code: "idempotency_request_failed", RetryAfter: time.Second,
		Message: "The request with this Idempotency-Key that was under way has failed. Please try again.",
	}
)

// join finds out whether the request is sent again: then it follows the one before; otherwise it leads, and what it is answered
// is remembered. It does neither for models that have not been opted in, nor without a key.
func (x *exchange) join(ctx *fasthttp.RequestCtx) *openai.Error {
	if !x.model.Idempotent || x.p.Replays == nil || x.endpoint.free {
		return nil
	}
	key := ctx.Request.Header.Peek(idempotencyHeader)
	if len(key) == 0 {
		return nil
	}
	if len(key) > maxIdempotencyKey {
		return badParam(idempotencyHeader, "The Idempotency-Key has more than 255 characters.")
	}
	asked := printOf(x.endpoint, string(ctx.Request.Header.ContentType()), ctx.Request.Body())
	r, leads, err := x.p.Replays.Join(x.grant.KeyID+"\n"+string(key), asked, x.arrived)
	switch {
	case errors.Is(err, replay.ErrMismatch):
		return errKeyReused
	case err != nil:
		return errAnswerGone
	case leads:
		x.recording = r
	default:
		x.following = r
	}
	return nil
}

// printOf tells requests apart. A form's boundary is left out, since clients draw another one each time they send it.
func printOf(ep *endpoint, contentType string, body []byte) replay.Print {
	h := sha256.New()
	h.Write([]byte(ep.path + "\n"))
	kind, params, _ := mime.ParseMediaType(contentType)
	if boundary := params["boundary"]; ep.multipart && boundary != "" {
		contentType = kind
		for part := range bytes.SplitSeq(body, []byte("--"+boundary)) {
			h.Write(strconv.AppendInt(nil, int64(len(part)), 10))
			h.Write([]byte{' '})
			h.Write(part)
		}
		body = nil
	}
	h.Write([]byte(contentType + "\n"))
	h.Write(body)
	return replay.Print(h.Sum(nil))
}

// recordHead notes what stands before the answer's body.
func (x *exchange) recordHead() {
	if x.recording != nil {
		call := x.call.Load()
		x.recording.Begin(replay.Head{Status: call.Status, ContentType: call.ContentType, RequestID: x.name})
	}
}

// record notes a part of the answer as the client gets it.
func (x *exchange) record(b []byte) {
	if x.recording != nil {
		x.recording.Write(b)
	}
}

// recordEnd notes that the answer is whole and durable.
func (x *exchange) recordEnd() {
	if x.recording != nil {
		x.recording.Finish()
	}
}

// follow answers from the request before.
func (x *exchange) follow(ctx *fasthttp.RequestCtx) *openai.Error {
	if !x.p.live.add(x, x.p.Limits.Requests) {
		return errBusy
	}
	patience, stop := context.WithCancel(context.Background())
	x.stop.Store(&stop)
	b := &replayBody{x: x, rd: x.following.NewReader(), ctx: patience}
	head, err := b.head()
	if err != nil {
		e := b.explain(err)
		b.end()
		return e
	}
	h := &ctx.Response.Header
	ctx.Response.SetStatusCode(head.Status)
	h.SetContentType(head.ContentType)
	h.Set("X-Request-Id", head.RequestID)
	h.Set("Idempotent-Replayed", "true")
	x.p.Metrics.replays.Inc()
	if !strings.HasPrefix(head.ContentType, "application/json") {
		h.Set("Cache-Control", "no-cache, no-transform")
		h.Set("X-Accel-Buffering", "no")
		ctx.Response.SetBodyStream(b, -1)
		return nil
	}
	defer b.end()
	body, err := io.ReadAll(b)
	if err != nil {
		return b.explain(err)
	}
	ctx.Response.SetBodyRaw(body)
	return nil
}

// replayBody is the body of an answer that another request gets as well.
type replayBody struct {
	x      *exchange
	rd     *replay.Reader
	ctx    context.Context
	closed bool
}

func (b *replayBody) head() (replay.Head, error) {
	if e := b.x.unwanted(); e != nil {
		return replay.Head{}, e
	}
	return b.rd.Head(b.ctx)
}

// explain says why there is no answer to give.
func (b *replayBody) explain(err error) *openai.Error {
	if e := b.x.unwanted(); e != nil {
		return e
	}
	if errors.Is(err, replay.ErrGone) {
		return errAnswerGone
	}
	return errLeaderFailed
}

// Read gives the answer as it comes. Where there will be no end of it, the client sees a cut.
func (b *replayBody) Read(p []byte) (int, error) {
	n, err := b.rd.Read(b.ctx, p)
	switch {
	case err == io.EOF:
		return 0, io.EOF
	case err != nil:
		return 0, io.ErrUnexpectedEOF
	}
	return n, b.x.client.SetWriteDeadline(time.Now().Add(b.x.p.Limits.Write))
}

// Close lets go of everything. Only the first call counts.
func (b *replayBody) Close() error {
	if !b.closed {
		b.end()
	}
	return nil
}

func (b *replayBody) end() {
	b.closed = true
	(*b.x.stop.Load())()
	b.x.leave()
}
