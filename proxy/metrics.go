package proxy

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmhub/metering"
	"llmhub/proxy/openai"
	"llmhub/store"
)

// Metrics are the data plane's figures for Prometheus. Labels come from the configuration and from this package,
// never from callers.
type Metrics struct {
	requests  *prometheus.CounterVec
	upstreams *prometheus.CounterVec
	tokens    *prometheus.CounterVec
	units     *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	broken    *prometheus.CounterVec
	firstByte *prometheus.HistogramVec
	duration  *prometheus.HistogramVec
	interval  prometheus.Histogram
	overhead  prometheus.Histogram
	streams   prometheus.Gauge
	commits   prometheus.Histogram
	batches   prometheus.Histogram
	failed    prometheus.Counter
	retries   *prometheus.CounterVec
	fallbacks *prometheus.CounterVec
	states    *deploymentStates

	limitRefused, limitDryRun *prometheus.CounterVec

	mu     sync.Mutex
	models map[string]*modelMetrics
}

// modelMetrics are a model's, looked up once.
type modelMetrics struct {
	requests  map[string]prometheus.Counter // by endpoint
	firstByte prometheus.Observer
	duration  prometheus.Observer
	tokens    [store.FromEstimate + 1]tokenCounters
	// units finds the counter of a unit. Most models have none, and each has few.
	units *prometheus.CounterVec
}

type tokenCounters struct{ input, cached, output, reasoning prometheus.Counter }

var (
	latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
	fineBuckets    = []float64{.00005, .0001, .0002, .0004, .0008, .0016, .0032, .0064, .0128, .0256, .0512, .1, .25, 1}
)

// NewMetrics makes the figures and registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	}
	m := &Metrics{
		requests:     counter("llmhub_requests_total", "Requests settled in the ledger.", "model", "endpoint"),
		upstreams:    counter("llmhub_upstream_requests_total", "Attempts at model servers that have ended: succeeded, rejected (the request was at fault), failed, abandoned (broken off by the client or the gateway).", "upstream", "outcome"),
		tokens:       counter("llmhub_tokens_total", "Tokens settled in the ledger; cached_input is part of input, reasoning of output.", "model", "kind", "provenance"),
		units:        counter("llmhub_units_total", "Other units than tokens settled in the ledger: images by size, audio_millisecond, character, search.", "model", "unit"),
		refusals:     counter("llmhub_refused_total", "Requests answered with an error, by status and the gateway's reason.", "status", "reason"),
		broken:       counter("llmhub_streams_broken_total", "Streams that did not come to their end.", "reason"),
		firstByte:    prometheus.NewHistogramVec(histogram("llmhub_first_byte_seconds", "Time from a request's arrival to the first event of its streamed answer.", latencyBuckets), []string{"model"}),
		duration:     prometheus.NewHistogramVec(histogram("llmhub_request_duration_seconds", "Time from a request's arrival to its settlement.", latencyBuckets), []string{"model"}),
		interval:     prometheus.NewHistogram(histogram("llmhub_inter_event_seconds", "Time between arrivals in a stream from the model server.", latencyBuckets)),
		overhead:     prometheus.NewHistogram(histogram("llmhub_overhead_seconds", "The gateway's own time until an answer begins, without model server and commit.", fineBuckets)),
		streams:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "llmhub_live_streams", Help: "Streams under way."}),
		commits:      prometheus.NewHistogram(histogram("llmhub_commit_seconds", "Time to make a batch of usage durable.", fineBuckets)),
		batches:      prometheus.NewHistogram(histogram("llmhub_commit_events", "Requests settled by one commit.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024})),
		failed:       prometheus.NewCounter(prometheus.CounterOpts{Name: "llmhub_commit_failures_total", Help: "Attempts to make a batch of usage durable that failed."}),
		retries:      counter("llmhub_retries_total", "Attempts that followed a failed one, by the upstream that failed and why.", "upstream", "reason"),
		fallbacks:    counter("llmhub_fallbacks_total", "Requests sent on to another model's deployments, by the model asked for.", "model"),
		states:       newDeploymentStates(),
		limitRefused: counter("llmhub_limit_refused_total", "Requests refused because of a limit of a key or subscription.", "rule"),
		limitDryRun:  counter("llmhub_limit_dry_run_total", "Requests served that a limit would have refused which is tried out.", "rule"),
		models:       map[string]*modelMetrics{},
	}
	r.MustRegister(m.limitRefused, m.limitDryRun, m.retries, m.fallbacks, m.states, m.requests, m.upstreams, m.tokens, m.units, m.refusals, m.broken, m.firstByte, m.duration, m.interval, m.overhead, m.streams, m.commits, m.batches, m.failed)
	return m
}

