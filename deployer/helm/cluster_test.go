package helm_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"llmhub/deployer"
	"llmhub/deployer/helm"
	"llmhub/secret"
)

// world is a namespace of the test's own on the real cluster.
type world struct {
	*helm.Releases
	access  deployer.Access
	clients *kubernetes.Clientset
	ns      string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	file := os.Getenv("LLMHUB_TEST_KUBECONFIG")
	if file == "" {
		t.Skip("LLMHUB_TEST_KUBECONFIG is not set")
	}
	t.Parallel()
	c, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	if err := rest.LoadTLSFiles(c); err != nil {
		t.Fatal(err)
	}
	c.QPS, c.Burst = 50, 100
	w := &world{Releases: newReleases(t, nil), clients: kubernetes.NewForConfigOrDie(c), ns: "helm-" + strings.ToLower(rand.Text()[:10])}
	w.access = deployer.Access{Server: c.Host, ServerName: c.ServerName, CA: c.CAData, Token: secret.New(c.BearerToken), ClientCert: c.CertData, ClientKey: secret.New(string(c.KeyData))}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}
	if _, err := w.clients.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.clients.CoreV1().Namespaces().Delete(context.Background(), w.ns, metav1.DeleteOptions{})
	})
	return w
}

const workload = `apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-key}
stringData: {password: {{ .Values.password | quote }} }
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{ .Release.Name }}-data}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: csi-disk
  resources: {requests: {storage: {{ .Values.disk }} }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }} }
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }} }}
  template:
    metadata: {labels: {app: {{ .Values.podLabel | default .Release.Name }} }}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: {{ .Values.image }}
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: {{ .Release.Name }}-data}}]
`

const hookJob = `apiVersion: batch/v1
kind: Job
metadata: {name: {{ .Release.Name }}-migrate, annotations: {helm.sh/hook: "pre-install,pre-upgrade,pre-rollback"}}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, terminationGracePeriodSeconds: 0, containers: [{name: m, image: {{ .Values.hookImage }} }]}}
`

const workloadValues = "password: \"\"\ndisk: 1Gi\nreplicas: 1\nimage: nginx:1\npodLabel: \"\"\nhookImage: migrate:1\n"

func workloadChart() deployer.Chart {
	return chartOf("values.yaml", workloadValues, "templates/all.yaml", workload, "templates/hook.yaml", hookJob)
}

func hooklessChart() deployer.Chart {
	return chartOf("values.yaml", workloadValues, "templates/all.yaml", workload)
}

// job returns one with the given kind, operation and values.
func (w *world) job(kind deployer.JobKind, operation, values string) deployer.Job {
	return deployer.Job{
		Kind: kind, Access: w.access, Namespace: w.ns, Release: "web", Operation: operation, Chart: workloadChart(),
		Values: secret.New(values), SecretPaths: []string{"password"}, Timeout: time.Minute,
	}
}

// do runs a job and returns the stages it reached.
func (w *world) do(t *testing.T, j deployer.Job) ([]deployer.Stage, error) {
	t.Helper()
	var stages []deployer.Stage
	err := w.Run(t.Context(), j, func(s deployer.Stage) { stages = append(stages, s) })
	return stages, err
}

func (w *world) must(t *testing.T, j deployer.Job) []deployer.Stage {
	t.Helper()
	stages, err := w.do(t, j)
	if err != nil {
		t.Fatalf("%s: %v", j.Kind, err)
	}
	return stages
}

// expect fails the test unless the release is as described: revision, status and operation.
func (w *world) expect(t *testing.T, revision int, status deployer.ReleaseStatus, operation string) deployer.Release {
	t.Helper()
	r, ok, err := w.Get(t.Context(), w.access, w.ns, "web")
	if err != nil || !ok || r.Revision != revision || r.Status != status || r.Operation != operation {
		t.Fatalf("got revision %d, %s, of %q, %v, %v; want %d, %s, of %q", r.Revision, r.Status, r.Operation, ok, err, revision, status, operation)
	}
	return r
}

