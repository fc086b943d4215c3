package helm

import (
	"runtime/debug"
	"syscall"
)

const (
	// maxMemory bounds the memory of a child. Go counts it near, so that the collector works harder before the system refuses.
	maxMemory     = 1 << 30
	softMaxMemory = maxMemory * 3 / 4
	// maxStackBytes ends what recurses without end long before its memory does.
	maxStackBytes = 128 << 20
)

// processAttributes make a child die with its parent, and keep the terminal's signals to the parent away from it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// limit bounds this process. It leaves no core, which would hold secrets.
func limit() error {
	debug.SetMemoryLimit(softMaxMemory)
	debug.SetMaxStack(maxStackBytes)
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return err
	}
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: maxMemory, Max: maxMemory})
}
