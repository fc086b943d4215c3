package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"llmhub/catalog"
	"llmhub/config"
	"llmhub/metering"
	"llmhub/portal/gateway"
	"llmhub/portal/web"
)

// maxChatBytes bounds the answer to a chat of the playground without JavaScript.
const maxChatBytes = 1 << 20

// publicURL is what the server is reached by.
func (s *server) publicURL() *url.URL {
	if s.cfg.Portal.PublicURL != nil {
		return s.cfg.Portal.PublicURL
	}
	return &url.URL{Scheme: "http", Host: s.cfg.Listen}
}

// loadCatalog reads the products: those of the configured folder, or those that come with the program.
func loadCatalog(cfg *config.Config) (*catalog.Catalog, error) {
	if cfg.Catalog == "" {
		return catalog.Default()
	}
	return catalog.LoadDir(cfg.Catalog)
}

func (s *server) readCatalog() error {
	products, err := loadCatalog(s.cfg)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	s.catalog.Store(products)
	return nil
}

func (s *server) makePages() (err error) {
	s.tenantUsage = metering.NewTenants(s.store, s.service.TenantOfKey, time.Now)
	p, portal, iam := &s.people, s.cfg.Portal, s.cfg.IAM
	s.web, err = web.New(web.Options{
		Guard: p.guard, SignIn: p.signIn, Sessions: p.sessions, Tenants: p.tenants, Users: p.users, Profiles: p.profiles,
		Tokens: p.tokens, Audit: p.audit, Service: s.service, Ledger: s.store, Budget: s.engine.Budget, Alerts: s.alerts, Deployments: s.deployer,
		TenantUsage: s.tenantUsage,
		Catalog:     s.catalog.Load, Models: s.portalModels, Upstreams: s.upstreamHealth, DrainUpstream: s.drainUpstream, Chat: s.chat,
		Prices:          func() metering.PriceList { return *s.prices.Load() },
		CustomersSignIn: p.customersSignIn, OperatorsElsewhere: portal.AdminListen != "",
		PublicURL: s.publicURL(), Location: s.cfg.Billing.TimeZone, Currency: s.cfg.Billing.Currency, RequestRetentionDays: s.cfg.Billing.RequestRetentionDays,
		Brand: web.Brand{Name: portal.Name, CSS: portal.BrandCSS, Logo: portal.Logo},
		Links: web.Links{
			Imprint: portal.Links.Imprint, Privacy: portal.Links.Privacy, Terms: portal.Links.Terms, Documentation: portal.Links.Documentation,
			Contact: portal.Links.Contact, Console: iam.ConsoleURL, PasswordReset: iam.PasswordResetURL,
		},
		Now: time.Now, Logger: s.log,
	})
	return err
}

// serveOperators opens the operators' own listener, if one is configured, and returns what closes it.
func (s *server) serveOperators() (stop func() error, err error) {
	if s.cfg.Portal.AdminListen == "" {
		return func() error { return nil }, nil
	}
	ln, err := net.Listen("tcp", s.cfg.Portal.AdminListen)
	if err != nil {
		return nil, fmt.Errorf("portal.admin_listen: %w", err)
	}
	app := s.newOperatorApp()
	served := make(chan error, 1)
	go func() { served <- app.Listener(ln) }()
	s.log.Info("listening for operators", "address", ln.Addr().String())
	return func() error {
		err := app.ShutdownWithTimeout(lastAnswers)
		_ = ln.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil // connections that are open without a request are left behind
		}
		return errors.Join(err, <-served)
	}, nil
}

// portalModels returns the models in force as the pages show them.
func (s *server) portalModels() []gateway.Model { return *s.models.Load() }

func portalModels(models []config.Model) []gateway.Model {
	list := make([]gateway.Model, len(models))
	for i, m := range models {
		list[i] = gateway.Model{Name: m.Name}
		a := m.About
		if a == nil {
			continue
		}
		list[i] = gateway.Model{
			Name: m.Name, DisplayName: a.DisplayName, Kind: string(a.Kind), ContextTokens: a.ContextTokens, MaxOutputTokens: a.MaxOutputTokens,
			Location: a.Location, Country: a.Country, HostedBy: string(a.HostedBy), Licence: a.Licence, LicenceURL: a.LicenceURL,
		}
		if a.EndOfLife != nil {
			list[i].EndOfLife = a.EndOfLife.Date()
		}
	}
	return list
}

// upstreamHealth returns how the model servers are doing.
func (s *server) upstreamHealth() []gateway.Upstream {
	health := s.proxy.Health()
	list := make([]gateway.Upstream, len(health))
	for i, h := range health {
		list[i] = gateway.Upstream{
			Upstream: h.Upstream, Deployment: h.Deployment, Models: h.Models, State: string(h.State), Requests: h.Requests, Failures: h.Failures,
			InFlight: h.InFlight, WindowRequests: h.WindowRequests, WindowFailures: h.WindowFailures, FirstByteMedian: h.FirstByteP50,
			FirstByteSlow: h.FirstByteP95, LastSuccess: h.LastSuccess, LastFailure: h.LastFailure, LastReason: h.LastReason,
			Weight: h.Weight, Priority: h.Priority, Breaker: h.Breaker, BreakerUntil: h.BreakerUntil, Draining: h.Draining, DrainConfigured: h.DrainConfigured,
			Queued: h.Queued, MaxConcurrency: h.MaxConcurrency,
		}
	}
	return list
}

// chat sends a prompt to this server as any application would, so that it is authenticated, limited and metered alike. The
// page bounds how long that may take.
func (s *server) chat(ctx context.Context, key, model, prompt string) (string, error) {
	body, err := json.Marshal(map[string]any{"model": model, "messages": []map[string]string{{"role": "user", "content": prompt}}})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.cfg.Listen+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", errors.New("the gateway cannot be reached") // the error's own text may quote the request
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxChatBytes))
	if err != nil {
		return "", errors.New("the answer broke off")
	}
	return readChat(resp.StatusCode, text)
}

// readChat returns the text of an answer, or the gateway's message as an error.
func readChat(status int, text []byte) (string, error) {
	var answer struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", errors.New("the answer is not understood")
	}
	switch {
	case status != http.StatusOK && answer.Error.Message != "":
		return "", &web.ChatError{Message: answer.Error.Message}
	case status != http.StatusOK || len(answer.Choices) == 0:
		return "", errors.New("the answer is not understood")
	}
	return answer.Choices[0].Message.Content, nil
}
