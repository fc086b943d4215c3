package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes. They are documented in the help of the root command.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
)

const rootHelp = `llmhub is an OpenAI-compatible gateway that authenticates API keys, passes answers on
as they come, and counts every token into an embedded database.

"serve" and "demo" run it; "conform" tries a gateway; "config", "catalog", "ledger", "restore" and "migrate" work on files, and so
does "backup" if it is told to; all other commands talk to a running llmhub over its management API.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 something named does not exist.`

func newRootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "llmhub",
		Short: "An OpenAI-compatible gateway that counts every token",
		Long:  rootHelp,
		Example: `  llmhub demo
  llmhub serve --config /etc/llmhub/llmhub.yaml
  llmhub usage --month 2026-11 --by key,model`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	api := &apiFlags{env: env}
	root.AddCommand(
		newServeCommand(env),
		newDemoCommand(env),
		newConformCommand(env),
		newConfigCommand(env),
		newCatalogCommand(env),
		newLedgerCommand(env),
		newBackupCommand(api),
		newRestoreCommand(env),
		newMigrateCommand(api),
		newOperatorCommand(api),
		newProfileCommand(api),
		newTenantCommand(api),
		newSubscriptionCommand(api),
		newKeyCommand(api),
		newWorkloadCommand(api),
		newUpstreamCommand(api),
		newAlertCommand(api),
		newWebhookCommand(api),
		newUsageCommand(api),
		newAuditCommand(api),
		newVersionCommand(env),
		newHelmWorkerCommand(env),
	)
	markFailures(root)
	return root
}

// usageError is a command line that makes no sense.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// hintedError is an error with advice.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// runError marks errors of a command that has begun to run; all others come from cobra's reading of the command line.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// markFailures wraps the actions of a command and those below it so that their errors are told from cobra's.
func markFailures(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		markFailures(sub)
	}
	if cmd.RunE == nil {
		return
	}
	action := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := action(cmd, args); err != nil {
			return &runError{err}
		}
		return nil
	}
}

// group makes a command that only has commands below it refuse to be called by itself.
func group(cmd *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	names := make([]string, len(subs))
	for i, s := range subs {
		names[i] = s.Name()
	}
	cmd.AddCommand(subs...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		known := strings.Join(names, ", ")
		if len(args) > 0 {
			return usagef("unknown command %q for %q; known are %s", args[0], cmd.CommandPath(), known)
		}
		return usagef("%q needs one of: %s", cmd.CommandPath(), known)
	}
	return cmd
}

// report prints an error, with advice where there is some, and returns the exit code.
func (env *environment) report(err error) int {
	if err == nil {
		return exitOK
	}
	code, hint := exitFailed, ""
	var usage *usageError
	var ran *runError
	var hinted *hintedError
	var answer *answerError
	if errors.As(err, &usage) || !errors.As(err, &ran) {
		code, hint = exitUsage, "llmhub COMMAND --help shows how a command is used"
	}
	if errors.As(err, &answer) && answer.Code == "not_found" {
		code = exitNotFound
	}
	if errors.As(err, &hinted) {
		hint = hinted.hint
	}
	text, _, _ := strings.Cut(err.Error(), "\n\n") // cobra appends suggestions
	fmt.Fprintf(env.stderr, "llmhub: %s\n", text)
	if hint != "" {
		fmt.Fprintf(env.stderr, "hint: %s\n", hint)
	}
	return code
}

// required returns an error that names the flags among these that are not given.
func required(cmd *cobra.Command, names ...string) error {
	var missing []string
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f == nil || f.Value.String() == "" {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) > 0 {
		return usagef("%s needs %s", cmd.CommandPath(), strings.Join(missing, " and "))
	}
	return nil
}

// oneID takes exactly one argument, an ID.
func oneID(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usagef("%s needs one ID", cmd.CommandPath())
	}
	return nil
}
