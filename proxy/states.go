package proxy

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmhub/proxy/choice"
)

// deploymentStates are figures of the deployments in force, read when they are asked for.
type deploymentStates struct {
	breaker, queued *prometheus.Desc
	routes          atomic.Pointer[Routes]
}

func newDeploymentStates() *deploymentStates {
	labels := []string{"deployment"}
	return &deploymentStates{
		breaker: prometheus.NewDesc("llmhub_upstream_breaker_state", "State of a deployment's circuit breaker: 0 closed, 1 half-open, 2 open.", labels, nil),
		queued:  prometheus.NewDesc("llmhub_upstream_queued", "Requests that wait for a slot of a deployment.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (s *deploymentStates) Describe(out chan<- *prometheus.Desc) {
	out <- s.breaker
	out <- s.queued
}

// Collect implements prometheus.Collector.
func (s *deploymentStates) Collect(out chan<- prometheus.Metric) {
	routes := s.routes.Load()
	if routes == nil {
		return
	}
	now, seen := time.Now(), map[*choice.Target]bool{}
	for _, m := range routes.models {
		for _, d := range m.Deployments {
			if seen[d.target] {
				continue
			}
			seen[d.target] = true
			status := d.target.Status(now)
			out <- prometheus.MustNewConstMetric(s.breaker, prometheus.GaugeValue, float64(status.Breaker), d.Name())
			out <- prometheus.MustNewConstMetric(s.queued, prometheus.GaugeValue, float64(status.Queued), d.Name())
		}
	}
}
