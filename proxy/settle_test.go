package proxy

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmhub/metering"
	"llmhub/proxy/openai"
	"llmhub/store"
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

// TestUnitsAreCounted: what is settled beside tokens is a figure of its model, and stands in a key's own usage.
func TestUnitsAreCounted(t *testing.T) {
	r := prometheus.NewRegistry()
	m := NewMetrics(r)
	x := &exchange{model: &Model{metrics: m.forModel("painter")}, endpoint: &endpoints[0], arrived: time.Now()}
	q := store.Quantities{}.Plus(store.UnitImage1024, 2).Plus(store.UnitAudioMillisecond, 1500)
	for range 2 {
		m.settled(x, metering.Settlement{Provenance: store.FromUpstream, Quantities: q})
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, c := range f.GetMetric() {
			if l := c.GetLabel(); f.GetName() == "llmhub_units_total" {
				got[l[0].GetValue()+" "+l[1].GetValue()] = c.GetCounter().GetValue()
			}
		}
	}
	if len(got) != 2 || got["painter image_1024x1024"] != 4 || got["painter audio_millisecond"] != 3000 {
		t.Errorf("counted %v", got)
	}
	month, err := store.ParseMonth("2026-11")
	if err != nil {
		t.Fatal(err)
	}
	sums := []store.Sum{{Model: "painter", Requests: 1, Quantities: q}, {Model: "talker", Requests: 1}, {Model: "writer", Requests: 1, Quantities: q}}
	b, err := json.Marshal(usageAnswer(month, sums, false))
	if err != nil {
		t.Fatal(err)
	}
	for text, times := range map[string]int{
		`"quantities":[{"unit":"image_1024x1024","quantity":2},{"unit":"audio_millisecond","quantity":1500}]`: 2,
		`"quantities":[{"unit":"image_1024x1024","quantity":4},{"unit":"audio_millisecond","quantity":3000}]`: 1,
		`"quantities"`: 3,
	} {
		if n := strings.Count(string(b), text); n != times {
			t.Errorf("%s stands %d times, want %d, in %s", text, n, times, b)
		}
	}
}

// TestPartialProvenance: a count is the model server's own only where no other can follow.
func TestPartialProvenance(t *testing.T) {
	for _, c := range []struct {
		what    string
		dialect openai.Dialect
		running bool
		failure *openai.Error
		events  []string
		want    store.Provenance
	}{
		{"a message between running totals", openai.DialectMessages, false, nil, []string{
			`{"type":"message_start","message":{"role":"assistant","content":[],"usage":{"input_tokens":702,"output_tokens":1}}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":63}}`,
		}, store.FromPartial},
		{"a message that the model server broke off", openai.DialectMessages, false, errTruncated, []string{
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":702,"output_tokens":126}}`,
		}, store.FromUpstream},
		{"a message that was given up", openai.DialectMessages, false, errStalled, []string{
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":702,"output_tokens":63}}`,
		}, store.FromPartial},
		{"a message at its end", openai.DialectMessages, false, nil, []string{
			`{"type":"message_start","message":{"role":"assistant","content":[],"usage":{"input_tokens":702,"output_tokens":1}}}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":126}}`,
			`{"type":"message_stop"}`,
		}, store.FromUpstream},
		{"a chat that a message is translated to", openai.DialectChat, true, nil, []string{
			`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
			`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1}}`,
		}, store.FromPartial},
		{"a chat that has finished", openai.DialectChat, false, nil, []string{
			`{"choices":[{"index":0,"delta":{"content":"hi"}}]}`,
			`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":1}}`,
		}, store.FromUpstream},
		{"a chat that goes on", openai.DialectChat, false, nil, []string{
			`{"choices":[{"index":0,"delta":{"content":"hi"}}],"usage":{"prompt_tokens":7,"completion_tokens":1}}`,
		}, store.FromPartial},
	} {
		x := &exchange{p: &Proxy{Options: Options{Estimator: fixedEstimate(100)}}, endpoint: &endpoints[0]}
		x.meter.Dialect, x.meter.Running, x.failure = c.dialect, c.running, c.failure
		for _, e := range c.events {
			x.meter.Event([]byte(e))
		}
		_, reported := x.tokens()
		if got := x.partialProvenance(reported); got != c.want || !reported {
			t.Errorf("%s: %s (reported %t), want %s", c.what, got, reported, c.want)
		}
	}
}
