package usagelog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// Replay calls fn for every frame from a position on, in order, up to the end that the log has when Replay is called,
// and returns that end. The zero Position stands for the beginning. The payload is valid during the call only. Replay
// checks every checksum, their chain over frames and segments, and that numbers are consecutive; a fault is
// store.ErrDamaged, as is a position behind the end; a position before the first is ErrRemoved. An error of fn ends
// Replay and is returned as it is.
func (l *Log) Replay(from Position, fn func(pos Position, seq uint64, at time.Time, payload []byte) error) (Position, error) {
	end, err := l.readable()
	if err != nil {
		return from, err
	}
	if from == end { // a log that is only read may have no segment at all
		return end, nil
	}
	first, _ := l.First()
	if from == (Position{}) {
		from = first
	}
	if from.Before(first) {
		return from, ErrRemoved
	}
	if end.Before(from) {
		return from, damaged(l.segmentPath(from.Segment), from.Offset,
			fmt.Sprintf("the log ends at %s, frames that were written before are missing", end))
	}
	if from.Segment == 0 || from.Offset < segmentHeaderBytes {
		return from, fmt.Errorf("usage log: %s is not the position of a frame", from)
	}
	state := replayState{open: true}
	for n := from.Segment; n <= end.Segment; n++ {
		start := Position{Segment: n, Offset: segmentHeaderBytes}
		if n == from.Segment {
			start = from
		}
		if err := l.replaySegment(start, end, &state, fn); err != nil {
			return start, err
		}
	}
	return end, nil
}

// replayState is what one segment hands to the next.
type replayState struct {
	seq   uint64
	chain uint32
	open  bool // nothing is known yet
}

func (l *Log) replaySegment(start, end Position, s *replayState, fn func(Position, uint64, time.Time, []byte) error) error {
	f, head, limit, err := l.openSegment(start.Segment, end)
	if err != nil {
		return err
	}
	defer f.Close()
	if start.Offset == segmentHeaderBytes {
		if !s.open && (head.firstSeq != s.seq || head.previous != s.chain) {
			return damaged(f.Name(), 0, "the segment does not continue the one before it")
		}
		*s = replayState{seq: head.firstSeq, chain: head.previous}
	}
	if start.Offset > limit {
		return damaged(f.Name(), limit, "the segment is shorter than it has been")
	}
	r := newFrameReader(f, start.Offset, limit, l.salt)
	r.seq, r.chain, r.open = s.seq, s.chain, s.open
	for {
		pos := Position{Segment: start.Segment, Offset: r.offset}
		h, payload, err := r.next()
		if errors.Is(err, io.EOF) {
			*s = replayState{seq: r.seq, chain: r.chain, open: r.open}
			return nil
		}
		if err != nil {
			return readFailure(f.Name(), err)
		}
		if err := fn(pos, h.seq, h.time(), payload); err != nil {
			return err
		}
	}
}

// openSegment opens a segment for reading, checks its header and returns where its frames end.
func (l *Log) openSegment(number uint32, end Position) (*os.File, segmentHeader, int64, error) {
	f, err := os.Open(l.segmentPath(number))
	if errors.Is(err, os.ErrNotExist) {
		return nil, segmentHeader{}, 0, l.missingSegment(number)
	}
	if err != nil {
		return nil, segmentHeader{}, 0, fmt.Errorf("usage log: %w", err)
	}
	head, limit, err := l.checkSegment(f, number, end)
	if err != nil {
		return nil, segmentHeader{}, 0, errors.Join(err, f.Close())
	}
	return f, head, limit, nil
}

func (l *Log) checkSegment(f *os.File, number uint32, end Position) (segmentHeader, int64, error) {
	head, err := readSegmentHeader(f, number)
	if errors.Is(err, errIncomplete) {
		err = damaged(f.Name(), 0, err.Error())
	}
	if err != nil {
		return head, 0, err
	}
	if head.salt != l.salt {
		return head, 0, damaged(f.Name(), 0, "the segment belongs to another log")
	}
	if number == end.Segment {
		return head, end.Offset, nil
	}
	info, err := f.Stat()
	if err != nil {
		return head, 0, fmt.Errorf("usage log: %w", err)
	}
	return head, info.Size(), nil
}

// readFailure turns a faulty frame into damage and leaves input errors as they are.
func readFailure(path string, err error) error {
	var bad *faultyFrame
	if errors.As(err, &bad) {
		return damaged(path, bad.offset, bad.what)
	}
	return fmt.Errorf("usage log: read %s: %w", path, err)
}

// ReadAt returns the frame at a position that Append or Replay has given. Its checksum is checked, its place in the
// chain is not. The payload belongs to the caller. A frame that Trim has removed is ErrRemoved.
func (l *Log) ReadAt(pos Position) (seq uint64, at time.Time, payload []byte, err error) {
	end, err := l.readable()
	if err != nil {
		return 0, time.Time{}, nil, err
	}
	if pos.Segment == 0 || pos.Offset < segmentHeaderBytes || !pos.Before(end) {
		return 0, time.Time{}, nil, fmt.Errorf("usage log: there is no frame at %s, the log ends at %s", pos, end)
	}
	path := l.segmentPath(pos.Segment)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, time.Time{}, nil, l.missingSegment(pos.Segment)
	}
	if err != nil {
		return 0, time.Time{}, nil, fmt.Errorf("usage log: %w", err)
	}
	defer f.Close()
	var head [frameHeaderBytes]byte
	if _, err := f.ReadAt(head[:], pos.Offset); err != nil {
		return 0, time.Time{}, nil, readFailure(path, shortRead(err, pos.Offset))
	}
	h, ok := parseFrameHeader(head[:], l.salt)
	if !ok || h.length > MaxPayload {
		return 0, time.Time{}, nil, damaged(path, pos.Offset, "frame header has a wrong checksum")
	}
	payload = make([]byte, h.length)
	if _, err := f.ReadAt(payload, pos.Offset+frameHeaderBytes); err != nil {
		return 0, time.Time{}, nil, readFailure(path, shortRead(err, pos.Offset))
	}
	if crc32.Update(checksum(l.salt, head[:44]), castagnoli, payload) != h.sum {
		return 0, time.Time{}, nil, damaged(path, pos.Offset, "frame has a wrong checksum")
	}
	return h.seq, h.time(), payload, nil
}

func shortRead(err error, offset int64) error {
	if errors.Is(err, io.EOF) {
		return &faultyFrame{offset: offset, what: "the file ends inside a frame"}
	}
	return err
}
