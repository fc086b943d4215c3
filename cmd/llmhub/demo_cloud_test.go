package main

import (
	"os"
	"strings"
	"testing"

	"llmhub/config"
	"llmhub/deployer/cce"
	"llmhub/identity"
	"llmhub/identity/iam"
	"llmhub/identity/iam/iamtest"
	"llmhub/secret"
)

// TestDemoCloud signs the demo's customers in and lists their clusters, with a control plane behind them and without.
func TestDemoCloud(t *testing.T) {
	for _, kubeconfig := range []string{"", os.Getenv("LLMHUB_TEST_KUBECONFIG")} {
		directory, err := iamtest.Start(iamtest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer directory.Close()
		var cfg config.Config
		engine, err := startCloud(directory, kubeconfig, &cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Close()
		people, err := iam.New(iam.Config{URL: directory.URL})
		if err != nil {
			t.Fatal(err)
		}
		source, err := cce.New(cce.Config{URL: cfg.CCE.URL, KubernetesURL: cfg.CCE.KubernetesURL, Access: cce.Way(cfg.CCE.Access), Timeout: cfg.CCE.Timeout, CA: cfg.CCE.CA})
		if err != nil {
			t.Fatal(err)
		}
		available, asleep := demoCustomerClusters(t, people, source)
		if want := map[bool]int{true: 4}[kubeconfig != ""]; available != want || (asleep == 0) != (kubeconfig != "") {
			t.Errorf("with control plane %q: %d clusters available, %d asleep for want of one", kubeconfig, available, asleep)
		}
	}
}

// demoCustomerClusters opens the clusters of both customers, and counts those that can be used and those that could with a
// control plane.
func demoCustomerClusters(t *testing.T, people *iam.Client, source *cce.Source) (available, asleep int) {
	t.Helper()
	for domain, user := range map[string]string{iamtest.CustomerDomain: "jana.weber", iamtest.NewDomain: "lars.petersen"} {
		password := secret.New("demo-" + strings.ReplaceAll(user, ".", "-"))
		a, err := people.SignIn(t.Context(), identity.Credentials{Domain: domain, User: user, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		projects, err := people.Projects(t.Context(), a.Token)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range projects {
			token, _, err := people.Rescope(t.Context(), a.Token, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			clusters, err := source.Clusters(t.Context(), p, token)
			if err != nil || len(clusters) == 0 {
				t.Fatalf("%s of %s: %v, %v", p.Name, user, clusters, err)
			}
			for _, c := range clusters {
				if _, err := source.Access(t.Context(), p, c.ID, token); (err == nil) != c.Available {
					t.Errorf("%s: %v", c.Name, err)
				}
				if c.Available {
					available++
				} else if strings.Contains(c.Message, "--kubeconfig") {
					asleep++
				}
			}
		}
	}
	return available, asleep
}

// A kubeconfig that cannot be used ends the demo at once, with a hint.
func TestDemoKubeconfigRefused(t *testing.T) {
	directory, err := iamtest.Start(iamtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer directory.Close()
	empty := t.TempDir() + "/kubeconfig"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{t.TempDir() + "/none": "no such file", t.TempDir(): "is a directory", empty: "is empty"} {
		var cfg config.Config
		if engine, err := startCloud(directory, path, &cfg); err == nil || !strings.Contains(err.Error(), want) || cfg.CCE.URL != "" {
			t.Errorf("%s: %v, %v", path, engine, err)
		}
	}
}
