package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"

	"llmhub/alert"
	"llmhub/catalog"
	"llmhub/config"
	"llmhub/deployer"
	"llmhub/drain"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/portal"
	"llmhub/portal/gateway"
	"llmhub/portal/web"
	"llmhub/proxy"
	"llmhub/proxy/choice"
	"llmhub/proxy/estimate"
	"llmhub/proxy/replay"
	"llmhub/proxy/upstream"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/subscription"
)

// server is everything that one llmhub process runs, wired by hand. Its parts are stopped in the reverse order of
// their start: listener, requests, gate, proxy, recorder, store.
type server struct {
	cfg      *config.Config
	log      *slog.Logger
	store    engine
	hasher   *subscription.Hasher
	gate     *subscription.Gate
	drains   *drain.Service
	service  *subscription.Service
	people   people
	engine   *limit.Engine
	crossed  *crossings
	alerts   *alert.Service
	recorder *metering.Recorder
	counter  *estimate.Counter
	proxy    *proxy.Proxy
	portal   *portal.Portal
	web      *web.Web
	deployer *deployer.Service
	// tenantUsage is the operators' report on all tenants.
	tenantUsage *metering.Tenants
	app         *fiber.App
	registry    *prometheus.Registry
	prices      atomic.Pointer[metering.PriceList]
	models      atomic.Pointer[[]gateway.Model]
	catalog     atomic.Pointer[catalog.Catalog]

	routesMu sync.Mutex
	clients  map[string]upstreamClient // by name

	stopGate context.CancelFunc
	gateDone chan error

	// backups is held while a backup is sent; backupsEnd ends with the server.
	backups    sync.Mutex
	backupsEnd context.Context
	endBackups context.CancelFunc

	stopBackground context.CancelFunc
	background     sync.WaitGroup
}

// upstreamClient is a client and the configuration it was made from.
type upstreamClient struct {
	*upstream.Client
	cfg config.Upstream
}

// newServer opens the store and makes the parts. Close must be called.
func newServer(ctx context.Context, cfg *config.Config, log *slog.Logger) (*server, error) {
	return newServerOn(ctx, cfg, log, storeOptions(cfg, log))
}

// newServerOn is newServer with options of the local store, which tests change.
func newServerOn(ctx context.Context, cfg *config.Config, log *slog.Logger, o local.Options) (_ *server, err error) {
	s := &server{cfg: cfg, log: log, clients: map[string]upstreamClient{}, crossed: newCrossings(log), registry: prometheus.NewRegistry()}
	s.backupsEnd, s.endBackups = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, warning := range cfg.Portal.Warnings() {
		log.Warn(warning)
	}
	if s.store, err = openStore(ctx, cfg, log, o); err != nil {
		return nil, err
	}
	if err = s.checkSharedKeys(ctx); err != nil {
		return nil, err
	}
	if s.people, err = s.peopleOn(s.store, time.Now); err != nil {
		return nil, err
	}
	if err = s.makeGate(); err != nil {
		return nil, err
	}
	metrics := proxy.NewMetrics(s.registry)
	s.engine = s.newEngine()
	s.recorder, err = metering.NewRecorder(ctx, s.engine.Ledger(s.store), metering.RecorderOptions{Observer: metrics, Logger: log, OrphansEvery: orphansEvery})
	if err != nil {
		return nil, err
	}
	s.counter = estimate.New(1)
	ids, err := s.key(responsesKey)
	if err != nil {
		return nil, err
	}
	s.proxy = proxy.New(proxy.Options{
		Gate: s.gate, Recorder: s.recorder, Ledger: s.store, Estimator: s.counter, Metrics: metrics, IDKey: ids,
		Replays: replay.NewCache(replayBounds(cfg)), Engine: s.engine, Location: cfg.Billing.TimeZone, Currency: cfg.Billing.Currency, Limits: limitsOf(cfg), Logger: log,
	})
	if err = s.route(cfg); err != nil {
		return nil, err
	}
	if err = s.followKeys(ctx); err != nil {
		return nil, err
	}
	registerProcessMetrics(s.registry, s.store)
	if err = s.readCatalog(); err != nil {
		return nil, err
	}
	if err = s.makeDeployer(); err != nil {
		return nil, err
	}
	if err = s.makeAlerts(); err != nil {
		return nil, err
	}
	s.portal = s.newPortal()
	if err = s.makePages(); err != nil {
		return nil, err
	}
	s.app = s.newApp()
	return s, nil
}

