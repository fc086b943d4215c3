package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

// deployFlags say what is deployed, or changed by an upgrade.
type deployFlags struct {
	valueFlags
	consentFlags
	ending
	dryRun, wait bool
	// upgrade says that a workload is changed.
	upgrade bool
}

func (f *deployFlags) add(cmd *cobra.Command) {
	f.valueFlags.add(cmd)
	f.consentFlags.add(cmd)
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would be done and what it costs, and change nothing")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait until it is ready; the exit code is 1 if it ends in error")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "wait")
}

const deployHelp = `Deploy a product to a cluster and print the workload's ID, alone on standard output.

"workload targets" shows projects, clusters and namespaces, "workload form PRODUCT" the paths that can be set,
and --dry-run what would be made, which volumes and load balancers the cloud bills, and what is wrong.

A product is deployed when its documents are accepted. Read them with "workload documents PRODUCT DOCUMENT", and
accept each by the digest of what you have read: --accept DOCUMENT=DIGEST. --accept-all accepts all as they are now and
prints which; say it only if whoever answers for the tenant has agreed to that.

A secret is never given on the command line, but as a reference: --secret PATH=env:NAME or --secret PATH=file:PATH. A file
called - is standard input.`

func newWorkloadDeploy(api *apiFlags) *cobra.Command {
	f := &deployFlags{valueFlags: valueFlags{api: api}}
	var project, cluster, namespace, release string
	var fresh bool
	cmd := &cobra.Command{
		Use:   "deploy PRODUCT --project ID --cluster ID --namespace NAME",
		Short: "Deploy a product to a cluster and print the workload's ID",
		Long:  deployHelp,
		Example: `  llmhub workload deploy valkey --project configured --cluster lab --namespace cache --new-namespace --dry-run
  llmhub workload deploy valkey --project PROJECT --cluster CLUSTER --namespace cache --set persistence.size=4Gi \
      --secret auth.password=env:PASSWORD --accept eula=sha256:… --accept marketplace-terms=sha256:… --wait
  llmhub workload deploy valkey --project PROJECT --cluster CLUSTER --namespace cache --values values.yaml --accept-all`,
		Args: oneProduct,
	}
	cmd.Flags().StringVar(&project, "project", "", "ID of the project; \"configured\" for clusters that the operator has configured")
	cmd.Flags().StringVar(&cluster, "cluster", "", "ID of the cluster")
	cmd.Flags().StringVar(&namespace, "namespace", "", "namespace in the cluster")
	cmd.Flags().BoolVar(&fresh, "new-namespace", false, "make the namespace")
	cmd.Flags().StringVar(&release, "release", "", "name of the Helm release (default one is made)")
	f.add(cmd)
	return f.decides(api.clusterCommand(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		if err := required(cmd, "project", "cluster", "namespace"); err != nil {
			return nil, err
		}
		body, err := f.body()
		if err != nil {
			return nil, err
		}
		body["product_id"] = args[0]
		body["target"] = map[string]any{"project_id": project, "cluster_id": cluster, "namespace": namespace, "new_namespace": fresh, "release": release}
		return f.send(cmd.Context(), c, args[0], "/workloads", body)
	}, func(text json.RawMessage) error {
		return f.showSent(text, func(w workloadAnswer) error {
			return api.printID(w.ID, fmt.Sprintf("workload %s is %s", w.Target.Release, w.progress()))
		})
	}))
}

