package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
	"llmhub/secret"
)

// patience is how long the cluster may take for what it does in a second.
const patience = 60 * time.Second

// testAccess returns the access of the real control plane that the tests named TestCluster need.
func testAccess(t *testing.T) deployer.Access {
	t.Helper()
	path := os.Getenv("LLMHUB_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("LLMHUB_TEST_KUBECONFIG is not set")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseKubeconfig(data)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func testOpen(t *testing.T, a deployer.Access) *cluster {
	t.Helper()
	c, err := Opener{}.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*cluster)
}

func testCluster(t *testing.T) *cluster {
	t.Helper()
	return testOpen(t, testAccess(t))
}

func randomName() string { return "kube-" + strings.ToLower(rand.Text()[:10]) }

// newNamespace makes a namespace for one test, which goes away some time after it.
func newNamespace(t *testing.T, c *cluster) string {
	t.Helper()
	name := randomName()
	if err := c.CreateNamespace(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.client.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}) })
	eventually(t, func() string {
		_, err := c.client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		_, err2 := c.client.CoreV1().ConfigMaps(name).Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
		return fmt.Sprint(errors.Join(err, err2))
	}, "<nil>")
	return name
}

// eventually waits until get returns what is wanted.
func eventually[T comparable](t *testing.T, get func() T, want T) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		got := get()
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("got %v in the end, want %v", got, want)
		}
	}
}

// apply makes objects as Helm does for a release.
func apply(t *testing.T, c *cluster, namespace, release, manifests string) {
	t.Helper()
	all, err := parse([]byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	known, err := c.kinds(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		k, ok := known.of(m.Object)
		if !ok {
			t.Fatalf("no kind for %s", m.text())
		}
		if m.hook == "" {
			labels, annotations := m.u.GetLabels(), m.u.GetAnnotations()
			if labels == nil {
				labels = map[string]string{}
			}
			if annotations == nil {
				annotations = map[string]string{}
			}
			labels[managedBy] = "Helm"
			annotations[releaseNameAnnotation], annotations[releaseNamespaceAnnotation] = release, namespace
			m.u.SetLabels(labels)
			m.u.SetAnnotations(annotations)
		}
		if _, err := c.dynamic.Resource(k.resource).Namespace(namespace).Create(t.Context(), m.u, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// tokenAccess returns an access with the token of a new service account that has a role in its namespace.
func tokenAccess(t *testing.T, c *cluster, namespace string, rules ...rbacv1.PolicyRule) deployer.Access {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.client.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "user"}}, metav1.CreateOptions{})
	must(err)
	_, err = c.client.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "user"}, Rules: rules}, metav1.CreateOptions{})
	must(err)
	_, err = c.client.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "user"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "user"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "user", Namespace: namespace}},
	}, metav1.CreateOptions{})
	must(err)
	token, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, "user", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	must(err)
	a := testAccess(t)
	a.ClientCert, a.ClientKey, a.ExpiresAt = nil, secret.Text{}, time.Time{}
	a.Token = secret.New(token.Status.Token)
	return a
}

var readOnly = rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}}

