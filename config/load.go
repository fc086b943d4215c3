package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"llmhub/yamldoc"
)

// maxFileBytes bounds the configuration file.
const maxFileBytes = 1 << 20

// LoadEnv reads the file and what it refers to, with the given environment. An error is a *Faults that lists everything
// wrong.
func LoadEnv(path string, lookup func(name string) (string, bool)) (*Config, error) {
	d := &decoder{Decoder: &yamldoc.Decoder{File: path}, dir: filepath.Dir(path), lookup: lookup}
	c := Default()
	if text := d.readFile(); text != nil {
		if root := d.Parse(text); root != nil {
			d.config(&c, root)
		}
	}
	if faults := d.Faults(); len(faults) > 0 {
		return nil, yamldoc.Sorted(faults)
	}
	return &c, nil
}

// readFile returns the content of the configuration file, nil after a fault.
func (d *decoder) readFile() []byte {
	f, err := os.Open(d.File)
	if err != nil {
		d.FaultAt(0, "", "cannot be read: %s", yamldoc.Reason(err))
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		d.FaultAt(0, "", "cannot be read: %s", yamldoc.Reason(err))
	case len(text) > maxFileBytes:
		d.FaultAt(0, "", "is larger than 1 MiB")
	default:
		return text
	}
	return nil
}

// relative resolves a path that the file gives.
func (d *decoder) relative(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.dir, path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("working folder: %w", err)
	}
	return abs, nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return text, nil
}
