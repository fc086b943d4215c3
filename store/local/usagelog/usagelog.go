// Package usagelog is an append-only log of byte payloads in segment files, with one fdatasync per durable append.
//
// Every frame carries a consecutive number, a checksum of its own and the checksum of the frame before it, so that
// nothing can be changed, removed or exchanged unnoticed. Opening the log cuts off an unfinished write at its end and
// refuses (store.ErrDamaged) whatever cannot have been left by one. Whole segments can be removed from the beginning,
// once what is to be kept of them has been put into a base. docs/FORMAT.md draws the bytes and says what can be told apart.
//
// The package refuses to interpret payloads, to repair damage, to retry a failed fsync, and to share its folder with
// another process.
package usagelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"llmhub/store"
)

// MaxPayload bounds one payload, in bytes.
const MaxPayload = 8 << 20

const (
	defaultSegmentBytes = 64 << 20
	maxSegmentBytes     = 1 << 40
)

// Options configure a log. The zero value is usable.
type Options struct {
	// SegmentBytes is the size at which a new segment is begun; 0 means 64 MiB. A segment exceeds it only if it
	// holds a single frame.
	SegmentBytes int64
	// Logger receives notes about cut tails and ignored files; nil discards them.
	Logger *slog.Logger
	// Faults makes writes and syncs fail; for tests.
	Faults Faults
}

// Faults are called in place of the system, for tests of failing disks. Nil functions do nothing.
type Faults struct {
	// Write is called before n bytes of a frame or a segment header are written. If it returns an error, only the
	// first written bytes reach the file and the write fails with that error.
	Write func(n int) (written int, err error)
	// Sync is called before a file is synced; if it returns an error, the sync fails with it.
	Sync func() error
}

// Position is where a frame starts, or where the next one will. The zero Position stands before all frames.
type Position struct {
	// Segment counts segments from 1.
	Segment uint32
	// Offset is in bytes from the start of the segment's file.
	Offset int64
}

// PositionBytes is the length of an encoded Position.
const PositionBytes = 12

// AppendBinary appends the position to b as 12 big-endian bytes, which sort as positions do.
func (p Position) AppendBinary(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, p.Segment)
	return binary.BigEndian.AppendUint64(b, uint64(p.Offset))
}

// DecodePosition reads what AppendBinary writes.
func DecodePosition(b []byte) (Position, error) {
	if len(b) != PositionBytes || b[4]&0x80 != 0 {
		return Position{}, fmt.Errorf("%x is not a position in the usage log", b)
	}
	return Position{Segment: binary.BigEndian.Uint32(b), Offset: int64(binary.BigEndian.Uint64(b[4:]))}, nil
}

// FrameBytes returns the size in the log of a frame with a payload of n bytes.
func FrameBytes(n int) int64 { return frameHeaderBytes + int64(n) }

// Before tells whether p lies before q.
func (p Position) Before(q Position) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

// String returns "segment:offset".
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Segment, p.Offset) }

// Log is an open log. All methods may be called concurrently.
type Log struct {
	dir      string
	options  Options
	logger   *slog.Logger
	readOnly bool
	lock     *os.File
	evidence *os.File
	salt     uint32

	// syncing is held during an fdatasync, and while a segment is begun. It is taken before writing.
	syncing sync.Mutex
	// synced is the number of the last frame known to be on disk.
	synced atomic.Uint64

	// writing guards what follows and is never held during an fdatasync, except to begin a segment and to undo a
	// failed write.
	writing sync.Mutex
	file    *os.File
	first   base // where the log begins
	end     Position
	begun   time.Time // when the first frame of the last segment was written, if it has any
	lastSeq uint64
	chain   uint32
	bytes   int64
	buf     []byte
	failed  error
	closed  bool
}

// Open opens the log in dir for reading and appending, and creates both if they do not exist. It locks the folder
// until Close. A write left unfinished at the end is cut off; any other fault is store.ErrDamaged.
func Open(dir string, o Options) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("usage log: %w", err)
	}
	return open(dir, o, false)
}

// OpenReadOnly opens an existing log for reading. It locks the folder too, and checks like Open, but changes nothing:
// a write left unfinished is passed over instead of cut off.
func OpenReadOnly(dir string, o Options) (*Log, error) { return open(dir, o, true) }

func open(dir string, o Options, readOnly bool) (*Log, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.SegmentBytes < segmentHeaderBytes || o.SegmentBytes > maxSegmentBytes {
		return nil, fmt.Errorf("usage log: segment size %d is out of range", o.SegmentBytes)
	}
	l := &Log{dir: dir, options: o, logger: o.Logger, readOnly: readOnly}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if l.lock, err = lockFolder(dir); err != nil {
		return nil, err
	}
	if err := l.load(); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// End returns the position behind the last frame, where the next one is written unless it begins a segment.
func (l *Log) End() Position {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.end
}

// LastSeq returns the number of the last frame, 0 in an empty log.
func (l *Log) LastSeq() uint64 {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.lastSeq
}

// SyncedSeq returns the number of the last frame known to survive a power cut.
func (l *Log) SyncedSeq() uint64 { return l.synced.Load() }

// Bytes returns the size of all segments.
func (l *Log) Bytes() int64 {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.bytes
}

// Close syncs what has been appended, closes the log and gives the folder free. A second call does nothing.
func (l *Log) Close() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var err error
	if !l.readOnly && l.failed == nil {
		err = l.syncFile(l.file)
		if err == nil {
			l.noteSynced(l.lastSeq)
			err = l.syncEvidence()
		}
	}
	return errors.Join(err, l.release())
}

// release closes what is open.
func (l *Log) release() error {
	var errs []error
	for _, f := range []*os.File{l.file, l.evidence, l.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// readable returns the end, or why nothing can be read.
func (l *Log) readable() (Position, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.end, l.alive()
}

// appendable returns why nothing can be appended, or nil. The caller holds writing.
func (l *Log) appendable() error {
	if l.readOnly {
		return errors.New("usage log: opened for reading only")
	}
	return l.alive()
}

// alive returns why the log cannot be used, or nil. The caller holds writing.
func (l *Log) alive() error {
	if l.closed {
		return fmt.Errorf("usage log: %w", store.ErrClosed)
	}
	return l.failed
}

// poison makes every later call fail with the cause. The caller holds writing.
func (l *Log) poison(cause error) error {
	if l.failed == nil {
		l.failed = fmt.Errorf("usage log: %w after a failure that cannot be undone; the process has to end: %w",
			store.ErrClosed, cause)
	}
	return l.failed
}

// write writes b at offset, through the injected fault if there is one.
func (l *Log) write(f *os.File, b []byte, offset int64) error {
	if l.options.Faults.Write != nil {
		if n, err := l.options.Faults.Write(len(b)); err != nil {
			if n > 0 {
				if _, werr := f.WriteAt(b[:min(n, len(b))], offset); werr != nil {
					return werr
				}
			}
			return err
		}
	}
	n, err := f.WriteAt(b, offset)
	if err == nil && n < len(b) {
		return io.ErrShortWrite
	}
	return err
}

// syncFile makes f's content durable, through the injected fault if there is one.
func (l *Log) syncFile(f *os.File) error {
	if l.options.Faults.Sync != nil {
		if err := l.options.Faults.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", f.Name(), err)
		}
	}
	if err := fdatasync(f); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	return nil
}
