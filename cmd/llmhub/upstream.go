package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

type upstreamAnswer struct {
	Deployment     string     `json:"deployment"`
	Models         []string   `json:"models"`
	State          string     `json:"state"`
	WindowRequests int64      `json:"window_requests"`
	WindowFailures int64      `json:"window_failures"`
	InFlight       int64      `json:"in_flight"`
	LastReason     string     `json:"last_reason"`
	Weight         int        `json:"weight"`
	Priority       int        `json:"priority"`
	Breaker        string     `json:"breaker"`
	BreakerUntil   *time.Time `json:"breaker_until"`
	Draining       bool       `json:"draining"`
	Queued         int        `json:"queued"`
	MaxConcurrency int        `json:"max_concurrency"`
}

func newUpstreamCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "upstream",
		Short: "See how the model servers are doing, and drain them",
	}, newUpstreamList(api), newUpstreamDrain(api, "drain", true), newUpstreamDrain(api, "resume", false))
}

// newUpstreamDrain makes the command that drains a deployment, or the one that ends that.
func newUpstreamDrain(api *apiFlags, name string, draining bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:     name + " NAME/MODEL",
		Short:   "Have a deployment take no new requests",
		Example: "  llmhub upstream " + name + " gpu1/llama-3.3-70b",
		Args:    oneDeployment,
	}
	cmd.Long = `Have a deployment take no new requests. Those under way go on; "llmhub upstream list" shows how
many are left. It holds until "llmhub upstream resume", over restarts, and in all processes that
share a database.`
	if !draining {
		cmd.Short = "Have a deployment take requests again"
		cmd.Long = `Have a deployment take requests again that was drained, also one that the configuration does not
have at the moment. What the configuration drains stays so.`
	}
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return c.post(cmd.Context(), "/upstreams/drain", map[string]any{"deployment": args[0], "draining": draining})
	}, func(text json.RawMessage) error {
		var v upstreamAnswer
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		state := "takes requests"
		if v.Draining {
			state = "is draining"
		}
		_, err := fmt.Fprintf(api.env.stdout, "deployment %s %s, %d in flight\n", clean(v.Deployment), state, v.InFlight)
		return err
	})
}

func oneDeployment(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usagef("%s needs one deployment, NAME/MODEL", cmd.CommandPath())
	}
	return nil
}

func newUpstreamList(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show how each deployment of a model is doing",
		Long: `Show how each deployment of a model is doing, judged by the requests of the last ten minutes,
and what decides which requests it is sent: tier and weight, circuit breaker, slots and queue.`,
		Example: `  llmhub upstream list
  llmhub upstream list --json`,
		Args: cobra.NoArgs,
	}
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		return c.get(cmd.Context(), "/upstreams", nil)
	}, func(text json.RawMessage) error {
		var list struct{ Data []upstreamAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, v := range list.Data {
			rows[i] = v.row()
		}
		return printTable(api.env.stdout, left("DEPLOYMENT", "MODELS", "STATE", "FAILED", "IN FLIGHT", "QUEUED", "TIER", "WEIGHT", "BREAKER", "LAST FAILURE"), rows)
	})
}

func (v *upstreamAnswer) row() []string {
	state, breaker, inFlight := v.State, v.Breaker, strconv.FormatInt(v.InFlight, 10)
	if v.Draining {
		state += ", draining"
	}
	if v.BreakerUntil != nil {
		breaker += " until " + v.BreakerUntil.UTC().Format(time.TimeOnly)
	}
	if v.MaxConcurrency > 0 {
		inFlight += "/" + strconv.Itoa(v.MaxConcurrency)
	}
	failed := strconv.FormatInt(v.WindowFailures, 10) + "/" + strconv.FormatInt(v.WindowRequests, 10)
	return []string{
		v.Deployment, strings.Join(v.Models, ","), state, failed, inFlight, strconv.Itoa(v.Queued),
		strconv.Itoa(v.Priority), strconv.Itoa(v.Weight), breaker, dash(v.LastReason),
	}
}
