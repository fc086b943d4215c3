package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// notifyChannel is told of each commit of documents.
const notifyChannel = "llmhub_documents"

// name is what a document is found by.
type name struct{ kind, id string }

// Put implements store.Documents. Where the connection is lost while it commits, whether it has been written is not
// known; the versions tell.
func (s *Store) Put(ctx context.Context, writes ...store.Write) (store.Version, error) {
	seen := make(map[name]bool, len(writes))
	for _, w := range writes {
		if err := store.CheckWrite(w); err != nil {
			return 0, err
		}
		n := name{w.Kind, w.ID}
		if seen[n] {
			return 0, fmt.Errorf("%w: %s %q occurs twice in one put", store.ErrInvalid, w.Kind, w.ID)
		}
		seen[n] = true
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	bound, cancel := s.bounded(ctx)
	defer cancel()
	var version store.Version
	wrote := false
	err := s.inTx(bound, func(tx pgx.Tx) (err error) {
		version, wrote, err = put(bound, tx, writes)
		return err
	})
	if err != nil {
		return 0, translate(ctx, err)
	}
	if wrote {
		s.announce()
	}
	return version, nil
}

// put does it in a transaction. Without anything to write it returns the last version.
func put(ctx context.Context, tx pgx.Tx, writes []store.Write) (last store.Version, wrote bool, err error) {
	if err := tx.QueryRow(ctx, "select version from document_state for update").Scan(&last); err != nil {
		return 0, false, err
	}
	// A statement of its own: it sees what was committed while the lock was waited for.
	versions, err := versionsOf(ctx, tx, writes)
	if err != nil {
		return 0, false, err
	}
	var b pgx.Batch
	for _, w := range writes {
		if at := versions[name{w.Kind, w.ID}]; at != w.Expect {
			return 0, false, fmt.Errorf("%s %q is at version %d, not %d: %w", w.Kind, w.ID, at, w.Expect, store.ErrConflict)
		}
		if !w.Check {
			queueWrite(&b, w, last+1)
		}
	}
	if b.Len() == 0 {
		return last, false, nil
	}
	b.Queue("update document_state set version = $1", int64(last+1))
	b.Queue("select pg_notify($1, '')", notifyChannel)
	return last + 1, true, tx.SendBatch(ctx, &b).Close()
}

// versionsOf returns the versions of the documents that are to be written, as far as they exist.
func versionsOf(ctx context.Context, tx pgx.Tx, writes []store.Write) (map[name]store.Version, error) {
	kinds, ids := make([][]byte, len(writes)), make([][]byte, len(writes))
	for i, w := range writes {
		kinds[i], ids[i] = []byte(w.Kind), []byte(w.ID)
	}
	rows, err := tx.Query(ctx, `select d.kind, d.id, d.version from unnest($1::bytea[], $2::bytea[]) as w (kind, id)
		join documents d on d.kind = w.kind and d.id = w.id where d.body is not null`, kinds, ids)
	if err != nil {
		return nil, err
	}
	versions := make(map[name]store.Version, len(writes))
	var kind, id []byte
	var version store.Version
	_, err = pgx.ForEachRow(rows, []any{&kind, &id, &version}, func() error {
		versions[name{string(kind), string(id)}] = version
		return nil
	})
	return versions, err
}

func queueWrite(b *pgx.Batch, w store.Write, version store.Version) {
	kind, id := []byte(w.Kind), []byte(w.ID)
	b.Queue("delete from document_index where kind = $1 and id = $2", kind, id)
	if w.Delete {
		b.Queue("update documents set version = $3, body = null, deleted_at = now() where kind = $1 and id = $2",
			kind, id, int64(version))
		return
	}
	b.Queue(`insert into documents (kind, id, version, body) values ($1, $2, $3, $4)
		on conflict (kind, id) do update set version = excluded.version, body = excluded.body, deleted_at = null`,
		kind, id, int64(version), w.Body)
	if len(w.Index) == 0 {
		return
	}
	var names, values [][]byte
	for n, v := range w.Index {
		names, values = append(names, []byte(n)), append(values, []byte(v))
	}
	b.Queue(`insert into document_index (kind, id, name, value)
		select $1::bytea, $2::bytea, name, value from unnest($3::bytea[], $4::bytea[]) as x (name, value)`, kind, id, names, values)
}
