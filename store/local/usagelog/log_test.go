package usagelog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/store"
)

// mustOpen opens a log that is closed with the test.
func mustOpen(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, l *Log, payload []byte, durable bool) Position {
	t.Helper()
	pos, err := l.Append(payload, durable)
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

// payload returns the n-th test payload, of a length that varies.
func payload(n int) []byte {
	return bytes.Repeat([]byte{byte(n), 'x', byte(n >> 8)}, n%7+1)
}

// contents replays the whole log, and checks numbers and positions on the way.
func contents(t testing.TB, l *Log) [][]byte {
	t.Helper()
	var got [][]byte
	var last Position
	end, err := l.Replay(Position{}, func(pos Position, seq uint64, _ time.Time, p []byte) error {
		if seq != uint64(len(got))+1 || !last.Before(pos) {
			t.Fatalf("frame %d at %s follows frame %d at %s", seq, pos, len(got), last)
		}
		last = pos
		got = append(got, bytes.Clone(p))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if end != l.End() {
		t.Fatalf("Replay ends at %s, the log at %s", end, l.End())
	}
	return got
}

// wantPayloads checks that the log holds payload(0) … payload(n-1).
func wantPayloads(t testing.TB, l *Log, n int) {
	t.Helper()
	got := contents(t, l)
	if len(got) != n {
		t.Fatalf("%d frames, want %d", len(got), n)
	}
	for i, p := range got {
		if !bytes.Equal(p, payload(i)) {
			t.Fatalf("frame %d holds %q, want %q", i+1, p, payload(i))
		}
	}
}

func TestRoundTripAcrossSegments(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 300}
	var positions []Position
	const rounds, each = 5, 20
	before := time.Now()
	for range rounds {
		l := mustOpen(t, dir, o)
		wantPayloads(t, l, len(positions))
		for range each {
			n := len(positions)
			positions = append(positions, mustAppend(t, l, payload(n), n%3 == 0))
		}
		mustClose(t, l)
	}
	l := mustOpen(t, dir, o)
	wantPayloads(t, l, rounds*each)
	if l.LastSeq() != rounds*each || l.SyncedSeq() != rounds*each {
		t.Fatalf("last %d, synced %d, want %d", l.LastSeq(), l.SyncedSeq(), rounds*each)
	}
	if l.End().Segment < 10 {
		t.Fatalf("only %d segments", l.End().Segment)
	}
	var size int64
	for n := uint32(1); n <= l.End().Segment; n++ {
		info, err := os.Stat(l.segmentPath(n))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
		if info.Size() > o.SegmentBytes {
			t.Errorf("segment %d has %d bytes, more than %d", n, info.Size(), o.SegmentBytes)
		}
	}
	if l.Bytes() != size {
		t.Fatalf("Bytes() = %d, the files have %d", l.Bytes(), size)
	}
	for i, pos := range positions {
		seq, at, p, err := l.ReadAt(pos)
		if err != nil || seq != uint64(i)+1 || !bytes.Equal(p, payload(i)) || at.Before(before) || at.After(time.Now()) {
			t.Fatalf("ReadAt(%s) = %d, %s, %q, %v", pos, seq, at, p, err)
		}
		next := i
		_, err = l.Replay(pos, func(got Position, seq uint64, _ time.Time, p []byte) error {
			if got != positions[next] || seq != uint64(next)+1 || !bytes.Equal(p, payload(next)) {
				return fmt.Errorf("frame %d at %s, want %d at %s", seq, got, next+1, positions[next])
			}
			next++
			return nil
		})
		if err != nil || next != len(positions) {
			t.Fatalf("Replay(%s): %d frames, %v", pos, next-i, err)
		}
	}
}

func TestReplayContinuesFromItsEnd(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{SegmentBytes: 200})
	var from Position
	for n := range 40 {
		mustAppend(t, l, payload(n), false)
		count := 0
		end, err := l.Replay(from, func(_ Position, seq uint64, _ time.Time, p []byte) error {
			count++
			if seq != uint64(n)+1 || !bytes.Equal(p, payload(n)) {
				t.Errorf("frame %d holds %q, want frame %d", seq, p, n+1)
			}
			return nil
		})
		if err != nil || count != 1 {
			t.Fatalf("after append %d: %d frames, %v", n, count, err)
		}
		from = end
	}
}

func TestReplayReturnsTheCallersError(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	mustAppend(t, l, payload(0), false)
	stop := errors.New("stop")
	_, err := l.Replay(Position{}, func(Position, uint64, time.Time, []byte) error { return stop })
	if !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
}

func TestPayloadSizes(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{SegmentBytes: 1 << 20})
	sizes := []int{0, 1, readBufferBytes - frameHeaderBytes, readBufferBytes, MaxPayload, 0}
	for _, n := range sizes {
		mustAppend(t, l, bytes.Repeat([]byte{0xA5}, n), false)
	}
	if _, err := l.Append(make([]byte, MaxPayload+1), true); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("a payload that is too large: %v", err)
	}
	mustClose(t, l)
	var got []int
	for _, p := range contents(t, mustOpen(t, dir, Options{})) {
		got = append(got, len(p))
	}
	if !slices.Equal(got, sizes) {
		t.Fatalf("payload sizes %v, want %v", got, sizes)
	}
}

