package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"llmhub/config"
	"llmhub/deployer/cce/ccetest"
	"llmhub/identity"
	"llmhub/identity/iam/iamtest"
	"llmhub/secret"
)

// maxKubeconfigBytes bounds the kubeconfig that is given to the demo.
const maxKubeconfigBytes = 1 << 20

const asleep = "There is no Kubernetes control plane behind this cluster: start the demo with --kubeconfig to attach one."

// demoClusters are those of the demo's people. Without a control plane behind them, those that could be used are asleep.
func demoClusters(attached bool) []ccetest.Cluster {
	cluster := func(domain, project, name string) ccetest.Cluster {
		id := iamtest.ID(domain, "cluster", project, name)
		c := ccetest.Cluster{
			ID: fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:]), ProjectID: iamtest.ID(domain, "project", project),
			Name: name, Phase: ccetest.Available,
		}
		if !attached {
			c.Phase, c.Message = ccetest.Hibernation, asleep
		}
		return c
	}
	production := cluster(iamtest.CustomerDomain, "eu-de", "production")
	staging := cluster(iamtest.CustomerDomain, "eu-de", "staging")
	staging.Endpoints = ccetest.Typed
	weekend := cluster(iamtest.CustomerDomain, "eu-de", "weekend-batch")
	weekend.Phase, weekend.Message = ccetest.Hibernation, "The cluster has been hibernated by its owner."
	analytics := cluster(iamtest.CustomerDomain, "eu-de", "analytics")
	analytics.Phase, analytics.Message, analytics.Endpoints = ccetest.Upgrading, "The cluster is being upgraded to v1.34.", ccetest.Null
	gpu := cluster(iamtest.CustomerDomain, "eu-de_ai", "gpu-lab")
	gpu.Category, gpu.Endpoints = "Turbo", ccetest.Object
	return []ccetest.Cluster{production, staging, weekend, analytics, gpu, cluster(iamtest.NewDomain, "eu-de", "first-steps")}
}

// startCloud starts the simulated container engine beside the identity service, and says in the configuration where it is.
// kubeconfig names the file of the control plane behind its clusters; empty means that there is none.
func startCloud(directory *iamtest.Server, kubeconfig string, cfg *config.Config) (*ccetest.Server, error) {
	o := ccetest.Options{Identity: directory.URL, Clusters: demoClusters(kubeconfig != "")}
	if kubeconfig != "" {
		var err error
		if o.Kubeconfig, err = readKubeconfig(kubeconfig); err != nil {
			return nil, &hintedError{err, "name an existing kubeconfig with --kubeconfig"}
		}
	}
	engine, err := ccetest.Start(o)
	if err != nil {
		return nil, &hintedError{err, "a kubeconfig that holds everything is made by: kubectl config view --raw --minify --flatten"}
	}
	cfg.CCE = config.DefaultCCE()
	cfg.CCE.URL, cfg.CCE.KubernetesURL, cfg.CCE.CA = engine.URL.String(), engine.KubernetesURL, engine.CA
	return engine, nil
}

func readKubeconfig(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKubeconfigBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxKubeconfigBytes:
		return nil, fmt.Errorf("%s is larger than 1 MiB", path)
	case len(text) == 0:
		return nil, fmt.Errorf("%s is empty", path)
	}
	return text, nil
}

// What the personal token is called that the demo's lines for a terminal use, and how long it holds.
const (
	terminalTokenName = "terminal"
	terminalTokenLife = 30 * 24 * time.Hour
)

// aboutClusters says what the demo's clusters are good for. With a control plane behind them, the first customer gets a personal
// token, and lines to paste into a shell.
func (s *server) aboutClusters(ctx context.Context, address string, directory *iamtest.Server, attached bool) (string, error) {
	if !attached {
		return "The customers' clusters are asleep. To deploy, attach a Kubernetes control plane: llmhub demo --kubeconfig FILE", nil
	}
	domain := iamtest.People()[0]
	u := domain.Users[0]
	token, err := s.terminalToken(ctx, identity.Credentials{Domain: domain.Name, User: u.Name, Password: secret.New(u.Password)})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`The customers' clusters lead to the control plane of your kubeconfig: what you deploy is made there.

Deploy from a terminal as %[1]s; the second line gets an IAM token, as openstack token issue does elsewhere:

  export %[2]s=%[3]s %[4]s=%[5]s
  export %[6]s=$(curl -si %[7]s/v3/auth/tokens -H 'Content-Type: application/json' -d '{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"%[1]s","password":"%[8]s","domain":{"name":"%[9]s"}}}}}}' | sed -n 's/^X-Subject-Token: //p' | tr -d '\r')
  %[10]s workload targets`,
		u.Name, serverVariable, address, personalVariable, token.Reveal(), iamVariable, directory.URL, u.Password, domain.Name, os.Args[0]), nil
}

// terminalToken signs somebody in, as tokens of those who have not come for long are refused, and makes a personal token.
func (s *server) terminalToken(ctx context.Context, who identity.Credentials) (secret.Text, error) {
	in := s.people.signIn
	_, session, err := in.Customer(ctx, who, identity.Origin{Agent: "llmhub demo"})
	if err != nil {
		return secret.Text{}, err
	}
	signedIn, err := in.Who(ctx, session)
	if err != nil {
		return secret.Text{}, err
	}
	_, token, err := s.people.tokens.Create(ctx, signedIn.Actor, terminalTokenName, time.Now().Add(terminalTokenLife))
	if err != nil {
		return secret.Text{}, err
	}
	return token, in.Out(ctx, session)
}
