package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// importKind and importID name the document that is there while an import is not finished, importedID the one that it is
// made to then. It has version 0, so that no watch tells of it. Its body is the text that tells the origin from others.
const (
	importKind = "installation"
	importID   = "import"
	importedID = "imported"
)

// ErrImporting says that the database is not whole: an import into it has begun and not been finished.
var ErrImporting = errors.New("data are being moved into the database, and that has not been finished: run the same llmhub migrate again")

// ImportedDocument is a document as it was elsewhere. A deleted one has no body, and says when that was.
type ImportedDocument struct {
	store.Document
	Index     map[string]string
	DeletedAt time.Time
}

// checkWhole refuses a database that an import has not finished with.
func (s *Store) checkWhole(ctx context.Context) error {
	var importing bool
	err := s.queryRow(ctx, "select exists (select from documents where kind = $1 and id = $2)", []byte(importKind), []byte(importID)).Scan(&importing)
	if err == nil && importing {
		err = ErrImporting
	}
	return err
}

// BeginImport makes an empty database ready to be filled from another store, which origin, a JSON text, tells from all
// others, and goes on with one that was interrupted. sources are those that have batches or open requests. The store must have been opened with
// Options.Importing, and nobody else may use the database. finished says that all has been moved already.
func (s *Store) BeginImport(ctx context.Context, origin string, sources []store.Source) (finished bool, err error) {
	bound, cancel := s.bounded(ctx)
	defer cancel()
	err = s.inTx(bound, func(tx pgx.Tx) error {
		if _, err := tx.Exec(bound, "select version from document_state for update"); err != nil {
			return err
		}
		var found []byte
		err := tx.QueryRow(bound, "select body, id = $3 from documents where kind = $1 and id in ($2, $3)",
			[]byte(importKind), []byte(importID), []byte(importedID)).Scan(&found, &finished)
		switch {
		case err == nil && string(found) == origin:
			return nil
		case err == nil && finished:
			return errors.New("the database is not empty; data of another folder have been moved into it")
		case err == nil:
			return fmt.Errorf("%w: from %s, and not from %s", ErrImporting, found, origin)
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		var used bool
		err = tx.QueryRow(bound, `select exists (select from documents) or exists (select from sources) or exists (select from events)
			or (select source > 0 from ledger_state) or (select version > 0 from document_state)`).Scan(&used)
		if err != nil {
			return err
		}
		if used {
			return errors.New("the database is not empty; data are moved into an empty one only")
		}
		_, err = tx.Exec(bound, "insert into documents (kind, id, version, body) values ($1, $2, 0, $3)", []byte(importKind), []byte(importID), []byte(origin))
		if err != nil {
			return err
		}
		numbers := make([]int32, 0, len(sources))
		for _, n := range sources {
			numbers = append(numbers, int32(n))
		}
		_, err = tx.Exec(bound, "insert into sources (source) select * from unnest($1::integer[])", numbers)
		return err
	})
	return finished, translate(ctx, err)
}

// ImportDocuments writes documents as they are. Those that are there already stay.
func (s *Store) ImportDocuments(ctx context.Context, docs []ImportedDocument) error {
	bound, cancel := s.bounded(ctx)
	defer cancel()
	return translate(ctx, s.inTx(bound, func(tx pgx.Tx) error {
		var b pgx.Batch
		for _, d := range docs {
			b.Queue("update document_state set version = greatest(version, $1)", int64(d.Version))
			kind, id := []byte(d.Kind), []byte(d.ID)
			var body []byte
			var deleted *time.Time
			if d.Deleted {
				deleted = &d.DeletedAt
			} else {
				body = d.Body
			}
			b.Queue("insert into documents (kind, id, version, body, deleted_at) values ($1, $2, $3, $4, $5) on conflict do nothing",
				kind, id, int64(d.Version), body, deleted)
			for name, value := range d.Index {
				b.Queue("insert into document_index (kind, id, name, value) values ($1, $2, $3, $4) on conflict do nothing", kind, id, []byte(name), []byte(value))
			}
		}
		return tx.SendBatch(bound, &b).Close()
	}))
}

// ImportedBatches returns the last batch of each source that has been committed.
func (s *Store) ImportedBatches(ctx context.Context) (map[store.Source]uint64, error) {
	batches := map[store.Source]uint64{}
	err := s.pipeline(ctx, statement{"select source, seq from sources", nil, func(rows pgx.Rows) error {
		for rows.Next() {
			var source int32
			var seq int64
			if err := rows.Scan(&source, &seq); err != nil {
				return err
			}
			batches[store.Source(source)] = uint64(seq)
		}
		return rows.Err()
	}})
	return batches, translate(ctx, err)
}

// ImportedEvents counts the single requests.
func (s *Store) ImportedEvents(ctx context.Context) (n int64, err error) {
	err = s.queryRow(ctx, "select count(*) from events").Scan(&n)
	return n, err
}

// FinishImport opens the database to everybody: versions of documents and numbers of sources go on behind those given.
func (s *Store) FinishImport(ctx context.Context, version store.Version, last store.Source) error {
	bound, cancel := s.bounded(ctx)
	defer cancel()
	return translate(ctx, s.inTx(bound, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue("update document_state set version = $1", int64(version))
		b.Queue("update ledger_state set source = $1", int32(last))
		b.Queue("update documents set id = $3 where kind = $1 and id = $2", []byte(importKind), []byte(importID), []byte(importedID))
		return tx.SendBatch(bound, &b).Close()
	}))
}
