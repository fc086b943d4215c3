package limit

import (
	"context"
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
	ID     store.RequestID
	Key    string
	Model  string
	Scopes []Scope
	// InputTokens is an upper bound of the request's input; Exact, if given, counts it more closely, and is called only
	// where the bound does not fit into a budget.
	InputTokens int64
	Exact       func() int64
	// OutputTokens is what the answer is bounded to, 0 if it is not.
	OutputTokens int64
	// Quantities are an upper bound of other units.
	Quantities store.Quantities
	// Growing says that the answer streams, so that its reservation can grow with it. One that does not grow must be bounded.
	Growing bool
	Price   metering.Price
}

// Refusal is why a request is beyond a limit.
type Refusal struct {
	// Scope is the ID of the scope whose rules refuse, Rule the JSON name of the rule, such as requests_per_minute.
	Scope, Rule string
	// Limit is the rule's value, in its JSON form without quotes.
	Limit string
	// RetryAfter is when it can fit again; 0 where waiting for it is no use before the month ends, or not known.
	RetryAfter time.Duration
}

// Status tells a client how near its limits it is. Negative limits are none.
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

// Options are what an engine works with.
type Options struct {
	Ledger   Ledger
	Location *time.Location
	Prices   func() metering.PriceList
	// KeysOf returns the IDs of all keys of a subscription; SubscriptionOf the subscription of a key, empty if it is not known.
	KeysOf         func(subscription string) []string
	SubscriptionOf func(key string) string
	// Crossed is told of budgets that cross 50, 80 and 100 %, at least once for each month and scope. It must not block.
	Crossed func(Crossing)
	Now     func() time.Time
}

// Ledger is what an engine reads of a store.Ledger.
type Ledger interface {
	Usage(ctx context.Context, q store.UsageQuery) ([]store.Sum, error)
}
