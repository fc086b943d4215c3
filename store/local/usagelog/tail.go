package usagelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// sectorBytes is the smallest piece that a disk writes whole.
const sectorBytes = 512

// tail is a place in the last segment where the frame that must follow is faulty.
type tail struct {
	file   *os.File
	size   int64
	offset int64
	seq    uint64
	chain  uint32
	salt   uint32
}

// judge returns nil if the tail can be a write that was never finished nor acknowledged, else store.ErrDamaged. Three
// things speak against it: a segment begun later, for which this one was synced (sealed); bytes that no interrupted
// write leaves; and frames behind. The note of what was synced is compared by the caller.
func (t *tail) judge(bad *faultyFrame, sealed bool) error {
	refuse := func(why string) error { return damaged(t.file.Name(), bad.offset, bad.what+"; "+why) }
	if sealed {
		return refuse("a later segment exists")
	}
	torn, err := t.looksTorn()
	if err != nil {
		return fmt.Errorf("usage log: read %s: %w", t.file.Name(), err)
	}
	if !torn {
		return refuse("no interrupted write leaves this")
	}
	acknowledged, err := t.acknowledgedBehind()
	if err != nil {
		return fmt.Errorf("usage log: read %s: %w", t.file.Name(), err)
	}
	if acknowledged {
		return refuse("a frame behind it may have been acknowledged")
	}
	return nil
}

// looksTorn tells whether the bytes can be an interrupted write: the beginning of the expected frame up to the end of
// the file, or one with sectors that never reached the disk and read as zeroes.
func (t *tail) looksTorn() (bool, error) {
	b := make([]byte, min(frameHeaderBytes, t.size-t.offset))
	if _, err := t.file.ReadAt(b, t.offset); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if len(b) < frameHeaderBytes && t.beginsFrame(b) {
		return true, nil
	}
	h, ok := parseFrameHeader(b, t.salt)
	if !ok {
		return t.hasZeroSector(t.offset, t.offset+int64(len(b)))
	}
	if h.seq != t.seq || h.previous != t.chain || h.length > MaxPayload {
		return false, nil
	}
	end := t.offset + h.size()
	if end > t.size {
		return true, nil
	}
	return t.hasZeroSector(t.offset+frameHeaderBytes, end)
}

// beginsFrame tells whether b, shorter than a header, agrees with the header of the expected frame as far as that is
// known beforehand.
func (t *tail) beginsFrame(b []byte) bool {
	want := make([]byte, frameHeaderBytes)
	copy(want, frameMagic)
	binary.BigEndian.PutUint64(want[8:], t.seq)
	binary.BigEndian.PutUint32(want[32:], t.chain)
	for i, c := range b {
		foreseen := i < 4 || 8 <= i && i < 16 || 32 <= i && i < 36
		if foreseen && c != want[i] {
			return false
		}
	}
	return true
}

// hasZeroSector tells whether a sector that overlaps [from, to) is all zero, as far as it lies between the faulty frame's
// beginning and the end of the file.
func (t *tail) hasZeroSector(from, to int64) (bool, error) {
	b := make([]byte, sectorBytes)
	for s := from - from%sectorBytes; s < to; s += sectorBytes {
		lo, hi := max(s, t.offset), min(s+sectorBytes, t.size)
		piece := b[:hi-lo]
		if _, err := t.file.ReadAt(piece, lo); err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if isZero(piece) {
			return true, nil
		}
	}
	return false, nil
}

// acknowledgedBehind searches what follows the faulty frame for a frame that proves it synced, or that was itself
// written to be synced.
func (t *tail) acknowledgedBehind() (bool, error) {
	const window = 1 << 20
	b := make([]byte, window+frameHeaderBytes)
	for base := t.offset + 1; base < t.size; base += window {
		n, err := t.file.ReadAt(b[:min(int64(len(b)), t.size-base)], base)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		for i := 0; i < min(n, window); i++ {
			step := bytes.Index(b[i:n], frameMagic)
			if step < 0 {
				break
			}
			i += step
			if found, err := t.proves(b[i:n], base+int64(i)); found || err != nil {
				return found, err
			}
		}
	}
	return false, nil
}

// proves tells whether a frame with the given beginning proves that the faulty one was synced, or may have been.
func (t *tail) proves(head []byte, offset int64) (bool, error) {
	h, ok := parseFrameHeader(head, t.salt)
	if !ok {
		return false, nil
	}
	if h.synced >= t.seq {
		return true, nil
	}
	if h.flags&flagDurable == 0 || h.length > MaxPayload || offset+h.size() > t.size {
		return false, nil
	}
	sum := checksum(t.salt, head[:44])
	payload := io.NewSectionReader(t.file, offset+frameHeaderBytes, int64(h.length))
	b := make([]byte, 32<<10)
	for {
		n, err := payload.Read(b)
		sum = crc32.Update(sum, castagnoli, b[:n])
		if errors.Is(err, io.EOF) {
			return sum == h.sum, nil
		}
		if err != nil {
			return false, err
		}
	}
}
