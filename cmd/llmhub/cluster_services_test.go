package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"llmhub/catalog"
	"llmhub/config"
	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/identity"
	"llmhub/secret"
)

// twoServices are two that work on one store, as the processes of an engine that several can share, with the real Helm and a real cluster.
type twoServices struct {
	t          *testing.T
	kubernetes *kubernetes.Clientset
	first      *server
	services   []*deployer.Service
	logs       []*lockedBuffer
	by         identity.Actor
}

// TestClusterTwoServices shows that two services share the work of many workloads, and do each operation on one once.
func TestClusterTwoServices(t *testing.T) {
	if os.Getenv("LLMHUB_TEST_KUBECONFIG") == "" {
		t.Skip("LLMHUB_TEST_KUBECONFIG is not set")
	}
	w := newTwoServices(t)
	// A service works on four operations of a cluster at once: six that wait for their pods need both.
	gate := newName("gate")
	var ids []string
	for range 6 {
		ids = append(ids, w.deploy(t, gate))
	}
	w.run(t)
	eventually(t, "both services work", func() bool {
		holders := map[string]bool{}
		for _, id := range ids {
			v, err := w.services[0].Workload(t.Context(), w.by, id)
			if err != nil {
				t.Fatal(err)
			}
			holders[v.Lease.Holder] = v.Operation.WantedPods > 0
		}
		return len(holders) == 2 && !holders[""]
	})
	labelNode(t, w.kubernetes, gate, `"open"`)
	t.Cleanup(func() { labelNode(t, w.kubernetes, gate, "null") })
	w.settled(t, ids)
	operations := len(ids)
	for _, id := range ids {
		if _, err := w.services[0].Rollback(t.Context(), w.by, deployer.Credential{}, id, 1); err == nil {
			t.Error("rolled back to the revision that is there")
		}
	}
	w.each(t, ids, func(s *deployer.Service, id string) error { return w.upgrade(t, s, id) })
	operations += len(ids)
	w.each(t, ids, func(s *deployer.Service, id string) error {
		_, err := s.Rollback(t.Context(), w.by, deployer.Credential{}, id, 1)
		return err
	})
	operations += len(ids)
	for _, id := range ids {
		w.holds(t, id, "1 superseded", "2 superseded", "3 deployed")
	}
	w.each(t, ids, func(s *deployer.Service, id string) error {
		v, err := s.Workload(t.Context(), w.by, id)
		if err == nil {
			_, err = s.Uninstall(t.Context(), w.by, deployer.Credential{}, id, v.Target.Release, false)
		}
		return err
	})
	operations += len(ids)
	for _, id := range ids {
		w.holds(t, id)
	}
	w.judge(t, operations)
}

func newTwoServices(t *testing.T) *twoServices {
	t.Helper()
	kubeconfig, err := os.ReadFile(os.Getenv("LLMHUB_TEST_KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	rest, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	w := &twoServices{t: t, kubernetes: kubernetes.NewForConfigOrDie(rest)}
	cfg := config.Default()
	cfg.Data, cfg.FreeSpaceFloorBytes, cfg.Admin.Token, cfg.Catalog = t.TempDir(), 0, secret.New(testToken), newClusterCatalog(t).folder
	u := config.DefaultUpstream()
	u.Name, u.BaseURL = "none", &url.URL{Scheme: "http", Host: "127.0.0.1:9"}
	cfg.Upstreams, cfg.Models = []config.Upstream{u}, []config.Model{model("none", "none")}
	log := &lockedBuffer{}
	if w.first, err = newServer(t.Context(), &cfg, newLogger(log, 0)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.first.close(); err != nil {
			t.Error(err)
		}
	})
	w.by = w.tenant(t)
	cfg.Clusters = []config.Cluster{{Name: "lab", Tenant: w.by.TenantID, Kubeconfig: secret.New(string(kubeconfig))}}
	for range 2 {
		log := &lockedBuffer{}
		s := &server{cfg: &cfg, log: newLogger(log, 0), store: w.first.store, people: w.first.people}
		s.catalog.Store(w.first.catalog.Load())
		if err := s.makeDeployer(); err != nil {
			t.Fatal(err)
		}
		w.services, w.logs = append(w.services, s.deployer), append(w.logs, log)
	}
	return w
}

// tenant makes one that can buy, and returns its user.
func (w *twoServices) tenant(t *testing.T) identity.Actor {
	t.Helper()
	people, admin := w.first.people, identity.Administrator()
	tenant, err := people.tenants.Create(t.Context(), admin, "Example")
	if err != nil {
		t.Fatal(err)
	}
	p, err := people.profiles.Submit(t.Context(), admin, tenant.ID, identity.ProfileData{
		Company: "Example GmbH", Website: "https://www.example.com", SellerEmail: "a@example.com", MarketplaceEmail: "b@example.com",
	})
	if err == nil {
		_, err = people.profiles.Approve(t.Context(), admin, tenant.ID, p.Change.SubmittedAt)
	}
	if err != nil {
		t.Fatal(err)
	}
	return identity.Actor{Kind: identity.Customer, ID: "usr_ada", Name: "ada", TenantID: tenant.ID, Rights: []identity.Right{identity.Reports, identity.Subscribe}}
}

// run runs both services until the test ends.
func (w *twoServices) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, s := range w.services {
		all.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		all.Wait()
	})
}

