package proxy

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
)

var scratch = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

// whole answers with an answer that is not streamed, once its usage is durable.
func (x *exchange) whole(ctx *fasthttp.RequestCtx) *openai.Error {
	start := time.Now()
	x.attempt.answered(start)
	refusal := x.readWhole(&ctx.Response)
	x.upstreamTime += time.Since(start)
	if refusal == nil {
		refusal = x.readAnswer(ctx.Response.Body())
	}
	if refusal == nil && x.request.Stream && !x.fits() {
		refusal = x.budgetSpent()
	}
	if refusal != nil {
		x.attempt.endError(refusal)
		return refusal
	}
	x.answered = true
	x.attempt.end(succeeded, "")
	err := x.settleFinished()
	x.leave()
	if err != nil {
		return errNotRecorded
	}
	x.begin(ctx)
	x.p.Metrics.answered(x)
	return nil
}

// readAnswer takes what the gateway must know from an answer's body.
func (x *exchange) readAnswer(body []byte) *openai.Error {
	chunk, err := x.meter.Whole(body)
	switch {
	case err != nil:
		return errBadAnswer
	case chunk.IsError:
		return openai.UpstreamError(x.call.Load().Status, body)
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
