package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"llmhub/config"
)

func newConfigCommand(env *environment) *cobra.Command {
	return group(&cobra.Command{
		Use:   "config",
		Short: "Check a configuration file",
	}, newConfigCheck(env))
}

func newConfigCheck(env *environment) *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Report everything that is wrong with a configuration file",
		Long: `Read a configuration file and everything it refers to, and report all that is wrong, each
with its line. Nothing is started and nothing is written. Exit code 1 if there are faults.`,
		Example: "  llmhub config check --config /etc/llmhub/llmhub.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config"); err != nil {
				return err
			}
			return checkConfig(env, path, asJSON)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "the configuration file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checkConfig prints "ok", or the faults.
func checkConfig(env *environment, path string, asJSON bool) error {
	_, err := config.LoadEnv(path, env.lookup)
	var faults *config.Faults
	switch {
	case errors.As(err, &faults):
		return reportFaults(env, path, faults, asJSON)
	case err != nil:
		return err
	case asJSON:
		return printJSON(env.stdout, []byte(`{"ok": true, "faults": []}`))
	}
	_, err = fmt.Fprintln(env.stdout, "ok")
	return err
}
