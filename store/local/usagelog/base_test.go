package usagelog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"llmhub/store"
)

// content returns a writer of a base's content, in pieces of uneven length.
func content(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		for part := range slices.Chunk([]byte(text), 7) {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	}
}

// anything passes a base whatever it is.
func anything(io.Reader) error { return nil }

// wantRest checks that the log holds payload(from) … payload(to-1) as frames from+1 … to, behind the given base.
func wantRest(t testing.TB, l *Log, base string, from, to int) {
	t.Helper()
	n := from
	_, err := l.Replay(Position{}, func(_ Position, seq uint64, _ time.Time, p []byte) error {
		if seq != uint64(n)+1 || !bytes.Equal(p, payload(n)) {
			return fmt.Errorf("frame %d holds %q", seq, p)
		}
		n++
		return nil
	})
	if err != nil || n != to {
		t.Fatalf("%d frames behind frame %d, want %d: %v", n-from, from, to-from, err)
	}
	var got []byte
	found, err := l.ReadBase(func(r io.Reader) (err error) {
		got, err = io.ReadAll(r)
		return err
	})
	if err != nil || found != (base != "") || string(got) != base {
		t.Fatalf("base %q, %t, %v; want %q", got, found, err, base)
	}
}

// trimmed is a log of n frames in small segments.
type trimmed struct {
	dir       string
	n         int
	positions []Position
}

const baseText = "what became of the older ones"

func newTrimmed(t *testing.T, n int) (*Log, *trimmed) {
	t.Helper()
	d := &trimmed{dir: t.TempDir(), n: n}
	l := mustOpen(t, d.dir, Options{SegmentBytes: 300})
	for i := range n {
		d.positions = append(d.positions, mustAppend(t, l, payload(i), true))
	}
	if end := l.End(); end.Segment < 6 {
		t.Fatalf("%d segments are too few for this test", end.Segment)
	}
	return l, d
}

// before counts the frames in the segments before one.
func (d *trimmed) before(segment uint32) int {
	return slices.IndexFunc(d.positions, func(p Position) bool { return p.Segment == segment })
}

