package portal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/gofiber/fiber/v2"

	"llmhub/alert"
	"llmhub/catalog"
	"llmhub/drain"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/portal"
	"llmhub/portal/access"
	"llmhub/portal/gateway"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/subscription"
)

const adminToken = "a-token-of-some-length"

type token string

func (t token) Reveal() string { return string(t) }

// fixture is a management API on a real listener over a real store.
type fixture struct {
	resumed  bool // the upstream that drains at first
	t        *testing.T
	url      string
	store    *local.Store
	options  portal.Options
	signIn   *identity.SignIn
	products *catalog.Catalog
	document *document
	source   store.Source
	seq      uint64
	log      *lockedBuffer
	deployed *deployments
	now      time.Time
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// Still October in UTC, already November in Berlin.
	f := &fixture{t: t, log: &lockedBuffer{}, now: time.Date(2026, 10, 31, 23, 30, 0, 0, time.UTC)}
	f.store, err = local.Open(t.TempDir(), local.Options{Location: berlin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	if f.products, err = catalog.Default(); err != nil {
		t.Fatal(err)
	}
	f.deployed = newDeployments(func() time.Time { return f.now })
	f.options = f.newOptions(berlin)
	f.reopen(portal.New(f.options))
	if f.source, err = f.store.NewSource(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.document = readDocument(t, f.url)
	return f
}

func (f *fixture) newOptions(zone *time.Location) portal.Options {
	f.t.Helper()
	d, now := f.store, func() time.Time { return f.now }
	key := bytes.Repeat([]byte{7}, secret.KeyBytes)
	sealer, err := secret.NewSealer(key, "session")
	if err != nil {
		f.t.Fatal(err)
	}
	hasher := subscription.NewHasher(nil)
	gate := subscription.NewGate(hasher)
	f.follow(gate)
	o := portal.Options{
		Audit: identity.NewAudit(d), Ledger: d, Location: zone, Currency: "EUR", AdminToken: token(adminToken), Now: now, Deployments: f.deployed,
		Catalog: func() *catalog.Catalog { return f.products }, Prices: func() metering.PriceList { return testPrices(f.t) },
		Models: func() []gateway.Model {
			return []gateway.Model{{Name: "m1", DisplayName: "Model One", Kind: "chat", ContextTokens: 128000, EndOfLife: f.now.AddDate(1, 0, 0)}, {Name: "m2"}}
		},
		Upstreams: func() []gateway.Upstream {
			return []gateway.Upstream{{Upstream: "up", Deployment: "up/m", Models: []string{"m1"}, State: "healthy", Requests: 7, LastSuccess: f.now,
				Weight: 1, Breaker: "open", BreakerUntil: f.now, Draining: !f.resumed, Queued: 2, MaxConcurrency: 3}}
		},
		DrainUpstream: func(_ context.Context, by identity.Actor, deployment string, draining bool) error {
			if deployment != "up/m" {
				return drain.ErrNoDeployment
			}
			f.resumed = !draining
			return by.RequireOperator()
		},
		Budget: f.budget, Alerts: alert.NewService(alert.Options{Documents: d, Sealer: sealer, Now: now, AllowPrivate: true}),
		Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	o.Tenants = identity.NewTenants(d, o.Audit, now)
	o.Users = identity.NewUsers(d, o.Audit, o.Tenants, now)
	o.Profiles = identity.NewProfiles(d, o.Audit, o.Tenants, now)
	o.Operators = identity.NewOperators(d, o.Audit, now)
	o.Tokens = identity.NewPersonalTokens(d, o.Audit, o.Users, o.Tenants, now)
	o.Service = subscription.NewService(subscription.Options{Documents: d, Hasher: hasher, Gate: gate, Profiles: o.Profiles, Now: now})
	sessions := identity.NewSessions(d, sealer, identity.SessionOptions{}, now)
	f.signIn = identity.NewSignIn(identity.SignInOptions{
		Directory: directory{}, Tenants: o.Tenants, Users: o.Users, Sessions: sessions, Operators: o.Operators,
		Throttle: identity.NewThrottle(now), Audit: o.Audit, Now: now,
	})
	o.Guard = access.New(access.Options{Sessions: sessions, SignIn: f.signIn, PublicURL: &url.URL{Scheme: "http", Host: "localhost"}, Key: key})
	return o
}

// follow keeps the gate up to date until the test ends.
func (f *fixture) follow(gate *subscription.Gate) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gate.Run(ctx, f.store) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrClosed) {
			f.t.Errorf("gate: %v", err)
		}
	})
	<-gate.Ready()
}

// reopen serves a portal at a new address.
func (f *fixture) reopen(p *portal.Portal) {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	p.Register(app)
	f.serve(app)
}

