package proxy

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/limit"
	"llmhub/metering"
	"llmhub/proxy/audio"
	"llmhub/proxy/openai"
	"llmhub/proxy/replay"
	"llmhub/proxy/upstream"
	"llmhub/store"
	"llmhub/subscription"
)

// exchange is one request under way, from its admission to its settlement. The goroutine of the client's connection
// owns it; cutWith and watch come from others.
type exchange struct {
	p          *Proxy
	id         store.RequestID
	name       string // the ID in the form that clients see
	endpoint   *endpoint
	arrived    time.Time
	client     net.Conn
	grant      *subscription.Grant
	model      *Model
	deployment atomic.Pointer[Deployment]
	request    openai.Request
	body       []byte    // what was sent upstream, for estimates
	pieces     [1][]byte // of it, where it is one
	entry      *metering.Entry
	meter      openai.Meter

	recording *replay.Recording                  // of the answer, for those who ask again; nil if it is not remembered
	following *replay.Recording                  // of the request before, whose answer this one gets
	stop      atomic.Pointer[context.CancelFunc] // ends the wait of one that follows

	beyond      *limit.Refusal     // the limit that has refused it
	reservation *limit.Reservation // of the limits of the key and its subscription; nil without any
	grown       growth
	overBudget  bool // the answer was broken off because a budget is spent

	previous       string // the ID at the model server of the stored response that the request goes on from
	previousSealed string // as the client gave it

	pinned     *Deployment // the only one that can serve the request; nil where any can
	pinnedTo   *Model      // which it is a deployment of: the model itself, or one that it falls back to
	attempt    attempted   // at the deployment, not judged yet
	begun      *stream     // a streamed answer whose first event has come
	begunSound *sound      // an answer of audio that has begun to come

	call   atomic.Pointer[upstream.Call]
	source io.Reader                     // what the answer's body is read from, in the form of the endpoint
	wake   atomic.Pointer[chan struct{}] // wakes one who waits for anything but a call
	cut    atomic.Pointer[openai.Error]  // why the answer is broken off
	left   atomic.Int64                  // when the client was found gone, in Unix nanoseconds
	ended  bool                          // the record has been made, or is not to be

	atWork   bool          // the model server was when the client left, before the answer began
	answered bool          // a whole answer has come
	faulty   bool          // an error has come in mid-stream, apart from what ends the stream
	failure  *openai.Error // what the model server did wrong in mid-answer

	upstreamTime time.Duration // spent waiting for the model server before the answer began
	waitTime     time.Duration // spent waiting for a slot, or between attempts
	commitTime   time.Duration // spent waiting for the record to be durable

	prev, next *exchange // in liveList
}

// policy returns what happens upstream when the client leaves.
func (x *exchange) policy() Policy {
	if x.recording != nil {
		return Drain // whoever asks again gets the answer
	}
	if d := x.deployment.Load(); d != nil {
		return d.OnDisconnect
	}
	return Cancel
}

// idle returns how long the model server may be silent.
func (x *exchange) idle() time.Duration {
	if d := x.deployment.Load(); d != nil && d.Idle > 0 {
		return d.Idle
	}
	return x.p.Limits.Idle
}

// interrupt wakes whoever waits for the model server, or to be sent there.
func (x *exchange) interrupt() {
	if c := x.call.Load(); c != nil {
		c.Interrupt()
	}
	x.wakeUp()
	if stop := x.stop.Load(); stop != nil {
		(*stop)()
	}
}

// cutWait bounds writes to a client whose answer is broken off.
const cutWait = 5 * time.Second

// cutWith breaks the answer off with an error.
func (x *exchange) cutWith(e *openai.Error) {
	if !x.cut.CompareAndSwap(nil, e) {
		return
	}
	x.interrupt()
	// A client that does not read must not hold up the end.
	_ = x.client.SetWriteDeadline(time.Now().Add(cutWait))
}

// gone says whether the client has been found to have left.
func (x *exchange) gone() bool { return x.left.Load() != 0 }

// broken returns the error for a call that ended with err: the reason for which it was interrupted, if it was.
func (x *exchange) broken(err error) *openai.Error {
	if e := x.cut.Load(); e != nil {
		return e
	}
	if x.gone() {
		return errClientLeft
	}
	return callError(err)
}