func TestTrim(t *testing.T) {
	l, d := newTrimmed(t, 40)
	size := l.Bytes()
	if first, seq := l.First(); first != d.positions[0] || seq != 1 {
		t.Fatalf("the log begins at %s with frame %d", first, seq)
	}
	if err := l.Trim(3, content(baseText), anything); err != nil {
		t.Fatal(err)
	}
	at := d.before(3)
	check := func(base string, at int) {
		t.Helper()
		wantRest(t, l, base, at, d.n)
		first, seq := l.First()
		if first != d.positions[at] || seq != uint64(at)+1 {
			t.Fatalf("the log begins at %s with frame %d", first, seq)
		}
		if _, err := l.Replay(d.positions[at-1], nil); !errors.Is(err, ErrRemoved) || errors.Is(err, store.ErrDamaged) {
			t.Fatalf("replay from a removed frame: %v", err)
		}
		if _, _, _, err := l.ReadAt(d.positions[at-1]); !errors.Is(err, ErrRemoved) || errors.Is(err, store.ErrDamaged) {
			t.Fatalf("read a removed frame: %v", err)
		}
		if _, _, p, err := l.ReadAt(d.positions[at]); err != nil || !bytes.Equal(p, payload(at)) {
			t.Fatalf("read the first frame: %q, %v", p, err)
		}
		var segments int64
		for _, content := range snapshot(t, d.dir).segments() {
			segments += int64(len(content))
		}
		if l.Bytes() != segments || segments >= size {
			t.Fatalf("%d bytes, on the disk are %d of %d", l.Bytes(), segments, size)
		}
	}
	check(baseText, at)
	for range 2 { // and after it was opened again
		mustClose(t, l)
		l = mustOpen(t, d.dir, Options{SegmentBytes: 300})
		check(baseText, at)
	}
	// The log begins there or later already.
	for _, first := range []uint32{1, 3} {
		if err := l.Trim(first, content("never written"), anything); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Trim(l.End().Segment+1, content("never written"), anything); err == nil {
		t.Fatal("the last segment was removed")
	}
	check(baseText, at)
	last := l.End().Segment // the base before can be read while the next one is written
	err := l.Trim(last, func(w io.Writer) error {
		_, err := l.ReadBase(func(r io.Reader) error {
			_, err := io.Copy(w, r)
			return err
		})
		return errors.Join(err, content(", and more")(w))
	}, anything)
	if err != nil {
		t.Fatal(err)
	}
	check(baseText+", and more", d.before(last))
	d.positions = append(d.positions, mustAppend(t, l, payload(d.n), true))
	d.n++
	check(baseText+", and more", d.before(last))
	mustClose(t, l)
	l, err = OpenReadOnly(d.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(baseText+", and more", d.before(last))
	if err := l.Trim(last+1, content("never written"), anything); err == nil {
		t.Fatal("a log that is only read was trimmed")
	}
	mustClose(t, l)
}

// TestTrimInterrupted opens what each step of Trim leaves when the process dies behind it.
func TestTrimInterrupted(t *testing.T) {
	l, d := newTrimmed(t, 40)
	whole := snapshot(t, d.dir)
	if err := l.Trim(4, content(baseText), anything); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	base := snapshot(t, d.dir)[baseName]
	at := d.before(4)
	for _, c := range []struct {
		what  string
		image image
		base  string
		from  int
	}{
		{"nothing of the base is written", whole.with(baseNewName, []byte{}), "", 0},
		{"a part of the base is written", whole.with(baseNewName, base[:len(base)-9]), "", 0},
		{"the base is written", whole.with(baseNewName, base), "", 0},
		{"the base has its name", whole.with(baseName, base), baseText, at},
		{"the first segment is removed", whole.with(baseName, base).with("00000001.log", nil), baseText, at},
		{"another one is removed", whole.with(baseName, base).with("00000002.log", nil), baseText, at},
		{"all are removed", whole.with(baseName, base).with("00000001.log", nil).with("00000002.log", nil).with("00000003.log", nil), baseText, at},
	} {
		dir := t.TempDir()
		c.image.restore(t, dir)
		ro, err := OpenReadOnly(dir, Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		wantRest(t, ro, c.base, c.from, d.n)
		mustClose(t, ro)
		if after := snapshot(t, dir); len(after) != len(c.image) {
			t.Fatalf("%s: a log that is only read was changed", c.what)
		}
		l := mustOpen(t, dir, Options{SegmentBytes: 300})
		wantRest(t, l, c.base, c.from, d.n)
		mustAppend(t, l, payload(d.n), true)
		mustClose(t, l)
		after := snapshot(t, dir)
		if c.base != "" {
			if _, err := readAll(dir); err != nil || after["00000001.log"] != nil || after["00000002.log"] != nil || after["00000003.log"] != nil {
				t.Fatalf("%s: old segments are still there (%v)", c.what, err)
			}
		}
		if after[baseNewName] != nil {
			t.Fatalf("%s: %s is still there", c.what, baseNewName)
		}
	}
}

// TestFlippedByteInBase changes each byte of a base, and cuts it at each length.
func TestFlippedByteInBase(t *testing.T) {
	l, d := newTrimmed(t, 40)
	if err := l.Trim(3, content(baseText), anything); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	whole := snapshot(t, d.dir)
	refused := func(what string, m image) {
		t.Helper()
		m.restore(t, d.dir)
		l, err := Open(d.dir, Options{})
		if err == nil {
			_, err = l.ReadBase(func(io.Reader) error {
				t.Errorf("%s: the content was handed out", what)
				return nil
			})
			mustClose(t, l)
		}
		if !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("%s: %v, want damage", what, err)
		}
	}
	base := whole[baseName]
	for i := range base {
		b := bytes.Clone(base)
		b[i] ^= 0x10
		refused(fmt.Sprintf("byte %d changed", i), whole.with(baseName, b))
		refused(fmt.Sprintf("cut to %d bytes", i), whole.with(baseName, base[:i]))
	}
	refused("longer", whole.with(baseName, append(bytes.Clone(base), 0)))
	refused("base missing", whole.with(baseName, nil))
	refused("first segment missing", whole.with("00000003.log", nil))
	refused("all segments missing", image{baseName: base})
	refused("first segment without its header", whole.with("00000003.log", whole["00000003.log"][:20]))

	other, o := newTrimmed(t, 40)
	if err := other.Trim(3, content(baseText), anything); err != nil {
		t.Fatal(err)
	}
	refused("base of another log", whole.with(baseName, snapshot(t, o.dir)[baseName]))

	newer := reheaded(t, base, func(b []byte) { b[11]++ })
	whole.with(baseName, newer).restore(t, d.dir)
	if _, err := Open(d.dir, Options{}); err == nil || errors.Is(err, store.ErrDamaged) {
		t.Fatalf("a base of a newer format: %v", err)
	}
}

// reheaded returns a base whose head is changed, with the right checksum.
func reheaded(t *testing.T, base []byte, change func([]byte)) []byte {
	t.Helper()
	b := bytes.Clone(base)
	change(b)
	sum := checksum(0, b[:44])
	return append(append(b[:44:44], byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)), base[baseHeaderBytes:]...)
}

// TestTrimFails has the content, a write and a sync fail: nothing is removed, and the log goes on.
func TestTrimFails(t *testing.T) {
	_, d := newTrimmed(t, 40)
	whole := snapshot(t, d.dir)
	failure := errors.New("no")
	for _, c := range []struct {
		what    string
		faults  func(armed *bool) Faults
		content func(io.Writer) error
		check   func(io.Reader) error
		want    error
	}{
		{"the content", func(*bool) Faults { return Faults{} }, func(w io.Writer) error {
			return errors.Join(content("a part of it")(w), failure)
		}, anything, failure},
		{"the check", func(*bool) Faults { return Faults{} }, content(baseText), func(r io.Reader) error {
			if text, err := io.ReadAll(r); err != nil || string(text) != baseText {
				t.Errorf("checked is %q, %v", text, err)
			}
			return failure
		}, failure},
		{"a write", func(armed *bool) Faults {
			return Faults{Write: func(int) (int, error) {
				if *armed {
					return 3, syscall.ENOSPC
				}
				return 0, nil
			}}
		}, content(baseText), anything, store.ErrNoSpace},
		{"the sync", func(armed *bool) Faults {
			return Faults{Sync: func() error {
				if *armed {
					return failure
				}
				return nil
			}}
		}, content(baseText), anything, failure},
	} {
		dir := t.TempDir()
		whole.restore(t, dir)
		armed := false
		l := mustOpen(t, dir, Options{SegmentBytes: 300, Faults: c.faults(&armed)})
		armed = true
		if err := l.Trim(3, c.content, c.check); !errors.Is(err, c.want) {
			t.Fatalf("%s: %v, want %v", c.what, err, c.want)
		}
		armed = false
		if _, err := os.Stat(filepath.Join(dir, baseNewName)); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%s: the unfinished base is still there: %v", c.what, err)
		}
		wantRest(t, l, "", 0, d.n)
		mustAppend(t, l, payload(d.n), true)
		if err := l.Trim(3, content(baseText), anything); err != nil {
			t.Fatalf("%s: once more: %v", c.what, err)
		}
		wantRest(t, l, baseText, d.before(3), d.n+1)
		mustClose(t, l)
	}
}

