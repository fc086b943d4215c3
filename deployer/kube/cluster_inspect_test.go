package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
	"llmhub/secret"
)

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
      - {name: c, image: registry.example/web:1, resources: {requests: {cpu: 10m, memory: 16Mi}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {password: hunter2-canary}
`

// inspect returns findings in short.
func inspect(t *testing.T, c *cluster, in deployer.Inspection) []string {
	t.Helper()
	inventory, err := c.Inspect(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range inventory.Findings {
		word := "warns"
		if f.Fails {
			word = "fails"
		}
		t.Logf("%s %s", word, f.Reason.Error())
		all = append(all, fmt.Sprintf("%s %s %s", word, f.Reason.Code, f.Reason.Object))
		if strings.Contains(f.Reason.Error(), "canary") {
			t.Errorf("a secret is quoted: %s", f.Reason.Error())
		}
	}
	return all
}

func deploymentOf(name, podSpec string) string {
	return fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: %s}, spec: {selector: {matchLabels: {app: %s}},
  template: {metadata: {labels: {app: %s}}, spec: %s}}}
`, name, name, name, podSpec)
}

func TestClusterInspect(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	for name, test := range map[string]struct {
		manifests string
		want      []string
	}{
		"good": {web, nil},
		"a selector that does not fit": {strings.Replace(web, "matchLabels: {app: web}", "matchLabels: {app: other}", 1),
			[]string{"fails rejected Deployment/web"}},
		"a quantity that is none": {strings.Replace(web, "cpu: 10m", "cpu: hunter2-canary", 1), []string{"fails rejected Deployment/web"}},
		"an unknown kind":         {"{apiVersion: example.com/v1, kind: Thing, metadata: {name: t}}", []string{"fails rejected Thing/t"}},
		"a kind of its own": {`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things.example.com},
  spec: {group: example.com, scope: Namespaced, names: {kind: Thing, plural: things}}}
---
{apiVersion: example.com/v1, kind: Thing, metadata: {name: t}}`, []string{"fails cluster-scoped CustomResourceDefinition/things.example.com"}},
		"cluster-scoped": {"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}}",
			[]string{"fails cluster-scoped ClusterRole/r"}},
		"another namespace": {"{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: kube-system}}",
			[]string{"fails other-namespace ConfigMap/m"}},
		"a host path": {deploymentOf("h", "{containers: [{name: c, image: i}], volumes: [{name: v, hostPath: {path: /etc}}]}"),
			[]string{"fails host-access Deployment/h"}},
		"a storage class that is not there": {`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p},
  spec: {accessModes: [ReadWriteOnce], storageClassName: nowhere, resources: {requests: {storage: 1Gi}}}}`,
			[]string{"fails storage-class-missing PersistentVolumeClaim/p"}},
		"more than there is": {deploymentOf("m", "{containers: [{name: c, image: i, resources: {requests: {memory: 900Gi, cpu: '900'}}}]}"),
			[]string{"warns resources ", "warns resources "}},
		"a service account that nobody makes": {deploymentOf("s", "{serviceAccountName: nobody, containers: [{name: c, image: i}]}"),
			[]string{"fails rejected Deployment/s"}},
		"a foreign object": {"{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-root-ca.crt}}",
			[]string{"fails release-exists ConfigMap/kube-root-ca.crt"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r", Manifests: []byte(test.manifests),
				Secrets: []secret.Text{secret.New("hunter2-canary")}}
			if got := inspect(t, c, in); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	list, err := c.client.AppsV1().Deployments(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("inspecting has made something: %v, %v", list, err)
	}
}

func TestClusterInspectNewNamespace(t *testing.T) {
	c := testCluster(t)
	in := deployer.Inspection{Namespace: randomName(), Release: "r", Manifests: []byte(web)}
	if got := inspect(t, c, in); len(got) != 0 {
		t.Errorf("%q", got)
	}
	in.Namespace = "Not a name"
	if got := inspect(t, c, in); !slices.Contains(got, "fails rejected Namespace/Not a name") {
		t.Errorf("%q", got)
	}
	in.Namespace = "default"
	if got := inspect(t, c, in); !slices.Contains(got, "fails release-exists Namespace/default") {
		t.Errorf("%q", got)
	}
	ns := newNamespace(t, c)
	reader := testOpen(t, tokenAccess(t, c, ns, readOnly))
	in.Namespace = randomName()
	if got := inspect(t, reader, in); !slices.Contains(got, "fails access-denied Namespace/"+in.Namespace) {
		t.Errorf("%q", got)
	}
	in.Namespace, in.NamespaceExists = randomName(), true
	if got := inspect(t, c, in); !slices.Contains(got, "fails namespace-gone ") {
		t.Errorf("%q", got)
	}
}

func TestClusterInspectUpgrade(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	apply(t, c, ns, "r", web)
	in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r"}
	for name, test := range map[string]struct {
		release, manifests string
		want               []string
	}{
		"the same":            {"r", web, nil},
		"more replicas":       {"r", strings.Replace(web, "replicas: 2", "replicas: 5", 1), nil},
		"an immutable field":  {"r", strings.ReplaceAll(web, "{app: web}", "{app: other}"), []string{"fails rejected Deployment/web"}},
		"of another release":  {"s", web, []string{"fails release-exists Deployment/web", "fails release-exists Secret/web", "fails release-exists ServiceAccount/web"}},
		"a hook in its place": {"r", strings.Replace(web, "{name: web, labels: {app: web}}", "{name: web, annotations: {helm.sh/hook: pre-upgrade}}", 1), []string{"fails release-exists Deployment/web"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := in
			in.Release, in.Manifests = test.release, []byte(test.manifests)
			if got := inspect(t, c, in); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestClusterInspectQuota(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	apply(t, c, ns, "operator", `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small},
  spec: {hard: {requests.memory: 40Mi, requests.storage: 3Gi, services.loadbalancers: "0", csi-nas.storageclass.storage.k8s.io/requests.storage: "0"}}}`)
	awaitQuota(t, c, ns)
	claim := `
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p}, spec: {accessModes: [ReadWriteOnce], storageClassName: %s, resources: {requests: {storage: %s}}}}
`
	for name, test := range map[string]struct {
		manifests string
		want      []string
	}{
		"within":                 {web, nil},
		"two pods of three":      {strings.Replace(web, "replicas: 2", "replicas: 3", 1), []string{"fails quota ResourceQuota/small"}},
		"one pod is too large":   {strings.Replace(web, "16Mi", "64Mi", 1), []string{"fails quota Deployment/web", "fails quota ResourceQuota/small"}},
		"pods that ask for none": {strings.Replace(web, ", resources: {requests: {cpu: 10m, memory: 16Mi}}", "", 1), []string{"fails quota Deployment/web"}},
		"a large volume":         {web + fmt.Sprintf(claim, "csi-disk", "4Gi"), []string{"fails quota PersistentVolumeClaim/p", "fails quota ResourceQuota/small"}},
		"a class without":        {web + fmt.Sprintf(claim, "csi-nas", "1Gi"), []string{"fails quota PersistentVolumeClaim/p", "fails quota ResourceQuota/small"}},
		"volumes together": {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 2, serviceName: db, selector: {matchLabels: {app: db}},
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: i, resources: {requests: {memory: 1Mi}}, volumeMounts: [{name: data, mountPath: /data}]}]}},
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}}]}}`, []string{"fails quota ResourceQuota/small"}},
		"a load balancer": {"{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: web}}}",
			[]string{"fails quota ResourceQuota/small", "fails quota Service/s"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r", Manifests: []byte(test.manifests)}
			if got := inspect(t, c, in); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// awaitQuota waits until the quota controller has counted once.
func awaitQuota(t *testing.T, c *cluster, ns string) {
	t.Helper()
	eventually(t, func() bool {
		list, err := c.client.CoreV1().ResourceQuotas(ns).List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 1 && len(list.Items[0].Status.Hard) == len(list.Items[0].Spec.Hard)
	}, true)
}

func TestClusterInspectPolicies(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	_, err := c.client.CoreV1().Namespaces().Patch(t.Context(), ns, "application/merge-patch+json",
		[]byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r", Manifests: []byte(web)}
	if got := inspect(t, c, in); !slices.Equal(got, []string{"fails rejected Deployment/web"}) {
		t.Errorf("%q", got)
	}
}

func TestClusterInspectLimits(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	apply(t, c, ns, "operator", `{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [
  {type: Container, max: {memory: 32Mi}}, {type: PersistentVolumeClaim, max: {storage: 1Gi}}]}}`)
	for want, manifests := range map[string]string{
		"":                                    strings.Replace(web, "requests: {cpu: 10m, memory: 16Mi}", "limits: {memory: 16Mi}", 1),
		"fails quota Deployment/web":          strings.Replace(web, "requests: {cpu: 10m, memory: 16Mi}", "limits: {memory: 64Mi}", 1),
		"fails quota PersistentVolumeClaim/p": strings.Replace(claim1("csi-disk"), "storage: 1Gi", "storage: 2Gi", 1),
	} {
		in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r", Manifests: []byte(manifests)}
		if got := strings.Join(inspect(t, c, in), "; "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestClusterInspectDependencies: what needs other objects of the same manifests cannot be tried, and is no finding.
func TestClusterInspectDependencies(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	user := testOpen(t, tokenAccess(t, c, ns, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"create", "get", "list", "watch", "update", "patch", "delete"}}))
	manifests := `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {serviceAccountName: own, containers: [{name: c, image: i}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: own}, subjects: [{kind: ServiceAccount, name: own}]}
