package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// A watch reads until it has this much, and then on to the end of the commit.
const (
	watchDocuments = 1000
	watchBytes     = 2 << 20
)

// readChanges gives the commits behind $1 in whole, and the last version there is; without any, one row of it alone.
const readChanges = `
with sized as (
	select version, kind, id, coalesce(octet_length(body), 0) as size from documents
	where version > $1 order by version, kind, id limit $2
), page as (
	select version, sum(size) over (order by version, kind, id) - size as before from sized
)
select s.version, d.version, d.kind, d.id, d.body from document_state s
left join documents d on d.version > $1 and d.version <= (select max(version) from page where before < $3)
order by d.version, d.kind, d.id`

// Watch implements store.Documents. Deletions are told of for a day. The store stays usable from within deliver and
// caughtUp. While the server is away, it waits: what has changed meanwhile is delivered afterwards. Watch ends with
// store.ErrClosed when the store is closed.
func (s *Store) Watch(ctx context.Context, since store.Version, deliver func([]store.Document) error,
	caughtUp func(store.Version)) error {
	told := false // whether caughtUp has been called for since
	poll := time.NewTicker(s.options.pollEvery)
	defer poll.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		changed := s.change() // taken before reading, so that no commit falls between
		commits, last, err := s.changes(ctx, since)
		if err != nil && !s.worthWaiting(ctx, err) {
			return err
		}
		for _, commit := range commits {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := deliver(commit); err != nil {
				return err
			}
			since, told = commit[0].Version, false
		}
		if len(commits) > 0 && since < last {
			continue
		}
		if err == nil {
			told = told && last <= since
			since = max(since, last)
			if !told && caughtUp != nil {
				caughtUp(since)
			}
			told = true
		}
		select {
		case <-ctx.Done():
		case <-s.stop.Done():
			return store.ErrClosed
		case <-changed:
		case <-poll.C:
		}
	}
}

// worthWaiting says whether a watch goes on after an error; that the server is away is logged by keepAlive.
func (s *Store) worthWaiting(ctx context.Context, err error) bool {
	return ctx.Err() == nil && passing(err) && !errors.Is(err, store.ErrClosed)
}

// changes reads the commits behind since, in whole commits, and the last version.
func (s *Store) changes(ctx context.Context, since store.Version) (commits [][]store.Document, last store.Version, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer s.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()
	args := []any{int64(since), watchDocuments, watchBytes}
	err = s.read(ctx, statement{readChanges, args, func(rows pgx.Rows) error {
		commits = nil
		for rows.Next() {
			var version *store.Version
			var kind, id, body []byte
			if err := rows.Scan(&last, &version, &kind, &id, &body); err != nil {
				return err
			}
			if version == nil {
				return nil
			}
			if n := len(commits); n == 0 || commits[n-1][0].Version != *version {
				commits = append(commits, nil)
			}
			c := &commits[len(commits)-1]
			*c = append(*c, store.Document{Kind: string(kind), ID: string(id), Version: *version, Deleted: body == nil, Body: body})
		}
		return nil
	}})
	if s.stop.Err() != nil {
		return nil, 0, store.ErrClosed
	}
	return commits, last, translate(ctx, err)
}

// change returns a channel that is closed when there may be newer documents.
func (s *Store) change() <-chan struct{} {
	s.notice.Lock()
	defer s.notice.Unlock()
	return s.changed
}

func (s *Store) announce() {
	s.notice.Lock()
	defer s.notice.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// buryAfter is how long deleted documents are kept for watchers.
const buryAfter = "1 day"

// bury removes what is left of documents deleted long ago.
func (s *Store) bury(ctx context.Context) error {
	return s.pipeline(ctx, statement{sql: "delete from documents where deleted_at < now() - $1::text::interval", args: []any{buryAfter}})
}