func (f *fixture) serve(app *fiber.App) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(ln) }()
	f.t.Cleanup(func() {
		if err := errors.Join(app.ShutdownWithTimeout(5*time.Second), <-served); err != nil {
			f.t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	f.url = "http://" + ln.Addr().String() + "/api/v1"
}

// testPrices has a price for one model, which changes within November, and for two that are billed by other units.
func testPrices(t *testing.T) metering.PriceList {
	price := func(from, input, cached, output string) metering.Price {
		day, err := store.ParseDay(from)
		in, err1 := metering.ParseAmount(input)
		ca, err2 := metering.ParseAmount(cached)
		out, err3 := metering.ParseAmount(output)
		if err := errors.Join(err, err1, err2, err3); err != nil {
			t.Error(err)
		}
		return metering.Price{From: day, InputPerMillion: in, CachedInputPerMillion: ca, OutputPerMillion: out}
	}
	image := price("2026-01-01", "0", "0", "0")
	tall, err := metering.ParseAmount("0.06")
	other, err1 := metering.ParseAmount("0.04")
	if err := errors.Join(err, err1); err != nil {
		t.Error(err)
	}
	image.Units = map[store.Unit]metering.Amount{store.UnitImage: other, store.UnitImageTall: tall}
	speech := metering.Price{From: image.From, Units: map[store.Unit]metering.Amount{store.UnitCharacter: other}}
	return metering.PriceList{"m1": {price("2026-01-01", "1", "0.5", "2"), price("2026-11-10", "10", "5", "20")}, "images": {image}, "speech": {speech}}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

// into decodes the body.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), v); err != nil {
		t.Fatalf("%v in %s", err, a.text)
	}
}

func (f *fixture) do(method, path, body string, header ...string) answer {
	f.t.Helper()
	req, err := http.NewRequest(method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	f.document.check(f.t, req, resp.StatusCode, text)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// must does a request that has to succeed with the status and decodes the answer.
func (f *fixture) must(status int, method, path, body string) map[string]any {
	f.t.Helper()
	a := f.do(method, path, body)
	if a.status != status {
		f.t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.text)
	}
	var v map[string]any
	a.into(f.t, &v)
	return v
}

// create makes something and returns its ID.
func (f *fixture) create(path, body string) string {
	f.t.Helper()
	return f.must(http.StatusCreated, http.MethodPost, path, body)["id"].(string)
}

// key makes a tenant, a subscription and a key and returns their IDs.
func (f *fixture) key(name string) (tenant, sub, key string) {
	f.t.Helper()
	tenant = f.create("/tenants", `{"name":"Tenant of `+name+`"}`)
	sub = f.create("/subscriptions", `{"tenant_id":"`+tenant+`","product_id":"llm-hub"}`)
	return tenant, sub, f.create("/keys", `{"subscription_id":"`+sub+`","name":"`+name+`"}`)
}

// commit puts events into the ledger and gives them IDs.
func (f *fixture) commit(events ...store.Event) {
	f.t.Helper()
	f.seq++
	for i := range events {
		events[i].ID = store.NewRequestID(f.source, f.seq<<10|uint64(i+1))
		events[i].Deployment = "up/m"
		if events[i].Provenance == 0 {
			events[i].Provenance = store.FromUpstream
		}
	}
	if err := f.store.Commit(f.t.Context(), store.Batch{Source: f.source, Seq: f.seq, Events: events}); err != nil {
		f.t.Fatal(err)
	}
}

// isError insists on an error of the given status and code, with a request ID that the header repeats.
func (a answer) isError(t *testing.T, status int, code string) string {
	t.Helper()
	var body struct {
		Error struct {
			Code      string `json:"code"`
			Message   string `json:"message"`
			RequestID string `json:"request_id"`
		} `json:"error"`
	}
	a.into(t, &body)
	if a.status != status || body.Error.Code != code || body.Error.Message == "" {
		t.Errorf("got %d %s, want %d %s", a.status, a.text, status, code)
	}
	if id := a.header.Get("X-Request-Id"); id == "" || id != body.Error.RequestID {
		t.Errorf("request ID %q in the header, %q in the body", id, body.Error.RequestID)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("an error may be cached")
	}
	return body.Error.Message
}

// budget stands for the engine of limits: 24 tokens and 1.25 are spent in every scope, 3 tokens reserved.
func (f *fixture) budget(context.Context, limit.Scope) (limit.BudgetState, error) {
	spent, err := metering.ParseAmount("1.25")
	return limit.BudgetState{Month: store.DayOf(f.now, f.options.Location).Month(), SpentTokens: 24, ReservedTokens: 3, SpentAmount: spent}, err
}