`
	own := `---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: own}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: own}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}`
	in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r", Manifests: []byte(manifests + own)}
	if got := inspect(t, user, in); !slices.Equal(got, []string{"warns access-denied "}) {
		t.Errorf("with what they need: %q", got)
	}
	in.Manifests = []byte(manifests)
	if got := inspect(t, user, in); !slices.Equal(got, []string{"fails rejected Pod/p", "fails rejected RoleBinding/b", "warns access-denied "}) {
		t.Errorf("without: %q", got)
	}
}

// TestClusterInspectRights: a user who may do all that the chart needs in the namespace, and nothing else.
func TestClusterInspectRights(t *testing.T) {
	c := testCluster(t)
	ns := newNamespace(t, c)
	all := []string{"create", "get", "list", "watch", "update", "patch", "delete"}
	user := testOpen(t, tokenAccess(t, c, ns,
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets", "serviceaccounts"}, Verbs: all},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: all}))
	in := deployer.Inspection{Namespace: ns, NamespaceExists: true, Release: "r", Manifests: []byte(web)}
	if got := inspect(t, user, in); !slices.Equal(got, []string{"warns access-denied "}) {
		t.Errorf("%q", got)
	}
	in.Manifests = []byte(web + "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}")
	if got := inspect(t, user, in); !slices.Equal(got, []string{"fails access-denied ", "warns access-denied "}) {
		t.Errorf("%q", got)
	}
}
