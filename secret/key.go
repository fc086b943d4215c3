package secret

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// KeyBytes is the size of a key file.
const KeyBytes = 32

// LoadKey returns the random key kept in a file of the data folder, and makes one if there is none. The file must not be
// lost: nothing that was made with it is good any more without it.
func LoadKey(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	key, err := readKey(path)
	if err == nil {
		// Whoever made it may have died before its name was durable.
		return key, syncDir(dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := writeKey(dir, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	// Another process may have been faster: what the file says holds.
	return readKey(path)
}

// ReadKey returns the key kept in a file of the data folder. The error wraps fs.ErrNotExist if there is none.
func ReadKey(dir, name string) ([]byte, error) { return readKey(filepath.Join(dir, name)) }

func readKey(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s must be a file that only its owner can read: chmod 600 it, and replace what was made with it if others may have read it", path)
	}
	if info.Size() != KeyBytes {
		return nil, fmt.Errorf("%s has %d bytes in place of %d: restore it from a backup", path, info.Size(), KeyBytes)
	}
	return os.ReadFile(path)
}

// writeKey makes the file whole or not at all, and durable.
func writeKey(dir, path string) error {
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+"-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	var key [KeyBytes]byte
	_, _ = rand.Read(key[:])
	_, err = tmp.Write(key[:])
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	// A link fails where the file exists, which a rename would replace.
	if err := os.Link(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
