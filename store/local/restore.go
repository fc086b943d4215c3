package local

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

const (
	restoreSuffix = ".restoring"
	// restoreMarker says that the folder it is in is the work of a restore; restoreInner is the data folder in the making.
	restoreMarker = "RESTORING"
	restoreInner  = "data"
)

// A source number must not be given out twice, or two requests have the same ID. After a backup was taken the original
// may have been started again many times, and so may what was restored of it before. So numbers are skipped: sourcesSkipped, one
// for each minute since the backup, and a random multiple of sourcesStep, so that two restores of one backup within
// minutes go on with different numbers. All together can be had some thousand times of the 2^24 there are.
const (
	sourcesSkipped = 4096
	sourcesStep    = 256
	sourceSteps    = 64
)

// RestoreOptions configure Restore. All may be left out.
type RestoreOptions struct {
	Logger *slog.Logger
	// Progress is told how many bytes of the backup have been read; it is read twice, and step says for what.
	Progress func(step string, done, all int64)

	// freeSpace is asked instead of the file system, for tests.
	freeSpace func(dir string) (free, total int64, err error)
	// between is called between the steps, for tests.
	between func()
}

// RestoreReport says what has been restored.
type RestoreReport struct {
	Backup BackupManifest `json:"backup"`
	Verify VerifyReport   `json:"verify"`
	// Source is the number behind which the restored folder goes on.
	Source uint32 `json:"source"`
}

// Restore makes the data folder dir out of a backup. Before anything is written, the backup is read and checked to its
// end; an error that wraps store.ErrDamaged says that it is not what was written. The folder must not exist, or be empty.
// It is made within a folder that has ".restoring" behind its name, verified as Verify does, synced, and only then given its
// name: whenever the process dies, dir is as before or complete. What a killed restore has left is removed by the next one.
func Restore(ctx context.Context, backup, dir string, o RestoreOptions) (RestoreReport, error) {
	r := &restorer{ctx: ctx, options: o}
	if r.options.Logger == nil {
		r.options.Logger = slog.New(slog.DiscardHandler)
	}
	if r.options.between == nil {
		r.options.between = func() {}
	}
	if err := r.restore(backup, dir); err != nil {
		return r.report, fmt.Errorf("restore %s from %s: %w", dir, backup, err)
	}
	return r.report, nil
}

type restorer struct {
	ctx      context.Context
	options  RestoreOptions
	file     *os.File
	dir      string // the data folder in the making
	location *time.Location
	report   RestoreReport

	db    *badger.DB
	space *space
}

func (r *restorer) restore(backup, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if r.file, err = os.Open(backup); err != nil {
		return err
	}
	defer r.file.Close()
	if err := checkTarget(dir); err != nil {
		return err
	}
	first := backupReader{ctx: r.ctx, file: r.file, progress: r.progress("checking the backup")}
	if err := first.read(); err != nil {
		return err
	}
	r.report.Backup = first.manifest
	if r.location, err = time.LoadLocation(first.manifest.TimeZone); err != nil {
		return err
	}
	parent, err := lockParent(dir)
	if err != nil {
		return err
	}
	defer parent.Close()
	work := dir + restoreSuffix
	if err := r.makeWork(work); err != nil {
		return err
	}
	err = r.fill()
	if err == nil {
		r.options.between()
		// Not os.Rename, which refuses to replace a folder, be it empty.
		if err = syscall.Rename(r.dir, dir); err != nil {
			err = fmt.Errorf("give the folder its name: %w", err)
		}
		r.options.between()
	}
	return errors.Join(err, parent.Sync(), os.RemoveAll(work))
}

func (r *restorer) progress(step string) func(done, all int64) {
	if r.options.Progress == nil {
		return nil
	}
	return func(done, all int64) { r.options.Progress(step, done, all) }
}

// checkTarget refuses a folder that has anything in it, and one that cannot be replaced by a renamed one.
func checkTarget(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; a backup is restored into a new folder only", dir)
	}
	var own, parent syscall.Stat_t
	if err := errors.Join(syscall.Lstat(dir, &own), syscall.Lstat(filepath.Dir(dir), &parent)); err != nil {
		return err
	}
	if own.Dev != parent.Dev || own.Ino == parent.Ino || own.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return fmt.Errorf("%s is a mount point or a link, which cannot be replaced; restore into a folder within it", dir)
	}
	return nil
}

// lockParent keeps two restores from working side by side, until the file is closed.
func lockParent(dir string) (*os.File, error) {
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(parent.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another restore into the same parent folder is under way")
	}
	if err != nil {
		return nil, errors.Join(err, parent.Close())
	}
	return parent, nil
}

