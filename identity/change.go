package identity

import (
	"context"
	"errors"
	"time"

	"llmhub/store"
)

// changer is what the services of this package change documents with.
type changer struct {
	documents store.Documents
	audit     *Audit
	now       func() time.Time
}

// stamp returns the time as it is kept.
func (c changer) stamp() time.Time { return c.now().UTC().Truncate(time.Microsecond) }

// change puts what prepare returns, preparing anew when another writer came between.
func (c changer) change(ctx context.Context, prepare func() ([]store.Write, error)) error {
	_, err := store.Change(ctx, c.documents, prepare)
	return err
}

// entry returns the write of an audit entry of now.
func (c changer) entry(by Actor, e Change, before, after any) (store.Write, error) {
	e.At = c.stamp()
	return c.audit.Write(by, e, before, after)
}

// writes gathers what is put at once.
type writes struct {
	list []store.Write
	err  error
}

func (w *writes) add(one store.Write, err error) {
	w.list = append(w.list, one)
	w.err = errors.Join(w.err, err)
}

func (w *writes) all() ([]store.Write, error) { return w.list, w.err }

// missing says whether a read failed because nothing has that ID, which may be one that nothing can have.
func missing(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid)
}

// values returns what the records of a page hold.
func values[T any](page []store.Record[T]) []T {
	out := make([]T, len(page))
	for i, r := range page {
		out[i] = r.Value
	}
	return out
}
