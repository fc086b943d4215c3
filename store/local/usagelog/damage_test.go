package usagelog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"llmhub/store"
)

// image is the content of a log's folder.
type image map[string][]byte

// build writes n frames, of which those with durable(i) are durable, and returns the folder as it is after a kill:
// nothing is synced by Close. before is the folder just before the last frame was appended.
func build(t testing.TB, o Options, n int, durable func(i int) bool) (after, before image, last Position) {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, dir, o)
	for i := range n {
		before = snapshot(t, dir)
		last = mustAppend(t, l, payload(i), durable(i))
	}
	after = snapshot(t, dir)
	return after, before, last
}

func always(int) bool { return true }

func snapshot(t testing.TB, dir string) image {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := image{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m[e.Name()] = b
	}
	return m
}

// with returns a copy in which one file is replaced; nil removes it.
func (m image) with(name string, content []byte) image {
	c := image{}
	for k, v := range m {
		c[k] = v
	}
	c[name] = content
	if content == nil {
		delete(c, name)
	}
	return c
}

// restore writes the image into an emptied folder.
func (m image) restore(t testing.TB, dir string) {
	t.Helper()
	for name := range snapshot(t, dir) {
		if _, ok := m[name]; !ok {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, b := range m {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll opens the log and replays it.
func readAll(dir string) ([][]byte, error) {
	l, err := Open(dir, Options{})
	if err != nil {
		return nil, err
	}
	var got [][]byte
	_, err = l.Replay(Position{}, func(_ Position, _ uint64, _ time.Time, p []byte) error {
		got = append(got, bytes.Clone(p))
		return nil
	})
	return got, errors.Join(err, l.Close())
}

// wantDamage checks that the log in m is refused, with a message that names the file and the way out.
func wantDamage(t *testing.T, dir string, m image, what string) {
	t.Helper()
	m.restore(t, dir)
	_, err := readAll(dir)
	if !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("%s: %v, want damage", what, err)
	}
	for _, part := range []string{dir, ".log", "offset ", "restore the data folder from a backup", "llmhub does not repair"} {
		if !strings.Contains(err.Error(), part) {
			t.Fatalf("%s: the message lacks %q: %v", what, part, err)
		}
	}
	if after := snapshot(t, dir); !sameSegments(after, m) {
		t.Fatalf("%s: a refused log was changed", what)
	}
}

// sameSegments compares the segments of two images; the note of what was synced may be renewed by Open when the damage
// lies in a segment that only Replay reads.
func sameSegments(a, b image) bool {
	if len(a.segments()) != len(b.segments()) {
		return false
	}
	for name, content := range a.segments() {
		if other, ok := b[name]; !ok || !bytes.Equal(content, other) {
			return false
		}
	}
	return true
}

func (m image) segments() image {
	c := image{}
	for name, content := range m {
		if strings.HasSuffix(name, segmentSuffix) {
			c[name] = content
		}
	}
	return c
}

// wantFrames checks that the log in m opens with n frames, takes another one, and keeps it.
func wantFrames(t *testing.T, dir string, m image, n int, what string) {
	t.Helper()
	m.restore(t, dir)
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	wantPayloads(t, l, n)
	mustAppend(t, l, payload(n), true)
	if l.LastSeq() != uint64(n)+1 {
		t.Fatalf("%s: the next frame is %d, want %d", what, l.LastSeq(), n+1)
	}
	mustClose(t, l)
	l = mustOpen(t, dir, Options{})
	wantPayloads(t, l, n+1)
	mustClose(t, l)
}

const first = "00000001.log"

// TestTornTail cuts the last frame at every length.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	const n = 5
	t.Run("never acknowledged", func(t *testing.T) {
		m, _, last := build(t, Options{}, n, func(i int) bool { return i < n-1 })
		for size := last.Offset; size < int64(len(m[first])); size++ {
			wantFrames(t, dir, m.with(first, m[first][:size]), n-1, "file cut")
		}
	})
	t.Run("power cut inside fdatasync", func(t *testing.T) {
		m, before, last := build(t, Options{}, n, always)
		m = m.with(evidenceName, before[evidenceName])
		for size := last.Offset; size < int64(len(m[first])); size++ {
			wantFrames(t, dir, m.with(first, m[first][:size]), n-1, "file cut")
		}
	})
	t.Run("acknowledged", func(t *testing.T) {
		m, _, last := build(t, Options{}, n, always)
		for size := last.Offset; size < int64(len(m[first])); size++ {
			wantDamage(t, dir, m.with(first, m[first][:size]), "file cut")
		}
	})
	t.Run("acknowledged as a later frame says", func(t *testing.T) {
		m, _, last := build(t, Options{}, n, always)
		m = m.with(evidenceName, nil)
		for offset := int64(segmentHeaderBytes); offset < last.Offset; offset += 10 {
			broken := bytes.Clone(m[first])
			clear(broken[offset:last.Offset])
			wantDamage(t, dir, m.with(first, broken), "zeroes up to the last frame")
		}
	})
}

// TestFlippedByte flips every byte of a log of several segments.
func TestFlippedByte(t *testing.T) {
	dir := t.TempDir()
	m, before, _ := build(t, Options{SegmentBytes: 300}, 12, always)
	if len(m) < 5 {
		t.Fatalf("only %d files", len(m))
	}
	for _, note := range []struct {
		name    string
		content []byte
	}{{"with the note of what was synced", m[evidenceName]}, {"with an older note", before[evidenceName]}, {"without", nil}} {
		t.Run(note.name, func(t *testing.T) {
			m := m.with(evidenceName, note.content)
			for name, content := range m.segments() {
				for i := range content {
					broken := bytes.Clone(content)
					broken[i] ^= []byte{0x01, 0x80, 0xFF}[i%3]
					wantDamage(t, dir, m.with(name, broken), name)
				}
			}
		})
	}
}

// TestFlippedEvidence flips every byte of the note of what was synced: it is ignored, the frames are all there.
func TestFlippedEvidence(t *testing.T) {
	dir := t.TempDir()
	m, _, _ := build(t, Options{}, 3, always)
	for i := range m[evidenceName] {
		broken := bytes.Clone(m[evidenceName])
		broken[i] ^= 0x10
		wantFrames(t, dir, m.with(evidenceName, broken), 3, "note flipped")
	}
}

// TestUnwrittenSectors zeroes what a power cut can leave unwritten.
func TestUnwrittenSectors(t *testing.T) {
	dir := t.TempDir()
	const n = 4
	lastDurable := func(i int) bool { return i < n-1 }
	marks, _, last := build(t, Options{}, n, lastDurable)
	zeroes := func(b []byte, count int) []byte { return append(bytes.Clone(b), make([]byte, count)...) }
	for _, count := range []int{1, 47, 48, 49, 511, 512, 5000, 3 << 20} {
		wantFrames(t, dir, marks.with(first, zeroes(marks[first], count)), n, "zeroes behind the last frame")
		wantFrames(t, dir, marks.with(first, zeroes(marks[first][:last.Offset], count)), n-1, "zeroes for the last frame")
	}
	acknowledged, _, last := build(t, Options{}, n, always)
	wantDamage(t, dir, acknowledged.with(first, zeroes(acknowledged[first][:last.Offset], 4096)), "zeroes for an acknowledged frame")
	wantFrames(t, dir, acknowledged.with(first, zeroes(acknowledged[first], 4096)), n, "zeroes behind an acknowledged frame")
}

// TestSectorsOutOfOrder leaves a hole in frames that were never synced, with whole frames behind it.
func TestSectorsOutOfOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		durable bool // the last frame
		synced  bool // before the last frame
		refused bool
	}{
		{name: "marks only", refused: false},
		{name: "a durable frame behind", durable: true, refused: true},
		{name: "a mark behind says it was synced", synced: true, refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := mustOpen(t, dir, Options{})
			mustAppend(t, l, payload(0), true)
			hole := mustAppend(t, l, bytes.Repeat([]byte("hole"), 3000), false)
			if c.synced {
				if _, err := l.Sync(); err != nil {
					t.Fatal(err)
				}
			}
			mustAppend(t, l, payload(2), c.durable)
			m := snapshot(t, dir).with(evidenceName, nil)
			broken := m[first]
			clear(broken[hole.Offset+4096-hole.Offset%4096:][:4096])
			mustClose(t, l)
			if c.refused {
				wantDamage(t, dir, m, "hole")
				return
			}
			wantFrames(t, dir, m, 1, "hole")
		})
	}
}

