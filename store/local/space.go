package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"llmhub/store"
)

// Badger writes through shared mappings of sparse files, and the system kills a process that writes to such a mapping
// on a full disk. So Badger is written to only while there is room for all it may write next (a memory table, the
// tables made of it, a compaction), and a ballast file keeps room for the table that is written when it is closed.
const (
	reserveBytes = 64 << 20
	ballastBytes = 24 << 20
	ballastName  = "ballast"
)

// space knows how much room there is on the disk of the database.
type space struct {
	dir string
	ask func(dir string) (free, total int64, err error)
	// free is what the last look found; -1 before the first, if it failed, and where it cannot be told.
	free atomic.Int64
}

func newSpace(dir string, ask func(string) (int64, int64, error)) *space {
	if ask == nil {
		ask = freeSpace
	}
	s := &space{dir: dir, ask: ask}
	s.free.Store(-1)
	return s
}

// look asks the file system and remembers the answer.
func (s *space) look() (free, total int64, err error) {
	free, total, err = s.ask(s.dir)
	if err != nil {
		s.free.Store(-1)
		return 0, 0, err
	}
	s.free.Store(free)
	return free, total, nil
}

// enough returns nil if Badger may be written to, else store.ErrNoSpace. Small disks have a smaller reserve.
func (s *space) enough() error {
	free, total, err := s.look()
	if err != nil {
		return err
	}
	if need := min(reserveBytes, total/8); free >= 0 && free < need {
		return fmt.Errorf("%w: the database needs %d MiB free, there are %d", store.ErrNoSpace, need>>20, free>>20)
	}
	return nil
}

// prepare makes the ballast file. On a disk without room it refuses, because opening Badger writes.
func (s *space) prepare() error {
	if err := s.enough(); err != nil {
		return err
	}
	_, total, err := s.look()
	if err != nil {
		return err
	}
	size := int64(ballastBytes)
	if total >= 0 {
		size = min(size, total/16)
	}
	path := filepath.Join(s.dir, ballastName)
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return badgerError(errors.Join(allocate(f, size), f.Close()))
}

// makeRoom gives up the ballast if Badger could not be closed safely otherwise. The next opening makes it again.
func (s *space) makeRoom() {
	if errors.Is(s.enough(), store.ErrNoSpace) {
		_ = os.Remove(filepath.Join(s.dir, ballastName)) // if it stays, the room is merely not gained
	}
}
