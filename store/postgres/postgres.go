// Package postgres keeps documents and usage in PostgreSQL 14 or newer, for several processes at once.
//
// A batch of usage is one statement, which claims the batch's number, inserts its requests and adds to the sums; it is
// sent again after any error whose outcome is unknown. Documents change under the lock of the one row that numbers
// their commits, so that versions become visible in order; watchers ask for newer ones twice a second, and NOTIFY only
// makes them ask earlier. Each source holds a lease, by the clock of the database, and what a source has left open is
// settled by others only once its lease has run out.
//
// Nothing depends on the session of a pooled connection, so that PgBouncer may stand between in transaction mode. The
// package refuses a schema newer than it knows, a server that confirms commits before they are durable, and counting
// days in another time zone than the database was made for.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"llmhub/secret"
	"llmhub/store"
)

// Options configure a store. The zero value is usable.
type Options struct {
	// Location is the billing time zone, which decides days and months; nil means UTC. A database keeps that of its
	// first opening.
	Location *time.Location
	// ListenURL leads to the server without a pooler between, for LISTEN; not set means the URL of Open, with which
	// LISTEN does nothing behind a pooler in transaction mode.
	ListenURL secret.Text
	// Connections bounds the pool; 0 means 10.
	Connections int
	// StatementTimeout bounds each statement, LockTimeout each wait for a lock; 0 means 10 s and 5 s.
	StatementTimeout, LockTimeout time.Duration
	// Patience is how long a commit is tried while the server is away before it fails; 0 means 10 s.
	Patience time.Duration
	// Lease is how long a source counts as running after its process was last heard of; 0 means 30 s. It is renewed
	// six times as often.
	Lease time.Duration
	// Retention is how long single requests are kept, counted from their At; 0 means for ever, and less than
	// store.MinRetention is refused. Older ones are not shown. They are removed by the month of the billing time zone,
	// once all of it is older. Sums, times of last use and open requests stay. Of several processes the one with the
	// shortest removes.
	Retention time.Duration
	// Importing opens a database that an import has not finished with, which is refused otherwise. Nothing is removed
	// then, whatever Retention says: what has been moved is counted and compared.
	Importing bool
	// Logger receives what an operator should know; nil discards it.
	Logger *slog.Logger

	// pollEvery is the time between looks at newer documents, for tests; 0 means half a second, so that a key that is
	// deactivated elsewhere is out of use within one, whatever becomes of the hint.
	pollEvery time.Duration
	// noListen leaves the hints out, noSweep the removal of old months in the background, for tests.
	noListen, noSweep bool
	// sweepPause is the first pause before a sweep is tried again, for tests; 0 means five seconds.
	sweepPause time.Duration
}

