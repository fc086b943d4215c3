package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

type profileAnswer struct {
	TenantID string         `json:"tenant_id"`
	State    string         `json:"state"`
	InForce  *profileValues `json:"in_force"`
	Change   *struct {
		Data        profileValues `json:"data"`
		State       string        `json:"state"`
		SubmittedAt string        `json:"submitted_at"`
		SubmittedBy string        `json:"submitted_by"`
	} `json:"change"`
}

type profileValues struct {
	Company          string `json:"company"`
	Website          string `json:"website"`
	SellerEmail      string `json:"seller_email"`
	MarketplaceEmail string `json:"marketplace_email"`
	Phone            string `json:"phone"`
}

func newProfileCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "profile",
		Short: "Review the organization profiles of tenants",
	}, newProfileList(api), newProfileApprove(api), newProfileReject(api))
}

func newProfileList(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the profiles that wait for their review",
		Example: "  llmhub profile list",
		Args:    cobra.NoArgs,
	}
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		return c.list(cmd.Context(), "/profiles", url.Values{})
	}, func(text json.RawMessage) error {
		var list struct{ Data []profileAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		var rows [][]string
		for _, p := range list.Data {
			if v := p.Change; v != nil {
				d := v.Data
				rows = append(rows, []string{p.TenantID, d.Company, d.Website, d.SellerEmail, d.MarketplaceEmail, d.Phone, v.SubmittedBy, v.SubmittedAt})
			}
		}
		return printTable(api.env.stdout, left("TENANT", "COMPANY", "WEBSITE", "FOR SELLERS", "FOR THE MARKETPLACE", "PHONE", "BY", "SUBMITTED (UTC)"), rows)
	})
}

const submittedHelp = "what was looked at, as the list shows when it was submitted; something newer is refused (default what waits now)"

func newProfileApprove(api *apiFlags) *cobra.Command {
	var submitted string
	cmd := &cobra.Command{
		Use:   "approve TENANT [--submitted TIME]",
		Short: "Approve what a tenant has submitted",
		Example: `  llmhub profile approve TENANT
  llmhub profile approve TENANT --submitted 2026-11-25T09:30:00.123456Z`,
		Args: oneTenant,
	}
	cmd.Flags().StringVar(&submitted, "submitted", "", submittedHelp)
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return c.review(cmd.Context(), args[0], "approve", submitted, map[string]any{})
	}, func(text json.RawMessage) error { return showProfile(api, text) })
}

func newProfileReject(api *apiFlags) *cobra.Command {
	var submitted, reason string
	cmd := &cobra.Command{
		Use:     "reject TENANT --reason TEXT [--submitted TIME]",
		Short:   "Reject what a tenant has submitted, for a reason that it sees",
		Example: `  llmhub profile reject TENANT --reason "the website does not exist"`,
		Args:    oneTenant,
	}
	cmd.Flags().StringVar(&submitted, "submitted", "", submittedHelp)
	cmd.Flags().StringVar(&reason, "reason", "", "why; the tenant's users see it")
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		if err := required(cmd, "reason"); err != nil {
			return nil, err
		}
		return c.review(cmd.Context(), args[0], "reject", submitted, map[string]any{"reason": reason})
	}, func(text json.RawMessage) error { return showProfile(api, text) })
}

// review approves or rejects what was submitted at a time, or what waits now if none is given.
func (c *client) review(ctx context.Context, tenant, verdict, submitted string, body map[string]any) (json.RawMessage, error) {
	path := "/tenants/" + url.PathEscape(tenant) + "/profile"
	if submitted == "" {
		text, err := c.get(ctx, path, nil)
		if err != nil {
			return nil, err
		}
		var p profileAnswer
		if err := json.Unmarshal(text, &p); err != nil {
			return nil, c.stranger(http.StatusOK)
		}
		if p.Change == nil || p.Change.State != "submitted" {
			return nil, fmt.Errorf("the profile of %s does not wait for a review; it is %s", clean(tenant), clean(p.State))
		}
		submitted = p.Change.SubmittedAt
	} else if _, err := time.Parse(time.RFC3339, submitted); err != nil {
		return nil, usagef("--submitted: %q is no time such as 2026-11-25T09:30:00.123456Z", submitted)
	}
	body["submitted_at"] = submitted
	return c.post(ctx, path+"/"+verdict, body)
}

func showProfile(api *apiFlags, text json.RawMessage) error {
	var p profileAnswer
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	line := fmt.Sprintf("profile of %s is %s", p.TenantID, p.State)
	switch {
	case p.Change != nil && p.InForce != nil:
		line += "; the change is " + p.Change.State
	case p.InForce != nil:
		line += ": " + p.InForce.Company
	}
	_, err := fmt.Fprintln(api.env.stdout, clean(line))
	return err
}

// oneTenant takes exactly one argument, the ID of a tenant.
func oneTenant(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usagef("%s needs one TENANT", cmd.CommandPath())
	}
	return nil
}
