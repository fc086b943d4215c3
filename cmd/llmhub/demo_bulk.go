package main

import (
	"context"
	"fmt"
	"slices"

	"llmhub/store"
)

const (
	// maxBulkWrites and maxBulkBytes keep a bulk within one transaction of the store.
	maxBulkWrites = 1500
	maxBulkBytes  = 1 << 20
	// bulkVersion and those above it are the versions of documents that have not been written yet.
	bulkVersion store.Version = 1 << 62
)

// bulkDocuments puts together what many changes write, so that the services of the domain can make a large demo at the
// pace of the disk's throughput and not of its syncs. What has been put is seen at once by Get and List, and is durable
// after flush. It has one user at a time.
type bulkDocuments struct {
	store.Documents
	held  map[bulkKey]*bulkWrite
	order []*bulkWrite
	bytes int
	last  store.Version
}

type bulkKey struct{ kind, id string }

// bulkWrite is what becomes of one document by all that has been put. Its Expect is the version in the store.
type bulkWrite struct {
	store.Write
	version store.Version // as Get tells it; 0 once it is deleted
}

func newBulkDocuments(d store.Documents) *bulkDocuments {
	return &bulkDocuments{Documents: d, held: map[bulkKey]*bulkWrite{}, last: bulkVersion}
}

// Get implements store.Documents.
func (b *bulkDocuments) Get(ctx context.Context, kind, id string) (store.Document, error) {
	w := b.held[bulkKey{kind, id}]
	switch {
	case w == nil || w.Check:
		return b.Documents.Get(ctx, kind, id)
	case w.version == 0:
		return store.Document{}, fmt.Errorf("%s %q: %w", kind, id, store.ErrNotFound)
	}
	return store.Document{Kind: kind, ID: id, Version: w.version, Body: slices.Clone(w.Body)}, nil
}

// List implements store.Documents.
func (b *bulkDocuments) List(ctx context.Context, q store.ListQuery) ([]store.Document, string, error) {
	if err := b.flush(ctx); err != nil {
		return nil, "", err
	}
	return b.Documents.List(ctx, q)
}

// Put implements store.Documents, but that it returns version 0: nobody can wait for what has not been committed. What
// differs from an expectation of the store shows in flush.
func (b *bulkDocuments) Put(ctx context.Context, writes ...store.Write) (store.Version, error) {
	for _, w := range writes {
		held := b.held[bulkKey{w.Kind, w.ID}]
		flushed := held == nil && w.Expect > bulkVersion // between the reading and this
		if flushed || held != nil && w.Expect != held.version {
			return 0, fmt.Errorf("%s %q: %w", w.Kind, w.ID, store.ErrConflict)
		}
	}
	for _, w := range writes {
		b.hold(w)
	}
	if len(b.order) < maxBulkWrites && b.bytes < maxBulkBytes {
		return 0, nil
	}
	return 0, b.flush(ctx)
}

func (b *bulkDocuments) hold(w store.Write) {
	key := bulkKey{w.Kind, w.ID}
	held := b.held[key]
	if held == nil {
		held = &bulkWrite{Write: w, version: w.Expect}
		b.held[key] = held
		b.order = append(b.order, held)
	}
	if w.Check {
		return
	}
	w.Expect = held.Expect
	held.Write = w
	b.bytes += len(w.Body)
	if held.version = 0; !w.Delete {
		b.last++
		held.version = b.last
	}
}

// flush puts everything in the store.
func (b *bulkDocuments) flush(ctx context.Context) error {
	writes := make([]store.Write, 0, len(b.order))
	for _, w := range b.order {
		if w.Delete && w.Expect == 0 {
			w.Write = store.Write{Kind: w.Kind, ID: w.ID, Check: true} // made and deleted in between
		}
		writes = append(writes, w.Write)
	}
	clear(b.held)
	b.order, b.bytes = b.order[:0], 0
	if len(writes) == 0 {
		return nil
	}
	_, err := b.Documents.Put(ctx, writes...)
	return err
}
