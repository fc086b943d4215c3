package main

import (
	"encoding/json"
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

type faultAnswer struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

// checkConfig prints "ok", or the faults.
func checkConfig(env *environment, path string, asJSON bool) error {
	_, err := config.LoadEnv(path, env.lookup)
	var faults *config.Faults
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	if asJSON {
		list := []faultAnswer{}
		if faults != nil {
			for _, f := range faults.List {
				list = append(list, faultAnswer{f.File, f.Line, f.Path, f.Message})
			}
		}
		text, err := json.Marshal(map[string]any{"ok": faults == nil, "faults": list})
		if err != nil {
			return err
		}
		if err := printJSON(env.stdout, text); err != nil {
			return err
		}
	} else if faults == nil {
		_, err := fmt.Fprintln(env.stdout, "ok")
		return err
	} else {
		fmt.Fprintln(env.stderr, faults)
	}
	if faults == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", path, plural(len(faults.List), "fault"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
