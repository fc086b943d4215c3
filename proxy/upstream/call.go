package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// readerSize bounds the header of an answer.
const readerSize = 8 << 10

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readerSize) }}

var heads = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

var headers = sync.Pool{New: func() any {
	h := new(fasthttp.ResponseHeader)
	h.SetNoDefaultContentType(true)
	return h
}}

// smallBody is up to where a request is copied behind its header, to leave in one write.
const smallBody = 32 << 10

// Header is a request header to send along.
type Header struct{ Name, Value string }

// Request is what is sent to a model server.
type Request struct {
	Method string
	// Path is appended to the base URL; it can have a query.
	Path string
	// Header lines are sent beside those of the client itself.
	Header []Header
	// ContentType is that of the body; empty means application/json.
	ContentType string
	// Body is sent piece by piece, so that nothing need be copied to change a part of it.
	Body [][]byte
}

// Call is one request to a model server and its answer. Interrupt may be called from any goroutine, the rest from one
// at a time. Close must be called after Do has succeeded.
type Call struct {
	client *Client
	conn   atomic.Pointer[link]
	br     *bufio.Reader
	body   body

	used        bool // the connection has served a call before
	interrupted atomic.Bool
	deadline    time.Time // read deadline that is set

	// Fresh asks for a new connection. It is set before Do.
	Fresh bool
	// Sent says that the server may have seen some of the request.
	Sent bool
	// Status and ContentType are those of the answer.
	Status      int
	ContentType string
	// RetryAfter is the header of that name, empty where there is none.
	RetryAfter string
}

// NewCall returns a call that has not been sent.
func (c *Client) NewCall() *Call { return &Call{client: c} }

// Interrupt makes the call's reads and writes, running and later ones, fail with ErrInterrupted.
func (c *Call) Interrupt() {
	c.interrupted.Store(true)
	if conn := c.conn.Load(); conn != nil {
		conn.SetDeadline(time.Unix(1, 0))
	}
}

// Do sends a request and waits for the header of its answer. A failed call is closed already.
func (c *Call) Do(r Request) error {
	conn, used, err := c.client.get(c.Fresh)
	if err != nil {
		return fmt.Errorf("upstream %s: %w", c.client.cfg.Name, err)
	}
	c.used = used
	c.conn.Store(conn)
	if err := c.exchange(conn.Conn, r); err != nil {
		err = c.explain(err)
		c.abandon(conn)
		return fmt.Errorf("upstream %s: %w", c.client.cfg.Name, err)
	}
	return nil
}

func (c *Call) exchange(conn net.Conn, r Request) error {
	if err := c.Within(c.client.cfg.HeaderTimeout); err != nil {
		return err
	}
	c.Sent = true
	if err := c.send(conn, &r); err != nil {
		return err
	}
	c.br = readers.Get().(*bufio.Reader)
	c.br.Reset(conn)
	return c.readHead()
}

// Within bounds reads and writes to d from now. A deadline in force that is at most an eighth shorter is left alone,
// since moving it costs more than it is worth for each event of a stream.
func (c *Call) Within(d time.Duration) error {
	t := time.Now().Add(d)
	if early := t.Sub(c.deadline); early < 0 || early > d/8 {
		c.deadline = t
		if err := c.conn.Load().SetDeadline(t); err != nil {
			return err
		}
	}
	// Interrupt sets the flag before the deadline, so that one of both is seen, here or in the read.
	if c.interrupted.Load() {
		return ErrInterrupted
	}
	return nil
}

func (c *Call) send(conn net.Conn, r *Request) error {
	length := 0
	for _, piece := range r.Body {
		length += len(piece)
	}
	buf := heads.Get().(*[]byte)
	b := c.appendHead((*buf)[:0], r, length)
	var err error
	if length <= smallBody {
		for _, piece := range r.Body {
			b = append(b, piece...)
		}
		_, err = conn.Write(b)
	} else {
		parts := append(net.Buffers{b}, r.Body...)
		_, err = parts.WriteTo(conn)
	}
	if cap(b) <= 2*smallBody {
		*buf = b
		heads.Put(buf)
	}
	return err
}

