package usagelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"
)

// baseName is the file of a log whose first segments have been removed. It says where the log begins now, and holds
// what the owner of the payloads has made of those that are gone:
//
//	0 magic 8 · 8 format version 4 · 12 number of the first segment 4 · 16 number of its first frame 8
//	24 checksum of the frame before that 4 · 28 salt 4 · 32 length of the content 8 · 40 checksum of the content 4
//	44 checksum of all before 4 · 48 content
//
// It is written under the name baseNewName and renamed once it is on disk; only then are segments removed.
const (
	baseName        = "base"
	baseNewName     = "base.new"
	baseHeaderBytes = 48
)

var baseMagic = []byte("llmhubUB")

// ErrRemoved says that the frame asked for has been removed from the beginning of the log.
var ErrRemoved = errors.New("usage log: the frame has been removed")

// base is the decoded head of a base file.
type base struct {
	segmentHeader // of the first segment that there is
	bytes         int64
	sum           uint32
}

func (b base) encode() []byte {
	out := b.append(make([]byte, 0, baseHeaderBytes), baseMagic)
	out = binary.BigEndian.AppendUint64(out, uint64(b.bytes))
	out = binary.BigEndian.AppendUint32(out, b.sum)
	return binary.BigEndian.AppendUint32(out, checksum(0, out))
}

// readBase reads the head of the base file, and checks all of it. A log that has none begins with segment 1, which is what is
// returned then, with zeroes for what only the segment itself says.
func (l *Log) readBase() (base, error) {
	path := filepath.Join(l.dir, baseName)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return base{segmentHeader: segmentHeader{number: 1}}, nil
	}
	if err != nil {
		return base{}, fmt.Errorf("usage log: %w", err)
	}
	defer f.Close()
	head := make([]byte, baseHeaderBytes)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return base{}, fmt.Errorf("usage log: %w", err)
	}
	if !bytes.Equal(head[:8], baseMagic) || binary.BigEndian.Uint32(head[44:]) != checksum(0, head[:44]) {
		return base{}, damaged(path, 0, "the head is not what was written")
	}
	if v := binary.BigEndian.Uint32(head[8:]); v != formatVersion {
		return base{}, fmt.Errorf("usage log: %s has format version %d, this llmhub reads version %d", path, v, formatVersion)
	}
	b := base{
		segmentHeader: decodeHeader(head),
		bytes:         int64(binary.BigEndian.Uint64(head[32:])),
		sum:           binary.BigEndian.Uint32(head[40:]),
	}
	info, err := f.Stat()
	if err != nil {
		return base{}, fmt.Errorf("usage log: %w", err)
	}
	if b.number < 2 || info.Size()-baseHeaderBytes != b.bytes {
		return base{}, damaged(path, baseHeaderBytes, "the content has another length than was written")
	}
	return b, b.read(path, func(io.Reader) error { return nil })
}

// First returns where the log begins: the position of its first frame, and that frame's number, be it there or not yet.
func (l *Log) First() (Position, uint64) {
	l.writing.Lock()
	defer l.writing.Unlock()
	return Position{Segment: l.first.number, Offset: segmentHeaderBytes}, max(l.first.firstSeq, 1)
}

// ReadBase calls fn with what Trim was given last, after having checked that it is what was written, and reports
// whether there is any.
func (l *Log) ReadBase(fn func(content io.Reader) error) (found bool, err error) {
	l.writing.Lock()
	b, err := l.first, l.alive()
	l.writing.Unlock()
	if err != nil || b.number == 1 {
		return false, err
	}
	return true, b.read(filepath.Join(l.dir, baseName), fn)
}

// read calls fn with the content of a base file, after having checked it.
func (b *base) read(path string, fn func(content io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	defer f.Close()
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(f, baseHeaderBytes, b.bytes)); err != nil {
		return fmt.Errorf("usage log: read %s: %w", path, err)
	}
	if sum.Sum32() != b.sum {
		return damaged(path, baseHeaderBytes, "the content has a wrong checksum")
	}
	return fn(io.NewSectionReader(f, baseHeaderBytes, b.bytes))
}

