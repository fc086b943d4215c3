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
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"llmhub/config"
	"llmhub/identity/iam/iamtest"
	"llmhub/metering"
	"llmhub/proxy/proxytest"
	"llmhub/secret"
	"llmhub/store"
)

// demoModel is the model that the demo's first lines use.
const demoModel = "demo-chat"

// demoOperator is the name of the demo's operator.
const demoOperator = "operator"

func newDemoCommand(env *environment) *cobra.Command {
	var listen, size, kubeconfig string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run gateway and portal with a built-in model server and a simulated identity service",
		Long: `Run the gateway and the portal with a built-in model server that speaks at a human pace and a
simulated identity service. There is a customer with a subscription, keys and some months of
usage, a customer who comes for the first time, and an operator; addresses, names and passwords
are printed. Everything is kept in a temporary folder that is removed at the end.

The customers have clusters at a simulated container engine. With --kubeconfig they all lead to the
control plane of that file's current context, with its rights: use one that is yours to play with.

With --size large there are a thousand customers with 100,000 keys and a year of usage; to make
them takes a minute or two.`,
		Example: `  llmhub demo
  llmhub demo --listen 127.0.0.1:9000
  llmhub demo --kubeconfig kind.kubeconfig
  llmhub demo --size large`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := planDemo(size, time.Now())
			if err != nil {
				return err
			}
			return demo(cmd.Context(), env, listen, kubeconfig, plan)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address to listen on")
	cmd.Flags().StringVar(&size, "size", demoSmall, "how much there is: "+demoSmall+" or "+demoLarge)
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "file of the Kubernetes control plane behind the customers' clusters")
	return cmd
}

func demo(ctx context.Context, env *environment, listen, kubeconfig string, plan demoPlan) (err error) {
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
	directory, err := iamtest.Start(iamtest.Options{Domains: plan.domains()})
	if err != nil {
		return err
	}
	defer directory.Close()
	cfg, err := demoConfig(ln.Addr().String(), dir, provider.URL())
	if err != nil {
		return err
	}
	cfg.IAM.URL = directory.URL
	engine, err := startCloud(directory, kubeconfig, cfg)
	if err != nil {
		return err
	}
	defer engine.Close()
	s, err := newServer(ctx, cfg, newLogger(env.stderr, slog.LevelWarn))
	if err != nil {
		return err
	}
	w, err := s.furnish(ctx, plan, newProgress(env.stderr))
	if err != nil {
		return errors.Join(err, s.close())
	}
	debug.FreeOSMemory() // to make a large demo takes more than to serve it
	address := "http://" + ln.Addr().String()
	clusters, err := s.aboutClusters(ctx, address, directory, kubeconfig != "")
	if err != nil {
		return errors.Join(err, s.close())
	}
	env.greet(address, cfg.Admin.Token, w, clusters)
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
	cfg.Models, err = demoModels(u.Name)
	return &cfg, err
}

