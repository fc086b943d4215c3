package kube

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"llmhub/deployer"
)

func p[T any](v T) *T { return &v }

func TestDeploymentReady(t *testing.T) {
	rolling := func(surge, lack string) appsv1.DeploymentStrategy {
		return appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: p(intstr.Parse(surge)), MaxUnavailable: p(intstr.Parse(lack))}}
	}
	for name, test := range map[string]struct {
		replicas, ready int32
		strategy        appsv1.DeploymentStrategy
		generation      int64
		paused, want    bool
	}{
		"all":                      {3, 3, rolling("25%", "25%"), 1, false, true},
		"one of three":             {3, 1, rolling("25%", "25%"), 1, false, false},
		"a quarter may lack":       {4, 3, rolling("25%", "25%"), 1, false, true},
		"rounded down":             {3, 2, rolling("25%", "25%"), 1, false, false},
		"one must lack":            {2, 1, rolling("0", "0"), 1, false, true},
		"no more than there are":   {1, 0, rolling("0", "5"), 1, false, true},
		"all may lack none":        {2, 1, appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}, 1, false, false},
		"not seen":                 {1, 1, rolling("25%", "25%"), 2, false, false},
		"none wanted":              {0, 0, rolling("25%", "25%"), 1, false, true},
		"paused":                   {1, 0, rolling("25%", "25%"), 1, true, true},
		"a number that is not one": {2, 1, rolling("x", "y"), 1, false, false},
	} {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: test.generation},
			Spec:   appsv1.DeploymentSpec{Replicas: &test.replicas, Strategy: test.strategy, Paused: test.paused},
			Status: appsv1.DeploymentStatus{ObservedGeneration: 1, UpdatedReplicas: test.replicas, ReadyReplicas: test.ready}}
		s := &appsv1.ReplicaSet{Status: appsv1.ReplicaSetStatus{Replicas: test.replicas, ReadyReplicas: test.ready}}
		for _, of := range []*appsv1.ReplicaSet{nil, s} {
			if h := deployment(d, of); h.ready != test.want || h.have != int(test.ready) || h.want != int(test.replicas) || h.short {
				t.Errorf("%s: %+v", name, h)
			}
		}
	}
}

func TestStatefulSetReady(t *testing.T) {
	status := func(updated, ready int32, current string) appsv1.StatefulSetStatus {
		return appsv1.StatefulSetStatus{Replicas: 3, UpdatedReplicas: updated, ReadyReplicas: ready, CurrentRevision: current, UpdateRevision: "new"}
	}
	for name, test := range map[string]struct {
		status    appsv1.StatefulSetStatus
		partition int32
		kind      appsv1.StatefulSetUpdateStrategyType
		want      bool
	}{
		"all":                  {status(3, 3, "new"), 0, appsv1.RollingUpdateStatefulSetStrategyType, true},
		"still rolling":        {status(2, 3, "old"), 0, appsv1.RollingUpdateStatefulSetStrategyType, false},
		"old revision":         {status(3, 3, "old"), 0, appsv1.RollingUpdateStatefulSetStrategyType, false},
		"above the partition":  {status(1, 3, "old"), 2, appsv1.RollingUpdateStatefulSetStrategyType, true},
		"not yet above it":     {status(0, 3, "old"), 2, appsv1.RollingUpdateStatefulSetStrategyType, false},
		"not ready":            {status(3, 2, "new"), 0, appsv1.RollingUpdateStatefulSetStrategyType, false},
		"updated when deleted": {status(0, 3, "old"), 0, appsv1.OnDeleteStatefulSetStrategyType, true},
	} {
		s := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: p(int32(3)), UpdateStrategy: appsv1.StatefulSetUpdateStrategy{
			Type: test.kind, RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &test.partition}}}, Status: test.status}
		if h := statefulSet(s); h.ready != test.want {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func TestOthersReady(t *testing.T) {
	d := &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: p(intstr.FromInt32(1))}}},
		Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 3, UpdatedNumberScheduled: 3, NumberReady: 1}}
	if h := daemonSet(d); h.ready || h.have != 1 || h.want != 3 {
		t.Errorf("%+v", h)
	}
	d.Status.NumberReady = 2
	if h := daemonSet(d); !h.ready {
		t.Errorf("one may lack: %+v", h)
	}
	j := &batchv1.Job{Spec: batchv1.JobSpec{Completions: p(int32(2))}, Status: batchv1.JobStatus{Succeeded: 1}}
	if h := job(j); h.ready || h.have != 1 || h.want != 2 {
		t.Errorf("%+v", h)
	}
	for _, test := range []struct {
		s    corev1.Service
		want health
	}{
		{corev1.Service{}, health{ready: true, have: 1, want: 1}},
		{corev1.Service{Spec: corev1.ServiceSpec{Type: "LoadBalancer"}}, health{want: 1}},
		{corev1.Service{Spec: corev1.ServiceSpec{Type: "LoadBalancer", ExternalIPs: []string{"192.0.2.1"}}}, health{ready: true, have: 1, want: 1}},
		{corev1.Service{Spec: corev1.ServiceSpec{Type: "LoadBalancer"}, Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{
			Ingress: []corev1.LoadBalancerIngress{{Hostname: "lb.example"}}}}}, health{ready: true, have: 1, want: 1, address: "lb.example"}},
	} {
		if h := service(&test.s); h != test.want {
			t.Errorf("%+v, want %+v", h, test.want)
		}
	}
	i := &networkingv1.Ingress{Status: networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.2"}}}}}
	if a := ingressAddress(i); a != "192.0.2.2" {
		t.Error(a)
	}
	i.Spec.Rules = []networkingv1.IngressRule{{Host: "web.example"}}
	if a := ingressAddress(i); a != "web.example" {
		t.Error(a)
	}
}