// TestBrokenTailIsNoTear has tails of a file that no interrupted write leaves.
func TestBrokenTailIsNoTear(t *testing.T) {
	dir := t.TempDir()
	m, _, last := build(t, Options{}, 4, func(i int) bool { return i < 3 })
	whole := m[first]
	for name, tail := range map[string][]byte{
		"text":                     []byte("not a frame"),
		"text as long as a header": bytes.Repeat([]byte("x"), frameHeaderBytes),
		"the last frame again":     whole[last.Offset:],
		"the first frame again":    whole[segmentHeaderBytes : segmentHeaderBytes+20],
	} {
		wantDamage(t, dir, m.with(first, append(bytes.Clone(whole), tail...)), name)
	}
}

// TestMissingSegment removes segments.
func TestMissingSegment(t *testing.T) {
	dir := t.TempDir()
	m, _, last := build(t, Options{SegmentBytes: 300}, 12, always)
	for name := range m.segments() {
		wantDamage(t, dir, m.with(name, nil), "missing "+name)
		if n, _ := segmentNumber(name); n != last.Segment {
			wantDamage(t, dir, m.with(name, nil).with(evidenceName, nil), "missing "+name)
			wantDamage(t, dir, m.with(name, []byte{}).with(evidenceName, nil), "emptied "+name)
		}
		wantDamage(t, dir, m.with(name, []byte{}), "emptied "+name)
	}
}