func newWorkloadUpgrade(api *apiFlags) *cobra.Command {
	f := &deployFlags{valueFlags: valueFlags{api: api}}
	cmd := &cobra.Command{
		Use:   "upgrade ID",
		Short: "Upgrade a workload to the product's current version, or change its values",
		Long: `Upgrade a workload to the product's current version, with the values that it has and those that
are given. --dry-run shows what changes. The product's documents are accepted as with "workload deploy".`,
		Example: `  llmhub workload upgrade WORKLOAD --dry-run
  llmhub workload upgrade WORKLOAD --set maxMemory=512mb --accept-all --wait
  llmhub workload upgrade WORKLOAD --unset maxMemory --secret auth.password=env:PASSWORD --accept-all`,
		Args: oneID,
	}
	f.upgrade = true
	f.add(cmd)
	f.addUpgrade(cmd)
	return f.decides(api.clusterCommand(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		body, err := f.body()
		if err != nil {
			return nil, err
		}
		text, err := c.get(cmd.Context(), workloadPath(args[0]), nil)
		if err != nil {
			return nil, err
		}
		var w workloadAnswer
		if err := json.Unmarshal(text, &w); err != nil {
			return nil, err
		}
		return f.send(cmd.Context(), c, w.ProductID, workloadPath(args[0])+"/upgrade", body)
	}, func(text json.RawMessage) error {
		return f.showSent(text, func(workloadAnswer) error { return showState(api, text) })
	}))
}

// send asks for a review, or does what is asked for.
func (f *deployFlags) send(ctx context.Context, c *client, productID, path string, body map[string]any) (json.RawMessage, error) {
	if f.dryRun {
		text, err := c.post(ctx, path+"/review", body)
		if err != nil {
			return nil, f.refused(ctx, c, productID, path, body, err)
		}
		var r reviewAnswer
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, err
		}
		f.err = r.verdict(f.confirmed)
		return text, nil
	}
	var err error
	if body["accepted"], err = f.accepted(ctx, f.api.env, c, productID); err != nil {
		return nil, err
	}
	text, err := c.post(ctx, path, body)
	if err != nil {
		return nil, f.refused(ctx, c, productID, path, body, err)
	}
	return f.begun(ctx, f.api.env, c, text, f.wait)
}

// showSent prints what send has returned.
func (f *deployFlags) showSent(text json.RawMessage, show func(workloadAnswer) error) error {
	if f.dryRun {
		return showReview(f.api.env, text, f.upgrade)
	}
	var w workloadAnswer
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	return show(w)
}

func newWorkloadRollback(api *apiFlags) *cobra.Command {
	var revision int
	var wait bool
	var o ending
	cmd := &cobra.Command{
		Use:   "rollback ID --revision NUMBER",
		Short: "Go back to a revision of a workload",
		Example: `  llmhub workload revisions WORKLOAD
  llmhub workload rollback WORKLOAD --revision 1 --wait`,
		Args: oneID,
	}
	cmd.Flags().IntVar(&revision, "revision", 0, "number of the revision")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is ready; the exit code is 1 if it ends in error")
	return o.decides(api.clusterCommand(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		if revision < 1 {
			return nil, usagef("%s needs --revision, a number from 1 on", cmd.CommandPath())
		}
		text, err := c.post(cmd.Context(), workloadPath(args[0])+"/rollback", map[string]any{"revision": revision})
		if err != nil {
			return nil, err
		}
		return o.begun(cmd.Context(), api.env, c, text, wait)
	}, func(text json.RawMessage) error { return showState(api, text) }))
}

func newWorkloadContinue(api *apiFlags) *cobra.Command {
	var wait bool
	var o ending
	cmd := &cobra.Command{
		Use:     "continue ID",
		Short:   "Go on with an operation that waits for another IAM token",
		Example: "  OS_TOKEN=$(openstack token issue -f value -c id) llmhub workload continue WORKLOAD --wait",
		Args:    oneID,
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it has ended; the exit code is 1 if it ends in error")
	return o.decides(api.clusterCommand(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		text, err := c.post(cmd.Context(), workloadPath(args[0])+"/continue", nil)
		if err != nil {
			return nil, err
		}
		return o.begun(cmd.Context(), api.env, c, text, wait)
	}, func(text json.RawMessage) error { return showState(api, text) }))
}

// oneProduct takes exactly one argument, the ID of a product.
func oneProduct(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usagef("%s needs one PRODUCT", cmd.CommandPath())
	}
	return nil
}

func productPath(id string) string { return "/products/" + url.PathEscape(id) }
