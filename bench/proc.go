package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is what the kernel counts processor time in for /proc, on every Linux that Go runs on.
const ticksPerSecond = 100

// processTree returns a process and all below it.
func processTree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		p := strconv.Itoa(all[i])
		text, err := os.ReadFile("/proc/" + p + "/task/" + p + "/children")
		if err != nil {
			continue
		}
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

// cpuTime returns the processor time that a process and those below it have used: to the nanosecond where the kernel
// keeps it by thread, otherwise to 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	var sum time.Duration
	for _, p := range processTree(pid) {
		d, err := threadTime(p)
		if err != nil {
			d, err = tickTime(p)
		}
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// threadTime adds up the time of a process's threads. Neither nginx nor a Go program ends threads while it works, so none
// is missing.
func threadTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, errors.Join(err, os.ErrNotExist)
	}
	var sum time.Duration
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is not understood: %w", f, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// tickTime returns a process's time as the kernel counts it in ticks.
func tickTime(pid int) (time.Duration, error) { return statTime(pid, 11) }

// endedTime returns the time of a process's children that have ended, in ticks.
func endedTime(pid int) (time.Duration, error) { return statTime(pid, 13) }

// statTime adds up two fields of /proc/PID/stat, user and system, which are counted from the state.
func statTime(pid, first int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name may hold blanks; the fields are counted behind its closing bracket: the state is the first.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < first+2 {
		return 0, fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	var ticks int64
	for _, f := range fields[first : first+2] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat is not understood: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// memory returns the resident memory of a process and those below it, now and at its highest, in bytes. Pages that
// several share are counted for each.
func memory(pid int) (now, peak int64, err error) {
	for _, p := range processTree(pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		if err != nil {
			return 0, 0, err
		}
		now += statusField(string(text), "VmRSS:")
		peak += statusField(string(text), "VmHWM:")
	}
	return now, peak, nil
}

// statusField returns a field of /proc/PID/status, which is in kB, in bytes.
func statusField(text, name string) int64 {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// firstLine returns the first line of a file, or "unknown".
func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// processor returns the processor's name.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
