package usagelog

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"llmhub/store"
)

// load checks the folder and brings the log to the state after its last whole frame.
func (l *Log) load() error {
	var err error
	if l.first, err = l.readBase(); err != nil {
		return err
	}
	last, err := l.listSegments()
	if err != nil {
		return err
	}
	known := l.readEvidence()
	heads, err := l.readHeads(last)
	if err != nil {
		return err
	}
	unborn := last > 0 && (len(heads) == 0 || heads[len(heads)-1].number < last) // the last segment was never used
	if len(heads) > 0 {
		if err := l.loadLast(heads[len(heads)-1], unborn); err != nil {
			return err
		}
	}
	l.synced.Store(known)
	if known > l.lastSeq {
		return damaged(l.segmentPath(max(l.first.number, l.end.Segment)), l.end.Offset,
			fmt.Sprintf("the log ends with frame %d, but frame %d was acknowledged", l.lastSeq, known))
	}
	if l.readOnly {
		return nil
	}
	if err := l.removeOld(); err != nil {
		return err
	}
	return l.prepare(last, unborn, len(heads) == 0)
}

// readHeads reads the headers of all segments, but for a last one whose header is incomplete.
func (l *Log) readHeads(last uint32) ([]segmentHeader, error) {
	var heads []segmentHeader
	for n := l.first.number; n <= last; n++ {
		f, err := os.Open(l.segmentPath(n))
		if err != nil {
			return nil, fmt.Errorf("usage log: %w", err)
		}
		head, err := readSegmentHeader(f, n)
		info, serr := f.Stat()
		if serr = errors.Join(serr, f.Close()); serr != nil {
			return nil, fmt.Errorf("usage log: %w", serr)
		}
		switch {
		case errors.Is(err, errIncomplete) && n == last && (n == 1 || len(heads) > 0):
			return heads, nil
		case errors.Is(err, errIncomplete):
			return nil, damaged(l.segmentPath(n), 0, err.Error())
		case err != nil:
			return nil, err
		case n == 1:
			l.salt = head.salt
		case n == l.first.number && head != l.first.segmentHeader:
			return nil, damaged(l.segmentPath(n), 0, "the segment is not the one that the base goes on with")
		case n == l.first.number:
			l.salt = head.salt
		case head.salt != l.salt || head.firstSeq < heads[len(heads)-1].firstSeq:
			return nil, damaged(l.segmentPath(n), 0, "the segment belongs to another log")
		}
		heads = append(heads, head)
		l.bytes += info.Size()
	}
	return heads, nil
}

// removeOld removes what an interrupted Trim has left.
func (l *Log) removeOld() error {
	err := removeIfThere(filepath.Join(l.dir, baseNewName))
	entries, rerr := os.ReadDir(l.dir)
	err = errors.Join(err, rerr)
	for _, e := range entries {
		if n, ok := segmentNumber(e.Name()); ok && n < l.first.number {
			err = errors.Join(err, removeIfThere(filepath.Join(l.dir, e.Name())))
		}
	}
	return err
}

// loadLast reads the last segment through. sealed says that another one was begun behind it, so that its end cannot be
// an unfinished write.
func (l *Log) loadLast(head segmentHeader, sealed bool) error {
	f, err := os.Open(l.segmentPath(head.number))
	if err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	r := newFrameReader(f, segmentHeaderBytes, info.Size(), l.salt)
	r.seq, r.chain = head.firstSeq, head.previous
	for err == nil {
		begins := r.offset == segmentHeaderBytes
		var h frameHeader
		if h, _, err = r.next(); err == nil && begins {
			l.begun = h.time()
		}
	}
	var bad *faultyFrame
	if errors.As(err, &bad) {
		t := tail{file: f, size: info.Size(), offset: r.offset, seq: r.seq, chain: r.chain, salt: l.salt}
		err = t.judge(bad, sealed)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	l.end = Position{Segment: head.number, Offset: r.offset}
	l.lastSeq, l.chain = r.seq-1, r.chain
	l.bytes -= info.Size() - r.offset
	return nil
}

// prepare makes the log ready for appending: it removes what was never finished and syncs what is there, since frames
// found may have been in the page cache only.
func (l *Log) prepare(last uint32, unborn, empty bool) error {
	if unborn {
		path := l.segmentPath(last)
		l.logger.Warn("usage log: removing a segment that was never used", "file", path)
		if err := errors.Join(os.Remove(path), syncFolder(l.dir)); err != nil {
			return fmt.Errorf("usage log: %w", err)
		}
	}
	if err := l.openLast(empty); err != nil {
		return err
	}
	if err := errors.Join(l.syncFile(l.file), syncFolder(l.dir)); err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	l.openEvidence()
	l.noteSynced(l.lastSeq)
	return nil
}

// openLast opens the last segment for appending and cuts off an unfinished write, or creates the first segment.
func (l *Log) openLast(empty bool) error {
	if empty {
		return l.createFirst()
	}
	path := l.segmentPath(l.end.Segment)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	l.file = f
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	if surplus := info.Size() - l.end.Offset; surplus > 0 {
		l.logger.Warn("usage log: cutting off a write that was never finished or acknowledged",
			"file", path, "offset", l.end.Offset, "bytes", surplus)
		if err := f.Truncate(l.end.Offset); err != nil {
			return fmt.Errorf("usage log: %w", err)
		}
	}
	return nil
}

func (l *Log) createFirst() error {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	head := segmentHeader{number: 1, firstSeq: 1,
		previous: binary.BigEndian.Uint32(b[:]), salt: binary.BigEndian.Uint32(b[4:])}
	f, err := l.createSegment(head)
	if err != nil {
		if errors.Is(err, store.ErrNoSpace) {
			return err
		}
		return fmt.Errorf("usage log: %w", err)
	}
	l.file, l.salt, l.chain = f, head.salt, head.previous
	l.end = Position{Segment: 1, Offset: segmentHeaderBytes}
	l.bytes = segmentHeaderBytes
	return nil
}
