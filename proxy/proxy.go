// Package proxy is the data plane: it authenticates an application's request, sends it to a model server, passes the
// answer on as it comes, and settles what it cost.
//
// It stores no prompt and no answer, never makes up an end that the model server did not send, and lets nothing that
// looks finished leave before its usage is durable.
package proxy

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/limit"
	"llmhub/metering"
	"llmhub/proxy/choice"
	"llmhub/proxy/replay"
	"llmhub/proxy/upstream"
	"llmhub/store"
	"llmhub/subscription"
)

// Gate says which key may do what; it follows the store.
type Gate interface {
	// Authenticate returns what a key grants, or one of package subscription's errors.
	Authenticate(key []byte, now time.Time) (*subscription.Grant, error)
	// Revocations counts revocations. It grows before those who listen to them are called.
	Revocations() uint64
}

// Estimator counts the tokens of texts.
type Estimator interface {
	Count(ctx context.Context, texts ...[]byte) int64
}

// Ledger is what the proxy reads of a store.Ledger.
type Ledger interface {
	Usage(ctx context.Context, q store.UsageQuery) ([]store.Sum, error)
}

// Limits bound what comes from outside. Zero values mean the defaults of DefaultLimits.
type Limits struct {
	// BodyBytes bounds a request's body.
	BodyBytes int
	// AnswerBytes bounds an answer that is not streamed.
	AnswerBytes int
	// EventBytes bounds one event of a stream.
	EventBytes int
	// Requests bounds the requests under way at once; 0 means no bound.
	Requests int
	// Heartbeat is the silence in a stream after which a comment is sent.
	Heartbeat time.Duration
	// Idle is how long a model server may be silent in an answer.
	Idle time.Duration
	// Write bounds each write to a client.
	Write time.Duration
	// Drain bounds how long an answer is read on after its client has left, for upstreams of that policy.
	Drain time.Duration
	// DrainEvents bounds the events that are read on.
	DrainEvents int64
	// Watch is the period of looking whether clients are still there.
	Watch time.Duration
}

// DefaultLimits are the limits that apply where none are set.
var DefaultLimits = Limits{
	BodyBytes: 32 << 20, AnswerBytes: 64 << 20, EventBytes: 32 << 20,
	Heartbeat: 15 * time.Second, Idle: 5 * time.Minute, Write: time.Minute,
	Drain: time.Minute, DrainEvents: 16384, Watch: 500 * time.Millisecond,
}

