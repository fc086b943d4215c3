package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultChanges = 100
	maxChanges     = 1000
)

type changeAnswer struct {
	At         *time.Time `json:"at"`
	ActorKind  string     `json:"actor_kind"`
	ActorName  string     `json:"actor_name"`
	TenantID   string     `json:"tenant_id"`
	Action     string     `json:"action"`
	ObjectID   string     `json:"object_id"`
	ObjectName string     `json:"object_name"`
	Reason     string     `json:"reason"`
}

func newAuditCommand(api *apiFlags) *cobra.Command {
	var tenant, actor, action string
	var limit int
	cmd := &cobra.Command{
		Use:   "audit [--tenant ID | --actor ID | --action NAME] [--limit N]",
		Short: "Show who has changed what, newest first",
		Long: `Show who has changed what, newest first. With --json the values before and after each
change are shown, too.`,
		Example: `  llmhub audit --limit 20
  llmhub audit --tenant TENANT
  llmhub audit --action key.deactivate --json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only what belongs to this tenant")
	cmd.Flags().StringVar(&actor, "actor", "", "only by this user or operator")
	cmd.Flags().StringVar(&action, "action", "", "only of this kind, such as key.create")
	cmd.Flags().IntVar(&limit, "limit", defaultChanges, "how many, at most "+strconv.Itoa(maxChanges))
	cmd.MarkFlagsMutuallyExclusive("tenant", "actor", "action")
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		if limit < 1 || limit > maxChanges {
			return nil, usagef("--limit must be from 1 to %d", maxChanges)
		}
		return c.get(cmd.Context(), "/audit", filter("tenant_id", tenant, "actor_id", actor, "action", action, "limit", strconv.Itoa(limit)))
	}, func(text json.RawMessage) error {
		var list struct{ Data []changeAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, v := range list.Data {
			rows[i] = []string{minute(v.At), fmt.Sprintf("%s (%s)", v.ActorName, v.ActorKind), v.Action, v.ObjectName, v.ObjectID, v.TenantID, v.Reason}
		}
		return printTable(api.env.stdout, left("TIME (UTC)", "BY", "ACTION", "WHAT", "ID", "TENANT", "REASON"), rows)
	})
}
