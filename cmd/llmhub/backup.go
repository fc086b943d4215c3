package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"llmhub/config"
	"llmhub/store"
	"llmhub/store/local"
)

// backupSilence is how long a server may send nothing of a backup.
const backupSilence = time.Minute

func newBackupCommand(api *apiFlags) *cobra.Command {
	b := backupCommand{api: api}
	cmd := &cobra.Command{
		Use:   "backup --output FILE [--without-secrets] [--config FILE | --data DIR [--time-zone ZONE]]",
		Short: "Back up the data folder, while it serves or at rest",
		Long: `Write a backup of one moment to a file, and check it: documents, usage and sums agree, whatever is
requested meanwhile. A running llmhub is asked for it, with the administrator's token; with --config or
--data the folder is read itself, which no llmhub may be running on. Restore it with "llmhub restore".

THE BACKUP HOLDS SECRETS: the keys pepper, responses and seal.key of the data folder. Without the pepper
no API key is good any more, so they belong to it; keep it like a password, or encrypt it.
--without-secrets leaves them out: then keep those three files elsewhere, and put them into the restored
folder before llmhub is started. (The settings file and what it refers to are never part of a backup.)

FILE appears once it is complete, with mode 0600. An existing file is not replaced.`,
		Example: `  llmhub backup --output /backup/llmhub-$(date +%F).tar
  llmhub backup --output llmhub.tar --without-secrets --json
  llmhub backup --output llmhub.tar --config /etc/llmhub/llmhub.yaml    # at rest`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "output"); err != nil {
				return err
			}
			return b.run(cmd)
		},
	}
	api.add(cmd)
	cmd.Flags().StringVar(&b.output, "output", "", "the file to write")
	cmd.Flags().BoolVar(&b.without, "without-secrets", false, "leave the keys of the data folder out")
	cmd.Flags().StringVar(&b.path, "config", "", "read the folder that this configuration file names, at rest")
	cmd.Flags().StringVar(&b.dir, "data", "", "read this data folder, at rest")
	cmd.Flags().StringVar(&b.zone, "time-zone", config.Default().Billing.TimeZone.String(), "billing time zone of the data folder, with --data")
	cmd.MarkFlagsMutuallyExclusive("config", "data", "server")
	cmd.MarkFlagsMutuallyExclusive("config", "time-zone")
	return cmd
}

type backupCommand struct {
	api             *apiFlags
	output          string
	without         bool
	path, dir, zone string
}

// backupAnswer is what is printed of a backup.
type backupAnswer struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	local.BackupManifest
}

func (b *backupCommand) run(cmd *cobra.Command) error {
	write := b.fromServer
	if b.path != "" || b.dir != "" {
		dir, location, err := b.api.env.dataFolder(cmd, b.path, b.dir, b.zone)
		if err != nil {
			return err
		}
		write = func(ctx context.Context, w io.Writer) error {
			_, err := local.BackupFolder(ctx, dir, w, local.Options{Location: location}, backupOptions(b.without))
			return explainBackup(err)
		}
	}
	if err := absent(b.output); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(b.output), "."+filepath.Base(b.output)+".*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	answer, err := b.fill(cmd.Context(), tmp, write)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := absent(b.output); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), b.output); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(b.output)); err != nil {
		return err
	}
	return b.print(answer)
}