// makeWork makes the folder to work in anew. One that a killed restore has left is known by its marker, or is empty.
func (r *restorer) makeWork(work string) error {
	entries, err := os.ReadDir(work)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if _, err := os.Lstat(filepath.Join(work, restoreMarker)); err != nil && len(entries) > 0 {
			return fmt.Errorf("%s is in the way; it is not the remains of a restore: move it", work)
		}
		// The marker goes last, so that the remains are known as such however often this is interrupted.
		if err := errors.Join(os.RemoveAll(filepath.Join(work, restoreInner)), os.RemoveAll(work)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	r.options.between()
	if err := os.WriteFile(filepath.Join(work, restoreMarker), nil, 0o600); err != nil {
		return err
	}
	r.dir = filepath.Join(work, restoreInner)
	for _, dir := range []string{r.dir, filepath.Join(r.dir, "db"), filepath.Join(r.dir, "log")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		r.options.between()
	}
	return nil
}

// fill makes the temporary folder complete and durable.
func (r *restorer) fill() error {
	if err := r.write(); err != nil {
		return err
	}
	o := Options{Location: r.location, Logger: r.options.Logger, freeSpace: r.options.freeSpace, foldEvery: -1}
	r.options.between()
	var err error
	if r.report.Verify, err = Verify(r.ctx, r.dir, o); err != nil {
		return err
	}
	r.options.between()
	if err := r.compareRows(o); err != nil {
		return err
	}
	r.options.between()
	if err := r.skipSources(o); err != nil {
		return err
	}
	r.options.between()
	return syncTree(r.dir)
}

// write writes what the backup holds.
func (r *restorer) write() error {
	r.space = newSpace(filepath.Join(r.dir, "db"), r.options.freeSpace)
	err := r.space.prepare()
	if err == nil {
		r.db, err = openBadger(filepath.Join(r.dir, "db"), r.options.Logger)
	}
	if err != nil {
		return err
	}
	second := backupReader{ctx: r.ctx, file: r.file, progress: r.progress("restoring"), entry: r.part}
	err = second.read()
	r.space.makeRoom()
	return badgerError(errors.Join(err, r.db.Close()))
}

func (r *restorer) part(name string, size int64, from io.Reader) error {
	r.options.between()
	dir, base := path.Split(name)
	switch dir {
	case backupRows:
		return r.rows(size, from)
	case backupLog:
		return writeFile(filepath.Join(r.dir, "log", base), from)
	}
	return writeFile(filepath.Join(r.dir, base), from)
}

func writeFile(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Close()); errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	}
	return err
}

// rows writes one part of the database's rows.
func (r *restorer) rows(size int64, from io.Reader) error {
	if err := r.space.enough(); err != nil {
		return err
	}
	batch := r.db.NewWriteBatch()
	defer batch.Cancel()
	in := bufio.NewReader(io.LimitReader(from, size))
	for {
		expires, err := binary.ReadUvarint(in)
		if errors.Is(err, io.EOF) {
			return batch.Flush()
		}
		if err != nil {
			return errBackup("a row: %s", err)
		}
		key, err := rowPart(in, size)
		if err != nil {
			return err
		}
		value, err := rowPart(in, size)
		if err != nil {
			return err
		}
		if err := batch.SetEntry(&badger.Entry{Key: key, Value: value, ExpiresAt: expires}); err != nil {
			return err
		}
	}
}

// rowPart reads a key or a value.
func rowPart(in *bufio.Reader, most int64) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil || n > uint64(most) {
		return nil, errBackup("a row has a part of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(in, b); err != nil {
		return nil, errBackup("a row: %s", err)
	}
	return b, nil
}

// compareRows reads from the database what was written to it, documents among it.
func (r *restorer) compareRows(o Options) error {
	s, err := openParts(r.dir, o, usagelog.OpenReadOnly)
	if err != nil {
		return err
	}
	sum := newRowsSum()
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		var row []byte
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			err := item.Value(func(value []byte) error {
				row = appendRow(row[:0], item.Key(), value, item.ExpiresAt())
				sum.add(row, item.ExpiresAt())
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(badgerError(err), s.closeParts()); err != nil {
		return err
	}
	if m := r.report.Backup; sum.count != m.Rows || sum.text() != m.RowsSHA256 {
		return fmt.Errorf("%w: the database has %d rows, not the %d of the backup", store.ErrDamaged, sum.count, m.Rows)
	}
	return nil
}

// skipSources opens the folder as a server does, and leaves source numbers out that may have been given out since the
// backup was taken.
func (r *restorer) skipSources(o Options) error {
	s, err := Open(r.dir, o)
	if err != nil {
		return err
	}
	source := int64(s.ledger.lastSource.Load()) + sourcesSkipped + sourcesStep*rand.Int64N(sourceSteps) +
		max(0, int64(time.Since(r.report.Backup.TakenAt)/time.Minute))
	if source >= 1<<maxSourceBits-1 {
		return errors.Join(fmt.Errorf("source %d would follow on %d: the numbers are used up", source, s.ledger.lastSource.Load()), s.Close())
	}
	err = s.db.Update(func(txn *badger.Txn) error {
		return txn.Set(metaSource, binary.BigEndian.AppendUint64(nil, uint64(source)))
	})
	r.report.Source = uint32(source)
	return errors.Join(badgerError(err), s.Close())
}

// syncTree makes a folder durable with all below it, and readable for its owner alone.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		if e.IsDir() {
			mode = 0o700
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		return syncPath(path)
	})
}

// syncPath makes a file's content, or a folder's entries, durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
