package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/alert"
	"llmhub/config"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/proxy/proxytest"
	"llmhub/secret"
	"llmhub/store"
)

// hookReceiver is where a tenant's alerts are sent.
type hookReceiver struct {
	*httptest.Server
	mu    sync.Mutex
	calls []hookCall
}

type hookCall struct {
	id, at, signature string
	body              []byte
}

func startHookReceiver(t *testing.T) *hookReceiver {
	r := &hookReceiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls = append(r.calls, hookCall{q.Header.Get("Webhook-Id"), q.Header.Get("Webhook-Timestamp"), q.Header.Get("Webhook-Signature"), body})
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *hookReceiver) all() []hookCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]hookCall(nil), r.calls...)
}

// TestBudgetAlerts uses a budget up by requests, and sees each share once in the list and at the webhook.
func TestBudgetAlerts(t *testing.T) {
	h := startHub(t, []string{"m"}, func(cfg *config.Config) { cfg.Webhooks.AllowPrivate = true })
	h.provider.Script("m", proxytest.Script{PromptTokens: 10, Words: 10})
	receiver := startHookReceiver(t)
	by := identity.Administrator()
	_, signing, err := h.server.alerts.SetWebhook(t.Context(), by, h.sub.TenantID, receiver.URL)
	if err != nil {
		t.Fatal(err)
	}
	key, id := h.key("app")
	if _, err := h.server.service.SetKeyLimits(t.Context(), by, id, limit.Rules{MonthlyTokens: 200}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		status, _, _ := h.answerTo(key, "", "/v1/chat/completions", chatBody("m", `"max_tokens":10,`))
		if status != 200 && status != 429 {
			t.Fatal(status)
		}
	}
	h.eventually("not all alerts are delivered", func() bool { return len(receiver.all()) >= 2 })
	list, _, err := h.server.alerts.List(t.Context(), by, h.sub.TenantID, "", 10)
	if err != nil || len(list) < 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	seen := map[int]bool{}
	for _, a := range list {
		if seen[a.Percent] || a.Subject.KeyID != id || a.Subject.KeyName != "app" || a.Budget != "200" || a.Unit != "tokens" || a.Subject.SubscriptionName == "" {
			t.Errorf("%+v", a)
		}
		seen[a.Percent] = true
	}
	if !seen[50] || !seen[80] {
		t.Errorf("shares %v", seen)
	}
	checkHookCalls(t, receiver.all(), signing, id)
	if n := len(receiver.all()); n != len(list) {
		t.Errorf("%d calls for %d alerts", n, len(list))
	}
}

// checkHookCalls insists that each alert is sent once, signed, and says which key it is about.
func checkHookCalls(t *testing.T, calls []hookCall, signing secret.Text, key string) {
	t.Helper()
	ids := map[string]bool{}
	for _, c := range calls {
		var m struct {
			Type string
			Data struct {
				KeyID string `json:"key_id"`
			}
		}
		if ids[c.id] || c.signature != alert.Signature(signing, c.id, c.at, c.body) {
			t.Errorf("%s again, or its signature does not fit", c.id)
		}
		ids[c.id] = true
		if err := json.Unmarshal(c.body, &m); err != nil || m.Type != "budget.threshold_reached" || m.Data.KeyID != key {
			t.Errorf("%s: %v", c.body, err)
		}
	}
}

// TestAlertCommands uses the command line as an operator does.
func TestAlertCommands(t *testing.T) {
	h := startHub(t, []string{"m"}, func(cfg *config.Config) { cfg.Webhooks.AllowPrivate = true })
	receiver := startHookReceiver(t)
	month, tenant := store.DayOf(time.Now(), time.UTC).Month(), []string{"--tenant", h.sub.TenantID}
	err := h.server.alerts.Raise(t.Context(), alert.Reached{
		TenantID: h.sub.TenantID, Scope: h.sub.ID, Subject: alert.Subject{SubscriptionID: h.sub.ID, SubscriptionName: "LLM Hub"},
		Month: month, Percent: 80, Spent: "20.50", Budget: "25.00", Unit: "EUR",
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(wantCode int, args ...string) string {
		t.Helper()
		code, stdout, stderr := command(t, h.url, "test-admin-token", append(args, tenant...)...)
		if code != wantCode {
			t.Fatalf("llmhub %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
		}
		return stdout + stderr
	}
	if out := run(0, "alert", "list"); !strings.Contains(out, "LLM Hub") || !strings.Contains(out, "80 %") || !strings.Contains(out, "20.50") {
		t.Error(out)
	}
	if out := run(0, "webhook", "set", receiver.URL); !strings.Contains(out, "whsec_") {
		t.Error(out)
	}
	if out := run(0, "webhook", "show"); !strings.Contains(out, receiver.URL) || strings.Contains(out, "whsec_") {
		t.Error(out)
	}
	if out := run(0, "webhook", "test"); !strings.Contains(out, "delivered") || len(receiver.all()) != 1 {
		t.Error(out)
	}
	receiver.Config.Handler = http.NotFoundHandler()
	if out := run(1, "webhook", "test"); !strings.Contains(out, "404") {
		t.Error(out)
	}
	run(0, "webhook", "remove")
	if out := run(0, "webhook", "show"); !strings.Contains(out, "no webhook") {
		t.Error(out)
	}
	list, _, err := h.server.alerts.List(t.Context(), identity.Administrator(), h.sub.TenantID, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	tenant = nil
	run(0, "alert", "dismiss", list[0].ID)
	run(3, "alert", "dismiss", "alr_nothing")
	run(2, "alert", "dismiss")
	run(2, "webhook", "set")
}
