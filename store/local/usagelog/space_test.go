package usagelog

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"llmhub/store"
)

// TestNoSpaceInjected lets writes fail after every possible number of bytes.
func TestNoSpaceInjected(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, io.ErrShortWrite} {
		for _, durable := range []bool{true, false} {
			var written int
			var failing bool
			o := Options{SegmentBytes: 400, Faults: Faults{Write: func(int) (int, error) {
				if failing {
					return written, cause
				}
				return 0, nil
			}}}
			dir := t.TempDir()
			l := mustOpen(t, dir, o)
			for n := range 30 {
				failing = true
				for written = 0; written < 60; written += 7 {
					end, size := l.End(), l.Bytes()
					_, err := l.Append(payload(n), durable)
					if !errors.Is(err, store.ErrNoSpace) || !errors.Is(err, cause) {
						t.Fatalf("frame %d cut at %d: %v, want no space", n, written, err)
					}
					if l.End() != end || l.Bytes() != size || fileSize(t, l.segmentPath(end.Segment)) != end.Offset {
						t.Fatalf("frame %d cut at %d: something of it is left", n, written)
					}
				}
				failing = false
				mustAppend(t, l, payload(n), durable)
			}
			wantPayloads(t, l, 30)
			mustClose(t, l)
			wantPayloads(t, mustOpen(t, dir, Options{}), 30)
		}
	}
}

// TestKillAfterShortWrite reopens a log whose process died before it could undo a short write.
func TestKillAfterShortWrite(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	var failing atomic.Bool
	o := Options{Faults: Faults{
		Write: func(n int) (int, error) {
			if failing.Load() {
				return n - 1, syscall.ENOSPC
			}
			return 0, nil
		},
	}}
	l := mustOpen(t, dir, o)
	mustAppend(t, l, payload(0), true)
	failing.Store(true)
	truncated := l.End()
	cause := errors.New("the cut cannot be synced")
	l.options.Faults.Sync = func() error { return cause }
	_, err := l.Append(payload(1), false)
	wantPoisoned(t, err, cause)
	died := snapshot(t, dir)
	frame, _ := appendFrame(nil, frameHeader{seq: 2, previous: l.chain, synced: 1}, l.salt, payload(1))
	died[first] = append(died[first][:truncated.Offset], frame[:len(frame)-1]...)
	wantFrames(t, copied, died, 1, "short write")
}

// TestFullDisk fills a real small file system.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "256k")
	l := mustOpen(t, dir, Options{SegmentBytes: 64 << 10})
	n := 0
	var err error
	for ; err == nil; n++ {
		_, err = l.Append(big(n), n%2 == 0)
	}
	n--
	if !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("a full disk: %v", err)
	}
	for range 3 {
		if _, err := l.Append(big(n), true); !errors.Is(err, store.ErrNoSpace) {
			t.Fatalf("a disk that stays full: %v", err)
		}
	}
	wantBig(t, l, n)
	mustClose(t, l)

	l = mustOpen(t, dir, Options{SegmentBytes: 64 << 10}) // on the full disk
	wantBig(t, l, n)
	if _, err := l.Append(big(n), true); !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("after opening on a full disk: %v", err)
	}
	mustClose(t, l)

	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=512k"); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir, Options{SegmentBytes: 64 << 10})
	for range 10 {
		mustAppend(t, l, big(n), true)
		n++
	}
	wantBig(t, l, n)
}

// TestFullDiskAtFirstOpen opens a new log where there is no room for one.
func TestFullDiskAtFirstOpen(t *testing.T) {
	dir := smallDisk(t, "64k")
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir), Options{}); !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("got %v, want no space", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, mustOpen(t, dir, Options{}), payload(0), true)
}

func big(n int) []byte {
	b := make([]byte, 3000)
	b[0], b[1] = byte(n), byte(n>>8)
	return b
}

func wantBig(t *testing.T, l *Log, n int) {
	t.Helper()
	got := contents(t, l)
	if len(got) != n {
		t.Fatalf("%d frames, want %d", len(got), n)
	}
	for i, p := range got {
		if len(p) != 3000 || p[0] != byte(i) || p[1] != byte(i>>8) {
			t.Fatalf("frame %d is not what was written", i+1)
		}
	}
}

