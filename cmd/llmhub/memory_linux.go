package main

import (
	"bufio"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseMemory gives back what only the start has used: free parts of the heap, and those pages of the program itself
// that have been read for the set-up of packages, of Kubernetes' types above all. The ones needed again are read again.
func releaseMemory() {
	debug.FreeOSMemory()
	self, err := os.Executable()
	if err != nil {
		return
	}
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer smaps.Close()
	for _, m := range unchanged(smaps, self) {
		// That it is not given back is no harm.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.begin, m.end-m.begin, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ begin, end uintptr }

// unchanged returns the mappings of a file whose pages are all as they are in the file, given /proc/self/smaps. Without the
// right to write is not enough: what the dynamic linker has filled in, it protects afterwards.
func unchanged(smaps io.Reader, file string) []mapping {
	var all []mapping
	candidate := false // the last of all is the mapping that the lines are about
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) >= 2 && strings.HasSuffix(f[0], ":"):
			if candidate && (f[0] == "Anonymous:" || f[0] == "Swap:") && f[1] != "0" {
				all, candidate = all[:len(all)-1], false
			}
		// Address range, rights, offset, device, inode, file.
		case len(f) == 6 && f[5] == file && !strings.Contains(f[1], "w"):
			var m mapping
			if m, candidate = parseRange(f[0]); candidate {
				all = append(all, m)
			}
		default:
			candidate = false
		}
	}
	return all
}

func parseRange(text string) (mapping, bool) {
	from, to, _ := strings.Cut(text, "-")
	begin, err1 := strconv.ParseUint(from, 16, strconv.IntSize)
	end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
	return mapping{uintptr(begin), uintptr(end)}, err1 == nil && err2 == nil && end > begin
}
