package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"llmhub/config"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/store/postgres"
)

func newMigrateCommand(api *apiFlags) *cobra.Command {
	env := api.env
	m := migration{env: env}
	var zone, path, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "migrate (--config FILE | --from DIR [--time-zone ZONE]) --to REFERENCE",
		Short: "Move a data folder into an empty PostgreSQL database",
		Long: `Verify a data folder, move documents, single requests, sums and open requests into an empty PostgreSQL
database, and compare the two. The folder stays as it is; llmhub must not be running on it, nor run on it
in between: interrupted or killed, the same command goes on where it was. Until it has finished, no llmhub
starts on the database.

The address of the database is a secret as a whole: --to takes env:NAME or file:PATH, not the address.

Then give llmhub the database and the keys of the folder as store.postgres (docs/config.example.yaml): each key is the
output of "base64 -w0" on its file, pepper, responses or seal.key. Other keys than these are refused.`,
		Example: `  LLMHUB_DATABASE=postgres://llmhub:…@db/llmhub llmhub migrate --config llmhub.yaml --to env:LLMHUB_DATABASE
  llmhub migrate --from ./data --to file:/run/secrets/database-url --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := required(cmd, "to"); err != nil {
				return err
			}
			if m.dir, m.location, err = env.dataFolder(cmd, path, m.dir, zone); err != nil {
				return err
			}
			if m.url, err = (&valueFlags{api: api}).resolve(to); err != nil {
				return err
			}
			return m.run(cmd.Context(), asJSON)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "the configuration file, which names folder and time zone")
	cmd.Flags().StringVar(&m.dir, "from", "", "the data folder")
	cmd.Flags().StringVar(&zone, "time-zone", config.Default().Billing.TimeZone.String(), "billing time zone of the data folder, with --from")
	cmd.Flags().StringVar(&to, "to", "", "the address of the database as `REFERENCE`: env:NAME or file:PATH")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("config", "from")
	cmd.MarkFlagsMutuallyExclusive("config", "time-zone")
	return cmd
}

// migration moves a data folder into a database.
type migration struct {
	env      *environment
	dir      string
	location *time.Location
	url      secret.Text

	from     *local.Store
	to       *postgres.Store
	progress *progress
	report   migrationReport
}

// migrationReport says what has been moved, earlier attempts included.
type migrationReport struct {
	// Before says that all had been moved already. The database may have been used since, and is not compared again.
	Before    bool  `json:"before"`
	Documents int64 `json:"documents"`
	Batches   int64 `json:"batches"`
	Requests  int64 `json:"requests"`
	// Removed requests are older than the folder's retention: only their sums are there to be moved.
	Removed int64 `json:"removed_requests"`
	// Sums are those by key, model and day that were compared.
	Sums int `json:"sums"`
	// Open requests were begun and are neither settled nor void; they are settled by the first process on the database.
	Open int `json:"open"`
}

func (m *migration) run(ctx context.Context, asJSON bool) error {
	o := local.Options{Location: m.location}
	verified, err := local.Verify(ctx, m.dir, o)
	if err != nil {
		return explainVerify(err)
	}
	m.report.Requests, m.report.Batches, m.report.Removed = verified.Events, verified.Batches, verified.RemovedEvents
	if m.from, err = local.Open(m.dir, o); err != nil {
		return explainVerify(err)
	}
	m.to, err = postgres.Open(ctx, m.url, postgres.Options{Location: m.location, Importing: true, StatementTimeout: compareTimeout})
	if err != nil {
		return errors.Join(err, m.from.Close())
	}
	m.progress = newProgress(m.env.stderr)
	err = m.move(ctx)
	m.progress.end()
	if err = errors.Join(err, m.to.Close(), m.from.Close()); err != nil {
		return err
	}
	if asJSON {
		text, err := json.Marshal(m.report)
		if err != nil {
			return err
		}
		return printJSON(m.env.stdout, text)
	}
	if m.report.Before {
		_, err := fmt.Fprintln(m.env.stdout, "The folder has been moved into the database before.")
		return err
	}
	return printTable(m.env.stdout, left("MIGRATED", "and compared"), [][]string{
		{"documents", count(m.report.Documents)}, {"batches", count(m.report.Batches)}, {"requests", count(m.report.Requests)},
		{"removed before, in the sums", count(m.report.Removed)},
		{"sums by key, model and day", count(int64(m.report.Sums))}, {"begun and not settled", count(int64(m.report.Open))},
	})
}

func (m *migration) move(ctx context.Context) error {
	last, batches := m.from.Sources()
	marks, err := m.from.Orphans(ctx, 0)
	if err != nil {
		return err
	}
	batches[last] = 0
	for i := range marks {
		batches[marks[i].ID.Source()] = 0
	}
	origin, err := json.Marshal(map[string]string{"data_folder": m.from.Identity()})
	if err != nil {
		return err
	}
	finished, err := m.to.BeginImport(ctx, string(origin), slices.Collect(maps.Keys(batches)))
	if err != nil {
		return err
	}
	if finished {
		return m.finished(ctx)
	}
	version, err := m.documents(ctx)
	if err != nil {
		return err
	}
	if err := m.removed(ctx); err != nil {
		return err
	}
	if err := m.batches(ctx); err != nil {
		return err
	}
	if err := m.open(ctx, last, marks); err != nil {
		return err
	}
	if err := m.compare(ctx); err != nil {
		return err
	}
	if version, err = m.prints(ctx, version); err != nil {
		return err
	}
	return m.to.FinishImport(ctx, version, last)
}

// finished is for a folder that has been moved before: it must not have been used since.
func (m *migration) finished(ctx context.Context) error {
	there, err := m.to.ImportedBatches(ctx)
	if err != nil {
		return err
	}
	_, batches := m.from.Sources()
	for source, last := range batches {
		if last > there[source] {
			return errors.New("the folder has been used since it was moved into the database; what came then is not in it")
		}
	}
	m.report.Before = true
	return nil
}

// compareTimeout bounds one statement: some read everything.
const compareTimeout = 10 * time.Minute

// documentsAtOnce bounds the documents, and documentBytes their bodies, of one transaction.
const (
	documentsAtOnce = 500
	documentBytes   = 4 << 20
)

func (m *migration) documents(ctx context.Context) (store.Version, error) {
	var page []postgres.ImportedDocument
	size := 0
	flush := func() error {
		err := m.to.ImportDocuments(ctx, page)
		m.progress.say("moving: %s documents", count(m.report.Documents))
		page, size = page[:0], 0
		return err
	}
	version, err := m.from.ExportDocuments(ctx, func(d local.ExportedDocument) error {
		page = append(page, postgres.ImportedDocument{Document: d.Document, Index: d.Index, DeletedAt: d.DeletedAt})
		size += len(d.Body)
		if !d.Deleted {
			m.report.Documents++
		}
		if len(page) == documentsAtOnce || size >= documentBytes {
			return flush()
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return version, flush()
}

// removed moves the sums of requests that the retention has removed.
func (m *migration) removed(ctx context.Context) error {
	r, err := m.from.ExportRemoved()
	if err != nil || len(r.Batches) == 0 {
		return err
	}
	m.progress.say("moving: the sums of %s requests that are not kept any more", count(r.Requests))
	return m.to.ImportSums(ctx, postgres.ImportedSums{Sums: r.Sums, Batches: r.Batches, LastUsed: r.LastUsed})
}

// batches commits all batches that are not there yet. Each is there once, since the database takes each number of a source once.
func (m *migration) batches(ctx context.Context) error {
	there, err := m.to.ImportedBatches(ctx)
	if err != nil {
		return err
	}
	done := int64(0)
	return m.from.ExportBatches(ctx, func(b store.Batch) error {
		done++
		if b.Seq <= there[b.Source] {
			return nil
		}
		m.progress.say("moving: %s of %s batches of usage", count(done), count(m.report.Batches))
		return m.to.Commit(ctx, b)
	})
}

// open moves the requests that nobody has settled. Those of an earlier attempt are written again.
func (m *migration) open(ctx context.Context, last store.Source, marks []store.Mark) error {
	m.report.Open = len(marks)
	for part := range slices.Chunk(marks, store.MaxMarks) {
		if err := m.to.Mark(ctx, last, part); err != nil {
			return err
		}
	}
	return nil
}

// prints leaves word of the folder's keys, so that a process with others is refused.
func (m *migration) prints(ctx context.Context, version store.Version) (store.Version, error) {
	own := keyPrints{Prints: map[string]string{}}
	for _, name := range keyFiles {
		key, err := secret.ReadKey(m.dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			return version, nil // the first process says what the keys are
		}
		if err != nil {
			return 0, err
		}
		own.Prints[name] = keyPrint(name, secret.New(string(key)))
	}
	body, err := json.Marshal(own)
	if err != nil {
		return 0, err
	}
	d := postgres.ImportedDocument{Document: store.Document{Kind: "installation", ID: "keys", Version: version + 1, Body: body}}
	return version + 1, m.to.ImportDocuments(ctx, []postgres.ImportedDocument{d})
}

// compare reads both and insists that they are the same.
func (m *migration) compare(ctx context.Context) error {
	m.progress.say("comparing")
	a, err := documentsSum(ctx, m.from)
	if err != nil {
		return err
	}
	b, err := documentsSum(ctx, m.to)
	if err != nil {
		return err
	}
	if a != b {
		return fmt.Errorf("%w: %d documents in the folder differ from %d in the database", store.ErrDamaged, a.n, b.n)
	}
	events, err := m.to.ImportedEvents(ctx)
	if err != nil {
		return err
	}
	if events != m.report.Requests {
		return fmt.Errorf("%w: %d requests in the folder, %d in the database", store.ErrDamaged, m.report.Requests, events)
	}
	q := store.UsageQuery{From: 0, To: store.DayOf(store.Latest, time.UTC), ByKey: true, ByModel: true, ByDay: true}
	want, err := m.from.Usage(ctx, q)
	if err != nil {
		return err
	}
	got, err := m.to.Usage(ctx, q)
	if err != nil {
		return err
	}
	m.report.Sums = len(want)
	if !slices.EqualFunc(want, got, func(a, b store.Sum) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		return fmt.Errorf("%w: the %d sums by key, model and day of the folder differ from the %d of the database", store.ErrDamaged, len(want), len(got))
	}
	open, err := m.to.Orphans(ctx, 0)
	if err != nil {
		return err
	}
	if len(open) != m.report.Open {
		return fmt.Errorf("%w: %d open requests in the folder, %d in the database", store.ErrDamaged, m.report.Open, len(open))
	}
	return nil
}

// sumOfDocuments stands for a set of documents, in whatever order they come.
type sumOfDocuments struct {
	n   int64
	sum [sha256.Size]byte
}

// documentsSum sums the documents that are not deleted, with their versions, as a watch tells of them.
func documentsSum(ctx context.Context, d store.Documents) (sumOfDocuments, error) {
	var s sumOfDocuments
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := false
	err := d.Watch(ctx, 0, func(docs []store.Document) error {
		for _, doc := range docs {
			if doc.Deleted || doc.Kind == "installation" {
				continue
			}
			one := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %s", doc.Kind, doc.ID, doc.Version, doc.Body))
			for i := range one {
				s.sum[i] ^= one[i]
			}
			s.n++
		}
		return nil
	}, func(store.Version) {
		done = true
		stop()
	})
	if done {
		err = nil
	}
	return s, err
}
