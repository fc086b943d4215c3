package portal

import (
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/portal/gateway"
	"llmhub/secret"
)

type operatorView struct {
	ID         string     `json:"id"`
	Name       string     `json:"name" example:"ada"`
	CreatedAt  time.Time  `json:"created_at"`
	PasswordAt time.Time  `json:"password_at" doc:"When the password was set."`
	DisabledAt *time.Time `json:"disabled_at,omitempty"`
}

func viewOperator(a identity.OperatorAccount) operatorView {
	return operatorView{ID: a.ID, Name: a.Name, CreatedAt: a.CreatedAt.UTC(), PasswordAt: a.PasswordAt.UTC(), DisabledAt: utc(a.DisabledAt)}
}

func (p *Portal) listOperators(r *request) (page[operatorView], error) {
	list, next, err := p.operators.List(r.ctx, r.by, r.query("after"), r.limit())
	return pageOf(list, next, viewOperator), err
}

// newOperator is the body that makes an account.
type newOperator struct {
	Name     string `json:"name" doc:"1 to 64 letters, digits and . _ @ + -; letters of either case are the same." example:"ada"`
	Password string `json:"password" format:"password"`
}

func (p *Portal) createOperator(r *request, in newOperator) (operatorView, error) {
	a, err := p.operators.Create(r.ctx, r.by, in.Name, secret.New(in.Password))
	return viewOperator(a), err
}

func (p *Portal) disableOperator(r *request) (operatorView, error) {
	id, err := r.id()
	if err != nil {
		return operatorView{}, err
	}
	a, err := p.operators.Disable(r.ctx, r.by, id)
	return viewOperator(a), err
}

// newPassword is the body that sets a password.
type newPassword struct {
	Password string `json:"password" format:"password"`
}

func (p *Portal) setOperatorPassword(r *request, in newPassword) (operatorView, error) {
	id, err := r.id()
	if err != nil {
		return operatorView{}, err
	}
	a, err := p.operators.SetPassword(r.ctx, r.by, id, secret.New(in.Password))
	return viewOperator(a), err
}

// upstreamView is how a deployment of models is doing. What was not measured is absent.
type upstreamView struct {
	Upstream        string     `json:"upstream"`
	Deployment      string     `json:"deployment"`
	Models          []string   `json:"models"`
	State           string     `json:"state" enum:"unknown,healthy,degraded,failing"`
	Requests        int64      `json:"requests"`
	Failures        int64      `json:"failures"`
	InFlight        int64      `json:"in_flight"`
	WindowRequests  int64      `json:"window_requests" doc:"The latest requests, by which the state is judged."`
	WindowFailures  int64      `json:"window_failures"`
	FirstByteMS     int64      `json:"first_byte_ms,omitempty" doc:"The median."`
	FirstByteSlowMS int64      `json:"first_byte_slow_ms,omitempty" doc:"What the slow ones take."`
	LastSuccessAt   *time.Time `json:"last_success_at,omitempty"`
	LastFailureAt   *time.Time `json:"last_failure_at,omitempty"`
	LastReason      string     `json:"last_reason,omitempty" doc:"Why the last failure was one."`
	Weight          int        `json:"weight" doc:"Its share of the requests of its tier."`
	Priority        int        `json:"priority" doc:"Its tier; the lowest is tried first."`
	Breaker         string     `json:"breaker" enum:"closed,open,half-open" doc:"Open: it has failed and is left alone for a while."`
	BreakerUntil    *time.Time `json:"breaker_until,omitempty"`
	Draining        bool       `json:"draining" doc:"It takes no new requests."`
	DrainConfigured bool       `json:"drain_configured" doc:"The configuration has it drained, which alone ends that."`
	Queued          int        `json:"queued" doc:"Requests that wait for a slot."`
	MaxConcurrency  int        `json:"max_concurrency,omitempty" doc:"Its slots; absent when they have no bound."`
}

func viewUpstream(u gateway.Upstream) upstreamView {
	return upstreamView{
		Upstream: u.Upstream, Deployment: u.Deployment, Models: orEmpty(u.Models), State: u.State,
		Requests: u.Requests, Failures: u.Failures, InFlight: u.InFlight,
		WindowRequests: u.WindowRequests, WindowFailures: u.WindowFailures,
		FirstByteMS: u.FirstByteMedian.Milliseconds(), FirstByteSlowMS: u.FirstByteSlow.Milliseconds(),
		LastSuccessAt: known(u.LastSuccess), LastFailureAt: known(u.LastFailure), LastReason: u.LastReason,
		Weight: u.Weight, Priority: u.Priority, Breaker: u.Breaker, BreakerUntil: known(u.BreakerUntil), Draining: u.Draining, DrainConfigured: u.DrainConfigured,
		Queued: u.Queued, MaxConcurrency: u.MaxConcurrency,
	}
}

// drained is the body that drains a deployment, or ends that.
type drained struct {
	Deployment string `json:"deployment" doc:"As the list of upstreams names it."`
	Draining   *bool  `json:"draining"`
}

// drainUpstream drains a deployment, or ends that.
func (p *Portal) drainUpstream(r *request, in drained) (upstreamView, error) {
	if in.Draining == nil {
		return upstreamView{}, fault.New(fault.Invalid, "draining", "must be given")
	}
	if err := p.drain(r.ctx, r.by, in.Deployment, *in.Draining); err != nil {
		return upstreamView{}, err
	}
	for _, u := range p.upstreams() {
		if u.Deployment == in.Deployment {
			return viewUpstream(u), nil
		}
	}
	// A drain that a deployment has left behind has been ended.
	return viewUpstream(gateway.Upstream{Deployment: in.Deployment, State: "unknown", Breaker: "closed"}), nil
}

func (p *Portal) listUpstreams(*request) (page[upstreamView], error) {
	return pageOf(p.upstreams(), "", viewUpstream), nil
}