// newEngine returns what keeps requests within limits. All usage is committed through it.
func (s *server) newEngine() *limit.Engine {
	o := limit.Options{
		Ledger: s.store, Location: s.cfg.Billing.TimeZone,
		Prices: s.priceList,
		KeysOf: s.gate.KeyIDs, SubscriptionOf: s.gate.SubscriptionOf,
		Crossed: func(c limit.Crossing) { s.crossed.add(c) },
	}
	if shares, divided := s.store.(store.Shares); divided {
		o.Shares, o.Replica = shares, rand.Text()
	}
	return limit.New(o)
}

// renewShares keeps what this process holds of limits that are divided, until ctx ends.
func (s *server) renewShares(ctx context.Context) {
	failing := false
	s.engine.Run(ctx, func(err error) {
		if err != nil && !failing {
			s.log.Warn("shares of limits cannot be renewed; those that are held serve until their leases end", "err", err)
		}
		failing = err != nil
	})
}

// priceList returns the prices in force; there are none before the first configuration is.
func (s *server) priceList() metering.PriceList {
	if list := s.prices.Load(); list != nil {
		return *list
	}
	return nil
}

// makeGate makes what knows the keys, and the services that change them.
func (s *server) makeGate() error {
	var pepper []byte
	if s.cfg.Keys.Pepper {
		var err error
		if pepper, err = s.key(pepperKey); err != nil {
			return err
		}
	}
	s.hasher = subscription.NewHasher(pepper)
	s.gate = subscription.NewGate(s.hasher)
	s.service = s.serviceOn(s.store, s.people.profiles, time.Now)
	s.drains = drain.NewService(drain.Options{
		Documents: s.store, Audit: s.people.audit, Now: time.Now,
		Exists: func(deployment string) bool { return s.proxy.HasDeployment(deployment) },
	})
	return nil
}

// serviceOn returns what changes subscriptions and keys, on documents and with a clock.
func (s *server) serviceOn(d store.Documents, profiles identity.Approval, now func() time.Time) *subscription.Service {
	return subscription.NewService(subscription.Options{Documents: d, Hasher: s.hasher, Gate: s.gate, Profiles: profiles, Now: now})
}