func (o *Options) setDefaults() {
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Connections <= 0 {
		o.Connections = 10
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&o.StatementTimeout, 10 * time.Second}, {&o.LockTimeout, 5 * time.Second}, {&o.Patience, 10 * time.Second},
		{&o.Lease, 30 * time.Second}, {&o.pollEvery, 500 * time.Millisecond}, {&o.sweepPause, 5 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	if o.Importing {
		o.Retention = 0
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Store is an open database. It implements store.Documents, store.Ledger and store.Shares; all methods may be called concurrently,
// except that Commit and Mark of one source come from one goroutine.
type Store struct {
	options Options
	logger  *slog.Logger
	pool    *pgxpool.Pool

	// notice guards changed, which is closed and replaced when there may be newer documents.
	notice  sync.Mutex
	changed chan struct{}

	// state guards what follows: the sources given out by this store, all sources known to exist, and the months that
	// are known to have a partition.
	state   sync.Mutex
	running []int32
	known   map[store.Source]bool
	months  map[store.Month]bool

	// away is since when the server does not answer, in Unix nanoseconds; 0 while it does.
	away      atomic.Int64
	broken    atomic.Pointer[error]
	dataBytes atomic.Int64

	// life guards closing; active counts the calls that are using the pool.
	life    sync.Mutex
	closing bool
	active  sync.WaitGroup
	// stop is done when Close begins; background counts the goroutines it ends.
	stop       context.Context
	stopNow    context.CancelFunc
	background sync.WaitGroup
}

var (
	_ store.Documents = (*Store)(nil)
	_ store.Ledger    = (*Store)(nil)
	_ store.Shares    = (*Store)(nil)
)

// Open connects to the database that a URL names, brings its schema up and starts to renew leases. Errors never hold
// the URL. ctx bounds the opening.
func Open(ctx context.Context, url secret.Text, o Options) (*Store, error) {
	if err := o.checkRetention(); err != nil {
		return nil, err
	}
	o.setDefaults()
	s := &Store{
		options: o, logger: o.Logger, changed: make(chan struct{}),
		known: map[store.Source]bool{}, months: map[store.Month]bool{},
	}
	s.stop, s.stopNow = context.WithCancel(context.Background())
	config, err := poolConfig(url, &o)
	if err != nil {
		return nil, err
	}
	listen, err := s.listenConfig(url)
	if err != nil {
		return nil, err
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("open database: %w", translate(ctx, err))
	}
	if err := s.prepare(ctx); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("open database: %w", translate(ctx, err))
	}
	s.background.Go(s.keepAlive)
	if !o.noListen {
		s.background.Go(func() { s.listen(listen) })
	}
	if o.Retention > 0 && !o.noSweep {
		s.background.Go(s.sweepUntilClosed)
	}
	return s, nil
}

// prepare does what must be done before the first use.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if !s.options.Importing {
		if err := s.checkWhole(ctx); err != nil {
			return err
		}
	}
	if err := s.checkZone(ctx); err != nil {
		return err
	}
	if err := s.makePartitionsAhead(ctx); err != nil {
		return err
	}
	if err := s.beat(ctx); err != nil {
		return err
	}
	return s.measure(ctx)
}

// checkServer refuses a server on which an acknowledged commit may be lost.
func (s *Store) checkServer(ctx context.Context) error {
	var version int
	var commit, fsync string
	err := s.queryRow(ctx, `select current_setting('server_version_num')::int, current_setting('synchronous_commit'),
		current_setting('fsync')`).Scan(&version, &commit, &fsync)
	if err != nil {
		return err
	}
	if version < 140000 {
		return fmt.Errorf("the server is PostgreSQL %d, and 14 is the oldest that will do", version/10000)
	}
	if commit == "off" {
		return errors.New("synchronous_commit is off, with which recorded usage may be lost: set it to on for this database and role")
	}
	if fsync == "off" {
		s.logger.Warn("the database has fsync off: a power cut may destroy it")
	}
	return nil
}

// checkZone insists that days are counted as they have been.
func (s *Store) checkZone(ctx context.Context) error {
	zone := s.options.Location.String()
	var stored string
	err := s.queryRow(ctx, `with first as (update ledger_state set time_zone = $1 where time_zone = '' returning time_zone)
		select coalesce((select time_zone from first), time_zone) from ledger_state`, zone).Scan(&stored)
	if err == nil && stored == "" { // another process has been faster
		err = s.queryRow(ctx, "select time_zone from ledger_state").Scan(&stored)
	}
	if err == nil && stored != zone {
		err = fmt.Errorf("usage is kept by days of time zone %s and cannot be read by days of %s", stored, zone)
	}
	return err
}

// Close ends the leases, waits for calls in progress and closes the connections. Watches end with store.ErrClosed. A
// second call does nothing. It never fails: where the server is away, the leases run out by themselves.
func (s *Store) Close() error {
	s.life.Lock()
	if s.closing {
		s.life.Unlock()
		return nil
	}
	s.closing = true
	s.life.Unlock()
	s.stopNow()
	s.active.Wait()
	s.background.Wait()
	s.endLeases()
	s.pool.Close()
	return nil
}

// enter keeps the store open until leave; it fails once Close has begun, or ctx has ended.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.closing {
		return store.ErrClosed
	}
	s.active.Add(1)
	return nil
}

func (s *Store) leave() { s.active.Done() }
