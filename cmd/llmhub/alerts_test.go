package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
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

// TestBudgetAlerts uses a budget up by requests, and sees each share once in the list and at the webhook, over a restart too.
func TestBudgetAlerts(t *testing.T) {
	data := t.TempDir()
	start := func() *hub {
		h := startHub(t, []string{"m"}, func(cfg *config.Config) { cfg.Data, cfg.Webhooks.AllowPrivate = data, true })
		h.provider.Script("m", proxytest.Script{PromptTokens: 90, Words: 10})
		return h
	}
	h := start()
	tenant, receiver, by := h.sub.TenantID, startHookReceiver(t), identity.Administrator()
	_, signing, err := h.server.alerts.SetWebhook(t.Context(), by, tenant, receiver.URL)
	if err != nil {
		t.Fatal(err)
	}
	key, id := h.key("app")
	if _, err := h.server.service.SetKeyLimits(t.Context(), by, id, limit.Rules{MonthlyTokens: 500}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		status, text, _ := h.answerTo(key, "", "/v1/chat/completions", chatBody("m", `"max_tokens":10,`))
		if status != http.StatusOK {
			t.Fatalf("request %d: %d %s", i, status, text)
		}
		h.idle() // what is held is part of the budget, too
	}
	wantAlerts(t, h, tenant, "300 at 500, 400 at 500, 500 at 500")
	h.eventually("not all alerts are delivered", func() bool { return len(receiver.all()) == 3 })
	checkHookCalls(t, receiver.all(), signing, id)

	h.halt(t)
	h = start()
	if status, _, _ := h.answerTo(key, "", "/v1/chat/completions", chatBody("m", "")); status != http.StatusTooManyRequests {
		t.Errorf("a request beyond the budget: %d", status)
	}
	h.halt(t) // which waits for all that is under way
	if n := len(receiver.all()); n != 3 {
		t.Errorf("%d calls after a restart, want 3", n)
	}
}

// TestAlertsAfterStart has a budget that is crossed before the engine reads it, as it is when a process is killed before it
// has made the alert of its last request.
func TestAlertsAfterStart(t *testing.T) {
	data := t.TempDir()
	start := func() *hub {
		return startHub(t, []string{"m"}, func(cfg *config.Config) { cfg.Data = data })
	}
	h := start()
	h.provider.Script("m", proxytest.Script{PromptTokens: 10, Words: 10})
	tenant, by := h.sub.TenantID, identity.Administrator()
	key, id := h.key("app")
	if status, text, _ := h.answerTo(key, "", "/v1/chat/completions", chatBody("m", "")); status != http.StatusOK {
		t.Fatal(text)
	}
	h.idle()
	if _, err := h.server.service.SetKeyLimits(t.Context(), by, id, limit.Rules{MonthlyTokens: 25}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.server.service.SetSubscriptionLimits(t.Context(), by, h.sub.ID, "m", limit.Rules{MonthlyTokens: 30}); err != nil {
		t.Fatal(err)
	}
	wantAlerts(t, h, tenant, "")
	h.halt(t)
	h = start()
	wantAlerts(t, h, tenant, "20 at 25, 20 at 25, 20 at 30")
	list, _, err := h.server.alerts.List(t.Context(), by, tenant, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if s := a.Subject; s.SubscriptionName == "" || s.SubscriptionID == "" || (s.KeyName == "app") == (s.Model == "m") {
			t.Errorf("%+v", s)
		}
	}
}

// TestAlertsOutliveTheStore has crossings wait while their alerts cannot be kept.
func TestAlertsOutliveTheStore(t *testing.T) {
	h := startHub(t, []string{"m"}, nil)
	q := newCrossings(slog.New(slog.DiscardHandler))
	s := &server{cfg: h.server.cfg, log: q.log, gate: h.server.gate, crossed: q}
	failing := &failingDocuments{Documents: h.server.store, failed: make(chan struct{})}
	s.alerts = alert.NewService(alert.Options{Documents: failing, Now: time.Now})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { s.raiseAlerts(ctx) })
	month := store.DayOf(time.Now(), time.UTC).Month()
	q.add(limit.Crossing{Scope: "key_gone", Month: month, Percent: 50})
	q.add(limit.Crossing{Scope: h.sub.ID, Month: month, Percent: 50, Spent: "1", Budget: "2"})
	<-failing.failed
	q.add(limit.Crossing{Scope: h.sub.ID, Month: month, Percent: 80, Spent: "8", Budget: "9"}) // others take it along
	wantAlerts(t, h, h.sub.TenantID, "1 at 2, 8 at 9")
}

// failingDocuments takes nothing once.
type failingDocuments struct {
	store.Documents
	once   sync.Once
	failed chan struct{}
}

func (d *failingDocuments) Put(ctx context.Context, w ...store.Write) (v store.Version, err error) {
	d.once.Do(func() { err = store.ErrNoSpace })
	if err != nil {
		close(d.failed)
		return 0, err
	}
	return d.Documents.Put(ctx, w...)
}

func TestCrossingsAreBounded(t *testing.T) {
	q := newCrossings(slog.New(slog.DiscardHandler))
	for range maxCrossings + 1 {
		q.add(limit.Crossing{})
	}
	if n := len(q.take()); n != maxCrossings {
		t.Errorf("%d wait", n)
	}
}

// wantAlerts waits until a tenant has so many alerts, and insists on what they say.
func wantAlerts(t *testing.T, h *hub, tenant, want string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		list, _, err := h.server.alerts.List(t.Context(), identity.Administrator(), tenant, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, a := range list {
			got = append(got, a.Spent+" at "+a.Budget)
		}
		slices.Sort(got)
		all := strings.Join(got, ", ")
		if all == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("alerts %q, want %q", all, want)
		}
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
