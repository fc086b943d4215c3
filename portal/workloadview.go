package portal

import (
	"time"

	"llmhub/deployer"
	"llmhub/identity"
)

// workloadView is a workload as a list tells of it.
type workloadView struct {
	ID             string                `json:"id"`
	TenantID       string                `json:"tenant_id"`
	ProductID      string                `json:"product_id" example:"valkey"`
	ProductName    string                `json:"product_name"`
	ProductVersion string                `json:"product_version" doc:"As it was deployed last."`
	SellerID       string                `json:"seller_id"`
	SellerName     string                `json:"seller_name"`
	Licence        string                `json:"licence" enum:"open-source,free,trial,byol"`
	Target         targetView            `json:"target"`
	State          string                `json:"state" enum:"requested,preparing,installing,ready,error,upgrading,rolling-back,removing,removed" doc:"All but ready, error and removed are pending."`
	Reason         *deploymentReasonView `json:"reason,omitempty" doc:"Why the state is error, or why a pending one does not go on."`
	CreatedAt      time.Time             `json:"created_at"`
	CreatedBy      string                `json:"created_by,omitempty"`
	ReadyAt        *time.Time            `json:"ready_at,omitempty" doc:"When it became ready last."`
	RemovedAt      *time.Time            `json:"removed_at,omitempty"`
}

type targetView struct {
	ProjectID   string `json:"project_id"`
	ProjectName string `json:"project_name,omitempty"`
	ClusterID   string `json:"cluster_id"`
	ClusterName string `json:"cluster_name,omitempty"`
	Namespace   string `json:"namespace" example:"web"`
	Release     string `json:"release" example:"valkey-1"`
}

func viewWorkload(w deployer.Workload) workloadView {
	t := w.Target
	return workloadView{
		ID: w.ID, TenantID: w.TenantID, ProductID: w.ProductID, ProductName: w.ProductName, ProductVersion: w.ProductVersion,
		SellerID: w.SellerID, SellerName: w.SellerName, Licence: w.Licence, State: string(w.State), Reason: maybeReason(w.Reason),
		Target:    targetView{t.ProjectID, t.ProjectName, t.ClusterID, t.ClusterName, t.Namespace, t.Release},
		CreatedAt: w.CreatedAt.UTC(), CreatedBy: w.CreatedBy, ReadyAt: known(w.ReadyAt), RemovedAt: known(w.RemovedAt),
	}
}

// workloadDetailsView is a workload with all that is kept of it but secrets.
type workloadDetailsView struct {
	workloadView
	ChartName    string             `json:"chart_name"`
	ChartVersion string             `json:"chart_version"`
	ChartDigest  string             `json:"chart_digest,omitempty"`
	Revision     int                `json:"revision,omitempty" doc:"Helm's, of the last operation; absent if nothing was installed."`
	Values       map[string]any     `json:"values" doc:"Those that are wanted, without secrets."`
	SecretPaths  []string           `json:"secret_paths" doc:"Where secrets are."`
	Consents     []identity.Consent `json:"consents" doc:"What was accepted."`
	Operation    *operationView     `json:"operation,omitempty" doc:"The one that is under way."`
	History      []operationView    `json:"history" doc:"The operations that have ended, the newest first, at most 50."`
}

// operationView is something that is done to a workload.
type operationView struct {
	ID             string                `json:"id"`
	Kind           string                `json:"kind" enum:"install,upgrade,rollback,uninstall"`
	RequestedBy    string                `json:"requested_by"`
	RequestedAt    time.Time             `json:"requested_at"`
	StartedAt      *time.Time            `json:"started_at,omitempty"`
	EndedAt        *time.Time            `json:"ended_at,omitempty"`
	Deadline       *time.Time            `json:"deadline,omitempty" doc:"When the product's time limit ends."`
	ProductVersion string                `json:"product_version,omitempty"`
	ChartVersion   string                `json:"chart_version,omitempty"`
	Revision       int                   `json:"revision,omitempty" doc:"Helm's that came of it, or that is rolled back to."`
	Steps          []stepView            `json:"steps" doc:"What has been done so far."`
	ReadyPods      int                   `json:"ready_pods"`
	WantedPods     int                   `json:"wanted_pods"`
	Event          *clusterEventView     `json:"event,omitempty" doc:"The last that happened in the cluster."`
	Reason         *deploymentReasonView `json:"reason,omitempty" doc:"Why it has failed or does not go on."`
}

type stepView struct {
	Name string    `json:"name" enum:"started,chart,namespace,licence,rendered,applied,ready,removed,failed,resumed"`
	At   time.Time `json:"at"`
}

// clusterEventView is something that Kubernetes tells of an object.
type clusterEventView struct {
	At      *time.Time `json:"at,omitempty"`
	Object  string     `json:"object" example:"Pod/web-0"`
	Reason  string     `json:"reason" example:"Pulling"`
	Message string     `json:"message"`
}

func viewWorkloadDetails(w deployer.Workload) workloadDetailsView {
	v := workloadDetailsView{
		workloadView: viewWorkload(w), ChartName: w.ChartName, ChartVersion: w.ChartVersion, ChartDigest: w.ChartDigest, Revision: w.Revision,
		Values: w.Values, SecretPaths: orEmpty(w.SecretPaths), Consents: orEmpty(w.Consents), History: pageOf(w.History, "", viewOperation).Data,
	}
	if v.Values == nil {
		v.Values = map[string]any{}
	}
	if w.Operation != nil {
		o := viewOperation(*w.Operation)
		v.Operation = &o
	}
	return v
}