// followKeys starts to follow the store's keys and waits until all are known.
func (s *server) followKeys(ctx context.Context) error {
	s.gate.OnRevoke(s.proxy.Revoke)
	s.gate.Follow(drain.Kind, s.followDrain)
	gateCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopGate, s.gateDone = stop, make(chan error, 1)
	go func() { s.gateDone <- s.gate.Run(gateCtx, s.store) }()
	select {
	case <-s.gate.Ready():
		return nil
	case err := <-s.gateDone:
		s.gateDone <- nil
		return fmt.Errorf("read the keys: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// followDrain puts in force what an operator has said of a deployment, here or in another process.
func (s *server) followDrain(doc store.Document) error {
	d, err := s.drains.Read(doc)
	if err == nil {
		s.proxy.SetDraining(d.Deployment, d.Draining)
	}
	return err
}

// drainUpstream drains a deployment, or ends that, and returns when that is in force in this process.
func (s *server) drainUpstream(ctx context.Context, by identity.Actor, deployment string, draining bool) error {
	version, err := s.drains.Set(ctx, by, deployment, draining)
	if err != nil {
		return err
	}
	return s.gate.WaitVersion(ctx, version)
}

func limitsOf(cfg *config.Config) proxy.Limits {
	return proxy.Limits{
		BodyBytes:   int(cfg.Limits.BodyBytes),
		AnswerBytes: int(cfg.Limits.AnswerBytes),
		EventBytes:  int(cfg.Limits.EventBytes),
		Requests:    cfg.Limits.Requests,
		Heartbeat:   cfg.Stream.Heartbeat,
		Idle:        cfg.Stream.IdleTimeout,
		Write:       cfg.Stream.WriteTimeout,
		Drain:       cfg.Stream.DrainTimeout,
		DrainEvents: cfg.Stream.DrainTokens,
	}
}

// replayBounds has answers remembered for a day, as clients of such keys expect.
func replayBounds(cfg *config.Config) replay.Bounds {
	n := int(cfg.Limits.IdempotencyBytes)
	return replay.Bounds{Bytes: n, AnswerBytes: n / 4, Keys: 100_000, Age: 24 * time.Hour}
}

// route puts the upstreams, models and prices of a configuration in force. Requests under way keep what they began
// with; connections to upstreams that have not changed are kept.
func (s *server) route(cfg *config.Config) error {
	s.routesMu.Lock()
	defer s.routesMu.Unlock()
	clients := make(map[string]upstreamClient, len(cfg.Upstreams))
	for _, u := range cfg.Upstreams {
		if old, ok := s.clients[u.Name]; ok && old.cfg.Equal(u) {
			clients[u.Name] = old
			continue
		}
		c, err := upstream.New(upstreamConfig(u))
		if err != nil {
			return err
		}
		clients[u.Name] = upstreamClient{c, u}
	}
	models := make([]*proxy.Model, len(cfg.Models))
	for i, m := range cfg.Models {
		models[i] = &proxy.Model{Name: m.Name, OwnedBy: m.OwnedBy, Created: m.Created, About: aboutModel(m.About), Prices: m.Prices,
			Balance: choice.Balance(m.Balance), Retries: proxy.Retries(m.Retries), Fallbacks: m.Fallbacks, Idempotent: m.Idempotent}
		for _, d := range m.Deployments {
			c := clients[d.Upstream]
			models[i].Deployments = append(models[i].Deployments, &proxy.Deployment{
				Client: c.Client, Kind: c.cfg.Kind, APIVersion: c.cfg.APIVersion, Model: d.Model,
				AdaptiveThinking: d.Thinking == config.ThinkingAdaptive, OnDisconnect: proxy.Policy(c.cfg.OnDisconnect),
				AskUsage: c.cfg.StreamUsage, Idle: c.cfg.IdleTimeout,
				Weight: d.Weight, Priority: d.Priority, Bounds: boundsOf(&d),
			})
		}
	}
	s.proxy.SetRoutes(proxy.NewRoutes(models))
	prices := cfg.PriceList()
	s.prices.Store(&prices)
	shown := portalModels(cfg.Models)
	s.models.Store(&shown)
	for name, old := range s.clients {
		if clients[name].Client != old.Client {
			old.Close()
		}
	}
	s.clients = clients
	return nil
}

func boundsOf(d *config.Deployment) choice.Settings {
	return choice.Settings{
		MaxConcurrency: d.MaxConcurrency, Queue: d.Queue, QueueTimeout: d.QueueTimeout, Draining: d.Drain, Breaker: choice.Breaker(d.Breaker),
	}
}

func upstreamConfig(u config.Upstream) upstream.Config {
	c := upstream.Config{
		Name: u.Name, BaseURL: u.BaseURL.String(), ConnectTimeout: u.ConnectTimeout,
		HeaderTimeout: u.FirstByteTimeout, MaxConnections: u.MaxConnections,
	}
	if u.APIKey.IsSet() {
		c.Header = append(c.Header, credentials(u))
	}
	for _, h := range u.Headers {
		c.Header = append(c.Header, upstream.Header{Name: h.Name, Value: h.Value.Reveal()})
	}
	if u.RootCAs != nil {
		c.TLS = &tls.Config{RootCAs: u.RootCAs, MinVersion: tls.VersionTLS12}
	}
	return c
}

// credentials returns the header that an upstream's key is sent in.
func credentials(u config.Upstream) upstream.Header {
	key := u.APIKey.Reveal()
	switch {
	case u.Auth == config.AuthBearer:
		return upstream.Header{Name: "Authorization", Value: "Bearer " + key}
	case u.Kind == config.KindAnthropic:
		return upstream.Header{Name: "x-api-key", Value: key}
	}
	return upstream.Header{Name: "api-key", Value: key}
}

// reload puts another configuration in force, as far as that goes without a restart.
func (s *server) reload(cfg *config.Config) error {
	stream := cfg.Stream
	stream.IdleTimeout = s.cfg.Stream.IdleTimeout // in force with the upstreams that have none of their own
	for _, fixed := range []struct {
		name     string
		old, new any
	}{
		{"listen", s.cfg.Listen, cfg.Listen},
		{"data", s.cfg.Data, cfg.Data},
		{"store", s.cfg.Store, cfg.Store},
		{"free_space_floor", s.cfg.FreeSpaceFloorBytes, cfg.FreeSpaceFloorBytes},
		{"billing.time_zone", s.cfg.Billing.TimeZone.String(), cfg.Billing.TimeZone.String()},
		{"billing.currency", s.cfg.Billing.Currency, cfg.Billing.Currency},
		{"billing.request_retention_days", s.cfg.Billing.RequestRetentionDays, cfg.Billing.RequestRetentionDays},
		{"admin", s.cfg.Admin, cfg.Admin},
		{"portal", s.cfg.Portal, cfg.Portal},
		{"iam", true, s.cfg.IAM.Equal(cfg.IAM)},
		{"cce", s.cfg.CCE, cfg.CCE},
		{"clusters", s.cfg.Clusters, cfg.Clusters},
		{"webhooks", s.cfg.Webhooks, cfg.Webhooks},
		{"keys", s.cfg.Keys, cfg.Keys},
		{"limits", s.cfg.Limits, cfg.Limits},
		{"stream", s.cfg.Stream, stream},
		{"shutdown", s.cfg.Shutdown, cfg.Shutdown},
		{"log", s.cfg.Log, cfg.Log},
	} {
		if !reflect.DeepEqual(fixed.old, fixed.new) {
			s.log.Warn("setting changed that takes a restart; the old value stays in force", "setting", fixed.name)
		}
	}
	products, err := loadCatalog(cfg)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	if err := s.route(cfg); err != nil {
		return err
	}
	s.catalog.Store(products)
	s.log.Info("configuration reloaded", "upstreams", len(cfg.Upstreams), "models", len(cfg.Models))
	return nil
}

// run serves on the listener until ctx ends or the ledger is beyond use, then lets requests under way finish within
// the grace period and stops everything.
func (s *server) run(ctx context.Context, ln net.Listener) error {
	stopOperators, err := s.serveOperators()
	if err != nil {
		return errors.Join(err, ln.Close(), s.close())
	}
	s.startBackground(ctx)
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(ln) }()
	releaseMemory()
	s.log.Info("listening", "address", ln.Addr().String())
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-served:
		served <- nil
	case cause = <-s.recorder.Fatal():
		s.log.Error("usage cannot be recorded any more: stopping", "err", cause)
	case cause = <-s.gateDone:
		s.gateDone <- nil
		s.log.Error("changes of keys cannot be followed any more: stopping", "err", cause)
	}
	s.log.Info("stopping: requests under way may finish", "grace", s.cfg.Shutdown.Grace.String(), "requests", s.recorder.Live())
	grace, cancel := context.WithTimeout(context.Background(), s.cfg.Shutdown.Grace)
	defer cancel()
	s.stopServing(grace)
	_ = ln.Close() // one that was not served yet when the stop came would be served for ever
	err = <-served
	return errors.Join(cause, err, stopOperators(), s.close())
}

// lastAnswers is how long answers that have been settled may take to leave when the server stops.
const lastAnswers = 2 * time.Second

// stopServing refuses what is new, waits for what is under way until ctx ends, and closes the connections. It does not
// wait for connections that are open without a whole request.
func (s *server) stopServing(ctx context.Context) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.app.ShutdownWithContext(last) }()
	s.proxy.Drain(ctx)
	timer := time.AfterFunc(lastAnswers, cancel)
	defer timer.Stop()
	if err := <-closed; err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn("closing the listener", "err", err)
	}
}

