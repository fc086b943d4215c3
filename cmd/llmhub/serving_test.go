package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"llmhub/proxy/proxytest"
)

// What must never be seen in a log.
const (
	secretUpstream = "upstream-key-for-logs-1234"
	secretPrompt   = "Kreuzworträtselprompt"
	secretAnswer   = "Kreuzworträtselantwort"
)

// servingConfig is a configuration with one upstream, and the given models and grace.
func servingConfig(provider, grace, models string) string {
	return fmt.Sprintf(`listen: 127.0.0.1:0
data: ./data
free_space_floor: 0MiB
admin: {token: {env: LLMHUB_ADMIN_TOKEN}}
log: {level: debug}
shutdown: {grace: %s}
upstreams:
  - {name: local, base_url: %q, api_key: {env: UPSTREAM_KEY}}
models:
%s`, grace, provider, models)
}

func servingModel(name, price string) string {
	return fmt.Sprintf("  - {name: %s, deployments: [{upstream: local}], prices: [{from: 2020-01-01, input_per_million: %q, output_per_million: %q}]}\n", name, price, price)
}

// servingFixture is a gateway before a provider that wants a key, with a tenant's key.
func servingFixture(t *testing.T) (*restarted, *proxytest.Provider, string) {
	t.Helper()
	provider, err := proxytest.Start(proxytest.Options{APIKey: secretUpstream, Record: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.Close() })
	provider.Script("slow", proxytest.Script{Deltas: proxytest.Say(strings.Split(strings.Repeat(secretAnswer+"|", 99)+"end", "|")...), Pace: 40 * time.Millisecond})
	provider.Script("stall", proxytest.Script{Words: 8, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 3, How: proxytest.CutStall}})
	provider.Script("late", proxytest.Script{Words: 5, PromptTokens: 10})
	g := newGateway(t, tokenVariable+"="+testToken, "UPSTREAM_KEY="+secretUpstream)
	g.configure(servingConfig(provider.URL(), "20s", servingModel("slow", "1")+servingModel("stall", "1")))
	g.serve()
	sub := g.must("subscription", "create", "--tenant", g.must("tenant", "create", "--name", "T"), "--product", "llm-hub")
	return g, provider, g.must("key", "create", "--subscription", sub, "--name", "k")
}

// chat sends a chat completion.
func (g *restarted) chat(key, model string, stream bool) *http.Response {
	g.t.Helper()
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"user":"u","messages":[{"role":"user","content":%q}]}`, model, stream, secretPrompt)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, g.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// get returns status and body of a page.
func (g *restarted) get(path string) (int, string) {
	g.t.Helper()
	resp, err := http.Get(g.url + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, rest(resp.Body)
}

// TestServe goes through the life of a gateway: start, reload with a stream running, stop, start again.
func TestServe(t *testing.T) {
	g, provider, key := servingFixture(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := g.get(path); status != 200 || body != "ok\n" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	stream := g.chat(key, "slow", true)
	begun := readUntil(t, stream.Body, events(2))
	if resp := g.chat(key, "late", false); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the model is there before the reload: %d", resp.StatusCode)
	}

	models := servingModel("slow", "1") + servingModel("stall", "1") + servingModel("late", "1000000")
	g.configure(servingConfig(provider.URL(), "20s", models))
	g.signal(syscall.SIGHUP)
	g.await(&g.stderr, `"msg":"configuration reloaded"`)
	if resp := g.chat(key, "late", false); resp.StatusCode != 200 {
		t.Errorf("the new model gets %d", resp.StatusCode)
	}
	g.configure(servingConfig(provider.URL(), "20s", servingModel("late", "2")) + "nonsense: 1\nlog_level: debug\n")
	g.signal(syscall.SIGHUP)
	g.await(&g.stderr, `configuration not reloaded`)
	for _, fault := range []string{"nonsense", "log_level"} {
		g.await(&g.stderr, `configuration not reloaded.*`+fault)
	}
	if row := g.total("--by", "model"); row["amount"] != "15.00" || row["requests"] != 1.0 {
		t.Errorf("usage %v, want 15 tokens for 15 of the new price", row)
	}

	late := g.halfRequest(key, 8)
	g.signal(syscall.SIGTERM)
	g.await(&g.stderr, `"msg":"stopping`)
	g.wantRefusedNow(late)
	if provider.Active() != 1 {
		t.Fatal("the stream is over already, so nothing is shown")
	}
	whole := string(begun) + rest(stream.Body)
	if sent, _ := provider.LastSent("slow"); whole != string(sent.Visible) || !strings.HasSuffix(whole, "[DONE]\n\n") {
		t.Errorf("the stream was harmed: %d bytes, want %d", len(whole), len(sent.Visible))
	}
	g.wait()

	g.configure(servingConfig(provider.URL(), "1s", models))
	g.serve()
	first := g.total("--by", "key,model,day")
	counts := provider.Totals().ByUser["u"].FinishedUsage
	if first["input_tokens"] != float64(counts.Prompt) || first["output_tokens"] != float64(counts.Output) || first["requests"] != 2.0 {
		t.Errorf("usage %v, the provider counted %+v", first, counts)
	}
	g.cutByGrace(t, key)
	g.serve()
	if again := g.total("--by", "key,model,day"); again["requests"] != 3.0 || again["output_tokens"] != first["output_tokens"].(float64)+3 {
		t.Errorf("usage after another start: %v, before %v and three tokens", again, first)
	}
	g.signal(syscall.SIGTERM)
	g.wait()
	wantSilentLogs(t, g.logs(), key)
}

// cutByGrace stops the gateway while a stream runs that does not end.
func (g *restarted) cutByGrace(t *testing.T, key string) {
	t.Helper()
	stream := g.chat(key, "stall", true)
	begun := readUntil(t, stream.Body, events(4))
	g.signal(syscall.SIGTERM)
	wantErrorEvent(t, string(begun)+rest(stream.Body), len(begun), "shutting_down")
	g.wait()
}

// halfRequest opens connections on which a request has begun.
func (g *restarted) halfRequest(key string, n int) []net.Conn {
	g.t.Helper()
	var conns []net.Conn
	for range n {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err == nil {
			_, err = io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n"+authorization(key)+jsonType)
		}
		if err != nil {
			g.t.Fatal(err)
		}
		g.t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	return conns
}

// wantRefusedNow completes requests one after the other until one is refused because of the stop.
func (g *restarted) wantRefusedNow(conns []net.Conn) {
	g.t.Helper()
	for _, conn := range conns {
		if _, err := io.WriteString(conn, "Content-Length: 16\r\n\r\n"+`{"model":"late"}`); err != nil {
			g.t.Fatal(err)
		}
		got := readAnswers(g.t, bufio.NewReader(conn), 1)
		if len(got) == 1 && got[0].status == http.StatusServiceUnavailable {
			wantRefusal(g.t, got[0], http.StatusServiceUnavailable, "shutting_down")
			return
		}
	}
	g.t.Error("new requests are served while the gateway stops")
}

// wantSilentLogs insists that nothing secret has been logged, at debug level.
func wantSilentLogs(t *testing.T, logs, key string) {
	t.Helper()
	if !strings.Contains(logs, `"msg":"listening"`) || len(logs) < 500 {
		t.Fatalf("these are not the logs: %s", logs)
	}
	for name, secret := range map[string]string{
		"key": key[len(key)-30:], "admin token": testToken, "upstream's key": secretUpstream, "prompt": secretPrompt, "answer": secretAnswer,
	} {
		if strings.Contains(logs, secret) {
			t.Errorf("the %s is in the logs", name)
		}
	}
}
