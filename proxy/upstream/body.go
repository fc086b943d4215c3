package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/valyala/fasthttp"
)

// maxChunkLine bounds the line with a chunk's size and a trailer's line.
const maxChunkLine = 4 << 10

// body reads the body of an answer in whichever framing it has. Unlike net/http's readers it goes on after a
// time-out: nothing is taken from the buffer before a whole unit is there.
type body struct {
	br        *bufio.Reader
	chunked   bool
	toEnd     bool  // without a length: until the connection ends
	left      int64 // bytes left of the body, or of the chunk
	inChunks  bool  // past the first chunk's size line
	atTrailer bool
	done      bool
	close     bool // the server will close the connection
}

func (b *body) init(br *bufio.Reader, h *fasthttp.ResponseHeader) {
	*b = body{br: br, close: h.ConnectionClose()}
	switch n := h.ContentLength(); {
	case h.StatusCode() == fasthttp.StatusNoContent || h.StatusCode() == fasthttp.StatusNotModified:
		b.done = true
	case n == -1:
		b.chunked = true
	case n < 0:
		b.toEnd, b.close = true, true
	default:
		b.left = int64(n)
		b.done = n == 0
	}
}

// Read returns what is there, at least one byte; io.EOF only behind the body's proper end.
func (b *body) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	if b.br == nil {
		return 0, io.ErrClosedPipe
	}
	switch {
	case b.chunked:
		return b.readChunked(p)
	case b.toEnd:
		n, err := b.br.Read(p)
		b.done = err == io.EOF
		return n, err
	}
	n, err := b.readData(p)
	b.done = b.left == 0 && err == nil
	return n, err
}

// readData reads at most what is left.
func (b *body) readData(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.br.Read(p)
	b.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// readChunked fills p with as many chunks as have arrived, so that a burst of small ones is one read.
func (b *body) readChunked(p []byte) (int, error) {
	n := 0
	for n < len(p) && !b.done {
		if n > 0 && b.br.Buffered() == 0 {
			break
		}
		if b.left == 0 {
			if n > 0 && !b.lineBuffered() {
				break
			}
			if err := b.nextChunk(); err != nil {
				return n, unlessGiven(n, err)
			}
			continue
		}
		m, err := b.readData(p[n:])
		n += m
		if err != nil {
			return n, unlessGiven(n, err)
		}
	}
	if n == 0 && b.done {
		return 0, io.EOF
	}
	return n, nil
}

// unlessGiven keeps an error for the next read, which meets it again, when there is something to give first.
func unlessGiven(n int, err error) error {
	if n > 0 && !errors.Is(err, ErrProtocol) {
		return nil
	}
	return err
}

// lineBuffered says whether the lines up to the next chunk's data can be read without waiting.
func (b *body) lineBuffered() bool {
	buffered, _ := b.br.Peek(b.br.Buffered())
	if b.inChunks && !b.atTrailer {
		end := bytes.IndexByte(buffered, '\n')
		if end < 0 {
			return false
		}
		buffered = buffered[end+1:]
	}
	return bytes.IndexByte(buffered, '\n') >= 0
}

// nextChunk reads up to the next chunk's data, or to the end of the body.
func (b *body) nextChunk() error {
	if b.atTrailer {
		return b.readTrailer()
	}
	skip := 0
	if b.inChunks {
		end, err := b.line(0)
		if err != nil {
			return err
		}
		if end > 2 {
			return fmt.Errorf("%w: chunk longer than its size", ErrProtocol)
		}
		skip = end
	}
	end, err := b.line(skip)
	if err != nil {
		return err
	}
	buffered, _ := b.br.Peek(end)
	size, err := chunkSize(buffered[skip:])
	if err != nil {
		return err
	}
	b.discard(end)
	b.inChunks = true
	b.left = size
	if size == 0 {
		b.atTrailer = true
	}
	return nil
}

// readTrailer reads one line of the trailer, so that reusable, which looks for a line first, never waits.
func (b *body) readTrailer() error {
	end, err := b.line(0)
	if err != nil {
		return err
	}
	b.discard(end)
	b.done = end <= 2
	return nil
}

// discard drops n bytes that have been peeked at, which cannot fail.
func (b *body) discard(n int) { _, _ = b.br.Discard(n) }

// line returns where the line that starts behind skip ends, with its line feed, waiting for it if need be.
func (b *body) line(skip int) (int, error) {
	for {
		buffered, _ := b.br.Peek(b.br.Buffered())
		if len(buffered) > skip {
			if i := bytes.IndexByte(buffered[skip:], '\n'); i >= 0 {
				return skip + i + 1, nil
			}
		}
		if len(buffered) > maxChunkLine {
			return 0, fmt.Errorf("%w: line of a chunk too long", ErrProtocol)
		}
		if _, err := b.br.Peek(len(buffered) + 1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
}

// chunkSize reads the hexadecimal size in front of extensions and the line's end.
func chunkSize(line []byte) (int64, error) {
	var n int64
	digits := 0
	for _, c := range line {
		var d byte
		switch {
		case '0' <= c && c <= '9':
			d = c - '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			d = c | 0x20 - 'a' + 10
		case digits > 0 && (c == ';' || c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			return n, nil
		default:
			return 0, fmt.Errorf("%w: bad chunk size", ErrProtocol)
		}
		if digits++; digits > 15 {
			return 0, fmt.Errorf("%w: chunk size too large", ErrProtocol)
		}
		n = n<<4 | int64(d)
	}
	return 0, fmt.Errorf("%w: bad chunk size", ErrProtocol)
}

// reusable says whether the connection can serve another request: the body has been read, or its end has arrived.
func (b *body) reusable() bool {
	if b.br == nil || b.close {
		return false
	}
	for !b.done && b.chunked && b.left == 0 && b.br.Buffered() > 0 && b.lineBuffered() {
		if b.nextChunk() != nil {
			return false
		}
	}
	return b.done && b.br.Buffered() == 0
}