// demoModels are all served by the built-in model server; prices are per million tokens, or by unit.
func demoModels(upstream string) ([]config.Model, error) {
	var models []config.Model
	for _, m := range []struct {
		name, input, output string
		about               config.About
		units               map[store.Unit]string
	}{
		{demoModel, "0.15", "0.60", config.About{DisplayName: "Demo Chat", Kind: config.Chat, ContextTokens: 32_000, Location: "this machine", Country: "Germany, EU", HostedBy: config.Own, Licence: "Apache-2.0"}, nil},
		{"llama-3.3-70b", "0.40", "1.20", config.About{DisplayName: "Llama 3.3 70B Instruct", Kind: config.Chat, ContextTokens: 128_000, MaxOutputTokens: 8_192, Location: "eu-de", Country: "Germany, EU", HostedBy: config.Own, Licence: "Llama 3.3 Community"}, nil},
		{"mistral-small-3.2", "0.20", "0.60", config.About{DisplayName: "Mistral Small 3.2", Kind: config.Chat, ContextTokens: 128_000, Location: "eu-de", Country: "Germany, EU", HostedBy: config.Own, Licence: "Apache-2.0"}, nil},
		{"gpt-oss-120b", "0.30", "1.00", config.About{DisplayName: "gpt-oss 120B", Kind: config.Chat, ContextTokens: 131_072, Location: "eu-nl", Country: "Netherlands, EU", HostedBy: config.Own, Licence: "Apache-2.0"}, nil},
		{"gpt-4.1", "2.00", "8.00", config.About{DisplayName: "GPT-4.1", Kind: config.Chat, ContextTokens: 1_000_000, MaxOutputTokens: 32_768, Location: "azure-sweden-central", Country: "Sweden, EU", HostedBy: config.ThirdParty}, nil},
		{"bge-m3", "0.02", "0", config.About{DisplayName: "BGE-M3", Kind: config.Embedding, ContextTokens: 8_192, Location: "eu-de", Country: "Germany, EU", HostedBy: config.Own, Licence: "MIT"}, nil},
		{"flux.1-schnell", "0", "0", config.About{DisplayName: "FLUX.1 schnell", Kind: config.Image, Location: "eu-de", Country: "Germany, EU", HostedBy: config.Own, Licence: "Apache-2.0"},
			map[store.Unit]string{store.UnitImage: "0.012", store.UnitImage1024: "0.008"}},
		{"whisper-large-v3", "0", "0", config.About{DisplayName: "Whisper large v3", Kind: config.Audio, Location: "eu-de", Country: "Germany, EU", HostedBy: config.Own, Licence: "MIT"},
			map[store.Unit]string{store.UnitAudioMillisecond: "0.0001"}},
		{"bge-reranker-v2-m3", "0", "0", config.About{DisplayName: "BGE Reranker v2 M3", Kind: config.Rerank, ContextTokens: 8_192, Location: "eu-de", Country: "Germany, EU", HostedBy: config.Own, Licence: "Apache-2.0"},
			map[store.Unit]string{store.UnitSearch: "0.80"}},
	} {
		price, err := demoPrice(m.input, m.output, m.units)
		if err != nil {
			return nil, err
		}
		model, deployment := config.DefaultModel(), config.DefaultDeployment()
		deployment.Upstream, deployment.Model = upstream, m.name
		model.Name, model.About = m.name, &m.about
		model.Deployments, model.Prices = []config.Deployment{deployment}, []metering.Price{price}
		models = append(models, model)
	}
	return models, nil
}

func demoPrice(input, output string, units map[store.Unit]string) (p metering.Price, err error) {
	if p.From, err = store.ParseDay("2020-01-01"); err != nil {
		return p, err
	}
	if p.InputPerMillion, err = metering.ParseAmount(input); err != nil {
		return p, err
	}
	if p.OutputPerMillion, err = metering.ParseAmount(output); err != nil {
		return p, err
	}
	p.Units = map[store.Unit]metering.Amount{}
	for u, price := range units {
		if p.Units[u], err = metering.ParseAmount(price); err != nil {
			return p, err
		}
	}
	return p, nil
}

// greet prints how to use the demo. The key is shown here and never again.
func (e *environment) greet(server string, admin secret.Text, w demoWorld, clusters string) {
	var people strings.Builder
	for _, p := range w.people {
		fmt.Fprintf(&people, "  %-34s %s\n", p.who, p.what)
	}
	fmt.Fprintf(e.stdout, `llmhub demo is running on %[1]s with a built-in model server.

Open %[1]s in a browser. Who can sign in:

%[2]s
%[9]s

Stream an answer:

  curl -N %[1]s/v1/chat/completions -H 'Authorization: Bearer %[3]s' -H 'Content-Type: application/json' -d '{"model":"%[4]s","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'

See the tokens just counted:

  %[5]s=%[6]s %[7]s usage --server %[1]s --key %[8]s --by key,model

Ctrl-C ends the demo and removes its data.
`, server, people.String(), w.secret.Reveal(), demoModel, tokenVariable, admin.Reveal(), os.Args[0], w.key.ID, clusters)
}
