// Package store is the seam between llmhub's domain and the engines that keep its data.
//
// It holds two narrow interfaces. Documents keeps versioned JSON documents for everything that changes seldom:
// tenants, subscriptions, keys. Ledger keeps usage, durable and exactly once. Engines (store/local) implement both
// and pass the conformance suite in store/storetest; nothing above the seam knows which engine runs.
package store

import (
	"context"
	"errors"
)

// The kinds of failure an engine reports. Engines wrap them; callers test with errors.Is.
var (
	// ErrNotFound says that there is no such document.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a document is not at the version the caller expected.
	ErrConflict = errors.New("changed by another writer")
	// ErrNoSpace says that the disk is full or below its floor. What was asked has not been done; it can be tried again.
	ErrNoSpace = errors.New("no space left for data")
	// ErrDamaged says that stored bytes are not what was written. It is never repaired silently.
	ErrDamaged = errors.New("stored data is damaged")
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("store is closed")
	// ErrInvalid says that a call's arguments can never be accepted: a name too long, a cursor that was never given.
	ErrInvalid = errors.New("invalid")
	// ErrTooLarge says that a document, a put or a batch exceeds what the engine takes at once.
	ErrTooLarge = errors.New("too large for one write")
)

// Version numbers commits of documents, store-wide, from 1 upwards without reuse. A document's version is that of the
// commit which last wrote it; 0 stands for "does not exist".
type Version uint64

// Document is one stored document.
type Document struct {
	Kind    string
	ID      string
	Version Version
	// Deleted marks the remains of a deleted document; only Watch delivers such.
	Deleted bool
	// Body is JSON. The slice belongs to the receiver.
	Body []byte
}

// Write is one part of a put.
type Write struct {
	Kind string
	ID   string
	// Expect is the version the writer has read, 0 if the document must not exist.
	Expect Version
	// Body is the new JSON body. It is nil for Delete and Check.
	Body []byte
	// Index holds the values under which List finds the document: name to value. Replaces the former ones.
	Index map[string]string
	// Delete removes the document.
	Delete bool
	// Check only insists on Expect and writes nothing.
	Check bool
}

// ListQuery selects documents of a kind.
type ListQuery struct {
	Kind string
	// Index and Value select by an index entry; an empty Index lists all documents of the kind.
	Index, Value string
	// After is the ID behind which the page starts; empty for the first page.
	After string
	// Limit bounds the page; 0 means 100, at most 1,000 are given.
	Limit int
}

// Documents keeps versioned JSON documents. All methods may be called concurrently.
type Documents interface {
	// Get returns the document, or ErrNotFound.
	Get(ctx context.Context, kind, id string) (Document, error)
	// List returns a page in order of ID, and the cursor of the next page, empty behind the last.
	List(ctx context.Context, q ListQuery) (page []Document, next string, err error)
	// Put writes all or nothing, durably, and returns the version of the commit. If any document is not at its
	// expected version, nothing is written and the error wraps ErrConflict.
	Put(ctx context.Context, writes ...Write) (Version, error)
	// Watch delivers every document changed after since, in the order of commits, then goes on with new changes
	// until ctx ends or deliver fails, and returns that error. A document changed several times may be delivered
	// in its last state only. All changes of one commit come in one call. caughtUp is called whenever everything
	// committed up to the given version has been delivered; it may be nil.
	Watch(ctx context.Context, since Version, deliver func([]Document) error, caughtUp func(Version)) error
}
