//go:build !linux

package main

import "runtime/debug"

// releaseMemory gives back what only the start has used.
func releaseMemory() { debug.FreeOSMemory() }