// TestExchangedSegments puts segments of one log into another, which was built alike.
func TestExchangedSegments(t *testing.T) {
	dir := t.TempDir()
	a, _, _ := build(t, Options{SegmentBytes: 300}, 12, always)
	b, _, _ := build(t, Options{SegmentBytes: 300}, 12, always)
	for name := range a.segments() {
		wantDamage(t, dir, a.with(name, b[name]), "exchanged "+name)
	}
	wantDamage(t, dir, a.with("00000002.log", a["00000003.log"]), "a segment under another's name")
}

// TestUnusedSegment has what a kill can leave while the next segment is created.
func TestUnusedSegment(t *testing.T) {
	dir := t.TempDir()
	const n = 5
	m, _, _ := build(t, Options{}, n, always)
	const next = "00000002.log"
	head := segmentHeader{number: 2, firstSeq: n + 1}.encode()
	for size := range head {
		wantFrames(t, dir, m.with(next, head[:size]), n, "part of a header")
	}
	wantFrames(t, dir, m.with(next, make([]byte, segmentHeaderBytes)), n, "a header that never reached the disk")
	wantDamage(t, dir, m.with(next, []byte("no segment")), "something else")
	wantDamage(t, dir, m.with(next, make([]byte, segmentHeaderBytes+1)), "more zeroes than a header")
	wantDamage(t, dir, m.with(next, nil).with(first, m[first][:len(m[first])-1]).with(evidenceName, nil).with(next, []byte{}),
		"the segment before the unused one is torn, although it was synced")

	wantFrames(t, dir, image{first: {}}, 0, "an empty first segment")
	wantFrames(t, dir, image{}, 0, "an empty folder")
	wantDamage(t, dir, m.with(first, []byte{}), "an emptied first segment")
	wantDamage(t, dir, m.with(first, nil), "only the note of what was synced is left")
}

// TestPositionBehindTheEnd asks for more than there is.
func TestPositionBehindTheEnd(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	mustAppend(t, l, payload(0), true)
	end := l.End()
	for _, pos := range []Position{{end.Segment, end.Offset + 1}, {end.Segment + 1, segmentHeaderBytes}} {
		if _, err := l.Replay(pos, nil); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("Replay(%s): %v", pos, err)
		}
	}
	for _, pos := range []Position{{}, {1, 0}, end, {end.Segment + 1, segmentHeaderBytes}} {
		if _, _, _, err := l.ReadAt(pos); err == nil {
			t.Errorf("ReadAt(%s) found a frame", pos)
		}
	}
	inside := Position{1, segmentHeaderBytes + 1}
	if _, _, _, err := l.ReadAt(inside); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("ReadAt(%s): %v", inside, err)
	}
}

// TestNewerFormat refuses a log of a later version without calling it damaged.
func TestNewerFormat(t *testing.T) {
	dir := t.TempDir()
	m, _, _ := build(t, Options{}, 1, always)
	b := bytes.Clone(m[first])
	b[11] = formatVersion + 1
	copy(b[32:], []byte{0, 0, 0, 0})
	sum := checksum(0, b[:32])
	b[32], b[33], b[34], b[35] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	m.with(first, b).restore(t, dir)
	_, err := readAll(dir)
	if err == nil || errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "version 2") {
		t.Fatalf("got %v", err)
	}
}
