package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

type tenantAnswer struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	State     string     `json:"state"`
	CreatedAt *time.Time `json:"created_at"`
}

func newTenantCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "tenant",
		Short: "Create, list, suspend and resume tenants",
	}, newTenantCreate(api), newTenantList(api), newTenantSuspend(api), newTenantResume(api))
}

func newTenantCreate(api *apiFlags) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "create --name NAME",
		Short:   "Create a tenant and print its ID",
		Example: `  llmhub tenant create --name "Example GmbH"`,
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the tenant")
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		if err := required(cmd, "name"); err != nil {
			return nil, err
		}
		return c.post(cmd.Context(), "/tenants", map[string]any{"name": name})
	}, func(text json.RawMessage) error {
		var t tenantAnswer
		if err := json.Unmarshal(text, &t); err != nil {
			return err
		}
		return api.printID(t.ID, fmt.Sprintf("tenant %q created", t.Name))
	})
}

func newTenantList(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List tenants",
		Example: "  llmhub tenant list",
		Args:    cobra.NoArgs,
	}
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		return c.list(cmd.Context(), "/tenants", url.Values{})
	}, func(text json.RawMessage) error {
		var list struct{ Data []tenantAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, t := range list.Data {
			rows[i] = []string{t.ID, t.Name, t.State, minute(t.CreatedAt)}
		}
		return printTable(api.env.stdout, left("ID", "NAME", "STATE", "CREATED (UTC)"), rows)
	})
}

func newTenantSuspend(api *apiFlags) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "suspend TENANT --reason TEXT",
		Short: "Refuse all keys of a tenant and all changes by its users",
		Long: `Refuse all keys of a tenant and all changes by its users, who can still sign in and read.
Answers that are being streamed under its keys are cut. The users see the reason.`,
		Example: `  llmhub tenant suspend TENANT --reason "invoices are not paid"`,
		Args:    oneTenant,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; the tenant's users see it")
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		if err := required(cmd, "reason"); err != nil {
			return nil, err
		}
		return c.post(cmd.Context(), "/tenants/"+url.PathEscape(args[0])+"/suspend", map[string]any{"reason": reason})
	}, func(text json.RawMessage) error { return showTenant(api, text) })
}

func newTenantResume(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "resume TENANT",
		Short:   "End the suspension of a tenant",
		Example: "  llmhub tenant resume TENANT",
		Args:    oneTenant,
	}
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return c.post(cmd.Context(), "/tenants/"+url.PathEscape(args[0])+"/resume", nil)
	}, func(text json.RawMessage) error { return showTenant(api, text) })
}

func showTenant(api *apiFlags, text json.RawMessage) error {
	var t tenantAnswer
	if err := json.Unmarshal(text, &t); err != nil {
		return err
	}
	_, err := fmt.Fprintf(api.env.stdout, "tenant %s (%s) is %s\n", clean(t.Name), clean(t.ID), clean(t.State))
	return err
}

// command completes a command that talks to the management API: call asks the server, show prints the answer for
// people; with --json the answer is printed as it is.
func (a *apiFlags) command(
	cmd *cobra.Command,
	call func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error),
	show func(text json.RawMessage) error,
) *cobra.Command {
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		text, err := call(cmd, args, c)
		if err != nil {
			return err
		}
		if a.asJSON {
			return printJSON(a.env.stdout, text)
		}
		return show(text)
	}
	return cmd
}

// printID prints an ID alone on standard output, for scripts, and a note for people on standard error.
func (a *apiFlags) printID(id, note string) error {
	if _, err := fmt.Fprintln(a.env.stdout, clean(id)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.env.stderr, clean(note))
	return err
}
