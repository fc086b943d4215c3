package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"llmhub/store"
)

// Get implements store.Documents.
func (s *Store) Get(ctx context.Context, kind, id string) (store.Document, error) {
	if err := store.CheckName(kind, id); err != nil {
		return store.Document{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Document{}, err
	}
	defer s.leave()
	d := store.Document{Kind: kind, ID: id}
	err := s.queryRow(ctx, "select version, body from documents where kind = $1 and id = $2 and body is not null",
		[]byte(kind), []byte(id)).Scan(&d.Version, &d.Body)
	if noRows(err) {
		err = fmt.Errorf("%s %q: %w", kind, id, store.ErrNotFound)
	}
	if err != nil {
		return store.Document{}, translate(ctx, err)
	}
	return d, nil
}

const (
	listKind = `select id, version, body from documents
		where kind = $1 and id > $2 and body is not null order by id limit $3`
	listIndex = `select d.id, d.version, d.body from document_index x join documents d on d.kind = x.kind and d.id = x.id
		where x.kind = $1 and x.id > $2 and x.name = $4 and x.value = $5 order by x.id limit $3`
)

// List implements store.Documents.
func (s *Store) List(ctx context.Context, q store.ListQuery) (page []store.Document, next string, err error) {
	if err := store.CheckList(q); err != nil {
		return nil, "", err
	}
	if err := s.enter(ctx); err != nil {
		return nil, "", err
	}
	defer s.leave()
	limit := store.PageSize(q.Limit)
	sql, args := listKind, []any{[]byte(q.Kind), []byte(q.After), limit + 1}
	if q.Index != "" {
		sql, args = listIndex, append(args, []byte(q.Index), []byte(q.Value))
	}
	err = s.read(ctx, statement{sql, args, func(rows pgx.Rows) error {
		page = nil
		for rows.Next() {
			d := store.Document{Kind: q.Kind}
			var id []byte
			if err := rows.Scan(&id, &d.Version, &d.Body); err != nil {
				return err
			}
			d.ID = string(id)
			page = append(page, d)
		}
		return nil
	}})
	if err != nil {
		return nil, "", translate(ctx, err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].ID
	}
	return page, next, nil
}
