package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

type subscriptionAnswer struct {
	ID          string     `json:"id"`
	TenantID    string     `json:"tenant_id"`
	ProductID   string     `json:"product_id"`
	Models      []string   `json:"models"`
	State       string     `json:"state"`
	CreatedAt   *time.Time `json:"created_at"`
	CancelledAt *time.Time `json:"cancelled_at"`
}

func newSubscriptionCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "subscription",
		Short: "Create, list, limit and cancel subscriptions",
	}, newSubscriptionCreate(api), newSubscriptionList(api), newSubscriptionLimits(api), newSubscriptionCancel(api))
}

func newSubscriptionCreate(api *apiFlags) *cobra.Command {
	var tenant, product string
	var models []string
	cmd := &cobra.Command{
		Use:   "create --tenant ID [--product ID] [--models NAME,NAME]",
		Short: "Create a subscription and print its ID",
		Example: `  llmhub subscription create --tenant TENANT
  llmhub subscription create --tenant TENANT --product llm-hub --models gpt-4o-mini,gpt-4o`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "ID of the tenant")
	cmd.Flags().StringVar(&product, "product", "llm-hub", "ID of the product")
	cmd.Flags().StringSliceVar(&models, "models", nil, "models its keys may use (default all)")
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		if err := required(cmd, "tenant", "product"); err != nil {
			return nil, err
		}
		return c.post(cmd.Context(), "/subscriptions", map[string]any{"tenant_id": tenant, "product_id": product, "models": models})
	}, func(text json.RawMessage) error {
		var s subscriptionAnswer
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		return api.printID(s.ID, fmt.Sprintf("subscription to %s created; models: %s", s.ProductID, modelList(s.Models)))
	})
}

func newSubscriptionList(api *apiFlags) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:     "list [--tenant ID]",
		Short:   "List subscriptions, active and cancelled",
		Example: "  llmhub subscription list --tenant TENANT",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only those of this tenant")
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		return c.list(cmd.Context(), "/subscriptions", filter("tenant_id", tenant))
	}, func(text json.RawMessage) error {
		var list struct{ Data []subscriptionAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, s := range list.Data {
			rows[i] = []string{s.ID, s.TenantID, s.ProductID, s.State, modelList(s.Models), minute(s.CreatedAt), minute(s.CancelledAt)}
		}
		return printTable(api.env.stdout, left("ID", "TENANT", "PRODUCT", "STATE", "MODELS", "CREATED (UTC)", "CANCELLED (UTC)"), rows)
	})
}

func newSubscriptionCancel(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "Deactivate all keys of a subscription and cancel it",
		Long: `Deactivate all keys of a subscription and cancel it. This cannot be undone.
Answers that are being streamed under its keys are cut.`,
		Example: "  llmhub subscription cancel SUBSCRIPTION",
		Args:    oneID,
	}
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return c.post(cmd.Context(), "/subscriptions/"+url.PathEscape(args[0])+"/cancel", nil)
	}, func(text json.RawMessage) error {
		var s subscriptionAnswer
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		_, err := fmt.Fprintf(api.env.stdout, "subscription %s is %s; its keys are deactivated\n", clean(s.ID), clean(s.State))
		return err
	})
}

// filter builds a query of pairs, without those whose value is empty.
func filter(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}
