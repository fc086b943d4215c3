package usagelog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const lockName = "LOCK"

// ErrInUse says that another process, or another Log of this one, has the folder open.
var ErrInUse = errors.New("data folder is in use by another process")

// lockFolder takes the folder's lock. It ends when the file is closed or the process dies.
func lockFolder(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, writeFailure(err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("usage log: %w (%s is locked)", ErrInUse, path), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("usage log: lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// syncFolder makes the entries of a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
