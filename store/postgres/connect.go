package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"llmhub/secret"
)

const (
	connectTimeout = 5 * time.Second
	// answerMargin is how much longer than the server's own time-out an answer is waited for: then the network, not the
	// statement, is at fault.
	answerMargin = 2 * time.Second
)

// errURL does not say what is wrong: every part of the URL may be the password, misplaced.
var errURL = errors.New("the database's URL cannot be read: it has the form postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full&sslrootcert=PATH, with special characters percent-encoded, and the files of sslrootcert, sslcert and sslkey must be readable")

func poolConfig(url secret.Text, o *Options) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(url.Reveal())
	if err != nil {
		return nil, errURL
	}
	c.MaxConns = int32(o.Connections)
	c.MinConns = 0
	c.PingTimeout = 2 * time.Second
	adapt(c.ConnConfig)
	return c, nil
}

// adapt makes connections do without a session: no prepared statements by name, which a pooler would give to another.
func adapt(c *pgx.ConnConfig) {
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	c.StatementCacheCapacity = 0
	if c.ConnectTimeout == 0 || c.ConnectTimeout > time.Minute {
		c.ConnectTimeout = connectTimeout
	}
	if c.ValidateConnect == nil {
		// Of several hosts, the one that takes writes is the one to use, whichever that is after a failover.
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

// bounded returns a context for one exchange with the server.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.options.StatementTimeout+answerMargin)
}

const setTimeouts = "select set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true)"

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

// timeouts are the arguments of setTimeouts, which holds for the transaction it is in.
func (s *Store) timeouts() []any {
	return []any{milliseconds(s.options.StatementTimeout), milliseconds(s.options.LockTimeout)}
}

// statement is one of a pipeline; rows is called with its answer unless it is nil.
type statement struct {
	sql  string
	args []any
	rows func(pgx.Rows) error
}

// pipeline runs statements in one transaction and one round trip, behind the time-outs.
func (s *Store) pipeline(ctx context.Context, list ...statement) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var b pgx.Batch
	b.Queue(setTimeouts, s.timeouts()...)
	for _, st := range list {
		q := b.Queue(st.sql, st.args...)
		if st.rows != nil {
			q.Query(func(r pgx.Rows) error {
				if err := st.rows(r); err != nil {
					return err
				}
				return r.Err()
			})
		}
	}
	return s.noted(s.pool.SendBatch(ctx, &b).Close())
}

// read is pipeline for statements that may run twice. A server that was started anew, or replaced, leaves a pool of dead
// connections behind, of which each would otherwise fail one call.
func (s *Store) read(ctx context.Context, list ...statement) error {
	err := s.pipeline(ctx, list...)
	if unreachable(err) && ctx.Err() == nil {
		s.pool.Reset()
		err = s.pipeline(ctx, list...)
	}
	return err
}

// row is the answer to queryRow.
type row struct {
	s    *Store
	ctx  context.Context
	sql  string
	args []any
}

// queryRow asks for one row, as read does; Scan returns pgx.ErrNoRows if there is none.
func (s *Store) queryRow(ctx context.Context, sql string, args ...any) row {
	return row{s, ctx, sql, args}
}

func (r row) Scan(to ...any) error {
	found := false
	err := r.s.read(r.ctx, statement{r.sql, r.args, func(rows pgx.Rows) error {
		found = false
		if !rows.Next() {
			return rows.Err()
		}
		found = true
		return rows.Scan(to...)
	}})
	if err == nil && !found {
		return pgx.ErrNoRows
	}
	return err
}

// inTx runs fn in a transaction with the time-outs set. Where the connection is lost before the commit, nothing has been
// done, and fn is run once more.
func (s *Store) inTx(ctx context.Context, fn func(pgx.Tx) error) error {
	committing := false
	attempt := func() error {
		return s.noted(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, setTimeouts, s.timeouts()...)
			if err == nil {
				err = fn(tx)
			}
			committing = err == nil
			return err
		}))
	}
	err := attempt()
	if unreachable(err) && !committing && ctx.Err() == nil {
		s.pool.Reset()
		err = attempt()
	}
	return err
}

// noted remembers whether the server answers. One that has become a standby is left for the one promoted in its place.
func (s *Store) noted(err error) error {
	switch {
	case err == nil || sqlState(err) != "" && !passing(err):
		s.away.Store(0)
	case sqlState(err) == stateReadOnly:
		s.pool.Reset()
		s.away.CompareAndSwap(0, time.Now().UnixNano())
	case unreachable(err):
		s.away.CompareAndSwap(0, time.Now().UnixNano())
	}
	return err
}