// deploy asks for a deployment by what the first service offers.
func (w *twoServices) deploy(t *testing.T, gate string) string {
	t.Helper()
	s, namespace := w.services[0], newName("proof")
	t.Cleanup(func() {
		_ = w.kubernetes.CoreV1().Namespaces().Delete(context.Background(), namespace, metav1.DeleteOptions{})
	})
	d, err := s.NewDraft(t.Context(), w.by, "probe")
	if err != nil {
		t.Fatal(err)
	}
	target := deployer.Target{ProjectID: "configured", ClusterID: "lab", Namespace: namespace, NewNamespace: true, Release: "web"}
	if _, err := s.SetTarget(t.Context(), w.by, deployer.Credential{}, d.ID, target); err != nil {
		t.Fatal(err)
	}
	return w.send(t, s, d.ID, form.Input{"gate": {gate}})
}

// send configures a draft and makes it what it is for.
func (w *twoServices) send(t *testing.T, s *deployer.Service, draft string, in form.Input) string {
	t.Helper()
	if _, err := s.SetInput(t.Context(), w.by, draft, in, nil); err != nil {
		t.Fatal(err)
	}
	product, _ := w.first.catalog.Load().Product("probe")
	v, err := s.Deploy(t.Context(), w.by, deployer.Credential{}, draft, "en", consents(product), true)
	if err != nil {
		t.Fatal(err)
	}
	return v.ID
}

func consents(p catalog.Product) (list []identity.Consent) {
	for _, d := range p.Consents() {
		list = append(list, identity.Consent{DocumentID: d.ID, Digest: d.Digest})
	}
	return list
}

func (w *twoServices) upgrade(t *testing.T, s *deployer.Service, id string) error {
	t.Helper()
	d, err := s.NewUpgrade(t.Context(), w.by, id)
	if err == nil {
		w.send(t, s, d.ID, form.Input{"image": {"nginx:2"}})
	}
	return err
}

// each asks for an operation on each workload, by turns at both services, and waits for the ends of all.
func (w *twoServices) each(t *testing.T, ids []string, ask func(*deployer.Service, string) error) {
	t.Helper()
	for i, id := range ids {
		if err := ask(w.services[i%2], id); err != nil {
			t.Fatal(err)
		}
	}
	w.settled(t, ids)
}

// settled waits until no operation is under way, each of which has to end well.
func (w *twoServices) settled(t *testing.T, ids []string) {
	t.Helper()
	for _, id := range ids {
		eventually(t, "the end of an operation", func() bool {
			v, err := w.services[0].Workload(t.Context(), w.by, id)
			if err != nil || v.State == deployer.Failed {
				t.Fatalf("%s: %s %v, %v", id, v.State, v.Reason, err)
			}
			return v.Operation == nil
		})
	}
}

// holds expects revisions in the cluster, each as NUMBER STATUS.
func (w *twoServices) holds(t *testing.T, id string, want ...string) {
	t.Helper()
	v, err := w.services[1].Workload(t.Context(), w.by, id)
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.kubernetes.CoreV1().Secrets(v.Target.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list.Items {
		got = append(got, s.Labels["version"]+" "+s.Labels["status"])
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the cluster holds %q, want %q", got, want)
	}
}

// judge reads from the logs who has done what.
func (w *twoServices) judge(t *testing.T, operations int) {
	t.Helper()
	done := map[string]int{}
	shares := make([]int, len(w.logs))
	for i, log := range w.logs {
		for lines := bufio.NewScanner(bytes.NewReader(log.Bytes())); lines.Scan(); {
			var line struct{ Msg, Operation string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if line.Msg == "the operation has ended" {
				done[line.Operation]++
				shares[i]++
			}
		}
	}
	if len(done) != operations || shares[0]+shares[1] != operations || slices.Min(shares) == 0 {
		t.Errorf("%d operations have ended of %d, as often as %v; the services have ended %v", len(done), operations, done, shares)
	}
	t.Logf("the services have done %v", shares)
}
