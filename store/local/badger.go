package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"llmhub/store"
)

const memTableBytes = 16 << 20

// badgerOptions are chosen for little memory and for damage to be found when a table is opened: with checks per block,
// Badger answers "not found" for damaged blocks. Tables are not compressed: damage to compressed blocks makes Badger
// panic where it otherwise finds a wrong checksum. Conflict detection is off because every row has a single writer.
func badgerOptions(dir string, logger *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithCompression(options.None).
		WithChecksumVerificationMode(options.OnTableRead).
		WithMemTableSize(memTableBytes).
		WithNumMemtables(2).
		WithBlockCacheSize(0).
		WithIndexCacheSize(32 << 20).
		WithValueLogFileSize(64 << 20).
		WithNumGoroutines(1).
		WithNumCompactors(2).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithLogger(badgerLogger{logger})
}

// openBadger opens the database. A kill can leave an empty file of Badger's that it would refuse to open.
func openBadger(dir string, logger *slog.Logger) (*badger.DB, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if ext != ".mem" && ext != ".vlog" {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if info.Size() > 0 {
			continue
		}
		logger.Warn("removing an empty database file left by a kill", "file", e.Name())
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	db, err := badger.Open(badgerOptions(dir, logger))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", badgerError(err))
	}
	return db, nil
}

// badgerError gives Badger's errors the kinds of package store.
func badgerError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrTxnTooBig):
		return fmt.Errorf("%w: %w", store.ErrTooLarge, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	case errors.Is(err, badger.ErrBlockedWrites), errors.Is(err, badger.ErrDBClosed):
		return fmt.Errorf("%w: %w", store.ErrClosed, err)
	case isDamage(err):
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return err
}

// isDamage knows Badger's damage by its words, as it has no kinds for it. A file that cannot be read for another reason
// is no damage.
func isDamage(err error) bool {
	if errors.Is(err, os.ErrPermission) || errors.Is(err, store.ErrDamaged) {
		return false
	}
	for _, words := range []string{"checksum mismatch", "Opening table", "failed to decompress", "file does not exist for table",
		"bad magic"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// collectLoop frees space in Badger's value log from time to time, until the store closes.
func (s *Store) collectLoop() {
	tick := time.NewTicker(collectInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		var err error
		for err == nil && s.space.enough() == nil {
			err = s.db.RunValueLogGC(0.5)
		}
		if err != nil && !errors.Is(err, badger.ErrNoRewrite) && !errors.Is(err, badger.ErrRejected) {
			s.logger.Warn("collecting the database's value log failed", "error", err)
		}
	}
}

// badgerLogger passes warnings and errors on.
type badgerLogger struct{ logger *slog.Logger }

func (l badgerLogger) log(level slog.Level, format string, args []any) {
	if l.logger.Enabled(context.Background(), level) {
		l.logger.Log(context.Background(), level, "badger: "+strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (l badgerLogger) Errorf(format string, args ...any)   { l.log(slog.LevelError, format, args) }
func (l badgerLogger) Warningf(format string, args ...any) { l.log(slog.LevelWarn, format, args) }
func (l badgerLogger) Infof(string, ...any)                {}
func (l badgerLogger) Debugf(string, ...any)               {}
