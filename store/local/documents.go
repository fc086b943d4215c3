package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
)

// tombstoneLife is how long Watch tells of deleted documents.
const tombstoneLife = 24 * time.Hour

const (
	defaultPage = 100
	maxPage     = 1000
)

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
	if err := checkName(kind, id); err != nil {
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
	if err := checkList(q); err != nil {
		return nil, "", err
	}
	if err := s.enter(); err != nil {
		return nil, "", err
	}
	defer s.leave()
	var page []store.Document
	more := false
	err := s.db.View(func(txn *badger.Txn) (err error) {
		page, more, err = listPage(txn, q, pageSize(q.Limit))
		return err
	})
	if err != nil || !more {
		return page, "", badgerError(err)
	}
	return page, page[len(page)-1].ID, nil
}

func pageSize(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, maxPage)
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

func checkName(kind, id string) error {
	if len(kind) == 0 || len(kind) > maxKind {
		return fmt.Errorf("%w: a document's kind has 1 to %d bytes, not %d", store.ErrInvalid, maxKind, len(kind))
	}
	if len(id) == 0 || len(id) > maxID {
		return fmt.Errorf("%w: a document's ID has 1 to %d bytes, not %d", store.ErrInvalid, maxID, len(id))
	}
	return nil
}

func checkIndex(name, value string) error {
	if len(name) == 0 || len(name) > maxKind {
		return fmt.Errorf("%w: the name of an index has 1 to %d bytes, not %d", store.ErrInvalid, maxKind, len(name))
	}
	if len(value) > maxValue {
		return fmt.Errorf("%w: a value of index %q has %d bytes, more than %d",
			store.ErrInvalid, name, len(value), maxValue)
	}
	return nil
}

func checkList(q store.ListQuery) error {
	if err := checkName(q.Kind, "-"); err != nil {
		return err
	}
	if len(q.After) > maxID {
		return fmt.Errorf("%w: the cursor is longer than any ID", store.ErrInvalid)
	}
	if q.Index == "" {
		return nil
	}
	return checkIndex(q.Index, q.Value)
}

// checkWrite refuses what cannot be stored, whatever is stored already.
func checkWrite(w store.Write) error {
	if err := checkName(w.Kind, w.ID); err != nil {
		return err
	}
	if w.Check {
		return nil
	}
	if w.Delete {
		if w.Expect == 0 {
			return fmt.Errorf("%w: delete %s %q without its version", store.ErrInvalid, w.Kind, w.ID)
		}
		return nil
	}
	for name, value := range w.Index {
		if err := checkIndex(name, value); err != nil {
			return err
		}
	}
	if len(w.Body) > maxBody {
		return fmt.Errorf("%s %q has %d bytes: %w", w.Kind, w.ID, len(w.Body), store.ErrTooLarge)
	}
	if !json.Valid(w.Body) {
		return fmt.Errorf("%w: the body of %s %q is not JSON", store.ErrInvalid, w.Kind, w.ID)
	}
	return nil
}