func viewOperation(o deployer.Operation) operationView {
	return operationView{
		ID: o.ID, Kind: string(o.Kind), RequestedBy: o.ByName, RequestedAt: o.RequestedAt.UTC(), StartedAt: known(o.StartedAt),
		EndedAt: known(o.EndedAt), Deadline: known(o.Deadline), ProductVersion: o.ProductVersion, ChartVersion: o.ChartVersion,
		Revision: o.Revision, ReadyPods: o.ReadyPods, WantedPods: o.WantedPods, Event: viewClusterEvent(o.Event), Reason: maybeReason(o.Reason),
		Steps: pageOf(o.Steps, "", func(s deployer.StepDone) stepView { return stepView{string(s.Name), s.At.UTC()} }).Data,
	}
}

func viewClusterEvent(e *deployer.Event) *clusterEventView {
	if e == nil || e.Reason == "" && e.Message == "" {
		return nil
	}
	return &clusterEventView{At: known(e.At), Object: e.Object, Reason: e.Reason, Message: e.Message}
}

// resourcesView is how the objects of a workload are doing, read live.
type resourcesView struct {
	Ready  bool                  `json:"ready"`
	Reason *deploymentReasonView `json:"reason,omitempty" doc:"What keeps it from being ready, as far as the cluster tells."`
	Event  *clusterEventView     `json:"event,omitempty" doc:"The last that happened to one of the objects."`
	Data   []resourceView        `json:"data"`
}

type resourceView struct {
	deployer.Object
	Ready   int                   `json:"ready" doc:"Pods, for what has pods; 0 or 1 for others."`
	Wanted  int                   `json:"wanted"`
	Address string                `json:"address,omitempty" doc:"Where a load balancer or ingress is reached."`
	Reason  *deploymentReasonView `json:"reason,omitempty"`
}

func viewResources(o deployer.Observation) resourcesView {
	return resourcesView{
		Ready: o.Ready, Reason: maybeReason(o.Reason), Event: viewClusterEvent(&o.Event),
		Data: pageOf(o.Resources, "", func(r deployer.Resource) resourceView {
			return resourceView{Object: r.Object, Ready: r.Ready, Wanted: r.Wanted, Address: r.Address, Reason: maybeReason(r.Reason)}
		}).Data,
	}
}

// revisionView is a revision that the cluster holds.
type revisionView struct {
	Revision     int        `json:"revision" example:"3"`
	Status       string     `json:"status" doc:"Helm's word." example:"deployed"`
	ChartName    string     `json:"chart_name"`
	ChartVersion string     `json:"chart_version"`
	UpdatedAt    *time.Time `json:"updated_at,omitempty"`
	OperationID  string     `json:"operation_id,omitempty" doc:"The workload's operation that made it; absent if somebody else did."`
	Description  string     `json:"description,omitempty"`
}

func viewRevision(r deployer.Release) revisionView {
	return revisionView{
		Revision: r.Revision, Status: string(r.Status), ChartName: r.ChartName, ChartVersion: r.ChartVersion,
		UpdatedAt: known(r.UpdatedAt), OperationID: r.Operation, Description: r.Description,
	}
}

// reviewView is what can be found out before deploying.
type reviewView struct {
	Blocked    bool             `json:"blocked" doc:"A check has failed: this cannot be deployed."`
	Warned     bool             `json:"warned" doc:"There are warnings, which have to be confirmed."`
	Checks     []checkView      `json:"checks"`
	Inventory  inventoryView    `json:"inventory"`
	ValuesYAML string           `json:"values_yaml" doc:"The values for the chart, with secrets masked."`
	Diff       []differenceView `json:"diff" doc:"What an upgrade changes; none for a new deployment."`
}

type checkView struct {
	Name    string                 `json:"name" enum:"reachable,version,chart,namespace,release,values,scope,rights,dry-run,storage-class,resources,quota"`
	State   string                 `json:"state" enum:"passed,warned,failed,skipped"`
	Reasons []deploymentReasonView `json:"reasons"`
}

// inventoryView is what is made in the cluster, and billed to the tenant by the cloud.
type inventoryView struct {
	Claims    []deployer.Claim           `json:"claims" doc:"Volumes, which the cloud bills to the tenant."`
	Balancers []deployer.BalancerService `json:"balancers" doc:"Services with a load balancer, which the cloud bills to the tenant."`
	MilliCPU  int64                      `json:"milli_cpu" doc:"What all pods ask for together, in thousandths of a CPU."`
	MemoryMiB int64                      `json:"memory_mib"`
	Images    []string                   `json:"images"`
	Objects   []deployer.Object          `json:"objects"`
}

type differenceView struct {
	deployer.Object
	Change string `json:"change" enum:"added,removed,changed"`
}

func viewReview(v deployer.Review) reviewView {
	in := v.Inventory
	return reviewView{
		Blocked: v.Blocked, Warned: v.Warned, ValuesYAML: v.YAML,
		Checks: pageOf(v.Checks, "", func(c deployer.Check) checkView {
			return checkView{string(c.Name), string(c.State), pageOf(c.Reasons, "", viewReason).Data}
		}).Data,
		Inventory: inventoryView{
			Claims: orEmpty(in.Claims), Balancers: orEmpty(in.Balancers), MilliCPU: in.MilliCPU, MemoryMiB: in.MemoryMiB,
			Images: orEmpty(in.Images), Objects: orEmpty(in.Objects),
		},
		Diff: pageOf(v.Diff, "", func(d deployer.Difference) differenceView { return differenceView(d) }).Data,
	}
}