func absent(path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return fmt.Errorf("%s exists; a backup does not replace another", path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// fill writes the backup to the file and reads it again.
func (b *backupCommand) fill(ctx context.Context, tmp *os.File, write func(context.Context, io.Writer) error) (backupAnswer, error) {
	p := newProgress(b.api.env.stderr)
	defer p.end()
	w := &countingWriter{w: tmp, tell: func(n int64) { p.bytes("backing up", n, 0) }}
	if err := errors.Join(write(ctx, w), tmp.Sync()); err != nil {
		return backupAnswer{}, err
	}
	m, err := local.CheckBackup(ctx, tmp.Name(), func(done, all int64) { p.bytes("checking the backup", done, all) })
	return backupAnswer{File: b.output, Bytes: w.n, BackupManifest: m}, err
}

// countingWriter tells how much has been written.
type countingWriter struct {
	w    io.Writer
	n    int64
	tell func(int64)
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}

func (b *backupCommand) print(a backupAnswer) error {
	out := b.api.env.stdout
	if b.api.asJSON {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		return printJSON(out, text)
	}
	return printTable(out, left("BACKUP", clean(a.File)), append([][]string{{"bytes", count(a.Bytes)}}, manifestRows(a.BackupManifest)...))
}

func manifestRows(m local.BackupManifest) [][]string {
	secrets := strings.Join(m.Secrets, ", ")
	if secrets == "" {
		secrets = "none"
	}
	return [][]string{
		{"taken at", m.TakenAt.UTC().Format(time.RFC3339)},
		{"by llmhub", m.Program},
		{"time zone", m.TimeZone},
		{"frames of the usage log", count(int64(m.Frames))},
		{"rows of the database", count(m.Rows)},
		{"secrets", secrets},
	}
}

func explainBackup(err error) error {
	err = explainVerify(err)
	var hinted *hintedError
	if errors.As(err, &hinted) {
		hinted.hint = "llmhub is running on the folder: leave --config and --data out, and it is asked for the backup"
	}
	return err
}

// fromServer asks a running server.
func (b *backupCommand) fromServer(ctx context.Context, w io.Writer) error {
	c, err := b.api.client()
	if err != nil {
		return err
	}
	c.http.Timeout = 0 // of the whole; a silence is bounded below
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(backupSilence, func() { cancel(fmt.Errorf("the server has sent nothing for %s", backupSilence)) })
	defer silent.Stop()
	resp, err := c.download(ctx, backupPath+"?"+url.Values{withoutSecrets: {strconv.FormatBool(b.without)}}.Encode(), backupMediaType)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(&countingWriter{w: w, tell: func(int64) { silent.Reset(backupSilence) }}, resp.Body)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return &hintedError{fmt.Errorf("the backup was broken off: %w", err), "nothing was kept; see the log of the server, and try again"}
	}
	return nil
}

// download asks for something that is no JSON, beside the API. The body must be closed.
func (c *client) download(ctx context.Context, path, mediaType string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.base, "/api/v1")+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == mediaType {
		return resp, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil, c.stranger(resp.StatusCode)
	}
	return nil, c.refused(resp)
}

func newRestoreCommand(env *environment) *cobra.Command {
	var from, dir string
	var check, asJSON bool
	cmd := &cobra.Command{
		Use:   "restore --from FILE (--data DIR | --check)",
		Short: "Make a data folder out of a backup",
		Long: `Check a backup to its end, make a new data folder of it, and verify that as "llmhub ledger verify" does.
A backup that is truncated or has been altered is refused before anything is written. The folder must not
exist, or be empty; it appears once it is complete, whatever happens meanwhile. It is not a mount point:
restore into a folder within one. (Checksums find accidents; they do not tell who made a backup.)

Requests that were under way when the backup was taken are settled from their marks at the next start, as
after a crash. What happened after the backup is lost with the old folder. Request IDs are not used
again: the numbers of the runs that make them go on well behind those of the backup.

A backup without secrets needs the files pepper, responses and seal.key of the old folder, with mode 0600,
before llmhub is started. --check only checks the backup.`,
		Example: `  llmhub restore --from /backup/llmhub-2026-11-26.tar --data /var/lib/llmhub/data
  llmhub restore --from llmhub.tar --check --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "from"); err != nil {
				return err
			}
			if check == (dir != "") {
				return usagef("%s needs either --data or --check", cmd.CommandPath())
			}
			if check {
				return checkBackup(cmd.Context(), env, from, asJSON)
			}
			return restoreBackup(cmd.Context(), env, from, dir, asJSON)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the backup")
	cmd.Flags().StringVar(&dir, "data", "", "the data folder to make")
	cmd.Flags().BoolVar(&check, "check", false, "only check the backup")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func checkBackup(ctx context.Context, env *environment, from string, asJSON bool) error {
	p := newProgress(env.stderr)
	m, err := local.CheckBackup(ctx, from, func(done, all int64) { p.bytes("checking the backup", done, all) })
	p.end()
	if err != nil {
		return explainRestore(err)
	}
	if asJSON {
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		return printJSON(env.stdout, text)
	}
	return printTable(env.stdout, left("BACKUP", "ok"), manifestRows(m))
}

func restoreBackup(ctx context.Context, env *environment, from, dir string, asJSON bool) error {
	p := newProgress(env.stderr)
	r, err := local.Restore(ctx, from, dir, local.RestoreOptions{Progress: p.bytes})
	p.end()
	if err != nil {
		return explainRestore(err)
	}
	if asJSON {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return printJSON(env.stdout, text)
	}
	rows := append(manifestRows(r.Backup), []string{"requests", count(r.Verify.Events)},
		[]string{"begun and not settled", count(int64(r.Verify.OpenMarks))}, []string{"keys with usage", count(int64(r.Verify.Keys))})
	if err := printTable(env.stdout, left("RESTORED", clean(dir)), rows); err != nil || len(r.Backup.Secrets) > 0 {
		return err
	}
	_, err = fmt.Fprintf(env.stderr, "The backup has no secrets: put %s of the old folder into %s before llmhub is started.\n", strings.Join(keyFiles, ", "), dir)
	return err
}

func explainRestore(err error) error {
	if errors.Is(err, store.ErrDamaged) {
		return &hintedError{err, "nothing was written; use another backup"}
	}
	return err
}
