package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// workloadAnswer is what the server tells of a workload; see the management API.
type workloadAnswer struct {
	ID             string           `json:"id"`
	TenantID       string           `json:"tenant_id"`
	ProductID      string           `json:"product_id"`
	ProductName    string           `json:"product_name"`
	ProductVersion string           `json:"product_version"`
	SellerName     string           `json:"seller_name"`
	Licence        string           `json:"licence"`
	State          string           `json:"state"`
	Reason         *reasonAnswer    `json:"reason"`
	Target         targetAnswer     `json:"target"`
	ChartName      string           `json:"chart_name"`
	ChartVersion   string           `json:"chart_version"`
	Revision       int              `json:"revision"`
	CreatedAt      *time.Time       `json:"created_at"`
	CreatedBy      string           `json:"created_by"`
	ReadyAt        *time.Time       `json:"ready_at"`
	RemovedAt      *time.Time       `json:"removed_at"`
	Operation      *operationAnswer `json:"operation"`
}

type targetAnswer struct {
	ProjectID   string `json:"project_id"`
	ProjectName string `json:"project_name"`
	ClusterID   string `json:"cluster_id"`
	ClusterName string `json:"cluster_name"`
	Namespace   string `json:"namespace"`
	Release     string `json:"release"`
}

type reasonAnswer struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Object  string `json:"object"`
	Detail  string `json:"detail"`
}

// String returns the reason in words.
func (r *reasonAnswer) String() string {
	if r == nil {
		return ""
	}
	text := r.Message
	if r.Object != "" {
		text += " (" + r.Object + ")"
	}
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return clean(text)
}

type operationAnswer struct {
	Kind        string     `json:"kind"`
	RequestedBy string     `json:"requested_by"`
	RequestedAt *time.Time `json:"requested_at"`
	ReadyPods   int        `json:"ready_pods"`
	WantedPods  int        `json:"wanted_pods"`
	Steps       []struct {
		Name string `json:"name"`
	} `json:"steps"`
	Event *struct {
		At      time.Time `json:"at"`
		Object  string    `json:"object"`
		Reason  string    `json:"reason"`
		Message string    `json:"message"`
	} `json:"event"`
	// Reason is what keeps it from being ready so far.
	Reason *reasonAnswer `json:"reason"`
}

// news says what was last heard from the cluster since the operation was asked for, empty for nothing.
func (o *operationAnswer) news() string {
	switch {
	case o.Reason != nil:
		return o.Reason.String()
	case o.Event == nil, o.RequestedAt != nil && o.Event.At.Before(*o.RequestedAt):
		return ""
	}
	return strings.TrimSpace(o.Event.Object + " " + o.Event.Reason)
}

// pending says whether an operation is under way.
func (w workloadAnswer) pending() bool {
	return w.State != "ready" && w.State != "error" && w.State != "removed"
}

// progress says how far the workload has come, in a line.
func (w workloadAnswer) progress() string {
	text := w.State
	o := w.Operation
	if !w.pending() || o == nil {
		return text
	}
	if o.WantedPods > 0 {
		text += fmt.Sprintf(", %d of %d pods ready", o.ReadyPods, o.WantedPods)
	} else if n := len(o.Steps); n > 0 {
		text += ", " + o.Steps[n-1].Name
	}
	if news := o.news(); news != "" {
		text += ": " + news
	}
	return text
}

const workloadHelp = `Deploy products to Kubernetes clusters and manage what is deployed.

Users of a tenant come with a personal token in ` + personalVariable + `, and reach clusters of the cloud with an IAM token in
` + iamVariable + `, such as "openstack token issue -f value -c id" prints. Clusters that the operator has configured need none.`

func newWorkloadCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "workload",
		Short: "Deploy products to clusters, watch, upgrade and remove them",
		Long:  workloadHelp,
	},
		newWorkloadTargets(api), newWorkloadForm(api), newWorkloadDocuments(api), newWorkloadDeploy(api), newWorkloadList(api), newWorkloadStatus(api),
		newWorkloadRevisions(api), newWorkloadUpgrade(api), newWorkloadRollback(api), newWorkloadContinue(api), newWorkloadUninstall(api))
}

