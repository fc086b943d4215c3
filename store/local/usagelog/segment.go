package usagelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"llmhub/store"
)

// segmentHeaderBytes is the length of what precedes the frames of a segment:
//
//	0 magic 8 · 8 format version 4 · 12 segment number 4 · 16 first seq 8 · 24 previous checksum 4 · 28 salt 4
//	32 checksum of all before 4
const segmentHeaderBytes = 36

const formatVersion = 1

var segmentMagic = []byte("llmhubUL")

// segmentHeader is the decoded head of a segment.
type segmentHeader struct {
	number   uint32
	firstSeq uint64
	previous uint32 // checksum of the last frame of the segment before
	salt     uint32 // the same in all segments of a log
}

func (h segmentHeader) encode() []byte {
	b := h.append(make([]byte, 0, segmentHeaderBytes), segmentMagic)
	return binary.BigEndian.AppendUint32(b, checksum(0, b))
}

// append appends magic, format version and the fields.
func (h segmentHeader) append(b, magic []byte) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, formatVersion)
	b = binary.BigEndian.AppendUint32(b, h.number)
	b = binary.BigEndian.AppendUint64(b, h.firstSeq)
	b = binary.BigEndian.AppendUint32(b, h.previous)
	return binary.BigEndian.AppendUint32(b, h.salt)
}

// decodeHeader reads the fields that append writes.
func decodeHeader(b []byte) segmentHeader {
	return segmentHeader{
		number:   binary.BigEndian.Uint32(b[12:]),
		firstSeq: binary.BigEndian.Uint64(b[16:]),
		previous: binary.BigEndian.Uint32(b[24:]),
		salt:     binary.BigEndian.Uint32(b[28:]),
	}
}

// errIncomplete says that a segment's header was never written whole.
var errIncomplete = errors.New("segment header is incomplete")

// readSegmentHeader reads and checks the header of the segment with the given number. It returns errIncomplete for a
// file that is a part of a header, or nothing but zeroes as long as a header.
func readSegmentHeader(f *os.File, number uint32) (segmentHeader, error) {
	b := make([]byte, segmentHeaderBytes+1)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return segmentHeader{}, fmt.Errorf("usage log: %w", err)
	}
	b = b[:n]
	magic := min(n, len(segmentMagic))
	begun := bytes.Equal(b[:magic], segmentMagic[:magic])
	if n < segmentHeaderBytes && begun || n <= segmentHeaderBytes && isZero(b) {
		return segmentHeader{}, errIncomplete
	}
	if n < segmentHeaderBytes || !begun || binary.BigEndian.Uint32(b[32:]) != checksum(0, b[:32]) {
		return segmentHeader{}, damaged(f.Name(), 0, "segment header is not what was written")
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != formatVersion {
		return segmentHeader{}, fmt.Errorf("usage log: %s has format version %d, this llmhub reads version %d",
			f.Name(), v, formatVersion)
	}
	h := decodeHeader(b)
	if h.number != number {
		return h, damaged(f.Name(), 0, fmt.Sprintf("the file holds segment %d", h.number))
	}
	return h, nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// damaged describes bytes that are not what was written.
func damaged(path string, offset int64, what string) error {
	return fmt.Errorf("usage log: %s, offset %d: %s: %w: restore the data folder from a backup; "+
		"llmhub does not repair it, because that would lose usage unnoticed", path, offset, what, store.ErrDamaged)
}

const segmentSuffix = ".log"

func (l *Log) segmentPath(number uint32) string {
	return filepath.Join(l.dir, fmt.Sprintf("%08d%s", number, segmentSuffix))
}

// segmentNumber reads the number out of a file name.
func segmentNumber(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || n == 0 || fmt.Sprintf("%08d", n) != digits {
		return 0, false
	}
	return uint32(n), true
}

// listSegments returns the number of the last segment, 0 if there is none; they are numbered from that of the base
// without gaps. Older ones are what an interrupted Trim has left.
func (l *Log) listSegments() (last uint32, err error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return 0, fmt.Errorf("usage log: %w", err)
	}
	there := map[uint32]bool{}
	for _, e := range entries {
		n, ok := segmentNumber(e.Name())
		switch {
		case ok && e.Type().IsRegular():
			there[n] = true
			last = max(last, n)
		case !slices.Contains([]string{lockName, evidenceName, baseName, baseNewName}, e.Name()):
			l.logger.Warn("usage log: ignoring a file that is not part of the log",
				"file", filepath.Join(l.dir, e.Name()))
		}
	}
	if l.first.number > 1 {
		last = max(last, l.first.number)
	}
	for n := l.first.number; n <= last; n++ {
		if !there[n] {
			return 0, damaged(l.segmentPath(n), 0, "the segment is missing")
		}
	}
	return last, nil
}

// createSegment creates the file of a segment, durably with its folder entry, and returns it.
func (l *Log) createSegment(h segmentHeader) (*os.File, error) {
	path := l.segmentPath(h.number)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, writeFailure(err)
	}
	if err := l.write(f, h.encode(), 0); err != nil {
		return nil, errors.Join(writeFailure(err), f.Close(), os.Remove(path))
	}
	if err := errors.Join(l.syncFile(f), syncFolder(l.dir)); err != nil {
		return nil, errors.Join(&syncFailure{err}, f.Close())
	}
	return f, nil
}

// syncFailure is an error after which it is unknown what is on disk.
type syncFailure struct{ cause error }

func (e *syncFailure) Error() string { return e.cause.Error() }
func (e *syncFailure) Unwrap() error { return e.cause }
