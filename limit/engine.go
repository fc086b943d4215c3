package limit

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"llmhub/metering"
	"llmhub/store"
)

// Scope is something that has rules of its own: a key, a subscription, or a model within a subscription.
type Scope struct {
	// ID is "key_…", "sub_…" or "sub_…/model". It names what is used over changes of the rules.
	ID string
	// Rules are those in force; nil limits nothing.
	Rules *Rules
}

// Ask is what a request may come to, as far as is known before it is sent on.
type Ask struct {
	Model string
	// Scopes are at most MaxScopes.
	Scopes []Scope
	// InputTokens is an upper bound of the request's input; Exact, if given, counts it more closely, and is called only
	// where the bound does not fit.
	InputTokens int64
	Exact       func() int64
	// Generates says that the answer has output tokens; OutputTokens is what all of them are bounded to, 0 if they are not.
	Generates    bool
	OutputTokens int64
	// MostOutput is how many output tokens the model can put out for each choice, 0 if that is not known.
	MostOutput int64
	// Choices is how many answers are asked for at once; each has a token at least. 0 is one.
	Choices int64
	// Quantities are an upper bound of other units.
	Quantities store.Quantities
	// Growing says that the answer streams, so that its reservation grows with it. One that does not grow is bounded by
	// Reservation.MaxOutput.
	Growing bool
}

// MaxScopes bounds the scopes of one request: its key, its subscription, and the model within that.
const MaxScopes = 3

// The rules by their JSON names.
const (
	RuleRequests     = "requests_per_minute"
	RuleInputTokens  = "input_tokens_per_minute"
	RuleOutputTokens = "output_tokens_per_minute"
	RuleConcurrency  = "concurrency"
	RuleTokens       = "monthly_tokens"
	RuleAmount       = "monthly_amount"
)

// Cause says why a request is refused that is not beyond a limit, as far as is known.
type Cause uint8

// The causes. With a budget nothing is served that it cannot be kept for.
const (
	// Beyond: the request is beyond the limit.
	Beyond Cause = iota
	// NoPrice: the budget is of money, and the model has no price.
	NoPrice
	// NotRead: what has been used of the budget could not be read.
	NotRead
)

// Refusal is why a request is beyond a limit.
type Refusal struct {
	// Scope is the ID of the scope whose rules refuse, Rule the JSON name of the rule.
	Scope, Rule string
	// Limit is the rule's value, in its JSON form without quotes.
	Limit string
	Cause Cause
	// RetryAfter is when it can fit again; 0 where waiting for it is no use before the month ends, or not known. A budget
	// that requests under way hold, and have not spent, is worth waiting for.
	RetryAfter time.Duration
	// Fresh says of a refusal by a dry run that its scope has had none for a minute.
	Fresh bool
}

// Status tells a client how near its limits it is. The limit of a window is 0 where there is none.
type Status struct {
	Requests, InputTokens, OutputTokens Window
}

// Window is the tightest of the rates of one kind: how much is allowed and left in a minute, and when all of it is again.
type Window struct {
	Limit, Left int64
	Reset       time.Duration
}

// Crossing is a budget that has been used up to a share.
type Crossing struct {
	Scope   string
	Month   store.Month
	Percent int // 50, 80 or 100
	// Spent and Budget are in tokens, or amounts in the billing currency, as decimals.
	Spent, Budget string
	Money         bool
}

// Options are what an engine works with; all but Crossed, Now and Shares are required.
type Options struct {
	Ledger   Ledger
	Location *time.Location
	// Prices returns the list in force; it is the same map until that changes.
	Prices func() metering.PriceList
	// KeysOf returns the IDs of all keys a subscription has ever had; SubscriptionOf the subscription of a key, empty if
	// it is not known.
	KeysOf         func(subscription string) []string
	SubscriptionOf func(key string) string
	// Crossed is told of budgets that cross 50, 80 and 100 %, at least once for each month and scope. It must not block.
	Crossed func(Crossing)
	Now     func() time.Time
	// Shares, if given, divide what rules allow among replicas, of which Replica names this one: no other process may
	// ever have had that name.
	Shares  store.Shares
	Replica string
}

// Ledger is what an engine reads of a store.Ledger.
type Ledger interface {
	Usage(ctx context.Context, q store.UsageQuery) ([]store.Sum, error)
}

// Engine keeps requests within the rules of their scopes. Its methods may be called concurrently.
//
// A scope has a mutex of its own, held for arithmetic only; a request takes those of its scopes in the order of their IDs.
type Engine struct {
	opts     Options
	calendar atomic.Pointer[calendar]
	scopes   [scopeShards]scopeShard
	ends     [endShards]endShard

	// loads is held shared by commits and exclusively by reads of what has been spent, so that each event is either in
	// the sum that is read or added to it. Both wait for the disk; requests do not, but for the first one of a scope.
	loads  sync.RWMutex
	loader loader
	doubt  doubt
	// leaving says that no more is to be held than is in use.
	leaving atomic.Bool
}

// New returns an engine that knows of nothing used.
func New(o Options) *Engine {
	if o.Crossed == nil {
		o.Crossed = func(Crossing) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &Engine{opts: o}
	seed := maphash.MakeSeed()
	for i := range e.scopes {
		e.scopes[i].init(seed)
	}
	for i := range e.ends {
		e.ends[i].byID = map[store.RequestID]*Reservation{}
	}
	return e
}
