package kube

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"llmhub/deployer"
)

// free of what nodes and pods there are.
func freeOf(t *testing.T, nodes, pods string) deployer.Facts {
	t.Helper()
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		text := nodes
		if strings.HasSuffix(r.URL.Path, "/pods") {
			text = pods
		}
		if text == "" {
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: 403, Reason: metav1.StatusReasonForbidden})
			return
		}
		b, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(b)
	})
	f, err := c.free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFree(t *testing.T) {
	nodes := `{kind: NodeList, apiVersion: v1, items: [
  {metadata: {name: a}, status: {allocatable: {cpu: '4', memory: 8Gi}, conditions: [{type: Ready, status: 'True'}]}},
  {metadata: {name: full}, status: {allocatable: {cpu: '1', memory: 1Gi}, conditions: [{type: Ready, status: 'True'}]}},
  {metadata: {name: cordoned}, spec: {unschedulable: true}, status: {allocatable: {cpu: '4', memory: 8Gi}, conditions: [{type: Ready, status: 'True'}]}},
  {metadata: {name: tainted}, spec: {taints: [{key: k, effect: NoSchedule}]}, status: {allocatable: {cpu: '4', memory: 8Gi}, conditions: [{type: Ready, status: 'True'}]}},
  {metadata: {name: dead}, status: {allocatable: {cpu: '4', memory: 8Gi}, conditions: [{type: Ready, status: Unknown}]}},
  {metadata: {name: new}, status: {allocatable: {cpu: '4', memory: 8Gi}}}]}`
	pods := `{kind: PodList, apiVersion: v1, items: [
  {metadata: {name: p}, spec: {nodeName: a, containers: [{name: c, resources: {requests: {cpu: 500m, memory: 1Gi}}}]}},
  {metadata: {name: more}, spec: {nodeName: full, containers: [{name: c, resources: {requests: {cpu: '9', memory: 9Gi}}}]}},
  {metadata: {name: waits}, spec: {containers: [{name: c, resources: {requests: {cpu: '9', memory: 9Gi}}}]}},
  {metadata: {name: elsewhere}, spec: {nodeName: tainted, containers: [{name: c, resources: {requests: {cpu: '9', memory: 9Gi}}}]}}]}`
	if f := freeOf(t, nodes, pods); f.Nodes != 6 || f.ReadyNodes != 4 || f.FreeMilliCPU != 3500 || f.FreeMemoryMiB != 7*1024 {
		t.Errorf("%+v", f)
	}
	for _, denied := range [][2]string{{"", pods}, {nodes, ""}} {
		if f := freeOf(t, denied[0], denied[1]); f.Nodes != -1 || f.ReadyNodes != -1 || f.FreeMilliCPU != -1 || f.FreeMemoryMiB != -1 {
			t.Errorf("%+v", f)
		}
	}
}

func TestNodeReady(t *testing.T) {
	if nodeReady(&corev1.Node{}) {
		t.Error("a node that says nothing is ready")
	}
}
