//go:build !linux

package usagelog

import "os"

func fdatasync(f *os.File) error { return f.Sync() }
