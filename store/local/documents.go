package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

// tombstoneLife is how long Watch tells of deleted documents.
const tombstoneLife = 24 * time.Hour

// documents is the state of the document part.
type documents struct {
	// writing makes Put the only writer of document rows.
	writing sync.Mutex
	// notice guards changed, which is closed and replaced after each commit.
	notice  sync.Mutex
	changed chan struct{}
}

// change returns a channel that is closed by the next commit.
func (d *documents) change() <-chan struct{} {
	d.notice.Lock()
	defer d.notice.Unlock()
	return d.changed
}

func (d *documents) announce() {
	d.notice.Lock()
	defer d.notice.Unlock()
	close(d.changed)
	d.changed = make(chan struct{})
}

// Get implements store.Documents.
func (s *Store) Get(ctx context.Context, kind, id string) (store.Document, error) {
	if err := ctx.Err(); err != nil {
		return store.Document{}, err
	}
	if err := store.CheckName(kind, id); err != nil {
		return store.Document{}, err
	}
	if err := s.enter(); err != nil {
		return store.Document{}, err
	}
	defer s.leave()
	var doc store.Document
	err := s.db.View(func(txn *badger.Txn) (err error) {
		doc, err = readDocument(txn, kind, id)
		return err
	})
	return doc, badgerError(err)
}

func readDocument(txn *badger.Txn, kind, id string) (store.Document, error) {
	d, found, err := loadDocument(txn, kind, id)
	if err == nil && !found {
		err = fmt.Errorf("%s %q: %w", kind, id, store.ErrNotFound)
	}
	return store.Document{Kind: kind, ID: id, Version: d.version, Body: d.body}, err
}

// loadDocument reads a document row; what it returns belongs to the caller.
func loadDocument(txn *badger.Txn, kind, id string) (d storedDocument, found bool, err error) {
	value, found, err := getValue(txn, documentKey(kind, id))
	if err != nil || !found {
		return d, false, err
	}
	d, err = decodeDocument(value)
	return d, err == nil, err
}

// getValue returns a copy of a row's value.
func getValue(txn *badger.Txn, key []byte) (value []byte, found bool, err error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	value, err = item.ValueCopy(nil)
	return value, err == nil, err
}

// List implements store.Documents.
func (s *Store) List(ctx context.Context, q store.ListQuery) ([]store.Document, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if err := store.CheckList(q); err != nil {
		return nil, "", err
	}
	if err := s.enter(); err != nil {
		return nil, "", err
	}
	defer s.leave()
	var page []store.Document
	more := false
	err := s.db.View(func(txn *badger.Txn) (err error) {
		page, more, err = listPage(txn, q, store.PageSize(q.Limit))
		return err
	})
	if err != nil || !more {
		return page, "", badgerError(err)
	}
	return page, page[len(page)-1].ID, nil
}

func listPage(txn *badger.Txn, q store.ListQuery, limit int) (page []store.Document, more bool, err error) {
	prefix := kindPrefix(q.Kind)
	if q.Index != "" {
		prefix = indexPrefix(q.Kind, q.Index, q.Value)
	}
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	start := append(prefix[:len(prefix):len(prefix)], q.After...)
	if q.After != "" {
		start = append(start, 0) // the first key behind that of After
	}
	for it.Seek(start); it.Valid(); it.Next() {
		if len(page) == limit {
			return page, true, nil
		}
		d, err := listed(txn, it.Item(), q, len(prefix))
		if err != nil {
			return nil, false, err
		}
		page = append(page, d)
	}
	return page, false, nil
}

// listed returns the document whose row, or whose row of the index, an iterator stands on.
func listed(txn *badger.Txn, item *badger.Item, q store.ListQuery, prefix int) (store.Document, error) {
	id := string(item.Key()[prefix:])
	if q.Index != "" {
		return readDocument(txn, q.Kind, id)
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return store.Document{}, err
	}
	d, err := decodeDocument(value)
	return store.Document{Kind: q.Kind, ID: id, Version: d.version, Body: d.body}, err
}
