package proxy

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/anthropic"
	"llmhub/proxy/openai"
)

var scratch = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

// receiveWhole reads an answer that is not streamed into the response, in place of what an attempt before has left there.
func (x *exchange) receiveWhole(r *fasthttp.Response) *openai.Error {
	x.attempt.answered(time.Now())
	r.ResetBody()
	if refusal := x.readWhole(r); refusal != nil {
		return refusal
	}
	if x.endpoint.dialect == openai.DialectTranscriptions && !isJSON(x.call.Load().ContentType) {
		x.meter.WholeText(r.Body()) // nothing but the text is told, so that its tokens are estimated
		return nil
	}
	return x.readAnswer(r)
}

// isJSON says whether a content type is that of JSON.
func isJSON(contentType string) bool {
	return contentType == "" || strings.HasPrefix(contentType, "application/json")
}

// whole answers with the answer that has been received, once its usage is durable.
func (x *exchange) whole(ctx *fasthttp.RequestCtx) *openai.Error {
	x.answered = true
	x.attempt.end(succeeded, "")
	if x.endpoint.free {
		x.void()
		x.begin(ctx)
		x.p.Metrics.answered(x)
		return nil
	}
	err := x.settleFinished()
	if err == nil {
		x.remember(ctx.Response.Body())
	}
	x.leave()
	if err != nil {
		return errNotRecorded
	}
	x.begin(ctx)
	x.p.Metrics.answered(x)
	return nil
}

// remember keeps the answer for those who ask again.
func (x *exchange) remember(body []byte) {
	if x.recording != nil {
		x.recordHead()
		x.record(body)
		x.recordEnd()
	}
}

// readAnswer takes what the gateway must know from an answer's body.
func (x *exchange) readAnswer(r *fasthttp.Response) *openai.Error {
	body := r.Body()
	chunk, err := x.meter.Whole(body)
	switch {
	case err != nil:
		return errBadAnswer
	case chunk.IsError:
		return openai.UpstreamError(x.call.Load().Status, body)
	}
	if x.request.Stream && !x.fits() {
		return x.budgetSpent()
	}
	if x.endpoint.dialect == openai.DialectResponses {
		r.SetBodyRaw(x.meter.AppendWithIDs(make([]byte, 0, len(body)+128), body, x.sealID))
	}
	return nil
}

// readWhole reads the answer's body into the response.
func (x *exchange) readWhole(r *fasthttp.Response) *openai.Error {
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	call := x.call.Load()
	size := 0
	for {
		err := call.Within(x.idle())
		var n int
		if err == nil {
			n, err = x.source.Read(*buf)
		}
		if size += n; size > x.p.Limits.AnswerBytes {
			return errAnswerTooLarge
		}
		r.AppendBody((*buf)[:n])
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errStalled
		case errors.Is(err, anthropic.ErrTooLarge):
			return errAnswerTooLarge
		case err != nil:
			return x.brokenAnswer(err)
		}
	}
}

// brokenAnswer is broken for an answer that had begun.
func (x *exchange) brokenAnswer(err error) *openai.Error {
	if e := x.broken(err); e != errUpstream {
		return e
	}
	return errTruncated
}