// smallDisk mounts a tmpfs of the given size. Where that is not allowed the test is skipped, in CI it fails.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("cannot mount a tmpfs: %v", err)
		}
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// TestFailedSyncPoisons lets one sync fail: nothing works afterwards, and no sync is tried again.
func TestFailedSyncPoisons(t *testing.T) {
	cause := errors.New("the disk is gone")
	for _, c := range []struct {
		name string
		do   func(l *Log) error
	}{
		{"durable append", func(l *Log) error { _, err := l.Append(payload(1), true); return err }},
		{"sync", func(l *Log) error { mustAppend(t, l, payload(1), false); _, err := l.Sync(); return err }},
		{"next segment", func(l *Log) error { _, err := l.Append(make([]byte, 1000), false); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var failing bool
			var syncs int
			dir := t.TempDir()
			l := mustOpen(t, dir, Options{SegmentBytes: 1000, Faults: Faults{Sync: func() error {
				syncs++
				if failing {
					return cause
				}
				return nil
			}}})
			pos := mustAppend(t, l, payload(0), true)
			failing = true
			syncs = 0
			wantPoisoned(t, c.do(l), cause)
			if _, err := os.Stat(l.segmentPath(2)); !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("a segment was begun behind one that is not synced: %v", err)
			}
			failing = false
			for _, durable := range []bool{true, false} {
				_, err := l.Append(payload(2), durable)
				wantPoisoned(t, err, cause)
			}
			_, err := l.Sync()
			wantPoisoned(t, err, cause)
			_, err = l.Replay(Position{}, nil)
			wantPoisoned(t, err, cause)
			_, _, _, err = l.ReadAt(pos)
			wantPoisoned(t, err, cause)
			mustClose(t, l)
			if syncs != 1 {
				t.Fatalf("%d syncs, want the failing one only", syncs)
			}
			l = mustOpen(t, dir, Options{})
			if got := contents(t, l); len(got) == 0 || string(got[0]) != string(payload(0)) {
				t.Fatalf("the acknowledged frame is gone: %q", got)
			}
		})
	}
}

func wantPoisoned(t *testing.T, err, cause error) {
	t.Helper()
	if !errors.Is(err, store.ErrClosed) || !errors.Is(err, cause) {
		t.Fatalf("got %v, want a closed log because %v", err, cause)
	}
}

// TestFailedWritePoisons has a write fail for another reason than a full disk.
func TestFailedWritePoisons(t *testing.T) {
	var cause error
	l := mustOpen(t, t.TempDir(), Options{Faults: Faults{Write: func(int) (int, error) { return 0, cause }}})
	cause = syscall.EIO
	_, err := l.Append(payload(0), false)
	wantPoisoned(t, err, cause)
	cause = nil
	_, err = l.Append(payload(0), false)
	wantPoisoned(t, err, syscall.EIO)
}

// TestMarksDoNotWaitForSync appends without durability, and reads, while an fdatasync hangs.
func TestMarksDoNotWaitForSync(t *testing.T) {
	hanging, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var armed atomic.Bool
	l := mustOpen(t, t.TempDir(), Options{Faults: Faults{Sync: func() error {
		if armed.Load() {
			once.Do(func() { close(hanging); <-release })
		}
		return nil
	}}})
	armed.Store(true)
	done := make(chan error, 1)
	go func() {
		_, err := l.Append(payload(0), true)
		done <- err
	}()
	<-hanging
	mustAppend(t, l, payload(1), false)
	wantPayloads(t, l, 2)
	if l.SyncedSeq() != 0 {
		t.Fatal("the first frame counts as synced while its sync hangs")
	}
	select {
	case err := <-done:
		t.Fatalf("a durable append returned before its sync: %v", err)
	default:
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if l.SyncedSeq() != 1 {
		t.Fatalf("synced up to %d; the second frame was written after the sync had begun", l.SyncedSeq())
	}
}

// TestConcurrentUse appends, reads and replays from many goroutines across segments.
func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{SegmentBytes: 2000})
	const writers, each = 8, 60
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				want := []byte{byte(w), byte(n)}
				pos, err := l.Append(want, n%4 == 0)
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, got, err := l.ReadAt(pos); err != nil || string(got) != string(want) {
					t.Errorf("ReadAt(%s) = %x, %v, want %x", pos, got, err, want)
				}
				if n%20 == 0 {
					_, err := l.Replay(Position{}, func(Position, uint64, time.Time, []byte) error { return nil })
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	mustClose(t, l)
	var next [writers]byte
	got := contents(t, mustOpen(t, dir, Options{}))
	for _, p := range got {
		if p[1] != next[p[0]] {
			t.Fatalf("writer %d: frame %d follows %d", p[0], p[1], next[p[0]])
		}
		next[p[0]]++
	}
	if len(got) != writers*each {
		t.Fatalf("%d frames, want %d", len(got), writers*each)
	}
}

// BenchmarkAppend measures batches of about 20 events.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name    string
		durable bool
	}{{"synced", true}, {"unsynced", false}} {
		b.Run(c.name, func(b *testing.B) {
			l := mustOpen(b, b.TempDir(), Options{})
			p := make([]byte, 400)
			for b.Loop() {
				mustAppend(b, l, p, c.durable)
			}
		})
	}
}