// forModel returns the figures of a model of the configuration.
func (m *Metrics) forModel(name string) *modelMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mm := m.models[name]; mm != nil {
		return mm
	}
	mm := &modelMetrics{
		requests:  make(map[string]prometheus.Counter, len(endpoints)),
		firstByte: m.firstByte.WithLabelValues(name),
		duration:  m.duration.WithLabelValues(name),
		units:     m.units.MustCurryWith(prometheus.Labels{"model": name}),
	}
	for _, ep := range endpoints {
		mm.requests[ep.name] = m.requests.WithLabelValues(name, ep.name)
	}
	for p := store.FromUpstream; p <= store.FromEstimate; p++ {
		mm.tokens[p] = tokenCounters{
			input:     m.tokens.WithLabelValues(name, "input", p.String()),
			cached:    m.tokens.WithLabelValues(name, "cached_input", p.String()),
			output:    m.tokens.WithLabelValues(name, "output", p.String()),
			reasoning: m.tokens.WithLabelValues(name, "reasoning", p.String()),
		}
	}
	m.models[name] = mm
	return mm
}

// forUpstream returns an upstream's counters of outcomes.
func (m *Metrics) forUpstream(name string) (counters [outcomes]prometheus.Counter) {
	for o, outcome := range outcomeNames {
		counters[o] = m.upstreams.WithLabelValues(name, outcome)
	}
	return counters
}

func (m *Metrics) settled(x *exchange, s metering.Settlement) {
	mm := x.model.metrics
	mm.requests[x.endpoint.name].Inc()
	mm.duration.Observe(time.Since(x.arrived).Seconds())
	t := &mm.tokens[s.Provenance]
	add(t.input, s.Tokens.Input)
	add(t.cached, s.Tokens.CachedInput)
	add(t.output, s.Tokens.Output)
	add(t.reasoning, s.Tokens.Reasoning)
	for _, q := range s.Quantities {
		add(mm.units.WithLabelValues(q.Unit.String()), q.N)
	}
}

func add(c prometheus.Counter, n int64) {
	if n > 0 {
		c.Add(float64(n))
	}
}

func (m *Metrics) answered(x *exchange) {
	m.overhead.Observe((time.Since(x.arrived) - x.upstreamTime - x.waitTime - x.commitTime).Seconds())
}

func (m *Metrics) streamBegun(x *exchange) {
	own := time.Since(x.arrived)
	x.model.metrics.firstByte.Observe(own.Seconds())
	m.overhead.Observe((own - x.upstreamTime - x.waitTime).Seconds())
	m.streams.Inc()
}

func (m *Metrics) streamEnded(*exchange) { m.streams.Dec() }

func (m *Metrics) event(_ *exchange, since time.Duration) { m.interval.Observe(since.Seconds()) }

// brokenOff counts a stream without its end, by who ended it.
func (m *Metrics) brokenOff(x *exchange) {
	reason := "client"
	if e := x.cut.Load(); e != nil {
		reason = e.Code
	} else if x.failure != nil {
		reason = reasonOf(x, x.failure)
	}
	m.broken.WithLabelValues(reason).Inc()
}

func (m *Metrics) refused(x *exchange, e *openai.Error) {
	m.refusals.WithLabelValues(strconv.Itoa(e.Status), reasonOf(x, e)).Inc()
}

func (m *Metrics) refusedQuery(e *openai.Error) {
	m.refusals.WithLabelValues(strconv.Itoa(e.Status), reasonOf(nil, e)).Inc()
}

// reasonOf returns the gateway's own code for a refusal. What an upstream calls its errors is no label.
func reasonOf(x *exchange, e *openai.Error) string {
	switch {
	case x != nil && x.deployment.Load() != nil && !isOwn(e):
		return "upstream_error"
	case e.Code == "":
		return "invalid_request"
	}
	return e.Code
}

// Committed implements metering.Observer.
func (m *Metrics) Committed(events []store.Event, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.batches.Observe(float64(len(events)))
}

// CommitFailed implements metering.Observer.
func (m *Metrics) CommitFailed(error) { m.failed.Inc() }
