package helm_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
	"llmhub/secret"
)

const canary = `Kanarien"vogel-4711`

// TestClusterReasons provokes what can be wrong with an installation.
func TestClusterReasons(t *testing.T) {
	w := newWorld(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "https://" + free.Addr().String()
	_ = free.Close()
	readOnly := w.tokenOf(t, "view")
	withToken := func(token secret.Text) func(j *deployer.Job) {
		return func(j *deployer.Job) {
			j.Access.Token, j.Access.ClientCert, j.Access.ClientKey = token, nil, secret.Text{}
		}
	}
	ctx := t.Context()
	if _, err := w.clients.CoreV1().Secrets(w.ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "taken-key"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		tune   func(j *deployer.Job)
		values string
		want   deployer.ReasonCode
		object string
		detail string
	}{
		{"unreachable", func(j *deployer.Job) { j.Access.Server = closed }, "", deployer.Unreachable, "", "connection refused"},
		{"another CA", func(j *deployer.Job) { j.Access.CA = nil }, "", deployer.Unreachable, "", "x509"},
		{"not an address", func(j *deployer.Job) { j.Access.Server = "://" }, "", deployer.Unreachable, "", ""},
		{"access that has ended", func(j *deployer.Job) { j.Access.ExpiresAt = time.Now() }, "", deployer.AccessEnded, "", ""},
		{"not a token", withToken(secret.New("nonsense")), "", deployer.AccessEnded, "", ""},
		{"a token that may only read", withToken(readOnly), "", deployer.AccessDenied, "", "forbidden"},
		{"no such namespace", func(j *deployer.Job) { j.Namespace += "-not" }, "", deployer.NamespaceGone, "", ""},
		{"another's object", func(j *deployer.Job) { j.Release = "taken" }, "", deployer.ReleaseExists, "Secret/taken-key", "cannot be imported"},
		{"selector", nil, `"podLabel":"other"`, deployer.Rejected, "Deployment/web", "selector"},
		{"quantity", nil, `"disk":"lots"`, deployer.Rejected, "", "quantities must match"},
		{"a secret in a label", func(j *deployer.Job) {
			j.Chart = chartOf("templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: {{ .Values.password | quote }} }}\n")
		}, "", deployer.Rejected, "ConfigMap/a", "Invalid value"},
		{"unknown kind", func(j *deployer.Job) {
			j.Chart = chartOf("templates/a.yaml", "apiVersion: x.example/v1\nkind: Thing\nmetadata: {name: a}\n")
		}, "", deployer.Rejected, "Thing", "no matches"},
		{"hook", func(j *deployer.Job) { j.Timeout = 2 * time.Second }, `"hookImage":"does-not-exist:1"`, deployer.HookFailed, "Job/%s-migrate", ""},
		{"hook that is refused", func(j *deployer.Job) {
			j.Chart = chartOf("templates/a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: bad, annotations: {helm.sh/hook: pre-install}}\nspec: {}\n")
		}, "", deployer.HookFailed, "Pod/bad", "spec.containers"},
		{"kubeVersion", func(j *deployer.Job) {
			j.Chart = chartOf("Chart.yaml", chartYAML+"kubeVersion: \">=2.0.0\"\n", "templates/a.yaml", configMap)
		}, "", deployer.KubeVersion, "", "2.0.0"},
		{"broken YAML", func(j *deployer.Job) { j.Chart = chartOf("templates/a.yaml", "kind: - : [") }, "", deployer.RenderFailed, "", "YAML"},
		{"never ready", func(j *deployer.Job) { j.Chart, j.Timeout = hooklessChart(), time.Second }, `"image":"crashes:1"`, deployer.NotReady, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := "r-" + strings.ToLower(strings.ReplaceAll(c.name, " ", "-"))[:min(10, len(c.name))]
			name = strings.Trim(strings.ReplaceAll(name, "'", ""), "-")
			j := w.job(deployer.JobInstall, "op", `{"password":`+fmt.Sprintf("%q", canary)+strings.TrimSuffix(","+c.values, ",")+`}`)
			j.Release = name
			if c.tune != nil {
				c.tune(&j)
			}
			_, err := w.do(t, j)
			r := reasonOf(t, err)
			object := strings.ReplaceAll(strings.ReplaceAll(c.object, "%s", name), "/web", "/"+name)
			if r.Code != c.want || r.Object != object || !strings.Contains(r.Detail, c.detail) || len([]rune(r.Detail)) > 1000 || strings.Contains(r.Detail, "vogel") {
				t.Errorf("got %+v; want %s, %q, %q", r, c.want, object, c.detail)
			}
		})
	}
}

func TestClusterQuota(t *testing.T) {
	w := newWorld(t)
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"requests.storage": resource.MustParse("5Gi")}}}
	if _, err := w.clients.CoreV1().ResourceQuotas(w.ns).Create(t.Context(), q, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	watch, err := w.clients.CoreV1().ResourceQuotas(w.ns).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	for e := range watch.ResultChan() {
		if got, ok := e.Object.(*corev1.ResourceQuota); ok && len(got.Status.Hard) > 0 {
			break // the controller has counted
		}
	}
	_, err = w.do(t, w.job(deployer.JobInstall, "op", `{"disk":"9Gi"}`))
	if r := reasonOf(t, err); r.Code != deployer.Quota || r.Object == "" || !strings.Contains(r.Detail, "exceeded quota") {
		t.Errorf("got %+v", r)
	}
	w.expect(t, 1, deployer.StatusFailed, "op")
}
