package usagelog

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"llmhub/store"
)

// keepBufferBytes is the largest write buffer kept between appends.
const keepBufferBytes = 1 << 20

// Append writes a payload as the next frame, in one write, and returns where it starts. A durable append returns once
// the frame is on disk, together with all before it; concurrent ones share an fdatasync. One that is not durable
// returns once the frame is in the system's page cache, which outlives the process but not the machine; it does not
// wait for an fdatasync in progress unless it begins a segment.
//
// Errors: store.ErrTooLarge; store.ErrNoSpace, after which nothing of the payload is left and it may be appended
// again; store.ErrClosed once the log is closed or any sync has failed, after which the process has to end.
func (l *Log) Append(payload []byte, durable bool) (Position, error) {
	pos, seq, err := l.Write(payload, durable)
	if err == nil && durable {
		err = l.SyncTo(seq)
	}
	if err != nil {
		return Position{}, err
	}
	return pos, nil
}

// Write does what Append does, but does not wait for the disk; for a durable frame SyncTo with the number returned has
// to follow before anybody relies on it. In between the caller can let other frames be written.
func (l *Log) Write(payload []byte, durable bool) (Position, uint64, error) {
	if len(payload) > MaxPayload {
		return Position{}, 0, fmt.Errorf("usage log: payload of %d bytes: %w", len(payload), store.ErrTooLarge)
	}
	pos, seq, fits, err := l.tryAppend(payload, durable)
	if err == nil && !fits {
		pos, seq, err = l.appendToNewSegment(payload, durable)
	}
	return pos, seq, err
}

// SyncTo returns once the frame with the given number, and all before it, are on disk. Concurrent calls share an
// fdatasync.
func (l *Log) SyncTo(seq uint64) error { return l.syncUpTo(seq) }

// Sync makes everything appended so far durable, and returns the position behind it.
func (l *Log) Sync() (Position, error) {
	l.writing.Lock()
	end, last, err := l.end, l.lastSeq, l.appendable()
	l.writing.Unlock()
	if err != nil {
		return Position{}, err
	}
	return end, l.syncUpTo(last)
}

// tryAppend appends to the current segment. If the frame does not fit, it does nothing.
func (l *Log) tryAppend(payload []byte, durable bool) (pos Position, seq uint64, fits bool, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.appendable(); err != nil {
		return Position{}, 0, false, err
	}
	if !l.fits(payload) {
		return Position{}, 0, false, nil
	}
	pos, seq, err = l.appendFrame(payload, durable)
	return pos, seq, true, err
}

// appendToNewSegment appends behind the beginning of a segment. It waits for an fdatasync in progress, since it ends
// the file that is being synced.
func (l *Log) appendToNewSegment(payload []byte, durable bool) (Position, uint64, error) {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.appendable(); err != nil {
		return Position{}, 0, err
	}
	if !l.fits(payload) { // another append may have begun one meanwhile
		if err := l.beginSegment(); err != nil {
			return Position{}, 0, err
		}
	}
	return l.appendFrame(payload, durable)
}

func (l *Log) fits(payload []byte) bool {
	return l.end.Offset == segmentHeaderBytes ||
		l.end.Offset+frameHeaderBytes+int64(len(payload)) <= l.options.SegmentBytes
}

// beginSegment syncs the current segment, so that only the last one can have an unfinished end, and begins the next.
// The caller holds syncing and writing.
func (l *Log) beginSegment() error {
	if err := l.syncFile(l.file); err != nil {
		return l.poison(err)
	}
	l.noteSynced(l.lastSeq)
	head := segmentHeader{number: l.end.Segment + 1, firstSeq: l.lastSeq + 1, previous: l.chain, salt: l.salt}
	f, err := l.createSegment(head)
	if err != nil {
		if errors.Is(err, store.ErrNoSpace) {
			return err
		}
		return l.poison(err)
	}
	old := l.file
	l.file = f
	l.end = Position{Segment: head.number, Offset: segmentHeaderBytes}
	l.bytes += segmentHeaderBytes
	if err := old.Close(); err != nil {
		return l.poison(err)
	}
	return nil
}

// appendFrame writes the next frame. The caller holds writing.
func (l *Log) appendFrame(payload []byte, durable bool) (Position, uint64, error) {
	h := frameHeader{seq: l.lastSeq + 1, at: time.Now().UnixNano(), synced: l.synced.Load(), previous: l.chain}
	if durable {
		h.flags |= flagDurable
	}
	frame, sum := appendFrame(l.buf[:0], h, l.salt, payload)
	if cap(frame) <= keepBufferBytes {
		l.buf = frame
	}
	if err := l.write(l.file, frame, l.end.Offset); err != nil {
		return Position{}, 0, l.undoWrite(writeFailure(err))
	}
	pos := l.end
	if pos.Offset == segmentHeaderBytes {
		l.begun = h.time()
	}
	l.end.Offset += int64(len(frame))
	l.bytes += int64(len(frame))
	l.lastSeq, l.chain = h.seq, sum
	return pos, h.seq, nil
}

// undoWrite removes what a failed write has left. The removal is synced, so that no remains come back after a power
// cut behind frames written later. The caller holds writing.
func (l *Log) undoWrite(cause error) error {
	if !errors.Is(cause, store.ErrNoSpace) {
		return l.poison(cause)
	}
	if err := l.file.Truncate(l.end.Offset); err != nil {
		return l.poison(errors.Join(cause, err))
	}
	if err := l.syncFile(l.file); err != nil {
		return l.poison(errors.Join(cause, err))
	}
	return cause
}

// writeFailure marks errors that say that the disk is full.
func writeFailure(err error) error {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, io.ErrShortWrite} {
		if errors.Is(err, full) {
			return fmt.Errorf("usage log: %w: %w", store.ErrNoSpace, err)
		}
	}
	return fmt.Errorf("usage log: %w", err)
}

// syncUpTo returns once the frame with the given number is on disk.
func (l *Log) syncUpTo(seq uint64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if l.synced.Load() >= seq {
		return nil
	}
	l.writing.Lock()
	file, last, err := l.file, l.lastSeq, l.appendable()
	l.writing.Unlock()
	if err != nil {
		return err
	}
	if err := l.syncFile(file); err != nil {
		l.writing.Lock()
		defer l.writing.Unlock()
		return l.poison(err)
	}
	l.noteSynced(last)
	return nil
}