// admit makes an exchange of a request, or says why it is refused.
func (p *Proxy) admit(ctx *fasthttp.RequestCtx, ep *endpoint) (*exchange, *openai.Error) {
	now := time.Now()
	x := &exchange{p: p, id: p.Recorder.NewID(), endpoint: ep, arrived: now, client: ctx.Conn()}
	x.meter.Dialect = ep.dialect
	x.name = x.id.String()
	revocations := p.Gate.Revocations()
	grant, refusal := p.authenticate(ctx, now)
	if refusal != nil {
		return x, refusal
	}
	x.grant = grant
	if p.draining.Load() {
		return x, errShutdown
	}
	if limit := p.Limits.Requests; limit > 0 && p.live.count() >= limit {
		return x, errBusy
	}
	if refusal := x.read(ctx); refusal != nil {
		return x, refusal
	}
	if refusal := x.join(ctx); refusal != nil || x.following != nil {
		return x, refusal
	}
	x.listen(ctx.Request.Body())
	if refusal := x.reserve(ctx); refusal != nil {
		return x, refusal
	}
	entry, err := p.Recorder.Begin(metering.Begun{
		ID: x.id, Key: grant.KeyID, Model: x.model.Name, Deployment: x.model.Deployments[0].Name(),
		RequestBytes: int64(len(ctx.Request.Body())), Arrived: now,
	})
	if err != nil {
		return x, beginError(err)
	}
	x.entry = entry
	if !p.live.add(x, p.Limits.Requests) {
		entry.Void()
		x.entry = nil // there is nothing to end
		return x, errBusy
	}
	// Drain waits for those it finds live; whoever came too late to be found sees the flag here.
	if p.draining.Load() {
		x.void()
		return x, errShutdown
	}
	// A key that was revoked before it could be found among the live ones is met here.
	if p.Gate.Revocations() != revocations {
		if _, refusal := p.authenticate(ctx, now); refusal != nil {
			x.void()
			return x, refusal
		}
	}
	return x, nil
}

// read takes from the request what the gateway must know.
func (x *exchange) read(ctx *fasthttp.RequestCtx) *openai.Error {
	if refusal := x.endpoint.checkContentType(&ctx.Request.Header); refusal != nil {
		return refusal
	}
	request, err := x.endpoint.peek(ctx)
	if err != nil {
		return badRequest(err)
	}
	x.request, x.meter.Images = request, request.Units.Images
	model := x.p.routes.Load().models[string(request.Model)]
	if model == nil || !x.grant.Allows(model.Name) {
		return modelNotFound(string(request.Model))
	}
	x.model = model
	if request.Stream && !x.endpoint.streams {
		return &openai.Error{
			Status: fasthttp.StatusBadRequest, Type: "invalid_request_error", Param: "stream",
			Message: "This endpoint does not stream; leave stream out.",
		}
	}
	return x.pin()
}

// listen finds out how long the recording is that a transcription is asked of, where the model has a price for that: others are billed
// by tokens, and what is used and has no price would make their amounts incomplete. Where the file tells nothing the model server may
// know more.
func (x *exchange) listen(body []byte) {
	if file := x.request.File(body); len(file) > 0 && x.pricedBy(store.UnitAudioMillisecond) {
		x.request.Units.AudioMilliseconds, _ = audio.Milliseconds(file)
	}
}

// pricedBy says whether the model has a price for a unit today.
func (x *exchange) pricedBy(u store.Unit) bool {
	price, _ := metering.PriceAt(x.model.Prices, store.DayOf(x.arrived, x.p.Location))
	return price.Unit(u).IsSet()
}

// void ends the exchange without a record: nothing was delivered.
func (x *exchange) void() {
	if x.ended {
		return
	}
	x.ended = true
	x.entry.Void()
	x.leave()
}

// leave takes the exchange out of the live ones and lets go of what it holds.
func (x *exchange) leave() {
	x.attempt.end(abandoned, "") // unless it has been judged
	if x.recording != nil {
		x.recording.Fail() // unless it is whole
	}
	x.reservation.Void() // unless it has been settled
	x.meter.Release()
	x.p.live.remove(x)
	if c := x.call.Load(); c != nil {
		c.Close()
	}
}
