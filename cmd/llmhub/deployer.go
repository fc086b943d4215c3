package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"llmhub/config"
	"llmhub/deployer"
	"llmhub/deployer/cce"
	"llmhub/deployer/helm"
	"llmhub/deployer/kube"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

// helmWorker is the command that the server starts itself with for everything that Helm does.
const helmWorker = "helm-worker"

func newHelmWorkerCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:    helmWorker,
		Short:  "Do one thing with Helm for a server, which speaks to it by standard input and output",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			if code := helm.Main(env.stdin, env.stdout); code != 0 {
				return fmt.Errorf("the server's request was not understood (%d)", code)
			}
			return nil
		},
	}
}

// makeDeployer makes what brings products to the customers' clusters.
func (s *server) makeDeployer() error {
	key, err := s.key(sealKey)
	if err != nil {
		return err
	}
	sealer, err := secret.NewSealer(key, "deployment")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program itself, which Helm runs in: %w", err)
	}
	o := deployer.Options{
		Documents: s.store, Buyers: identity.NewBuyers(s.store, s.people.profiles), Tenants: s.people.tenants, Audit: s.people.audit,
		Directory: s.people.directory, Kubernetes: kube.Opener{}, Releases: helm.New(helm.Options{Command: []string{self, helmWorker}}),
		Sealer: sealer, Catalog: s.catalog.Load, Day: func() string { return store.DayOf(time.Now(), s.cfg.Billing.TimeZone).String() },
		Now: time.Now, Holder: identity.NewID("run_"), Logger: s.log,
	}
	if o.Configured, err = configuredClusters(s.cfg.Clusters); err != nil {
		return err
	}
	if c := s.cfg.CCE; c.URL != "" {
		source, err := cce.New(cce.Config{URL: c.URL, KubernetesURL: c.KubernetesURL, Access: cce.Way(c.Access), Timeout: c.Timeout, CA: c.CA})
		if err != nil {
			return err
		}
		o.Source = source
	}
	s.deployer = deployer.NewService(o)
	return nil
}

func configuredClusters(list []config.Cluster) ([]deployer.ConfiguredCluster, error) {
	var all []deployer.ConfiguredCluster
	for _, c := range list {
		access, err := kube.ParseKubeconfig([]byte(c.Kubeconfig.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("clusters: %s: kubeconfig: %w", c.Name, err)
		}
		all = append(all, deployer.ConfiguredCluster{Name: c.Name, Domain: c.Domain, TenantID: c.Tenant, Access: access})
	}
	return all, nil
}

// deploy works on deployments until ctx ends.
func (s *server) deploy(ctx context.Context) {
	if err := s.deployer.Run(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("deployments are not worked on any more; restart the server", "err", err.Error())
	}
}