func code(err error) deployer.ReasonCode {
	var r *deployer.Reason
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

func TestClusterFacts(t *testing.T) {
	c := testCluster(t)
	f, err := c.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(f.Version, "v1.") || f.Nodes < 2 || f.ReadyNodes != f.Nodes || f.FreeMilliCPU <= 0 || f.FreeMemoryMiB <= 0 {
		t.Errorf("%+v", f)
	}
	for _, v := range []string{"v1", "apps/v1", "apps/v1/Deployment", "v1/Secret", "batch/v1/CronJob"} {
		if !slices.Contains(f.APIVersions, v) {
			t.Errorf("%s is missing in %q", v, f.APIVersions)
		}
	}
	classes, err := c.StorageClasses(t.Context())
	if err != nil || len(classes) < 2 || classes[0].Name != "csi-disk" || !classes[0].Default || classes[1].Default {
		t.Errorf("%+v, %v", classes, err)
	}
}

func TestClusterNamespaces(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	if err := c.CreateNamespace(t.Context(), ns); err != nil {
		t.Errorf("a second time: %v", err)
	}
	n, err := c.client.CoreV1().Namespaces().Get(t.Context(), ns, metav1.GetOptions{})
	if err != nil || n.Labels[managedBy] != "llmhub" {
		t.Errorf("%v, %v", n.Labels, err)
	}
	if err := c.CreateNamespace(t.Context(), "Not a name"); code(err) != deployer.Rejected {
		t.Errorf("a name that is none: %v", err)
	}
	// A finalizer keeps the namespace where it is.
	apply(t, c, ns, "r", `{apiVersion: v1, kind: ConfigMap, metadata: {name: stays, finalizers: [llmhub.test/stays]}}`)
	if err := c.client.CoreV1().Namespaces().Delete(t.Context(), ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = c.client.CoreV1().ConfigMaps(ns).Patch(context.Background(), "stays", "application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	})
	all, err := c.Namespaces(t.Context())
	if err != nil || !slices.IsSortedFunc(all, func(a, b deployer.Namespace) int { return strings.Compare(a.Name, b.Name) }) ||
		!slices.Contains(all, deployer.Namespace{Name: "default", Usable: true}) || !slices.Contains(all, deployer.Namespace{Name: ns}) {
		t.Errorf("%v, %v", all, err)
	}
	if err := c.CreateNamespace(t.Context(), ns); code(err) != deployer.NamespaceGone {
		t.Errorf("create: %v", err)
	}
	if err := c.PutSecret(t.Context(), ns, "licence", "r", nil); code(err) != deployer.NamespaceGone {
		t.Errorf("put: %v", err)
	}
	in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r", Manifests: []byte(web)}
	if got := inspect(t, c, in); !slices.Contains(got, "fails namespace-gone ") {
		t.Errorf("inspect: %q", got)
	}
	o, err := c.Observe(t.Context(), ns, "r", []byte(web))
	if err != nil || o.Ready || o.Reason == nil || o.Reason.Code != deployer.NamespaceGone {
		t.Errorf("observe: %+v, %v", o, err)
	}
	o, err = c.Observe(t.Context(), randomName(), "r", []byte(web))
	if err != nil || o.Ready || o.Reason == nil || o.Reason.Code != deployer.NamespaceGone {
		t.Errorf("observe a namespace that never was: %+v, %v", o, err)
	}
	if err := c.PutSecret(t.Context(), randomName(), "licence", "r", nil); code(err) != deployer.NamespaceGone {
		t.Errorf("put into a namespace that never was: %v", err)
	}
}

func TestClusterSecret(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	ctx := t.Context()
	for _, value := range []string{"first-canary", "second-canary"} {
		if err := c.PutSecret(ctx, ns, "licence", "r", map[string]secret.Text{"key": secret.New(value)}); err != nil {
			t.Fatal(err)
		}
		s, err := c.client.CoreV1().Secrets(ns).Get(ctx, "licence", metav1.GetOptions{})
		if err != nil || string(s.Data["key"]) != value || s.Labels[managedBy] != "llmhub" {
			t.Errorf("%v, %v", s.Labels, err)
		}
	}
	if err := c.PutSecret(ctx, ns, "licence", "other", nil); code(err) != deployer.ReleaseExists {
		t.Errorf("another release: %v", err)
	}
	for release, want := range map[string]bool{"other": true, "r": false} {
		in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: release, Manifests: []byte(web), OwnSecret: "licence"}
		if got := slices.Contains(inspect(t, c, in), "fails release-exists Secret/licence"); got != want {
			t.Errorf("the Secret is found to be in the way of %s: %v, want %v", release, got, want)
		}
	}
	if err := c.DeleteSecret(ctx, ns, "licence", "other"); err != nil {
		t.Error(err)
	}
	if _, err := c.client.CoreV1().Secrets(ns).Get(ctx, "licence", metav1.GetOptions{}); err != nil {
		t.Errorf("another release's Secret was removed: %v", err)
	}
	for range 2 {
		if err := c.DeleteSecret(ctx, ns, "licence", "r"); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.client.CoreV1().Secrets(ns).Get(ctx, "licence", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
	err := c.PutSecret(ctx, ns, "bad_name_canary", "r", map[string]secret.Text{"not a key": secret.New("canary")})
	if code(err) != deployer.Rejected || strings.Contains(err.Error(), "canary ") {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestClusterAccess(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	a := tokenAccess(t, c, ns, readOnly)
	reader := testOpen(t, a)
	f, err := reader.Facts(t.Context())
	if err != nil || f.Nodes != -1 || f.FreeMilliCPU != -1 || f.FreeMemoryMiB != -1 || f.Version == "" {
		t.Errorf("facts: %+v, %v", f, err)
	}
	if _, err := reader.Namespaces(t.Context()); code(err) != deployer.AccessDenied || !strings.Contains(err.Error(), "list namespaces") {
		t.Errorf("namespaces: %v", err)
	}
	if classes, err := reader.StorageClasses(t.Context()); classes != nil || err != nil {
		t.Errorf("storage classes: %v, %v", classes, err)
	}
	if err := reader.PutSecret(t.Context(), ns, "licence", "r", nil); code(err) != deployer.AccessDenied {
		t.Errorf("put: %v", err)
	}
	got := inspect(t, reader, deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r", Manifests: []byte(web)})
	want := []string{"fails access-denied ", "fails access-denied ", "fails access-denied ", "warns access-denied "}
	if !slices.Equal(got, want) {
		t.Errorf("inspect: %q", got)
	}
	a.Token = secret.New("canary-of-a-token")
	_, err = testOpen(t, a).Facts(t.Context())
	if code(err) != deployer.AccessEnded || strings.Contains(err.Error(), "canary") {
		t.Errorf("a token that is none: %v", err)
	}
	a.CA, a.Token = nil, secret.New("x")
	if _, err := testOpen(t, a).Facts(t.Context()); code(err) != deployer.Unreachable {
		t.Errorf("an unknown certificate: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.Server = "https://" + l.Addr().String()
	_ = l.Close()
	if _, err := testOpen(t, a).Facts(t.Context()); code(err) != deployer.Unreachable || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
}
