package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"llmhub/limit"
)

type keyAnswer struct {
	ID             string     `json:"id"`
	Name           string     `json:"name"`
	SubscriptionID string     `json:"subscription_id"`
	Prefix         string     `json:"prefix"`
	State          string     `json:"state"`
	Models         []string   `json:"models"`
	CreatedAt      *time.Time `json:"created_at"`
	ExpiresAt      *time.Time `json:"expires_at"`
	LastUsedAt     *time.Time `json:"last_used_at"`
	Key            string     `json:"key"`
}

func newKeyCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "key",
		Short: "Create, list, limit and deactivate API keys",
	}, newKeyCreate(api), newKeyList(api), newKeyLimits(api), newKeyDeactivate(api))
}

func newKeyCreate(api *apiFlags) *cobra.Command {
	var subscription, name, expires string
	var models []string
	var limits limitFlags
	cmd := &cobra.Command{
		Use:   "create --subscription ID --name NAME [--expires TIME] [--models NAME,NAME] [--monthly-amount AMOUNT] …",
		Short: "Create a key and print it, once",
		Long: `Create a key and print it. The key is shown this once and cannot be had again: only a
hash of it is stored. It alone goes to standard output, everything else to standard error.`,
		Example: `  KEY=$(llmhub key create --subscription SUBSCRIPTION --name ci)
  llmhub key create --subscription SUBSCRIPTION --name trial --expires 30d --models gpt-4o-mini
  llmhub key create --subscription SUBSCRIPTION --name shop --monthly-amount 25.00 --requests-per-minute 60
  llmhub key create --subscription SUBSCRIPTION --name batch --expires 2027-01-01T00:00:00Z`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&subscription, "subscription", "", "ID of the subscription")
	cmd.Flags().StringVar(&name, "name", "", "name of the key, unique in its subscription")
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends: a time such as 2027-01-01T00:00:00Z, or from now on such as 12h or 30d (default never)")
	cmd.Flags().StringSliceVar(&models, "models", nil, "models it may use (default all of the subscription)")
	limits.add(cmd)
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		if err := required(cmd, "subscription", "name"); err != nil {
			return nil, err
		}
		body := map[string]any{"subscription_id": subscription, "name": name, "models": models}
		if expires != "" {
			at, err := parseExpiry(expires, api.env.now())
			if err != nil {
				return nil, err
			}
			body["expires_at"] = at.UTC().Format(time.RFC3339)
		}
		if rules, given := limits.change(cmd, limit.Rules{}); given {
			body["limits"] = rules
		}
		return c.post(cmd.Context(), "/keys", body)
	}, func(text json.RawMessage) error {
		var k keyAnswer
		if err := json.Unmarshal(text, &k); err != nil {
			return err
		}
		return api.printID(k.Key, fmt.Sprintf("key %q (%s) created; it is shown this once and cannot be had again", k.Name, k.ID))
	})
}

var daysForm = regexp.MustCompile(`^([0-9]{1,5})d$`)

// parseExpiry reads a point in time or a span from now on.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if m := daysForm.FindStringSubmatch(text); m != nil {
		if days, err := strconv.Atoi(m[1]); err == nil && days > 0 {
			return now.AddDate(0, 0, days), nil
		}
	}
	if span, err := time.ParseDuration(text); err == nil && span > 0 {
		return now.Add(span), nil
	}
	return time.Time{}, usagef("--expires: %q is neither a time such as 2027-01-01T00:00:00Z nor a span such as 12h or 30d", text)
}

func newKeyList(api *apiFlags) *cobra.Command {
	var subscription, tenant string
	cmd := &cobra.Command{
		Use:     "list [--subscription ID | --tenant ID]",
		Short:   "List keys, active and not",
		Example: "  llmhub key list --subscription SUBSCRIPTION",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&subscription, "subscription", "", "only those of this subscription")
	cmd.Flags().StringVar(&tenant, "tenant", "", "only those of this tenant")
	cmd.MarkFlagsMutuallyExclusive("subscription", "tenant")
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		return c.list(cmd.Context(), "/keys", filter("subscription_id", subscription, "tenant_id", tenant))
	}, func(text json.RawMessage) error {
		var list struct{ Data []keyAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, k := range list.Data {
			rows[i] = []string{k.ID, k.Name, k.State, k.Prefix, k.SubscriptionID, modelList(k.Models), minute(k.CreatedAt), minute(k.ExpiresAt), minute(k.LastUsedAt)}
		}
		titles := left("ID", "NAME", "STATE", "PREFIX", "SUBSCRIPTION", "MODELS", "CREATED (UTC)", "EXPIRES (UTC)", "LAST USED (UTC)")
		return printTable(api.env.stdout, titles, rows)
	})
}

func newKeyDeactivate(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deactivate ID",
		Short: "Deactivate a key for good",
		Long: `Deactivate a key. This cannot be undone. When the command returns the key is refused,
and answers that are being streamed under it are cut. Its consumption stays listed.`,
		Example: "  llmhub key deactivate KEY_ID",
		Args:    oneID,
	}
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return c.post(cmd.Context(), "/keys/"+url.PathEscape(args[0])+"/deactivate", nil)
	}, func(text json.RawMessage) error {
		var k keyAnswer
		if err := json.Unmarshal(text, &k); err != nil {
			return err
		}
		_, err := fmt.Fprintf(api.env.stdout, "key %s (%s) is %s\n", clean(k.Name), clean(k.ID), clean(k.State))
		return err
	})
}
