//go:build !linux

package helm

import (
	"runtime/debug"
	"syscall"
)

// processAttributes are those that all systems have: children end when their input does.
func processAttributes() *syscall.SysProcAttr { return nil }

// limit bounds what the language bounds by itself.
func limit() error {
	debug.SetMemoryLimit(768 << 20)
	debug.SetMaxStack(128 << 20)
	return nil
}