// orElse puts v's default in its place where it is not set.
func orElse[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

func (l *Limits) setDefaults() {
	d := DefaultLimits
	orElse(&l.BodyBytes, d.BodyBytes)
	orElse(&l.AnswerBytes, d.AnswerBytes)
	orElse(&l.EventBytes, d.EventBytes)
	orElse(&l.Heartbeat, d.Heartbeat)
	orElse(&l.Idle, d.Idle)
	orElse(&l.Write, d.Write)
	orElse(&l.Drain, d.Drain)
	orElse(&l.DrainEvents, d.DrainEvents)
	orElse(&l.Watch, d.Watch)
}

// Options are what a Proxy is made of; all but Engine, Limits and Logger are required.
type Options struct {
	Gate      Gate
	Recorder  *metering.Recorder
	Ledger    Ledger
	Estimator Estimator
	Metrics   *Metrics
	// Replays remembers answers by their Idempotency-Key; nil remembers none.
	Replays *replay.Cache
	// IDKey seals the IDs of stored responses.
	IDKey []byte
	// Engine keeps requests within the limits of keys and subscriptions; nil limits nothing.
	Engine *limit.Engine
	// Location is the billing time zone, and Currency the code of what budgets of money are in.
	Location *time.Location
	Currency string
	Limits   Limits
	Logger   *slog.Logger
}

// Policy says what happens upstream when a client leaves in mid-answer.
type Policy string

const (
	// Cancel closes the connection to the model server and counts what was sent.
	Cancel Policy = "cancel"
	// Drain reads on to the model server's usage, within limits.
	Drain Policy = "drain"
)

// Deployment is a model at a model server.
type Deployment struct {
	Client *upstream.Client
	// Kind names how the server is spoken to; empty means openai.
	Kind string
	// APIVersion is for azure that of the classic API, empty for the v1 API; for anthropic what is asked for where the
	// caller names none.
	APIVersion string
	// AdaptiveThinking says of a model at a server of kind anthropic that it takes an effort rather than a budget.
	AdaptiveThinking bool
	// Model is its name there.
	Model string
	// OnDisconnect is the policy for clients that leave.
	OnDisconnect Policy
	// AskUsage has streams asked for their usage.
	AskUsage bool
	// Idle is how long the model server may be silent in an answer; 0 means what Limits says.
	Idle time.Duration
	// Weight is its share of the requests of its tier; 0 means only those that the others of the tier cannot take. Where
	// all weights are 0, all are alike.
	Weight int
	// Priority is its tier; the lowest is tried first.
	Priority int
	// Bounds are its slots, queue, breaker and drain. Deployments with the same client and model must have the same.
	Bounds choice.Settings

	// rejectsUsage is set once the server has refused to be asked for usage.
	rejectsUsage atomic.Bool
	name         string
	tally        *tally
	target       *choice.Target
}

// Name returns the deployment's name in records: upstream/model.
func (d *Deployment) Name() string {
	if d.name != "" {
		return d.name // spares an allocation for each request
	}
	return d.Client.Name() + "/" + d.Model
}

// Retries are how often a request is tried at a model's deployments while nothing has been sent to the client. The zero
// value has each tried once.
type Retries struct {
	// Attempts bounds those of one request. Each deployment is tried once in any case.
	Attempts int
	// Backoff is waited before a deployment is asked again: doubled each time up to 5 s, jittered.
	Backoff time.Duration
	// MaxElapsed is how long after the first attempt a wait may end; no later one is begun.
	MaxElapsed time.Duration
	// Timeouts has a request tried again whose model server did not begin to answer in time. It may be at work on it.
	Timeouts bool
}

// Model is a model as clients know it.
type Model struct {
	Name        string
	OwnedBy     string
	Created     time.Time
	Deployments []*Deployment
	// Balance says how the deployments of a tier share the requests; empty means choice.LeastBusy.
	Balance choice.Balance
	Retries Retries
	// Fallbacks name the models whose deployments are tried when none of these could serve a request, and theirs after
	// them. The request is metered as one for this model.
	Fallbacks []string
	// Idempotent has answers remembered for requests that are sent again under the same Idempotency-Key.
	Idempotent bool
	// About is shown in the list of models; nil means that nothing is known.
	About *About
	// Prices are in ascending order of From. They say by which unit recordings are billed where a model server tells none.
	Prices []metering.Price

	metrics *modelMetrics
	group   *choice.Group
	line    []*Model // itself and those that it falls back to
}

// Routes maps the names of models to what serves them. It is not changed once it is in use.
type Routes struct {
	models map[string]*Model
	names  []string // in the order of the configuration
	// storages are the deployments that store responses.
	storages map[tag]*storage
}

// NewRoutes returns routes to the given models.
func NewRoutes(models []*Model) *Routes {
	r := &Routes{models: make(map[string]*Model, len(models)), storages: map[tag]*storage{}}
	for _, m := range models {
		r.models[m.Name] = m
		r.names = append(r.names, m.Name)
	}
	for _, m := range models {
		m.line = r.lineOf(m, nil)
		r.addStorages(m)
	}
	return r
}

// lineOf appends a model and those that it falls back to, each once, to a line.
func (r *Routes) lineOf(m *Model, line []*Model) []*Model {
	if m == nil || slices.Contains(line, m) {
		return line
	}
	line = append(line, m)
	for _, name := range m.Fallbacks {
		line = r.lineOf(r.models[name], line)
	}
	return line
}

// Proxy is the data plane. Close must be called after the listener has been closed.
type Proxy struct {
	Options
	routes   atomic.Pointer[Routes]
	live     liveList
	sessions sessionList
	draining atomic.Bool
	watcher  watcher
	commits  waits

	drainsMu sync.Mutex
	drains   map[string]struct{} // the deployments that are drained, by name
}

// New returns a proxy without routes.
func New(o Options) *Proxy {
	o.Limits.setDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{Options: o, drains: map[string]struct{}{}}
	p.live.init()
	p.routes.Store(NewRoutes(nil))
	p.watcher.start(p)
	return p
}

// SetRoutes replaces the routes for requests to come; those under way keep theirs. What Health says of deployments
// whose client and model are the same as before goes on, and so do their breakers, slots and queues. It must not be called concurrently.
func (p *Proxy) SetRoutes(r *Routes) {
	for _, m := range r.models {
		m.metrics = p.Metrics.forModel(m.Name)
	}
	p.drainsMu.Lock()
	defer p.drainsMu.Unlock()
	r.keepStates(p.routes.Load(), p.Metrics, time.Now())
	p.drain(r)
	p.routes.Store(r)
	p.Metrics.states.routes.Store(r)
}

// HasDeployment says whether any model has a deployment of the name that Health gives it.
func (p *Proxy) HasDeployment(name string) bool {
	for _, m := range p.routes.Load().models {
		for _, d := range m.Deployments {
			if d.Name() == name {
				return true
			}
		}
	}
	return false
}

// SetDraining has a deployment, by the name that Health gives it, take no new requests, or ends that; requests under way go on. It
// holds over SetRoutes, also for a deployment that is not there yet. What the settings drain stays so.
func (p *Proxy) SetDraining(name string, on bool) {
	p.drainsMu.Lock()
	defer p.drainsMu.Unlock()
	if on {
		p.drains[name] = struct{}{}
	} else {
		delete(p.drains, name)
	}
	p.drain(p.routes.Load())
}

// drain tells the deployments of routes whether they are drained. p.drainsMu is held.
func (p *Proxy) drain(r *Routes) {
	for _, m := range r.models {
		for _, d := range m.Deployments {
			_, on := p.drains[d.Name()]
			d.target.Drain(on)
		}
	}
}

// Register adds the endpoints to a router, the same under /v1 and /v2.
func (p *Proxy) Register(router fiber.Router) {
	for _, prefix := range []string{"/v1", "/v2"} {
		g := router.Group(prefix)
		for i := range endpoints {
			g.Post(endpoints[i].path, p.forward(&endpoints[i]))
		}
		g.Get(modelsPath, p.listModels)
		g.Get(modelsPath+"/*", p.getModel)
		g.Get(usagePath, p.usage)
		g.Get(realtimeEndpoint.path, p.realtime)
		g.Get(responsesPath+"/:id", p.stored(""))
		g.Delete(responsesPath+"/:id", p.stored(""))
		g.Post(responsesPath+"/:id/cancel", p.stored("/cancel"))
		g.Get(responsesPath+"/:id/input_items", p.stored("/input_items"))
		g.Use(p.unknown)
	}
}

// Drain refuses new requests, waits for those under way until ctx ends, and then cuts them.
func (p *Proxy) Drain(ctx context.Context) {
	p.draining.Store(true)
	p.live.each((*exchange).wakeUp)
	p.sessions.each((*session).retire)
	if p.live.wait(ctx) && p.sessions.wait(ctx) {
		return
	}
	p.live.each(func(x *exchange) { x.cutWith(errShutdown) })
	p.sessions.each(func(s *session) { s.cutWith(errShutdown) })
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if !p.live.wait(last) || !p.sessions.wait(last) {
		p.Logger.Error("requests still under way at shutdown", "count", p.live.count(), "sessions", p.sessions.count())
	}
}

// Draining says whether Drain has been called.
func (p *Proxy) Draining() bool { return p.draining.Load() }

// Revoke cuts all answers under a key; why is one of package subscription's errors.
func (p *Proxy) Revoke(keyID string, why error) {
	p.live.each(func(x *exchange) {
		if x.grant.KeyID == keyID {
			x.cutWith(authError(why))
		}
	})
	p.revokeSessions(keyID, why)
}

// Close stops watching clients.
func (p *Proxy) Close() {
	p.watcher.close()
	p.commits.close()
}
