package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"llmhub/config"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/store/local/usagelog"
)

func newLedgerCommand(env *environment) *cobra.Command {
	return group(&cobra.Command{
		Use:   "ledger",
		Short: "Check the data folder",
	}, newLedgerVerify(env))
}

func newLedgerVerify(env *environment) *cobra.Command {
	var dir, zone, path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify (--config FILE | --data DIR [--time-zone ZONE])",
		Short: "Read the whole usage log and compare it with the sums",
		Long: `Read every byte of the usage log, check its checksums, add all events up anew and compare
the result with the stored sums. Nothing is changed. llmhub must not be running on the folder.
Exit code 1 if something is damaged or differs.`,
		Example: `  llmhub ledger verify --config /etc/llmhub/llmhub.yaml
  llmhub ledger verify --data ./data --time-zone Europe/Berlin --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, location, err := env.dataFolder(cmd, path, dir, zone)
			if err != nil {
				return err
			}
			return verifyLedger(cmd.Context(), env, dir, location, asJSON)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "the configuration file, which names folder and time zone")
	cmd.Flags().StringVar(&dir, "data", "", "the data folder")
	cmd.Flags().StringVar(&zone, "time-zone", config.Default().Billing.TimeZone.String(), "billing time zone of the data folder, with --data")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("config", "data")
	cmd.MarkFlagsMutuallyExclusive("config", "time-zone")
	return cmd
}

// dataFolder returns the data folder and its time zone from the flags.
func (env *environment) dataFolder(cmd *cobra.Command, path, dir, zone string) (string, *time.Location, error) {
	if path != "" {
		cfg, err := config.LoadEnv(path, env.lookup)
		if err != nil {
			return "", nil, err
		}
		return cfg.Data, cfg.Billing.TimeZone, nil
	}
	if dir == "" {
		return "", nil, usagef("%s needs --data or --config", cmd.CommandPath())
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return "", nil, usagef("--time-zone: %q is not a time zone such as Europe/Berlin or UTC", zone)
	}
	return dir, location, nil
}

// verifyLedger prints what a verification has found, as far as it got, and returns what is wrong.
func verifyLedger(ctx context.Context, env *environment, dir string, location *time.Location, asJSON bool) error {
	r, err := local.Verify(ctx, dir, local.Options{Location: location})
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return explainVerify(err)
	}
	if asJSON {
		text, jsonErr := json.Marshal(struct {
			OK bool `json:"ok"`
			local.VerifyReport
		}{err == nil, r})
		if jsonErr == nil {
			jsonErr = printJSON(env.stdout, text)
		}
		return errors.Join(err, jsonErr)
	}
	return errors.Join(err, printVerifyReport(env, r, err == nil))
}

func explainVerify(err error) error {
	if errors.Is(err, usagelog.ErrInUse) {
		return &hintedError{err, "stop llmhub serve first, or verify a copy of the folder"}
	}
	return err
}

func printVerifyReport(env *environment, r local.VerifyReport, ok bool) error {
	span := "-"
	if !r.First.IsZero() {
		span = r.First.UTC().Format(time.RFC3339) + " to " + r.Last.UTC().Format(time.RFC3339)
	}
	rows := [][]string{
		{"frames in the log", count(r.Frames)},
		{"of them not in the sums yet", count(r.UnfoldedFrames)},
		{"batches", count(r.Batches)},
		{"requests", count(r.Events)},
		{"removed by the retention, in the sums", count(r.RemovedEvents)},
		{"time", span},
		{"keys", count(int64(r.Keys))},
		{"begun and not settled", count(int64(r.OpenMarks))},
		{"batches counted twice", count(r.DuplicateBatches)},
		{"requests counted twice", count(r.DuplicateRequests)},
		{"differences", count(int64(len(r.Differences)) + r.MoreDifferences)},
	}
	for _, d := range r.Differences {
		rows = append(rows, []string{"difference", d})
	}
	verdict := "ok"
	if !ok {
		verdict = "DAMAGED"
	}
	return printTable(env.stdout, left("LEDGER", verdict), rows)
}
