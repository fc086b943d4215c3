package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"llmhub/deployer/cce/ccetest"
	"llmhub/identity/iam/iamtest"
)

// patience bounds waits for what has no time limit of its own; the machine may have much else to do.
const patience = 4 * time.Minute

// clusterWorld is llmhub as a process, with a simulated cloud before a real Kubernetes control plane.
type clusterWorld struct {
	*daemon
	catalog    *clusterCatalog
	iam        *iamtest.Server
	cce        *ccetest.Server
	kubernetes *kubernetes.Clientset
	people     []*clusterUser
	seen       *sightings
	log        *lockedBuffer
}

// clusterProject is the project of every user.
const clusterProject = "eu-de"

// newClusterWorld starts everything, with as many customers as wanted, each of a tenant of their own. Every customer has as many clusters,
// and all of them are one.
func newClusterWorld(t *testing.T, binary string, customers, clusters int) *clusterWorld {
	t.Helper()
	w := &clusterWorld{seen: &sightings{}, catalog: newClusterCatalog(t), log: &lockedBuffer{}}
	file := os.Getenv("LLMHUB_TEST_KUBECONFIG")
	kubeconfig, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS, cfg.Burst = 100, 200
	w.kubernetes = kubernetes.NewForConfigOrDie(cfg)
	var domains []iamtest.Domain
	var list []ccetest.Cluster
	for i := range customers {
		u := newClusterUser(w, fmt.Sprintf("OTC-EU-DE-%020d", i+1))
		w.people = append(w.people, u)
		domains = append(domains, iamtest.Domain{Name: u.domain, Projects: []string{clusterProject}, Users: []iamtest.User{
			{Name: u.name, Password: u.password, Roles: []string{"te_admin", "secu_admin"}, Owner: true},
		}})
		u.project = iamtest.ID(u.domain, "project", clusterProject)
		for n := range clusters {
			c := ccetest.Cluster{ID: fmt.Sprintf("00000000-0000-4000-%04d-%012d", i, n), ProjectID: u.project, Name: fmt.Sprintf("cluster-%d", n), Phase: ccetest.Available}
			u.clusters = append(u.clusters, c.ID)
			list = append(list, c)
		}
	}
	if w.iam, err = iamtest.Start(iamtest.Options{Domains: domains}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.iam.Close)
	if w.cce, err = ccetest.Start(ccetest.Options{Identity: w.iam.URL, Clusters: list, Kubeconfig: kubeconfig}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cce.Close)
	w.serve(t, binary)
	return w
}

// serve writes the configuration, starts the process and has everybody sign in.
func (w *clusterWorld) serve(t *testing.T, binary string) {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, w.cce.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "llmhub")
	if err := os.Link(binary, own); err != nil {
		t.Fatal(err)
	}
	w.daemon = newDaemon(t, own, fmt.Sprintf(`free_space_floor: 0B
catalog: %q
iam: {url: %q}
cce: {url: %q, kubernetes_url: %q, ca_file: %q}
upstreams: [{name: none, base_url: "http://127.0.0.1:9"}]
models: [{name: none, deployments: [{upstream: none}]}]
log: {level: debug}
`, w.catalog.folder, w.iam.URL, w.cce.URL, w.cce.KubernetesURL, ca))
	w.daemon.output = w.log
	w.start()
	w.awaitReady()
	for _, u := range w.people {
		u.settle(t)
	}
}

// openGate lets the pods run that wait for a gate, and closeGate keeps those from it that are made later.
func (w *clusterWorld) openGate(t *testing.T, gate string) {
	t.Helper()
	labelNode(t, w.kubernetes, gate, `"open"`)
	w.t.Cleanup(func() { labelNode(w.t, w.kubernetes, gate, "null") })
}

func (w *clusterWorld) closeGate(t *testing.T, gate string) {
	t.Helper()
	labelNode(t, w.kubernetes, gate, "null")
}

func labelNode(t *testing.T, k *kubernetes.Clientset, gate, value string) {
	t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{"test.example/%s":%s}}}`, gate, value)
	if _, err := k.CoreV1().Nodes().Patch(context.Background(), "node-a", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// newName returns a name that nothing else in the cluster has.
func newName(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:8]) }

// namespace returns the name of a namespace that does not exist, and removes what there is of it at the end of the world.
func (w *clusterWorld) namespace() string {
	name := newName("proof")
	w.t.Cleanup(func() {
		_ = w.kubernetes.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	return name
}

// existingNamespace makes a namespace.
func (w *clusterWorld) existingNamespace(t *testing.T) string {
	t.Helper()
	name := w.namespace()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := w.kubernetes.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return name
}

// revisions returns what the cluster holds of the release, by revision.
func (w *clusterWorld) revisions(t *testing.T, namespace, release string) map[string]string {
	t.Helper()
	list, err := w.kubernetes.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, s := range list.Items {
		if s.Labels["name"] != release {
			t.Errorf("namespace %s has the release %s, too", namespace, s.Labels["name"])
			continue
		}
		found[s.Labels["version"]] = s.Labels["status"]
	}
	return found
}

// saidOf returns the lines of the log about a workload.
func (w *clusterWorld) saidOf(workload string) string {
	lines := bytes.SplitAfter(w.log.Bytes(), []byte("\n"))
	return string(bytes.Join(slices.DeleteFunc(lines, func(l []byte) bool { return !bytes.Contains(l, []byte(workload)) }), nil))
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// atOnce runs scenarios at the same time, however few processors there are: most of their time they wait.
func atOnce(t *testing.T, scenarios map[string]func(*testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	for name, f := range scenarios {
		all.Go(func() { t.Run(name, f) })
	}
	all.Wait()
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
