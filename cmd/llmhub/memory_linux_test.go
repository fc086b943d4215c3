package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestUnchanged finds the mappings that can be given back: not those that the dynamic linker has filled in and then protected,
// which a program with C in it has.
func TestUnchanged(t *testing.T) {
	const smaps = `00400000-021cd000 r--p 00000000 fe:00 24 /bin/llmhub
Rss:                   8 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
09eb2000-09eb3000 r--p 09ab1000 fe:00 24 /bin/llmhub
Anonymous:             4 kB
Swap:                  0 kB
09eb3000-0a0b9000 rw-p 09ab2000 fe:00 24 /bin/llmhub
Anonymous:             0 kB
0a0b9000-0a0ba000 r--p 09ab2000 fe:00 24 /bin/llmhub
Anonymous:             0 kB
Swap:                  4 kB
0a0ba000-0a0bb000 r-xp 09ab3000 fe:00 24 /bin/llmhub
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 25 /lib/libc.so.6
Anonymous:             0 kB
7f0000001000-7f0000002000 r--p 00000000 00:00 0
Anonymous:             4 kB
`
	want := []mapping{{0x400000, 0x21cd000}, {0xa0ba000, 0xa0bb000}}
	if got := unchanged(strings.NewReader(smaps), "/bin/llmhub"); !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer file.Close()
	if len(unchanged(file, self)) == 0 {
		t.Error("nothing of this program can be given back")
	}
}