// close stops the parts that were started, in reverse order.
func (s *server) close() error {
	var errs []error
	s.endBackups()
	if s.stopBackground != nil {
		s.stopBackground()
		s.background.Wait()
	}
	if s.stopGate != nil {
		s.stopGate()
		if err := <-s.gateDone; err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	}
	if s.proxy != nil {
		s.proxy.Close()
	}
	if s.counter != nil {
		s.counter.Close()
	}
	if s.recorder != nil {
		errs = append(errs, s.recorder.Close())
		if err := s.engine.GiveBack(); err != nil {
			s.log.Warn("shares of limits have not been given back; others wait for the end of their leases", "err", err)
		}
	}
	s.routesMu.Lock() // a reload may be under way
	for _, c := range s.clients {
		c.Close()
	}
	s.routesMu.Unlock()
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

func (s *server) newPortal() *portal.Portal {
	p := &s.people
	return portal.New(portal.Options{
		Guard: p.guard, Service: s.service, Tenants: p.tenants, Users: p.users, Profiles: p.profiles, Operators: p.operators,
		Tokens: p.tokens, Audit: p.audit, Ledger: s.store, Deployments: s.deployer,
		Catalog: s.catalog.Load, Models: s.portalModels, Upstreams: s.upstreamHealth, DrainUpstream: s.drainUpstream, OperatorsElsewhere: s.cfg.Portal.AdminListen != "",
		Prices: s.priceList, Budget: s.engine.Budget, Alerts: s.alerts,
		Location: s.cfg.Billing.TimeZone, Currency: s.cfg.Billing.Currency,
		AdminToken: s.cfg.Admin.Token, Now: time.Now, Logger: s.log,
	})
}