// Trim removes all segments before the one with the given number, which must not be the last one's successor. content
// writes what is to be kept of what they, and the base before, hold, and check reads what has been written; ReadBase gives
// it back. It is on disk before anything is removed. After an error nothing has been removed, but for one that says that the
// process has to end, and for files that could not be removed, which the next opening does. While Trim runs nobody else may
// call it or ReadBase.
func (l *Log) Trim(first uint32, content func(w io.Writer) error, check func(written io.Reader) error) error {
	head, err := l.trimmable(first)
	if err != nil || head.number == 0 {
		return err
	}
	b := base{segmentHeader: head}
	path := filepath.Join(l.dir, baseNewName)
	err = l.writeBase(path, &b, content)
	if err == nil {
		err = b.read(path, check)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(path))
	}
	dir, err := os.Open(l.dir)
	if err == nil {
		defer dir.Close()
		err = os.Rename(path, filepath.Join(l.dir, baseName))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("usage log: %w", err), removeIfThere(path))
	}
	synced := dir.Sync()
	l.writing.Lock()
	before := l.first.number
	if synced != nil {
		err = l.poison(synced) // which of the two bases a power cut leaves is unknown
	} else {
		l.first = b
	}
	l.writing.Unlock()
	if err != nil {
		return err
	}
	return l.removeSegments(before, first)
}

// trimmable returns the header of the segment that the log is to begin with, and a zero one if it does so already.
func (l *Log) trimmable(first uint32) (segmentHeader, error) {
	l.writing.Lock()
	end, begin, err := l.end, l.first.number, l.appendable()
	l.writing.Unlock()
	if err != nil || first <= begin {
		return segmentHeader{}, err
	}
	if first > end.Segment {
		return segmentHeader{}, fmt.Errorf("usage log: segment %d is the last one and cannot be removed", end.Segment)
	}
	f, head, _, err := l.openSegment(first, end)
	if err != nil {
		return segmentHeader{}, err
	}
	return head, f.Close()
}

// writeBase writes a base file and makes its content durable. It fills b.
func (l *Log) writeBase(path string, b *base, content func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return writeFailure(err)
	}
	w := &baseWriter{log: l, file: f, offset: baseHeaderBytes}
	err = content(w)
	if err == nil {
		b.bytes, b.sum = w.offset-baseHeaderBytes, w.sum
		if err = l.write(f, b.encode(), 0); err != nil {
			err = writeFailure(err)
		}
	}
	if err == nil {
		err = l.syncFile(f)
	}
	return errors.Join(err, f.Close())
}

// baseWriter writes the content of a base file.
type baseWriter struct {
	log    *Log
	file   *os.File
	offset int64
	sum    uint32
}

func (w *baseWriter) Write(b []byte) (int, error) {
	if err := w.log.write(w.file, b, w.offset); err != nil {
		return 0, writeFailure(err)
	}
	w.offset += int64(len(b))
	w.sum = crc32.Update(w.sum, castagnoli, b)
	return len(b), nil
}

// removeSegments removes the files of the segments from one to before another.
func (l *Log) removeSegments(from, to uint32) error {
	for n := from; n < to; n++ {
		path := l.segmentPath(n)
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("usage log: %w", err)
		}
		l.writing.Lock()
		l.bytes -= info.Size()
		l.writing.Unlock()
	}
	if err := syncFolder(l.dir); err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("usage log: %w", err)
	}
	return nil
}

// EndSegment begins a new segment if the first frame of the current one was written before a time, so that what is old
// can be removed.
func (l *Log) EndSegment(before time.Time) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.appendable(); err != nil {
		return err
	}
	if l.end.Offset == segmentHeaderBytes || !l.begun.Before(before) {
		return nil
	}
	return l.beginSegment()
}

// missingSegment says what the absence of a segment's file means. The caller does not hold writing.
func (l *Log) missingSegment(number uint32) error {
	if first, _ := l.First(); number < first.Segment {
		return ErrRemoved
	}
	return damaged(l.segmentPath(number), 0, "the segment is missing")
}
