package local

import (
	"context"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

// A watch reads until it has this much, and then on to the end of the commit.
const (
	watchDocuments = 1000
	watchBytes     = 2 << 20
)

// Watch implements store.Documents. Deletions are told of for a day. The store stays usable from within deliver and
// caughtUp. Watch ends with store.ErrClosed when the store is closed.
func (s *Store) Watch(ctx context.Context, since store.Version, deliver func([]store.Document) error,
	caughtUp func(store.Version)) error {
	told := false // whether caughtUp has been called for since
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		changed := s.documents.change() // taken before reading, so that no commit falls between
		page, err := s.changes(since)
		if err != nil {
			return err
		}
		for _, commit := range page.commits {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := deliver(commit); err != nil {
				return err
			}
		}
		told = told && since == page.upTo
		since = page.upTo
		if page.more {
			continue
		}
		if !told && caughtUp != nil {
			caughtUp(since)
		}
		told = true
		select {
		case <-ctx.Done():
		case <-s.stop:
			return store.ErrClosed
		case <-changed:
		}
	}
}

// changePage is a stretch of the history.
type changePage struct {
	commits [][]store.Document
	// upTo is the version up to which the page is complete.
	upTo store.Version
	// more says that there are further commits.
	more bool
}

// changes reads the commits behind since, in whole commits.
func (s *Store) changes(since store.Version) (changePage, error) {
	if err := s.enter(); err != nil {
		return changePage{}, err
	}
	defer s.leave()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	last, err := lastVersion(txn)
	if err != nil {
		return changePage{}, badgerError(err)
	}
	page := changePage{upTo: max(last, since)}
	if last <= since {
		return page, nil
	}
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{rowVersion}})
	defer it.Close()
	var current store.Version
	count, size := 0, 0
	for it.Seek(versionPrefix(since + 1)); it.Valid(); it.Next() {
		v, _, _, err := parseVersionKey(it.Item().Key())
		if err != nil {
			return page, err
		}
		if v != current {
			if count >= watchDocuments || size >= watchBytes {
				page.upTo, page.more = current, true
				return page, nil
			}
			current = v
			page.commits = append(page.commits, nil)
		}
		doc, err := changedDocument(txn, it.Item())
		if err != nil {
			return page, badgerError(err)
		}
		c := &page.commits[len(page.commits)-1]
		*c = append(*c, doc)
		count, size = count+1, size+len(doc.Body)
	}
	return page, nil
}

// changedDocument reads the document that a version row stands for.
func changedDocument(txn *badger.Txn, item *badger.Item) (store.Document, error) {
	v, kind, id, err := parseVersionKey(item.Key())
	if err != nil {
		return store.Document{}, err
	}
	deleted := false
	if err := item.Value(func(b []byte) error { deleted = len(b) > 0; return nil }); err != nil {
		return store.Document{}, err
	}
	if deleted {
		return store.Document{Kind: kind, ID: id, Version: v, Deleted: true}, nil
	}
	return readDocument(txn, kind, id)
}