// TestPodReasons: the states of pods that the simulated kubelet does not know.
func TestPodReasons(t *testing.T) {
	waits := func(reason, message string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "c", Image: "i", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
	}
	died := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", Message: "canary"}}
	crash := waits("CrashLoopBackOff", "")
	crash.RestartCount, crash.LastTerminationState = 7, died
	again := corev1.ContainerStatus{Name: "c", RestartCount: 3, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, LastTerminationState: died}
	first := corev1.ContainerStatus{Name: "c", RestartCount: 1, State: died}
	unscheduled := []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/2 nodes"}}
	unbound := []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "pod has unbound immediate PersistentVolumeClaims"}}
	of := func(s ...corev1.ContainerStatus) corev1.PodStatus { return corev1.PodStatus{ContainerStatuses: s} }
	for name, test := range map[string]struct {
		status corev1.PodStatus
		code   deployer.ReasonCode
		detail string
	}{
		"creating":      {of(waits("ContainerCreating", "")), "", ""},
		"pull":          {of(waits("ErrImagePull", "not found")), deployer.ImagePull, "image i: ErrImagePull: not found"},
		"invalid name":  {of(waits("InvalidImageName", "")), deployer.ImagePull, "InvalidImageName"},
		"config":        {of(waits("CreateContainerConfigError", `secret "x" not found`)), deployer.PodConfig, `secret "x" not found`},
		"crash":         {of(crash), deployer.CrashLoop, "restarted 7 times, last OOMKilled, exit code 137"},
		"runs again":    {of(again), deployer.CrashLoop, "OOMKilled"},
		"between":       {of(first), deployer.CrashLoop, "exit code 137"},
		"init":          {corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{crash}, ContainerStatuses: []corev1.ContainerStatus{waits("PodInitializing", "")}}, deployer.CrashLoop, "137"},
		"the weightier": {of(crash, waits("ImagePullBackOff", "")), deployer.ImagePull, "ImagePullBackOff"},
		"evicted":       {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}, deployer.CrashLoop, "Evicted"},
		"unschedulable": {corev1.PodStatus{Conditions: unscheduled}, deployer.Unschedulable, "0/2 nodes"},
		"unbound":       {corev1.PodStatus{Conditions: unbound}, deployer.Volume, "unbound"},
	} {
		o, h := &observation{}, &health{}
		o.explainPod(h, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0"}, Status: test.status})
		switch {
		case test.code == "" && h.reason != nil:
			t.Errorf("%s: %v", name, h.reason)
		case test.code == "":
		case h.reason == nil || h.reason.Code != test.code || h.reason.Object != "Pod/web-0" || !strings.Contains(h.reason.Detail, test.detail) || strings.Contains(h.reason.Detail, "canary"):
			t.Errorf("%s: %v", name, h.reason)
		}
	}
}

// TestEventReasons: the events that the simulated cluster does not make.
func TestEventReasons(t *testing.T) {
	balancer := &deployer.Reason{Code: deployer.Balancer, Detail: "the load balancer has no address"}
	for name, test := range map[string]struct {
		reason, kind, message string
		h                     health
		code                  deployer.ReasonCode
		detail                string
	}{
		"mount":            {"FailedMount", "Pod", `secret "x" not found`, health{}, deployer.Volume, `secret "x" not found`},
		"attach":           {"FailedAttachVolume", "Pod", "in use", health{}, deployer.Volume, "in use"},
		"scheduling":       {"FailedScheduling", "Pod", "0/2 nodes", health{}, deployer.Unschedulable, "0/2"},
		"balancer":         {"SyncLoadBalancerFailed", "Service", "no quota of balancers", health{reason: balancer}, deployer.Balancer, "no quota of balancers"},
		"of what is ready": {"FailedMount", "Pod", "earlier", health{ready: true}, "", ""},
		"not of interest":  {"Pulled", "Pod", "pulled", health{}, "", ""},
		"weightier":        {"FailedMount", "Pod", "x", health{reason: &deployer.Reason{Code: deployer.ImagePull}}, deployer.ImagePull, ""},
	} {
		o := &observation{rows: []row{{health: test.h}}, family: map[types.UID]member{"u": {row: 0, name: test.kind + "/x"}}}
		o.explainEvent(&corev1.Event{Reason: test.reason, Message: test.message, InvolvedObject: corev1.ObjectReference{Kind: test.kind, UID: "u"}}, map[string]bool{"u": true})
		r := o.rows[0].reason
		if test.code == "" && r != nil || test.code != "" && (r == nil || r.Code != test.code || !strings.Contains(r.Detail, test.detail)) {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func TestHooksOfRelease(t *testing.T) {
	for name, test := range map[string]struct {
		meta metav1.ObjectMeta
		want bool
	}{
		"by label":      {metav1.ObjectMeta{Name: "x", Labels: map[string]string{"app.kubernetes.io/instance": "r"}}, true},
		"by old label":  {metav1.ObjectMeta{Name: "x", Labels: map[string]string{"release": "r"}}, true},
		"by name":       {metav1.ObjectMeta{Name: "r-migrate"}, true},
		"by same name":  {metav1.ObjectMeta{Name: "r"}, true},
		"of another":    {metav1.ObjectMeta{Name: "r-migrate", Labels: map[string]string{"app.kubernetes.io/instance": "r-migrate"}}, false},
		"of nobody":     {metav1.ObjectMeta{Name: "x"}, false},
		"alike by name": {metav1.ObjectMeta{Name: "rr-migrate"}, false},
	} {
		u := named(&metav1.PartialObjectMetadata{ObjectMeta: test.meta})
		u.SetLabels(test.meta.Labels)
		if got := (&observation{release: "r"}).ofRelease(u); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
