package usagelog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzReplay opens arbitrary bytes as the only segment. Whatever they are, nothing panics; what is read is what the
// bytes hold as frames; and what was read once is read again after a reopening and an append.
func FuzzReplay(f *testing.F) {
	m, _, last := build(f, Options{}, 4, func(i int) bool { return i%2 == 0 })
	whole := m[first]
	f.Add(whole)
	f.Add(whole[:segmentHeaderBytes])
	f.Add(whole[:last.Offset+50])
	f.Add(append(bytes.Clone(whole), make([]byte, 700)...))
	f.Add([]byte{})
	f.Add([]byte("llmhubUL"))
	for _, i := range []int{3, 20, 40, 41, 77, 90, len(whole) - 1} {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x40
		f.Add(broken)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, first), b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(dir)
		if err != nil {
			return
		}
		var size int
		for _, p := range got {
			if !bytes.Contains(b[min(segmentHeaderBytes, len(b)):], p) {
				t.Fatalf("read %q, which was not written", p)
			}
			size += frameHeaderBytes + len(p)
		}
		if size+segmentHeaderBytes > max(len(b), segmentHeaderBytes) {
			t.Fatalf("%d bytes of frames out of %d bytes", size, len(b))
		}
		l := mustOpen(t, dir, Options{})
		mustAppend(t, l, []byte("more"), true)
		mustClose(t, l)
		again, err := readAll(dir)
		if err != nil || len(again) != len(got)+1 {
			t.Fatalf("%d frames after %d and an append: %v", len(again), len(got), err)
		}
		for i, p := range append(got, []byte("more")) {
			if !bytes.Equal(again[i], p) {
				t.Fatalf("frame %d is %q, was %q", i+1, again[i], p)
			}
		}
	})
}

// FuzzFrames feeds the frame reader bytes in which every checksum has been made right, so that lengths, numbers and
// chains are tried too. The reader's memory stays within a frame's limit.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("abc"), uint32(3), uint64(1), uint32(7), uint32(1))
	f.Add([]byte("abc"), uint32(MaxPayload), uint64(1), uint32(7), uint32(0))
	f.Add([]byte("abc"), uint32(1<<32-1), uint64(1), uint32(7), uint32(0))
	f.Add([]byte{}, uint32(0), uint64(2), uint32(8), uint32(9))
	f.Fuzz(func(t *testing.T, p []byte, length uint32, seq uint64, previous, flags uint32) {
		b, sum := appendFrame(nil, frameHeader{seq: seq, previous: previous, flags: flags, at: time.Now().UnixNano()}, 5, p)
		for i := range 4 {
			b[4+i] = byte(length >> (24 - 8*i))
		}
		headSum := checksum(5, b[:40])
		for i := range 4 {
			b[40+i] = byte(headSum >> (24 - 8*i))
		}
		r := newFrameReader(bytes.NewReader(b), 0, int64(len(b)), 5)
		r.seq, r.chain = 1, 7
		h, got, err := r.next()
		right := length == uint32(len(p)) && seq == 1 && previous == 7
		if right != (err == nil) {
			t.Fatalf("length %d, seq %d, previous %d: %v", length, seq, previous, err)
		}
		if err == nil && (!bytes.Equal(got, p) || h.sum != sum) {
			t.Fatalf("read %q, wrote %q", got, p)
		}
		if cap(r.buf) > max(len(b), 4096) {
			t.Fatalf("%d bytes taken for %d", cap(r.buf), len(b))
		}
	})
}
