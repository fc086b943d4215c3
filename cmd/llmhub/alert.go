package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

type alertAnswer struct {
	ID               string `json:"id"`
	KeyName          string `json:"key_name"`
	SubscriptionName string `json:"subscription_name"`
	Model            string `json:"model"`
	Month            string `json:"month"`
	Percent          int    `json:"percent"`
	Spent            string `json:"spent"`
	Budget           string `json:"budget"`
	Unit             string `json:"unit"`
	DismissedBy      string `json:"dismissed_by"`
	Delivery         string `json:"delivery"`
	DeliveryProblem  string `json:"delivery_problem"`
}

// subject is what the budget is for, in a few words.
func (a alertAnswer) subject() string {
	switch {
	case a.KeyName != "":
		return "key " + a.KeyName
	case a.Model != "":
		return a.SubscriptionName + ", " + a.Model
	}
	return a.SubscriptionName
}

// tenantCommand is command for what is a tenant's own: call gets the query that names it, which customers need not.
func (a *apiFlags) tenantCommand(cmd *cobra.Command, call func(ctx context.Context, c *client, args []string, tenant url.Values) (json.RawMessage, error), show func(json.RawMessage) error) *cobra.Command {
	var tenant string
	cmd.Flags().StringVar(&tenant, "tenant", "", "ID of the tenant (with the administrator's token; others ask for their own)")
	return a.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return call(cmd.Context(), c, args, filter("tenant_id", tenant))
	}, show)
}

func newAlertCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "alert",
		Short: "See and dismiss alerts of budgets",
	}, newAlertList(api), newAlertDismiss(api))
}

func newAlertList(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--tenant ID]",
		Short: "List the budgets that have been used up to 50, 80 or 100 %, the newest month first",
		Example: `  llmhub alert list
  llmhub alert list --tenant TENANT --json`,
		Args: cobra.NoArgs,
	}
	return api.tenantCommand(cmd, func(ctx context.Context, c *client, _ []string, tenant url.Values) (json.RawMessage, error) {
		return c.list(ctx, "/alerts", tenant)
	}, func(text json.RawMessage) error {
		var list struct{ Data []alertAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, a := range list.Data {
			hook := a.Delivery
			if a.DeliveryProblem != "" {
				hook += ": " + a.DeliveryProblem
			}
			rows = append(rows, []string{a.ID, a.Month, a.subject(), fmt.Sprint(a.Percent, " %"), a.Spent, a.Budget, a.Unit, hook, a.DismissedBy})
		}
		return printTable(api.env.stdout, left("ID", "MONTH", "BUDGET OF", "REACHED", "USED", "OF", "UNIT", "WEBHOOK", "DISMISSED BY"), rows)
	})
}

func newAlertDismiss(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dismiss ID",
		Short:   "Put an alert away, so that pages show it no more",
		Example: `  llmhub alert dismiss ALERT`,
		Args:    oneID,
	}
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return c.post(cmd.Context(), "/alerts/"+url.PathEscape(args[0])+"/dismiss", nil)
	}, func(text json.RawMessage) error {
		var a alertAnswer
		if err := json.Unmarshal(text, &a); err != nil {
			return err
		}
		_, err := fmt.Fprintf(api.env.stdout, "alert %s dismissed\n", a.ID)
		return err
	})
}

func newWebhookCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "webhook",
		Short: "Have alerts sent to an address of your own",
	}, newWebhookShow(api), newWebhookSet(api), newWebhookTest(api), newWebhookRemove(api))
}

type webhookAnswer struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

func newWebhookShow(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show [--tenant ID]",
		Short:   "Show where alerts are sent",
		Example: `  llmhub webhook show`,
		Args:    cobra.NoArgs,
	}
	return api.tenantCommand(cmd, func(ctx context.Context, c *client, _ []string, tenant url.Values) (json.RawMessage, error) {
		return c.get(ctx, "/webhook", tenant)
	}, func(text json.RawMessage) error {
		var v webhookAnswer
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		if v.URL == "" {
			v.URL = "no webhook is set"
		}
		_, err := fmt.Fprintln(api.env.stdout, clean(v.URL))
		return err
	})
}

func newWebhookSet(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set URL [--tenant ID]",
		Short: "Set where alerts are sent, and print the secret that signs them, once",
		Long: `Set where alerts are sent. Each call is signed as Standard Webhooks (standardwebhooks.com) has it; the
secret is shown this once, and a new one is made each time. It alone goes to standard output.`,
		Example: `  SECRET=$(llmhub webhook set https://example.com/hooks)`,
		Args:    oneURL,
	}
	return api.tenantCommand(cmd, func(ctx context.Context, c *client, args []string, tenant url.Values) (json.RawMessage, error) {
		return c.put(ctx, withQuery("/webhook", tenant), map[string]string{"url": args[0]})
	}, func(text json.RawMessage) error {
		var v webhookAnswer
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(api.env.stderr, "alerts are sent to %s; their secret is shown this once\n", clean(v.URL)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(api.env.stdout, v.Secret)
		return err
	})
}

func oneURL(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usagef("%s needs one address, such as https://example.com/hooks", cmd.CommandPath())
	}
	return nil
}

func newWebhookTest(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test [--tenant ID]",
		Short:   "Call the webhook with a message of type webhook.test",
		Example: `  llmhub webhook test`,
		Args:    cobra.NoArgs,
	}
	return api.tenantCommand(cmd, func(ctx context.Context, c *client, _ []string, tenant url.Values) (json.RawMessage, error) {
		return c.post(ctx, withQuery("/webhook/test", tenant), nil)
	}, func(text json.RawMessage) error {
		var v struct {
			Delivered bool
			Problem   string
		}
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		if !v.Delivered {
			return fmt.Errorf("not delivered: %s", v.Problem)
		}
		_, err := fmt.Fprintln(api.env.stdout, "delivered")
		return err
	})
}

func newWebhookRemove(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove [--tenant ID]",
		Short:   "Send alerts no more",
		Example: `  llmhub webhook remove`,
		Args:    cobra.NoArgs,
	}
	return api.tenantCommand(cmd, func(ctx context.Context, c *client, _ []string, tenant url.Values) (json.RawMessage, error) {
		return c.do(ctx, http.MethodDelete, withQuery("/webhook", tenant), nil)
	}, func(json.RawMessage) error {
		_, err := fmt.Fprintln(api.env.stdout, "webhook removed")
		return err
	})
}

// withQuery returns a path with a query, if there is one.
func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}