func TestClusterLife(t *testing.T) {
	w := newWorld(t)
	stages := w.must(t, w.job(deployer.JobInstall, "op-1", `{"password":"geheim-1"}`))
	if want := []deployer.Stage{deployer.StageRendered, deployer.StageApplied}; !slices.Equal(stages, want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
	r := w.expect(t, 1, deployer.StatusDeployed, "op-1")
	if r.ChartName != "probe" || r.ChartVersion != "1.0.0" || r.Name != "web" || r.Namespace != w.ns || time.Since(r.UpdatedAt).Abs() > time.Minute ||
		!strings.Contains(string(r.Manifests), "kind: Deployment") || strings.Contains(string(r.Manifests), "migrate") {
		t.Errorf("got %+v", r)
	}
	if _, err := w.do(t, w.job(deployer.JobInstall, "op-x", "{}")); reasonOf(t, err).Code != deployer.ReleaseExists {
		t.Errorf("a second installation: %v", err)
	}

	up := w.job(deployer.JobUpgrade, "op-2", `{"replicas":2,"image":"nginx:2"}`)
	up.Keep = []string{"password", "not.there"}
	w.must(t, up)
	w.expect(t, 2, deployer.StatusDeployed, "op-2")
	if got := w.password(t); got != "geheim-1" {
		t.Errorf("the password is %q", got)
	}

	bad := w.job(deployer.JobUpgrade, "op-3", `{"image":"does-not-exist:1","password":"geheim-3"}`)
	bad.Timeout = 4 * time.Second
	if _, err := w.do(t, bad); reasonOf(t, err).Code != deployer.NotReady {
		t.Errorf("an image that is not there: %v", err)
	}
	w.expect(t, 3, deployer.StatusFailed, "op-3")

	back := w.job(deployer.JobRollback, "op-4", "")
	back.Revision = 1
	w.must(t, back)
	w.expect(t, 4, deployer.StatusDeployed, "op-4")
	d, err := w.clients.AppsV1().Deployments(w.ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || *d.Spec.Replicas != 1 || d.Spec.Template.Spec.Containers[0].Image != "nginx:1" || w.password(t) != "geheim-1" {
		t.Errorf("after the rollback: %+v, %v", d.Spec, err)
	}
	back.Revision = 99
	if _, err := w.do(t, back); reasonOf(t, err).Code != deployer.ReleaseGone {
		t.Errorf("rolling back to what is not there: %v", err)
	}

	h, err := w.History(t.Context(), w.access, w.ns, "web")
	var got []string
	for _, r := range h {
		got = append(got, fmt.Sprintf("%d %s %s %d", r.Revision, r.Status, r.Operation, len(r.Manifests)))
	}
	want := []string{"4 deployed op-4 0", "3 failed op-3 0", "2 superseded op-2 0", "1 superseded op-1 0"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("history %q, %v; want %q", got, err, want)
	}

	gone := w.job(deployer.JobUninstall, "op-5", "")
	w.must(t, gone)
	w.must(t, gone) // what is not there is uninstalled
	if _, ok, err := w.Get(t.Context(), w.access, w.ns, "web"); ok || err != nil {
		t.Errorf("after the uninstallation: %v, %v", ok, err)
	}
	if l, err := w.clients.CoreV1().PersistentVolumeClaims(w.ns).List(t.Context(), metav1.ListOptions{}); err != nil || len(l.Items) > 0 {
		t.Errorf("%d claims are left, %v", len(l.Items), err)
	}
	if _, err := w.do(t, up); reasonOf(t, err).Code != deployer.ReleaseGone {
		t.Errorf("upgrading what is not there: %v", err)
	}
}

// password is the one that the cluster holds.
func (w *world) password(t *testing.T) string {
	t.Helper()
	s, err := w.clients.CoreV1().Secrets(w.ns).Get(t.Context(), "web-key", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(s.Data["password"])
}

// lateContext passes its deadline when it is told to.
type lateContext struct {
	context.Context
	done chan struct{}
}

// Done returns what is closed at the deadline.
func (c *lateContext) Done() <-chan struct{} { return c.done }

// Err says whether the deadline has passed.
func (c *lateContext) Err() error {
	select {
	case <-c.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestClusterCancel(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := w.Run(ctx, w.job(deployer.JobInstall, "op-1", `{"image":"does-not-exist:1"}`), func(s deployer.Stage) {
		if s == deployer.StageApplied {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w.expect(t, 1, deployer.StatusFailed, "op-1")
	late := &lateContext{Context: t.Context(), done: make(chan struct{})}
	err = w.Run(late, w.job(deployer.JobUpgrade, "op-2", `{"image":"does-not-exist:1"}`), func(s deployer.Stage) {
		if s == deployer.StageApplied {
			close(late.done)
		}
	})
	if reasonOf(t, err).Code != deployer.NotReady {
		t.Errorf("got %v", err)
	}
	w.expect(t, 2, deployer.StatusFailed, "op-2")
}

// A namespace may vanish while something is installed into it.
func TestClusterVanishingNamespace(t *testing.T) {
	w := newWorld(t)
	err := w.Run(t.Context(), w.job(deployer.JobInstall, "op-1", `{"image":"does-not-exist:1"}`), func(s deployer.Stage) {
		if s == deployer.StageApplied {
			if err := w.clients.CoreV1().Namespaces().Delete(t.Context(), w.ns, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	if reasonOf(t, err).Code != deployer.NamespaceGone {
		t.Errorf("got %v", err)
	}
	for _, kind := range []deployer.JobKind{deployer.JobInstall, deployer.JobUpgrade} {
		if _, err := w.do(t, w.job(kind, "op-2", "{}")); reasonOf(t, err).Code != deployer.NamespaceGone {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// Who may do everything in the namespace, and nothing elsewhere, can deploy.
func TestClusterNamespaceUser(t *testing.T) {
	w := newWorld(t)
	w.access.Token, w.access.ClientCert, w.access.ClientKey = w.tokenOf(t, "edit"), nil, secret.Text{}
	w.must(t, w.job(deployer.JobInstall, "op-1", "{}"))
	w.expect(t, 1, deployer.StatusDeployed, "op-1")
	w.must(t, w.job(deployer.JobUninstall, "op-2", ""))
}

// tokenOf returns the token of a new service account that may do what a cluster role says in the namespace.
func (w *world) tokenOf(t *testing.T, role string) secret.Text {
	t.Helper()
	ctx := t.Context()
	_, err := w.clients.CoreV1().ServiceAccounts(w.ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: role}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.clients.RbacV1().RoleBindings(w.ns).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role}, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: role},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: role, Namespace: w.ns}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.clients.CoreV1().ServiceAccounts(w.ns).CreateToken(ctx, role, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(token.Status.Token)
}