func TestEndSegment(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	later := time.Now().Add(time.Hour)
	end := func(before time.Time, want uint32) {
		t.Helper()
		if err := l.EndSegment(before); err != nil {
			t.Fatal(err)
		}
		if got := l.End().Segment; got != want {
			t.Fatalf("segment %d, want %d", got, want)
		}
	}
	end(later, 1) // has no frames
	mustAppend(t, l, payload(0), true)
	end(time.Now().Add(-time.Hour), 1)
	mustClose(t, l)
	l = mustOpen(t, dir, Options{})
	end(time.Now().Add(-time.Hour), 1)
	end(later, 2)
	end(later, 2)
	mustAppend(t, l, payload(1), true)
	wantPayloads(t, l, 2)
	end(later, 3)
	if err := l.Trim(3, content(baseText), anything); err != nil { // to a segment without frames
		t.Fatal(err)
	}
	for range 2 {
		wantRest(t, l, baseText, 2, 2)
		if l.LastSeq() != 2 {
			t.Fatalf("the last frame is %d", l.LastSeq())
		}
		mustClose(t, l)
		l = mustOpen(t, dir, Options{})
	}
	mustAppend(t, l, payload(2), true)
	wantRest(t, l, baseText, 2, 3)
}

// TestPiecesOfATrimmedLog copies a log by its pieces.
func TestPiecesOfATrimmedLog(t *testing.T) {
	l, d := newTrimmed(t, 40)
	if err := l.Trim(4, content(baseText), anything); err != nil {
		t.Fatal(err)
	}
	pieces, err := l.Pieces(l.End())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, p := range pieces {
		if !IsPieceName(p.Name) {
			t.Errorf("%s is not the name of a piece", p.Name)
		}
		var b bytes.Buffer
		if err := l.CopyPiece(&b, p); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, p.Name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantRest(t, mustOpen(t, dir, Options{}), baseText, d.before(4), d.n)
}
