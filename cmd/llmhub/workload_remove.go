package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxTypedBytes bounds what is read of a name that is typed.
const maxTypedBytes = 1024

func newWorkloadUninstall(api *apiFlags) *cobra.Command {
	var confirm string
	var forget, wait bool
	var o ending
	cmd := &cobra.Command{
		Use:   "uninstall ID [--confirm RELEASE]",
		Short: "Remove a workload from its cluster",
		Long: `Remove a workload from its cluster. This cannot be undone; what it keeps on volumes may be lost. The name of its
release has to be typed, or given with --confirm. An operation that is under way is ended first.

--forget only forgets the workload, where its cluster cannot be reached any more: nothing is removed there.`,
		Example: `  llmhub workload uninstall WORKLOAD
  llmhub workload uninstall WORKLOAD --confirm valkey-1 --wait`,
		Args: oneID,
	}
	cmd.Flags().StringVar(&confirm, "confirm", "", "name of the workload's release, to be sure that it is the right one")
	cmd.Flags().BoolVar(&forget, "forget", false, "only forget it: nothing is removed from the cluster")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is removed; the exit code is 1 if it ends in error")
	return o.decides(api.clusterCommand(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		if confirm == "" {
			var err error
			if confirm, err = askRelease(cmd.Context(), api.env, c, args[0]); err != nil {
				return nil, err
			}
		}
		text, err := c.post(cmd.Context(), workloadPath(args[0])+"/uninstall", map[string]any{"release": confirm, "forget": forget})
		if err != nil {
			return nil, err
		}
		return o.begun(cmd.Context(), api.env, c, text, wait)
	}, func(text json.RawMessage) error { return showState(api, text) }))
}

// askRelease lets the name of the release be typed.
func askRelease(ctx context.Context, env *environment, c *client, id string) (string, error) {
	terminal, ok := env.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", &hintedError{usagef("the removal is not confirmed"), "use --confirm RELEASE where there is no terminal"}
	}
	text, err := c.get(ctx, workloadPath(id), nil)
	if err != nil {
		return "", err
	}
	var w workloadAnswer
	if err := json.Unmarshal(text, &w); err != nil {
		return "", err
	}
	fmt.Fprintf(env.stderr, "%s in the namespace %s of the cluster %s is removed, and what it keeps may be lost.\nType the name of the release to go on: ",
		clean(w.Target.Release), clean(w.Target.Namespace), clean(w.Target.ClusterName))
	line, err := bufio.NewReader(io.LimitReader(terminal, maxTypedBytes)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the name: %w", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", errors.New("nothing is removed")
	}
	return line, nil
}
