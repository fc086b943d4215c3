package local

import (
	"context"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// ExportedDocument is a document with its index entries. Of a deleted one, DeletedAt says when that was.
type ExportedDocument struct {
	store.Document
	Index     map[string]string
	DeletedAt time.Time
}

// ExportDocuments calls fn for each document, and for those that watches still tell of as deleted, in the order of versions,
// and returns the version of the last commit.
func (s *Store) ExportDocuments(ctx context.Context, fn func(ExportedDocument) error) (store.Version, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	var last store.Version
	err := s.db.View(func(txn *badger.Txn) (err error) {
		if last, err = lastVersion(txn); err != nil {
			return err
		}
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{rowVersion}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, err := exportedDocument(txn, it.Item())
			if err == nil {
				err = fn(d)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return last, badgerError(err)
}

func exportedDocument(txn *badger.Txn, item *badger.Item) (ExportedDocument, error) {
	doc, err := changedDocument(txn, item)
	if err != nil {
		return ExportedDocument{}, err
	}
	d := ExportedDocument{Document: doc, Index: map[string]string{}}
	if doc.Deleted {
		d.DeletedAt = time.Unix(int64(item.ExpiresAt()), 0).Add(-tombstoneLife)
		return d, nil
	}
	stored, _, err := loadDocument(txn, doc.Kind, doc.ID)
	for _, e := range stored.index {
		d.Index[e.name] = e.value
	}
	return d, err
}

// ExportBatches calls fn for each batch that has been committed and not removed, in the order of commits. The batch is valid during the call.
func (s *Store) ExportBatches(ctx context.Context, fn func(store.Batch) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	l := &s.ledger
	l.state.RLock()
	names := l.names[:len(l.names):len(l.names)] // only ever appended to
	l.state.RUnlock()
	var f frame
	var b store.Batch
	_, err := s.log.Replay(usagelog.Position{}, func(pos usagelog.Position, seq uint64, _ time.Time, payload []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.decode(payload); err != nil {
			return fmt.Errorf("%w: usage log, frame %d at %s: %w", store.ErrDamaged, seq, pos, err)
		}
		if f.seq == 0 {
			return nil
		}
		b = store.Batch{Source: f.source, Seq: f.seq, Events: b.Events[:0]}
		for i := range f.events {
			e := &f.events[i]
			if int(max(e.key, e.model, e.deployment)) >= len(names) {
				return fmt.Errorf("%w: usage log, frame %d at %s: an undefined name", store.ErrDamaged, seq, pos)
			}
			b.Events = append(b.Events, e.named(names))
		}
		return fn(b)
	})
	return err
}

// Removed is what is left of the requests that the retention has removed.
type Removed struct {
	Requests int64
	// Sums are by key, model and day.
	Sums []store.Sum
	// Batches is the last batch of each source that committed any of them.
	Batches map[store.Source]uint64
	// LastUsed is when each key was last used in them.
	LastUsed map[string]time.Time
}

// ExportRemoved returns what ExportBatches leaves out.
func (s *Store) ExportRemoved() (Removed, error) {
	if err := s.enter(); err != nil {
		return Removed{}, err
	}
	defer s.leave()
	a := newAccount(s.location)
	r := Removed{LastUsed: map[string]time.Time{}}
	names := &a.ledger.names // known once the sums begin
	_, err := s.log.ReadBase(func(content io.Reader) error {
		return a.readBase(content, func(c cell, s sum) error {
			r.Sums = append(r.Sums, store.Sum{Key: (*names)[c.key], Model: (*names)[c.model], Day: c.day,
				Requests: s.requests, Tokens: s.tokens, Quantities: s.quantities})
			return nil
		})
	})
	for key, at := range a.last {
		r.LastUsed[(*names)[key]] = time.UnixMilli(at).UTC()
	}
	r.Requests, r.Batches = a.events, a.ledger.seqs
	return r, err
}

// Sources returns the last source number given out, and the last batch of each source that has committed any.
func (s *Store) Sources() (last store.Source, batches map[store.Source]uint64) {
	s.ledger.state.RLock()
	defer s.ledger.state.RUnlock()
	return store.Source(s.ledger.lastSource.Load()), maps.Clone(s.ledger.seqs)
}

// Identity returns a text that tells the data folder from all others, but for its copies, and from itself as it was before
// requests were removed.
func (s *Store) Identity() string {
	if begin, _ := s.log.First(); begin.Segment > 1 {
		return fmt.Sprintf("%s from segment %d", s.log.Identity(), begin.Segment)
	}
	return s.log.Identity()
}
