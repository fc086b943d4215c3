package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationLock is the number of the advisory lock under which the schema is changed.
const migrationLock = 0x6c6c6d687562 // "llmhub"

// migration is one step of the schema. Steps are numbered from 1 without gaps and never changed once released.
type migration struct {
	number int
	sql    string
}

func migrations() ([]migration, error) {
	entries, err := fs.ReadDir(migrationFiles, "migrations") // in order of name
	if err != nil {
		return nil, err
	}
	list := make([]migration, 0, len(entries))
	for i, e := range entries {
		digits, _, _ := strings.Cut(e.Name(), "_")
		n, err := strconv.Atoi(digits)
		if err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", e.Name(), i+1)
		}
		sql, err := fs.ReadFile(migrationFiles, "migrations/"+e.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, migration{n, string(sql)})
	}
	return list, nil
}

// migrate brings the schema to what this program knows, in one transaction: all steps or none. Replicas that start
// together wait for one another. A schema that is newer than the program is refused.
func (s *Store) migrate(ctx context.Context) error {
	steps, err := migrations()
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `create table if not exists schema_migrations (
			number integer primary key, at timestamptz not null default now())`)
		if err != nil {
			return err
		}
		var at int
		if err := tx.QueryRow(ctx, "select coalesce(max(number), 0) from schema_migrations").Scan(&at); err != nil {
			return err
		}
		if at > len(steps) {
			return fmt.Errorf("the database has schema %d and this program knows %d: run the newer version of llmhub, or restore a backup from before it", at, len(steps))
		}
		for _, m := range steps[at:] {
			// Several statements in one string go by the simple protocol.
			if _, err := tx.Conn().PgConn().Exec(ctx, m.sql).ReadAll(); err != nil {
				return fmt.Errorf("migration %d: %w", m.number, err)
			}
			if _, err := tx.Exec(ctx, "insert into schema_migrations (number) values ($1)", m.number); err != nil {
				return err
			}
			s.logger.Info("database schema brought up", "schema", m.number)
		}
		return nil
	})
}
