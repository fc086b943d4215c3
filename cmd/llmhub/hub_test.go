package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/proxy/proxytest"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/subscription"
)

// hub is a whole llmhub in this process, on a free port, before a scripted provider.
type hub struct {
	t        testing.TB
	url      string
	server   *server
	provider *proxytest.Provider
	sub      subscription.Subscription
	stop     context.CancelFunc
	stopped  chan error
}

// startHub starts a hub with the given models, each at the provider under its own name. change may alter the
// configuration first, and tune the options of the store.
func startHub(t testing.TB, models []string, change func(*config.Config), tune ...func(*local.Options)) *hub {
	t.Helper()
	provider, err := proxytest.Start(proxytest.Options{Record: true, Keep: 4096})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.Close() })
	h := &hub{t: t, provider: provider, stopped: make(chan error, 1)}
	cfg := h.config(models)
	if change != nil {
		change(cfg)
	}
	level := slog.LevelError + 1
	if os.Getenv("LLMHUB_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	log := newLogger(os.Stderr, level)
	o := storeOptions(cfg, log)
	for _, f := range tune {
		f(&o)
	}
	if h.server, err = newServerOn(ctx, cfg, log, o); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.url = "http://" + ln.Addr().String()
	go func() { h.stopped <- h.server.run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-h.stopped; err != nil {
			t.Errorf("hub stopped with %v", err)
		}
		h.stopped <- nil
	})
	tenant, err := h.server.people.tenants.Create(ctx, identity.Administrator(), "Tenant")
	if err != nil {
		t.Fatal(err)
	}
	h.sub, err = h.server.service.CreateSubscription(ctx, identity.Administrator(), subscription.CreateSubscription{TenantID: tenant.ID, ProductID: "llm-hub"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// config has three upstreams, all the same provider: "cancel", "drain", and "impatient", which gives up soon.
func (h *hub) config(models []string) *config.Config {
	base, err := url.Parse(h.provider.URL())
	if err != nil {
		h.t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Data = h.t.TempDir()
	cfg.FreeSpaceFloorBytes = 0
	cfg.Admin.Token = secret.New("test-admin-token")
	cfg.Shutdown.Grace = 10 * time.Second
	cfg.Stream.Heartbeat = time.Second
	for _, name := range []string{"cancel", "drain", "impatient"} {
		u := config.DefaultUpstream()
		u.Name, u.BaseURL = name, base
		switch name {
		case "drain":
			u.OnDisconnect = config.Drain
		case "impatient":
			u.IdleTimeout, u.FirstByteTimeout = 300*time.Millisecond, 300*time.Millisecond
		}
		cfg.Upstreams = append(cfg.Upstreams, u)
	}
	for _, m := range models {
		cfg.Models = append(cfg.Models, model(m, "cancel"))
	}
	return &cfg
}

func model(name, upstream string) config.Model {
	return config.Model{Name: name, Deployments: []config.Deployment{{Upstream: upstream, Model: name}}}
}

// key makes a key and returns its text and ID.
func (h *hub) key(name string) (text, id string) {
	h.t.Helper()
	key, secret, err := h.server.service.CreateKey(h.t.Context(), identity.Administrator(), subscription.CreateKey{SubscriptionID: h.sub.ID, Name: name})
	if err != nil {
		h.t.Fatal(err)
	}
	return secret.Reveal(), key.ID
}

// request returns a POST with a key and a body.
func (h *hub) request(ctx context.Context, key, path string, body io.Reader) *http.Request {
	h.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// client is an HTTP client without a pool shared with other tests.
func (h *hub) client() *http.Client {
	tr := &http.Transport{DisableCompression: true}
	h.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// settledEvents waits until the key has n entries and nothing else is under way for it, and returns them.
func (h *hub) settledEvents(key string, n int) []store.Event {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		events, _, err := h.server.store.Events(h.t.Context(), store.EventQuery{Key: key})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(events) >= n {
			return events
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%d entries of the key, want %d", len(events), n)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// idle waits until no request is under way.
func (h *hub) idle() {
	h.t.Helper()
	h.eventually("requests still under way", func() bool { return h.server.recorder.Live() == 0 })
}

func (h *hub) eventually(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatal(what)
		}
	}
}
