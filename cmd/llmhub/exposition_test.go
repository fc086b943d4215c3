package main

import (
	"net"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	promname "github.com/prometheus/common/model"
	"github.com/valyala/fasthttp"

	"llmhub/proxy/proxytest"
)

// exposition reads /metrics as Prometheus does.
func exposition(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("metrics: status %d", resp.StatusCode)
	}
	parser := expfmt.NewTextParser(promname.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// scrape returns the metrics as text.
func (h *hub) scrape(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(h.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return rest(resp.Body)
}

// metric returns the sum of a family's values whose labels contain those given, as name=value.
func (h *hub) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	family := exposition(t, h.url)[name]
	if family == nil {
		t.Fatalf("there is no %s", name)
	}
	var sum float64
	for _, m := range family.Metric {
		have := ""
		for _, l := range m.Label {
			have += " " + l.GetName() + "=" + l.GetValue() + " "
		}
		matches := true
		for _, l := range labels {
			matches = matches && strings.Contains(have, " "+l+" ")
		}
		if matches {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// TestMetrics does a bit of everything, with a mark in all that a caller can choose: figures must be right, and the
// mark nowhere.
func TestMetrics(t *testing.T) {
	const mark = "h0stile"
	h := streamHub(t, nil)
	h.provider.Script(modelMute, proxytest.Script{Status: 400, ErrorBody: `{"error":{"message":"` + mark + `","type":"` + mark + `","code":"` + mark + `"}}`})
	h.provider.Script(modelSilent, proxytest.Script{Words: 4, Fault: proxytest.Fault{Body: `{"error":{"message":"x","type":"x","code":"` + mark + `"}}`, After: 2}})
	plain := proxytest.Script{Words: 4, Fault: proxytest.Fault{Body: `{"code":422,"error":{"message":"x","code":"` + mark + `"}}`, After: 2, Plain: true}}
	h.provider.Script(modelPaused, plain)
	a := h.account("metrics")
	key := authorization(a.text)
	for range 3 {
		rest(a.ask(t, t.Context(), a.chat(modelQuick, true)).Body)
	}
	rest(a.ask(t, t.Context(), a.chat(modelQuick, false)).Body)
	rest(a.ask(t, t.Context(), a.chat(modelMute, true)).Body)
	rest(a.ask(t, t.Context(), a.chat(modelSilent, true)).Body)
	rest(a.ask(t, t.Context(), a.chat(modelPaused, true)).Body)
	for _, request := range []string{
		post("/v1/chat/completions", key+jsonType, `{"model":"`+mark+`\"} 1\n`+mark+`{x=\"y"}`),
		post("/v1/chat/completions", authorization(mark)+jsonType, `{"model":"m"}`),
		post("/v1/"+mark, key+jsonType, `{}`),
		post("/"+mark, key+jsonType, `{}`),
		"GET /v1/models/" + mark + " HTTP/1.1\r\nHost: " + mark + "\r\nX-Request-Id: " + mark + "\r\n" + key + "\r\n",
		strings.ToUpper(mark) + " / HTTP/1.1\r\nHost: hub\r\n\r\n",
		mark + "\r\n\r\n",
	} {
		h.exchange(t, 1, request)
	}
	h.idle()
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"llmhub_requests_total", []string{"model=quick", "endpoint=chat_completions"}, 4},
		{"llmhub_tokens_total", []string{"model=quick", "kind=output", "provenance=upstream"}, 32},
		{"llmhub_first_byte_seconds", []string{"model=quick"}, 3},
		{"llmhub_refused_total", []string{"status=404", "reason=model_not_found"}, 2},
		{"llmhub_refused_total", []string{"reason=upstream_error"}, 1},
		{"llmhub_refused_total", []string{"status=401", "reason=invalid_api_key"}, 1},
		{"llmhub_streams_broken_total", []string{"reason=upstream_error"}, 1},
		{"llmhub_upstream_requests_total", []string{"upstream=cancel", "outcome=succeeded"}, 4},
		{"llmhub_upstream_requests_total", []string{"upstream=cancel", "outcome=rejected"}, 2},
		{"llmhub_upstream_requests_total", []string{"upstream=cancel", "outcome=failed"}, 1},
		{"llmhub_upstream_requests_total", []string{"upstream=cancel", "outcome=abandoned"}, 0},
		{"llmhub_live_streams", nil, 0},
		{"llmhub_commit_failures_total", nil, 0},
	} {
		if got := h.metric(t, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if h.metric(t, "llmhub_commit_seconds") == 0 || h.metric(t, "llmhub_commit_events") == 0 || h.metric(t, "llmhub_overhead_seconds") == 0 {
		t.Error("nothing was observed of commits or of the gateway's own time")
	}
	if text := h.scrape(t); strings.Contains(strings.ToLower(text), mark) || !strings.Contains(text, "llmhub_refused_total") {
		t.Errorf("a caller's text is in the metrics:\n%s", text)
	}
	h.shutDown(t)
}

// TestMetricsGuard asks for the metrics as callers from here and elsewhere do.
func TestMetricsGuard(t *testing.T) {
	h := startHub(t, []string{"m"}, nil)
	admin := "Bearer " + h.server.cfg.Admin.Token.Reveal()
	for _, c := range []struct {
		name, ip string
		header   map[string]string
		want     int
	}{
		{"here", "127.0.0.1", nil, 200},
		{"here, IPv6", "::1", nil, 200},
		{"forwarded", "127.0.0.1", map[string]string{"X-Forwarded-For": "127.0.0.1"}, 401},
		{"forwarded, standard", "127.0.0.1", map[string]string{"Forwarded": "for=127.0.0.1"}, 401},
		{"elsewhere", "192.0.2.7", nil, 401},
		{"elsewhere, said to be here", "192.0.2.7", map[string]string{"X-Real-Ip": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"}, 401},
		{"wrong token", "192.0.2.7", map[string]string{"Authorization": admin + "x"}, 401},
		{"token in another scheme", "192.0.2.7", map[string]string{"Authorization": strings.Replace(admin, "Bearer", "Basic", 1)}, 401},
		{"token", "192.0.2.7", map[string]string{"Authorization": admin}, 200},
		{"token, forwarded", "127.0.0.1", map[string]string{"Authorization": admin, "X-Forwarded-For": "192.0.2.7"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ctx fasthttp.RequestCtx
			var r fasthttp.Request
			r.SetRequestURI("/metrics")
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			ctx.Init(&r, &net.TCPAddr{IP: net.ParseIP(c.ip), Port: 1234}, nil)
			h.server.app.Handler()(&ctx)
			if got := ctx.Response.StatusCode(); got != c.want {
				t.Errorf("status %d, want %d", got, c.want)
			}
			if shown := strings.Contains(string(ctx.Response.Body()), "llmhub_"); shown != (c.want == 200) {
				t.Errorf("metrics shown: %t", shown)
			}
		})
	}
	h.shutDown(t)
}

// TestMetricsGuessing: the administrator's token cannot be guessed here any faster than at the API.
func TestMetricsGuessing(t *testing.T) {
	h := startHub(t, []string{"m"}, nil)
	ask := func(token string) int {
		var ctx fasthttp.RequestCtx
		var r fasthttp.Request
		r.SetRequestURI("/metrics")
		r.Header.Set("Authorization", "Bearer "+token)
		ctx.Init(&r, &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 1234}, nil)
		h.server.app.Handler()(&ctx)
		return ctx.Response.StatusCode()
	}
	admin := h.server.cfg.Admin.Token.Reveal()
	if got := ask(admin); got != 200 {
		t.Errorf("the right token gives %d", got)
	}
	for range 30 {
		ask("guess")
	}
	if got := ask(admin); got != 401 {
		t.Errorf("after 30 guesses the right token gives %d", got)
	}
	h.shutDown(t)
}
