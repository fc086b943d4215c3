// Package local keeps everything in one folder of one machine: documents and sums of usage in Badger (db/), usage
// itself in an append-only log (log/, package usagelog).
//
// The log is the truth about usage: a batch counts once its frame is synced. A fold adds what is new in the log to the
// sums in Badger, in transactions that also hold how far the log has been folded; reads add what is not folded yet.
// docs/FORMAT.md draws the bytes.
//
// The package refuses to share its folder with another process, to work on damaged data, to skip or merge batches,
// and to count days in another time zone than the folder was made for.
package local

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// Options configure a store.
type Options struct {
	// Location is the billing time zone, which decides days and months; nil means UTC. A folder keeps that of its
	// first opening.
	Location *time.Location
	// FloorBytes is the free space below which Ready reports store.ErrNoSpace; 0 means none.
	FloorBytes int64
	// Retention is how long single requests are kept, at least MinRetention; 0 means for ever. Older ones are not shown,
	// and are removed from the disk within about a day. Sums are not affected.
	Retention time.Duration
	// Logger receives what an operator should know; nil discards it.
	Logger *slog.Logger
	// Faults makes writes and syncs of the log fail; for tests.
	Faults usagelog.Faults
	// SegmentBytes is the size of the log's segments, for tests; 0 means the log's default.
	SegmentBytes int64

	// foldEvery is the time between folds, for tests; 0 means a second, negative never but at Close.
	foldEvery time.Duration
	// freeSpace is asked instead of the file system, for tests.
	freeSpace func(dir string) (free, total int64, err error)
	// trimEvery is the time between looks for what is older than the retention, for tests; 0 means an hour, negative never.
	trimEvery time.Duration
	// foldFault is called before each transaction of a fold, for tests; an error makes the fold fail.
	foldFault func() error
}

const (
	foldInterval    = time.Second
	collectInterval = 10 * time.Minute
	trimInterval    = time.Hour
)

// Store is an open data folder. It implements store.Documents and store.Ledger; all methods may be called
// concurrently, except that Commit and Mark of one source come from one goroutine.
type Store struct {
	dir      string
	location *time.Location
	floor    int64
	logger   *slog.Logger
	options  Options

	db    *badger.DB
	space *space
	log   *usagelog.Log

	documents documents
	ledger    ledger
	// backingUp is held while a backup is taken. copying is held for reading while segments of the log are copied, and
	// for writing while some are removed.
	backingUp sync.Mutex
	copying   sync.RWMutex
	// framesFrom is the beginning of the log that all rows of frames are known to agree with. The holder of copying has it.
	framesFrom usagelog.Position

	// life guards closing; active counts the calls that are using db and log.
	life    sync.Mutex
	closing bool
	active  sync.WaitGroup
	// stop is closed when Close begins; background counts the goroutines it ends.
	stop       chan struct{}
	background sync.WaitGroup
}

var (
	_ store.Documents = (*Store)(nil)
	_ store.Ledger    = (*Store)(nil)
)

// Open opens the data folder, which is created with mode 0700 if it does not exist, and recovers what a killed process
// or a power cut has left. The error wraps store.ErrDamaged if stored bytes are not what was written, and
// store.ErrNoSpace if the disk is too full to open the folder safely.
func Open(dir string, o Options) (*Store, error) {
	if o.Retention != 0 && o.Retention < store.MinRetention {
		return nil, fmt.Errorf("open data folder %s: %w: single requests are kept for %s at least", dir, store.ErrInvalid, store.MinRetention)
	}
	s, err := openParts(dir, o, usagelog.Open)
	if err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", dir, err)
	}
	if err := s.recover(); err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", dir, errors.Join(err, s.closeParts()))
	}
	every := o.foldEvery
	if every == 0 {
		every = foldInterval
	}
	s.background.Go(func() { s.foldLoop(every) })
	s.background.Go(s.collectLoop)
	if o.Retention > 0 {
		s.background.Go(s.trimLoop)
	}
	return s, nil
}

// openParts opens log and Badger without looking at their contents. The log is opened first, since its lock also
// guards the files of Badger that are removed before Badger is opened.
func openParts(dir string, o Options, openLog func(string, usagelog.Options) (*usagelog.Log, error)) (*Store, error) {
	s := &Store{dir: dir, location: o.Location, floor: o.FloorBytes, logger: o.Logger, options: o,
		stop: make(chan struct{})}
	if s.location == nil {
		s.location = time.UTC
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(dir, "db"), 0o700); err != nil {
		return nil, err
	}
	s.space = newSpace(filepath.Join(dir, "db"), o.freeSpace)
	s.documents.changed = make(chan struct{})
	var err error
	s.log, err = openLog(filepath.Join(dir, "log"),
		usagelog.Options{Logger: s.logger, Faults: o.Faults, SegmentBytes: o.SegmentBytes})
	if err != nil {
		return nil, err
	}
	if err = s.space.prepare(); err == nil {
		s.db, err = openBadger(filepath.Join(dir, "db"), s.logger)
	}
	if err != nil {
		return nil, errors.Join(err, s.log.Close())
	}
	return s, nil
}

// Close folds what is pending, waits for calls in progress and closes the folder. Watches end with store.ErrClosed.
// A second call does nothing.
func (s *Store) Close() error {
	s.life.Lock()
	if s.closing {
		s.life.Unlock()
		return nil
	}
	s.closing = true
	s.life.Unlock()
	close(s.stop)
	s.active.Wait()
	s.background.Wait()
	if err := s.fold(); err != nil {
		// Nothing is lost: the log is replayed when the folder is next opened.
		s.logger.Warn("usage is not folded at the end; it will be at the next start", "error", err)
	}
	return s.closeParts()
}

func (s *Store) closeParts() error {
	s.space.makeRoom()
	return errors.Join(s.db.Close(), s.log.Close())
}

// enter keeps the store open until leave; it fails once Close has begun.
func (s *Store) enter() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closing {
		return store.ErrClosed
	}
	s.active.Add(1)
	return nil
}

func (s *Store) leave() { s.active.Done() }