func TestPositionEncoding(t *testing.T) {
	sorted := []Position{{}, {0, 1}, {1, 0}, {1, 255}, {1, 256}, {1, 1 << 40}, {2, 3}, {1 << 31, 0}}
	for i, p := range sorted {
		b := p.AppendBinary(nil)
		back, err := DecodePosition(b)
		if err != nil || back != p || len(b) != PositionBytes {
			t.Errorf("%s → %x → %s, %v", p, b, back, err)
		}
		if i > 0 && (bytes.Compare(sorted[i-1].AppendBinary(nil), b) >= 0 || !sorted[i-1].Before(p) || p.Before(sorted[i-1])) {
			t.Errorf("%s and %s are out of order", sorted[i-1], p)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 11), make([]byte, 13), bytes.Repeat([]byte{0xFF}, 12)} {
		if p, err := DecodePosition(b); err == nil {
			t.Errorf("%x was decoded to %s", b, p)
		}
	}
}

func TestLockIsExclusive(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	for name, open := range map[string]func(string, Options) (*Log, error){"Open": Open, "OpenReadOnly": OpenReadOnly} {
		second, err := open(dir, Options{})
		if !errors.Is(err, ErrInUse) || second != nil || !strings.Contains(err.Error(), "data folder is in use by another process") {
			t.Errorf("%s of a log in use: %v", name, err)
		}
	}
	mustClose(t, l)
	mustClose(t, mustOpen(t, dir, Options{}))
}

func TestUseAfterClose(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	pos := mustAppend(t, l, payload(0), true)
	mustClose(t, l)
	mustClose(t, l)
	_, appendErr := l.Append(payload(1), true)
	_, replayErr := l.Replay(Position{}, nil)
	_, _, _, readErr := l.ReadAt(pos)
	_, syncErr := l.Sync()
	for name, err := range map[string]error{"Append": appendErr, "Replay": replayErr, "ReadAt": readErr, "Sync": syncErr} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func TestReadOnlyChangesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(filepath.Join(dir, "absent"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a folder that does not exist: %v", err)
	}
	l := mustOpen(t, dir, Options{})
	for n := range 5 {
		mustAppend(t, l, payload(n), n < 4)
	}
	path := l.segmentPath(1)
	mustClose(t, l)
	forgetEvidence(t, dir)
	cut(t, path, 3)
	size := fileSize(t, path)

	r, err := OpenReadOnly(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, r, 4)
	if _, err := r.Append(payload(4), false); err == nil {
		t.Fatal("a log opened for reading took a frame")
	}
	mustClose(t, r)
	if fileSize(t, path) != size {
		t.Fatal("a log opened for reading was changed")
	}
}

func TestForeignFilesAreIgnoredWithANote(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	mustAppend(t, l, payload(0), true)
	mustClose(t, l)
	foreign := []string{"notes.txt", "1.log", "00000000.log", "00000002.log.bak", "lost+found"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	l = mustOpen(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	wantPayloads(t, l, 1)
	for _, name := range foreign {
		if !strings.Contains(out.String(), filepath.Join(dir, name)) {
			t.Errorf("no note of %s in %q", name, out.String())
		}
	}
}

func TestSegmentSizeIsChecked(t *testing.T) {
	for _, n := range []int64{-1, 1, maxSegmentBytes + 1} {
		if _, err := Open(t.TempDir(), Options{SegmentBytes: n}); err == nil {
			t.Errorf("segment size %d was taken", n)
		}
	}
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// cut removes the last n bytes of a file.
func cut(t testing.TB, path string, n int64) {
	t.Helper()
	if err := os.Truncate(path, fileSize(t, path)-n); err != nil {
		t.Fatal(err)
	}
}

// forgetEvidence removes the note of what was synced, as if a power cut had lost it.
func forgetEvidence(t testing.TB, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, evidenceName)); err != nil {
		t.Fatal(err)
	}
}
