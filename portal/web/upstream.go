package web

import "time"

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
}
