package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

// Put implements store.Documents. Besides the kinds of the interface it returns store.ErrInvalid for what can never be
// stored, and store.ErrNoSpace.
func (s *Store) Put(ctx context.Context, writes ...store.Write) (store.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	seen := make(map[string]bool, len(writes))
	for _, w := range writes {
		if err := store.CheckWrite(w); err != nil {
			return 0, err
		}
		key := string(documentKey(w.Kind, w.ID))
		if seen[key] {
			return 0, fmt.Errorf("%w: %s %q occurs twice in one put", store.ErrInvalid, w.Kind, w.ID)
		}
		seen[key] = true
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	if err := s.space.enough(); err != nil {
		return 0, err
	}
	s.documents.writing.Lock()
	defer s.documents.writing.Unlock()
	v, wrote, err := s.put(writes)
	if err != nil {
		return 0, badgerError(err)
	}
	if wrote {
		s.documents.announce()
	}
	return v, nil
}

// put does it in one transaction. Without anything to write it returns the last version.
func (s *Store) put(writes []store.Write) (v store.Version, wrote bool, err error) {
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	last, err := lastVersion(txn)
	if err != nil {
		return 0, false, err
	}
	p := putter{txn: txn, version: last + 1, expires: time.Now().Add(tombstoneLife)}
	for _, w := range writes {
		if err := p.apply(w); err != nil {
			return 0, false, err
		}
	}
	if !p.wrote {
		return last, false, nil
	}
	if err := txn.Set(metaVersion, binary.BigEndian.AppendUint64(nil, uint64(p.version))); err != nil {
		return 0, false, err
	}
	return p.version, true, txn.Commit()
}

// lastVersion returns the version of the last commit.
func lastVersion(txn *badger.Txn) (store.Version, error) {
	n, err := getUint64(txn, metaVersion)
	return store.Version(n), err
}

// getUint64 reads a row of eight bytes; an absent one is 0.
func getUint64(txn *badger.Txn, key []byte) (uint64, error) {
	b, found, err := getValue(txn, key)
	if err != nil || !found {
		return 0, err
	}
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: database row %q", store.ErrDamaged, key)
	}
	return binary.BigEndian.Uint64(b), nil
}

// putter carries one put through its transaction.
type putter struct {
	txn     *badger.Txn
	version store.Version
	expires time.Time
	wrote   bool
}

func (p *putter) apply(w store.Write) error {
	old, found, err := loadDocument(p.txn, w.Kind, w.ID)
	if err != nil {
		return err
	}
	if old.version != w.Expect {
		return fmt.Errorf("%s %q is at version %d, not %d: %w", w.Kind, w.ID, old.version, w.Expect, store.ErrConflict)
	}
	if w.Check {
		return nil
	}
	p.wrote = true
	if found {
		if err := p.removeOld(w, old); err != nil {
			return err
		}
	}
	if w.Delete {
		return p.bury(w)
	}
	return p.set(w)
}

// removeOld removes the rows that point to the former state, so that each document has one version row.
func (p *putter) removeOld(w store.Write, old storedDocument) error {
	if err := p.txn.Delete(versionKey(old.version, w.Kind, w.ID)); err != nil {
		return err
	}
	for _, e := range old.index {
		if value, ok := w.Index[e.name]; ok && value == e.value && !w.Delete {
			continue
		}
		if err := p.txn.Delete(indexKey(w.Kind, e.name, e.value, w.ID)); err != nil {
			return err
		}
	}
	return nil
}

// bury leaves a version row that tells watchers of the deletion until it expires.
func (p *putter) bury(w store.Write) error {
	if err := p.txn.Delete(documentKey(w.Kind, w.ID)); err != nil {
		return err
	}
	return p.txn.SetEntry(&badger.Entry{
		Key: versionKey(p.version, w.Kind, w.ID), Value: []byte{1}, ExpiresAt: uint64(p.expires.Unix()),
	})
}

func (p *putter) set(w store.Write) error {
	d := storedDocument{version: p.version, body: w.Body}
	for name, value := range w.Index {
		d.index = append(d.index, indexEntry{name, value})
		if err := p.txn.Set(indexKey(w.Kind, name, value, w.ID), nil); err != nil {
			return err
		}
	}
	slices.SortFunc(d.index, func(a, b indexEntry) int { return strings.Compare(a.name, b.name) })
	if err := p.txn.Set(documentKey(w.Kind, w.ID), d.encode()); err != nil {
		return err
	}
	return p.txn.Set(versionKey(p.version, w.Kind, w.ID), nil)
}
