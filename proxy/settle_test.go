package proxy

import (
	"context"
	"testing"
)

type fixedEstimate int64

func (e fixedEstimate) Count(context.Context, ...[]byte) int64 { return int64(e) }

// TestEstimateIsCapped uses numbers whose product is 2 in 64 bits: they must not make an answer cheap.
func TestEstimateIsCapped(t *testing.T) {
	for _, c := range []struct{ maxTokens, n, want int64 }{
		{0, 1, 100}, {30, 1, 30}, {30, 2, 60}, {1000, 1, 100}, {462952043574, 39845907, 100}, {1e12, 1e12, 100},
	} {
		x := &exchange{p: &Proxy{Options: Options{Estimator: fixedEstimate(100)}}, endpoint: &endpoints[0]}
		x.request.MaxTokens, x.request.N = c.maxTokens, c.n
		x.meter.Event([]byte(`{"choices":[{"index":0,"delta":{"content":"hi"}}]}`))
		if got := x.estimateOutput(t.Context()); got != c.want {
			t.Errorf("max_tokens %d, n %d: %d tokens, want %d", c.maxTokens, c.n, got, c.want)
		}
	}
}
