package store

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Record is one value of a collection with its place in the store.
type Record[T any] struct {
	ID      string
	Version Version
	Value   T
}

// Collection gives typed access to the documents of one kind. It holds no data; copies may be used concurrently.
type Collection[T any] struct {
	documents Documents
	kind      string
	index     func(T) map[string]string
}

// NewCollection returns the collection of a kind. index gives the index entries of a value; nil means none.
func NewCollection[T any](d Documents, kind string, index func(T) map[string]string) Collection[T] {
	return Collection[T]{documents: d, kind: kind, index: index}
}

// Kind returns the kind of the documents.
func (c Collection[T]) Kind() string { return c.kind }

// Get returns the value with the given ID, or ErrNotFound.
func (c Collection[T]) Get(ctx context.Context, id string) (Record[T], error) {
	d, err := c.documents.Get(ctx, c.kind, id)
	if err != nil {
		return Record[T]{}, err
	}
	return c.Decode(d)
}

// List returns a page in order of ID, and the cursor of the next page, empty behind the last. An empty index lists
// the whole kind. Limit is that of ListQuery.
func (c Collection[T]) List(ctx context.Context, index, value, after string, limit int) ([]Record[T], string, error) {
	docs, next, err := c.documents.List(ctx, ListQuery{
		Kind: c.kind, Index: index, Value: value, After: after, Limit: limit,
	})
	if err != nil {
		return nil, "", err
	}
	page := make([]Record[T], 0, len(docs))
	for _, d := range docs {
		r, err := c.Decode(d)
		if err != nil {
			return nil, "", err
		}
		page = append(page, r)
	}
	return page, next, nil
}

// All yields every value found under an index entry, in order of ID, page by page; an empty index yields the whole
// kind. It is not a snapshot: what changes meanwhile may be seen before or after the change. After an error it ends.
func (c Collection[T]) All(ctx context.Context, index, value string) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) {
		after := ""
		for {
			page, next, err := c.List(ctx, index, value, after, 1000)
			if err != nil {
				yield(Record[T]{}, err)
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			after = next
		}
	}
}

// Write returns the write that sets the value, for Documents.Put together with others. expect is the version that was
// read, 0 for a new value.
func (c Collection[T]) Write(id string, expect Version, v T) (Write, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Write{}, fmt.Errorf("encode %s %q: %w", c.kind, id, err)
	}
	w := Write{Kind: c.kind, ID: id, Expect: expect, Body: body}
	if c.index != nil {
		w.Index = c.index(v)
	}
	return w, nil
}

// Decode reads a document of this kind; one marked as deleted gives the zero value. The error wraps ErrDamaged.
func (c Collection[T]) Decode(d Document) (Record[T], error) {
	r := Record[T]{ID: d.ID, Version: d.Version}
	if d.Kind != c.kind {
		return r, fmt.Errorf("document %s %q is not of kind %s", d.Kind, d.ID, c.kind)
	}
	if d.Deleted {
		return r, nil
	}
	if err := json.Unmarshal(d.Body, &r.Value); err != nil {
		return r, fmt.Errorf("decode %s %q: %w: %w", c.kind, d.ID, ErrDamaged, err)
	}
	return r, nil
}
