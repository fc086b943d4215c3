package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/metering"
	"llmhub/proxy/proxytest"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/subscription"
)

// demoModel is the model that the demo offers.
const demoModel = "demo-chat"

func newDemoCommand(env *environment) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the gateway with a built-in model server, a tenant and a fresh key",
		Long: `Run the gateway with a built-in model server that speaks at a human pace, a tenant, a
subscription and a fresh key, and print how to use them. Everything is kept in a temporary
folder that is removed at the end.`,
		Example: `  llmhub demo
  llmhub demo --listen 127.0.0.1:9000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), env, listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address to listen on")
	return cmd
}

func demo(ctx context.Context, env *environment, listen string) (err error) {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return &hintedError{err, "choose another address with --listen"}
	}
	defer ln.Close()
	dir, err := os.MkdirTemp("", "llmhub-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	provider, err := proxytest.Start(proxytest.Options{Keep: -1})
	if err != nil {
		return err
	}
	defer provider.Close()
	provider.Script("", proxytest.Persona())
	cfg, err := demoConfig(ln.Addr().String(), dir, provider.URL())
	if err != nil {
		return err
	}
	s, err := newServer(ctx, cfg, newLogger(env.stderr, slog.LevelWarn))
	if err != nil {
		return err
	}
	key, secret, err := s.demoKey(ctx)
	if err != nil {
		return errors.Join(err, s.close())
	}
	env.greet("http://"+ln.Addr().String(), cfg.Admin.Token, key, secret)
	return s.run(ctx, ln)
}

func demoConfig(listen, dir, providerURL string) (*config.Config, error) {
	base, err := url.Parse(providerURL)
	if err != nil {
		return nil, err
	}
	cfg := config.Default()
	cfg.Listen, cfg.Data = listen, dir
	cfg.Admin.Token = secret.New(rand.Text())
	cfg.Shutdown.Grace = 5 * time.Second
	cfg.FreeSpaceFloorBytes = 0
	u := config.DefaultUpstream()
	u.Name, u.BaseURL = "built-in", base
	cfg.Upstreams = []config.Upstream{u}
	price, err := demoPrice()
	if err != nil {
		return nil, err
	}
	cfg.Models = []config.Model{{
		Name:        demoModel,
		Deployments: []config.Deployment{{Upstream: u.Name, Model: demoModel}},
		Prices:      []metering.Price{price},
	}}
	return &cfg, nil
}

func demoPrice() (p metering.Price, err error) {
	if p.From, err = store.ParseDay("2020-01-01"); err != nil {
		return p, err
	}
	if p.InputPerMillion, err = metering.ParseAmount("0.15"); err != nil {
		return p, err
	}
	p.CachedInputPerMillion = p.InputPerMillion
	p.OutputPerMillion, err = metering.ParseAmount("0.60")
	return p, err
}

// demoKey makes a tenant, a subscription and a key.
func (s *server) demoKey(ctx context.Context) (subscription.Key, subscription.Secret, error) {
	tenant, err := s.tenants.Create(ctx, identity.Administrator(), "Demo tenant")
	if err != nil {
		return subscription.Key{}, subscription.Secret{}, err
	}
	sub, err := s.service.CreateSubscription(ctx, identity.Administrator(), subscription.CreateSubscription{TenantID: tenant.ID, ProductID: "llm-hub"})
	if err != nil {
		return subscription.Key{}, subscription.Secret{}, err
	}
	return s.service.CreateKey(ctx, identity.Administrator(), subscription.CreateKey{SubscriptionID: sub.ID, Name: "demo"})
}

// greet prints how to use the demo. The key is shown here and never again.
func (e *environment) greet(server string, admin secret.Text, key subscription.Key, secret subscription.Secret) {
	fmt.Fprintf(e.stdout, `llmhub demo is running on %[1]s with a built-in model server.

Stream an answer:

  curl -N %[1]s/v1/chat/completions -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' -d '{"model":"%[3]s","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'

See the tokens just counted:

  %[4]s=%[5]s %[6]s usage --server %[1]s --key %[7]s --by key,model

Ctrl-C ends the demo and removes its data.
`, server, secret.Reveal(), demoModel, tokenVariable, admin.Reveal(), os.Args[0], key.ID)
}