func newWorkloadList(api *apiFlags) *cobra.Command {
	var tenant, state, search string
	cmd := &cobra.Command{
		Use:   "list [--tenant ID] [--state STATE] [--search TEXT]",
		Short: "List workloads, the newest first",
		Example: `  llmhub workload list
  llmhub workload list --state error --json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only those of this tenant, for operators")
	cmd.Flags().StringVar(&state, "state", "", "ready, error, pending or removed (default all but removed)")
	cmd.Flags().StringVar(&search, "search", "", "a part of the name of product, release, cluster or namespace")
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		return c.listNumbered(cmd.Context(), "/workloads", filter("tenant_id", tenant, "state", state, "search", search))
	}, func(text json.RawMessage) error {
		var list struct{ Data []workloadAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, w := range list.Data {
			cluster := cmp.Or(w.Target.ClusterName, w.Target.ClusterID)
			rows[i] = []string{w.ID, w.State, w.ProductID, w.ProductVersion, w.Target.Release, cluster, w.Target.Namespace, minute(w.CreatedAt), w.Reason.String()}
		}
		return printTable(api.env.stdout, left("ID", "STATE", "PRODUCT", "VERSION", "RELEASE", "CLUSTER", "NAMESPACE", "CREATED (UTC)", "REASON"), rows)
	})
}

func newWorkloadStatus(api *apiFlags) *cobra.Command {
	var resources, wait bool
	var o ending
	cmd := &cobra.Command{
		Use:   "status ID [--resources] [--wait]",
		Short: "Show how a workload is doing",
		Long: `Show how a workload is doing. With --resources its objects are read from the cluster. With --wait
the command returns when no operation is under way any more; the exit code is 1 if the workload is in error then.`,
		Example: `  llmhub workload status WORKLOAD
  llmhub workload status WORKLOAD --resources
  llmhub workload status WORKLOAD --wait`,
		Args: oneID,
	}
	cmd.Flags().BoolVar(&resources, "resources", false, "show the objects in the cluster in place of the workload")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until no operation is under way")
	cmd.MarkFlagsMutuallyExclusive("resources", "wait")
	return o.decides(api.clusterCommand(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		path := workloadPath(args[0])
		if resources {
			return c.get(cmd.Context(), path+"/resources", nil)
		}
		text, err := c.get(cmd.Context(), path, nil)
		if err != nil || !wait {
			return text, err
		}
		return o.wait(cmd.Context(), api.env, c, text)
	}, func(text json.RawMessage) error {
		if resources {
			return showResources(api.env, text)
		}
		return showWorkload(api.env, text)
	}))
}

func workloadPath(id string) string { return "/workloads/" + url.PathEscape(id) }

// showWorkload prints a workload.
func showWorkload(env *environment, text json.RawMessage) error {
	var w workloadAnswer
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	t := w.Target
	rows := [][]string{
		{"state", w.progress()}, {"reason", w.Reason.String()},
		{"product", fmt.Sprintf("%s %s (%s) by %s", w.ProductName, w.ProductVersion, w.ProductID, w.SellerName)}, {"licence", w.Licence},
		{"project", cmp.Or(t.ProjectName, t.ProjectID)}, {"cluster", cmp.Or(t.ClusterName, t.ClusterID)}, {"namespace", t.Namespace}, {"release", t.Release},
		{"chart", strings.TrimSpace(w.ChartName + " " + w.ChartVersion)}, {"revision", revisionText(w.Revision)},
		{"created (UTC)", minute(w.CreatedAt) + " by " + w.CreatedBy}, {"ready (UTC)", minute(w.ReadyAt)}, {"removed (UTC)", minute(w.RemovedAt)},
	}
	shown := rows[:0]
	for _, row := range rows {
		if row[1] != "" && row[1] != "-" {
			shown = append(shown, row)
		}
	}
	return printTable(env.stdout, left("WORKLOAD", w.ID), shown)
}

// revisionText shows a revision, nothing for none.
func revisionText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// showResources prints the objects of a workload.
func showResources(env *environment, text json.RawMessage) error {
	var seen struct {
		Data []struct {
			Kind, Namespace, Name, Address string
			Ready, Wanted                  int
			Reason                         *reasonAnswer
		}
	}
	if err := json.Unmarshal(text, &seen); err != nil {
		return err
	}
	rows := make([][]string, len(seen.Data))
	for i, r := range seen.Data {
		rows[i] = []string{r.Kind, r.Name, fmt.Sprintf("%d/%d", r.Ready, r.Wanted), r.Address, r.Reason.String()}
	}
	return printTable(env.stdout, left("KIND", "NAME", "READY", "ADDRESS", "REASON"), rows)
}

func newWorkloadRevisions(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revisions ID",
		Short:   "List what a workload can be rolled back to",
		Example: "  llmhub workload revisions WORKLOAD",
		Args:    oneID,
	}
	return api.clusterCommand(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return c.get(cmd.Context(), workloadPath(args[0])+"/revisions", nil)
	}, func(text json.RawMessage) error {
		var list struct {
			Data []struct {
				Revision     int        `json:"revision"`
				Status       string     `json:"status"`
				ChartVersion string     `json:"chart_version"`
				UpdatedAt    *time.Time `json:"updated_at"`
				Description  string     `json:"description"`
			}
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, r := range list.Data {
			rows[i] = []string{fmt.Sprint(r.Revision), r.Status, r.ChartVersion, minute(r.UpdatedAt), r.Description}
		}
		return printTable(api.env.stdout, left("REVISION", "STATUS", "CHART", "UPDATED (UTC)", "DESCRIPTION"), rows)
	})
}

// begun is how a command ends that has begun an operation: with the workload as it is, or when the operation has ended.
func (o *ending) begun(ctx context.Context, env *environment, c *client, text json.RawMessage, wait bool) (json.RawMessage, error) {
	if !wait {
		return text, nil
	}
	return o.wait(ctx, env, c, text)
}

// showState prints a workload's state in a line.
func showState(api *apiFlags, text json.RawMessage) error {
	var w workloadAnswer
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(api.env.stdout, "workload %s (%s) is %s\n", clean(w.Target.Release), clean(w.ID), clean(w.progress()))
	return err
}

// ending is how a command ends whose answer is printed and is bad news all the same.
type ending struct{ err error }

// decides makes a command end so, after its answer has been printed.
func (o *ending) decides(cmd *cobra.Command) *cobra.Command {
	action := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return errors.Join(action(cmd, args), o.err) }
	return cmd
}
