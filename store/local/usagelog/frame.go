package usagelog

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// frameHeaderBytes is the length of what precedes each payload:
//
//	0  magic 4 · 4 payload length 4 · 8 seq 8 · 16 time 8 · 24 synced seq 8 · 32 previous checksum 4 · 36 flags 4
//	40 checksum of the header so far 4 · 44 checksum of all before and the payload 4
const frameHeaderBytes = 48

const flagDurable = 1

var (
	frameMagic = []byte{0xF7, 'L', 'H', 'u'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// frameHeader is the decoded head of a frame.
type frameHeader struct {
	length   uint32
	seq      uint64
	at       int64 // Unix nanoseconds
	synced   uint64
	previous uint32
	flags    uint32
	sum      uint32
}

// appendFrame appends a frame to b and returns its checksum, the next frame's previous. h.sum and h.length are ignored.
func appendFrame(b []byte, h frameHeader, salt uint32, payload []byte) ([]byte, uint32) {
	start := len(b)
	b = append(b, frameMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint64(b, h.seq)
	b = binary.BigEndian.AppendUint64(b, uint64(h.at))
	b = binary.BigEndian.AppendUint64(b, h.synced)
	b = binary.BigEndian.AppendUint32(b, h.previous)
	b = binary.BigEndian.AppendUint32(b, h.flags)
	b = binary.BigEndian.AppendUint32(b, checksum(salt, b[start:]))
	sum := crc32.Update(checksum(salt, b[start:]), castagnoli, payload)
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(b, payload...), sum
}

// checksum is CRC-32C begun with the log's salt.
func checksum(salt uint32, b []byte) uint32 { return crc32.Update(salt, castagnoli, b) }

// parseFrameHeader decodes a header and reports whether its magic and its own checksum are right.
func parseFrameHeader(b []byte, salt uint32) (frameHeader, bool) {
	if len(b) < frameHeaderBytes || !bytes.Equal(b[:4], frameMagic) ||
		binary.BigEndian.Uint32(b[40:]) != checksum(salt, b[:40]) {
		return frameHeader{}, false
	}
	return frameHeader{
		length:   binary.BigEndian.Uint32(b[4:]),
		seq:      binary.BigEndian.Uint64(b[8:]),
		at:       int64(binary.BigEndian.Uint64(b[16:])),
		synced:   binary.BigEndian.Uint64(b[24:]),
		previous: binary.BigEndian.Uint32(b[32:]),
		flags:    binary.BigEndian.Uint32(b[36:]),
		sum:      binary.BigEndian.Uint32(b[44:]),
	}, true
}

// size is the length of the whole frame.
func (h frameHeader) size() int64 { return frameHeaderBytes + int64(h.length) }

// faultyFrame is a place where no right frame stands.
type faultyFrame struct {
	offset int64
	what   string
}

func (f *faultyFrame) Error() string { return fmt.Sprintf("offset %d: %s", f.offset, f.what) }

// frameReader reads consecutive frames of one segment.
type frameReader struct {
	r      *bufio.Reader
	salt   uint32
	offset int64 // of the next frame
	limit  int64 // where the frames end
	// seq and chain are what the next frame must carry; they are taken from the frame itself if open is set.
	seq   uint64
	chain uint32
	open  bool

	head [frameHeaderBytes]byte
	buf  []byte
}

const readBufferBytes = 256 << 10

func newFrameReader(r io.ReaderAt, from, limit int64, salt uint32) *frameReader {
	section := io.NewSectionReader(r, from, limit-from)
	return &frameReader{r: bufio.NewReaderSize(section, readBufferBytes), salt: salt, offset: from, limit: limit}
}

// next returns the next frame; the payload is valid until the following call. It returns io.EOF at the limit and
// *faultyFrame where the bytes are not the frame that must follow.
func (r *frameReader) next() (frameHeader, []byte, error) {
	rest := r.limit - r.offset
	if rest == 0 {
		return frameHeader{}, nil, io.EOF
	}
	if rest < frameHeaderBytes {
		return frameHeader{}, nil, r.fault("the file ends inside a frame header")
	}
	if _, err := io.ReadFull(r.r, r.head[:]); err != nil {
		return frameHeader{}, nil, r.unread(err)
	}
	h, ok := parseFrameHeader(r.head[:], r.salt)
	switch {
	case !ok:
		return h, nil, r.fault("frame header has a wrong checksum")
	case h.length > MaxPayload:
		return h, nil, r.fault("frame is longer than any that is written")
	case !r.open && h.seq != r.seq:
		return h, nil, r.fault(fmt.Sprintf("frame %d stands where frame %d belongs", h.seq, r.seq))
	case !r.open && h.previous != r.chain:
		return h, nil, r.fault("frame does not continue the one before it")
	case h.size() > rest:
		return h, nil, r.fault("the file ends inside a frame")
	}
	payload, err := r.payload(int(h.length))
	if err != nil {
		return h, nil, err
	}
	if crc32.Update(checksum(r.salt, r.head[:44]), castagnoli, payload) != h.sum {
		return h, nil, r.fault("frame has a wrong checksum")
	}
	r.offset += h.size()
	r.seq, r.chain, r.open = h.seq+1, h.sum, false
	return h, payload, nil
}

func (r *frameReader) payload(n int) ([]byte, error) {
	if cap(r.buf) < n {
		r.buf = make([]byte, max(n, 4096))
	}
	b := r.buf[:n]
	if _, err := io.ReadFull(r.r, b); err != nil {
		return nil, r.unread(err)
	}
	return b, nil
}

func (r *frameReader) fault(what string) error { return &faultyFrame{offset: r.offset, what: what} }

// unread turns a file that became shorter while it was read into a fault and leaves other errors as they are.
func (r *frameReader) unread(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.fault("the file became shorter while it was read")
	}
	return err
}

// time returns when the frame was written.
func (h frameHeader) time() time.Time { return time.Unix(0, h.at) }