func (c *Call) appendHead(b []byte, r *Request, length int) []byte {
	b = append(append(b, r.Method...), ' ')
	b = append(append(append(b, c.client.prefix...), r.Path...), " HTTP/1.1\r\n"...)
	b = append(b, c.client.head...)
	for _, h := range r.Header {
		b = append(append(b, h.Name...), ": "...)
		b = append(append(b, h.Value...), "\r\n"...)
	}
	if r.Method != "GET" {
		kind := r.ContentType
		if kind == "" {
			kind = "application/json"
		}
		b = append(append(append(b, "Content-Type: "...), kind...), "\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(length), 10), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// readHead reads the answer's header, passing over informational ones.
func (c *Call) readHead() error {
	h := headers.Get().(*fasthttp.ResponseHeader)
	defer headers.Put(h)
	for range 8 {
		h.Reset()
		if err := h.Read(c.br); err != nil {
			return err
		}
		if h.StatusCode() >= 200 {
			c.Status = h.StatusCode()
			c.ContentType = contentType(h.ContentType())
			c.RetryAfter = string(h.Peek("Retry-After"))
			c.body.init(c.br, h)
			return nil
		}
	}
	return fmt.Errorf("%w: too many informational headers", ErrProtocol)
}

// contentType spares an allocation for the usual values.
func contentType(b []byte) string {
	switch string(b) {
	case "application/json":
		return "application/json"
	case "text/event-stream":
		return "text/event-stream"
	case "text/event-stream; charset=utf-8":
		return "text/event-stream; charset=utf-8"
	}
	return string(b)
}

// Read reads from the answer's body. After an error that wraps os.ErrDeadlineExceeded reading can go on.
func (c *Call) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	if err != nil && err != io.EOF {
		err = c.explain(err)
	}
	return n, err
}

// Finish reads what is left of an answer whose content has come, its framing, waiting at most d for it. The connection
// can be used again if that is all.
func (c *Call) Finish(d time.Duration) {
	if c.body.done || c.conn.Load() == nil || c.Within(d) != nil {
		return
	}
	var rest [64]byte
	for range 4 {
		if _, err := c.Read(rest[:]); err != nil {
			return
		}
	}
}

// Close gives the connection back if the answer has been read to its end, or is to end within what has arrived;
// otherwise it closes it. Calling it again does nothing.
func (c *Call) Close() {
	conn := c.conn.Swap(nil)
	if conn == nil {
		return
	}
	reusable := c.body.reusable() && !c.interrupted.Load()
	c.releaseReader()
	c.client.done()
	if reusable {
		c.client.put(conn)
		return
	}
	conn.Close()
}

func (c *Call) abandon(conn *link) {
	c.conn.Store(nil)
	c.releaseReader()
	c.client.done()
	conn.Close()
}

func (c *Call) releaseReader() {
	if c.br == nil {
		return
	}
	c.br.Reset(nil)
	readers.Put(c.br)
	c.br = nil
	c.body.br = nil
}

// explain names what an error means to the caller. Errors of header parsing quote what came, which stays unsaid.
func (c *Call) explain(err error) error {
	var opErr *net.OpError
	switch {
	case c.interrupted.Load():
		return ErrInterrupted
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, fasthttp.ErrTimeout):
		if c.Status == 0 {
			return ErrTimeout
		}
		return os.ErrDeadlineExceeded
	case c.used && c.Status == 0 && closedByPeer(err) && (c.br == nil || c.br.Buffered() == 0):
		return ErrStale
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, ErrProtocol), errors.As(err, &opErr):
		return err
	}
	return fmt.Errorf("%w: header damaged or larger than %d bytes", ErrProtocol, readerSize)
}

// closedByPeer says whether an error is that of a connection which the other side has closed.
func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
