// Package gateway says what the portal's pages and its API show alike of the gateway: the models that it serves and how
// their model servers are doing.
package gateway

import "time"

// Model is a model that the gateway serves, with what customers want to know before they choose it. Unknown values are
// empty or zero.
type Model struct {
	Name, DisplayName, Kind     string
	ContextTokens               int64
	MaxOutputTokens             int64
	Location, Country, HostedBy string
	Licence, LicenceURL         string
	EndOfLife                   time.Time
}

// Upstream is how one deployment of a model is doing, judged by the requests that went there.
type Upstream struct {
	Upstream, Deployment string
	Models               []string
	// State is unknown, healthy, degraded or failing.
	State                          string
	Requests, Failures, InFlight   int64
	WindowRequests, WindowFailures int64
	FirstByteMedian, FirstByteSlow time.Duration
	LastSuccess, LastFailure       time.Time
	LastReason                     string
	// Weight and Priority say which share of the requests it is sent, and in which tier.
	Weight, Priority int
	// Breaker is closed, open or half-open; BreakerUntil is until when it is open, otherwise zero.
	Breaker      string
	BreakerUntil time.Time
	// Draining says that it takes no new requests, DrainConfigured that the configuration has it so, which alone ends that.
	Draining, DrainConfigured bool
	// Queued wait for one of MaxConcurrency slots; 0 means that these have no bound.
	Queued, MaxConcurrency int
}
