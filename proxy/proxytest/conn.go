package proxytest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	maxHeader = 64 << 10
	maxBody   = 64 << 20
	// maxEarly bounds what a client may send while its former request is still being answered.
	maxEarly = 1 << 20
)

var (
	errLeft    = errors.New("the client left")
	errPlanned = errors.New("ended by the script")
)

// Header is one header line.
type Header struct{ Name, Value string }

// request is one request as it came in.
type request struct {
	id           uint64
	method, path string
	header       []Header
	body         []byte
	close        bool
}

func (r *request) get(name string) string {
	for _, h := range r.header {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// conn is one connection with its read buffer. One goroutine owns it.
type conn struct {
	nc  net.Conn
	buf []byte // received and not used yet
	out []byte // scratch of the writer
}

// readRequest reads one request whole. The request owns its body.
func (c *conn) readRequest() (*request, error) {
	end, scanned := -1, 0
	for {
		if i := bytes.Index(c.buf[scanned:], []byte("\r\n\r\n")); i >= 0 {
			end = scanned + i
			break
		}
		if len(c.buf) > maxHeader {
			return nil, errors.New("request header too large")
		}
		scanned = max(0, len(c.buf)-3)
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
	r, err := parseHead(string(c.buf[:end]))
	if err != nil {
		return nil, err
	}
	c.use(end + 4)
	if strings.EqualFold(r.get("Expect"), "100-continue") {
		if _, err := c.nc.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return nil, err
		}
	}
	r.body, err = c.readBody(r)
	return r, err
}

func parseHead(head string) (*request, error) {
	line, rest, _ := strings.Cut(head, "\r\n")
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 || !strings.HasPrefix(parts[2], "HTTP/1.") {
		return nil, fmt.Errorf("%.40q is not a request line", line)
	}
	r := &request{method: parts[0], path: parts[1], close: parts[2] == "HTTP/1.0"}
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%.40q is not a header line", line)
		}
		r.header = append(r.header, Header{Name: name, Value: strings.TrimSpace(value)})
	}
	if strings.EqualFold(r.get("Connection"), "close") {
		r.close = true
	}
	return r, nil
}

func (c *conn) readBody(r *request) ([]byte, error) {
	if strings.EqualFold(r.get("Transfer-Encoding"), "chunked") {
		return c.readChunked()
	}
	length := r.get("Content-Length")
	if length == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(length, 10, 63)
	if err != nil || n > maxBody {
		return nil, fmt.Errorf("content length %.20q is not accepted", length)
	}
	return c.take(int(n))
}

func (c *conn) readChunked() ([]byte, error) {
	var body []byte
	for {
		line, err := c.readLine()
		if err != nil {
			return nil, err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
		if err != nil || len(body)+int(n) > maxBody {
			return nil, fmt.Errorf("chunk size %.20q is not accepted", line)
		}
		part, err := c.take(int(n))
		if err != nil {
			return nil, err
		}
		body = append(body, part...)
		if line, err = c.readLine(); err != nil || line != "" {
			return nil, fmt.Errorf("chunk does not end with a line end: %w", err)
		}
		if n == 0 {
			return body, nil
		}
	}
}

func (c *conn) readLine() (string, error) {
	for {
		if i := bytes.Index(c.buf, []byte("\r\n")); i >= 0 {
			line := string(c.buf[:i])
			c.use(i + 2)
			return line, nil
		}
		if len(c.buf) > maxHeader {
			return "", errors.New("line too long")
		}
		if err := c.fill(); err != nil {
			return "", err
		}
	}
}

// take returns the next n bytes in a slice of their own.
func (c *conn) take(n int) ([]byte, error) {
	part := make([]byte, n)
	have := copy(part, c.buf)
	c.use(have)
	for have < n {
		k, err := c.nc.Read(part[have:])
		have += k
		if err != nil {
			return nil, err
		}
	}
	return part, nil
}

// fill reads once and appends to the buffer.
func (c *conn) fill() error {
	if cap(c.buf)-len(c.buf) < 1024 {
		c.buf = append(make([]byte, 0, 2*cap(c.buf)+4096), c.buf...)
	}
	n, err := c.nc.Read(c.buf[len(c.buf):cap(c.buf)])
	c.buf = c.buf[:len(c.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

func (c *conn) use(n int) {
	rest := copy(c.buf, c.buf[n:])
	c.buf = c.buf[:rest]
}

// sleepUntil waits until t; it returns errLeft as soon as the client closes. It waits by reading, so that a closed
// connection is noticed at once; bytes that arrive belong to the next request.
func (c *conn) sleepUntil(t time.Time) error {
	if err := c.nc.SetReadDeadline(t); err != nil {
		return errLeft
	}
	for {
		err := c.fill()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
				return errLeft
			}
			return nil
		case err != nil, len(c.buf) > maxEarly:
			return errLeft
		}
	}
}

// stall waits until the client or Close ends the connection.
func (c *conn) stall() error { return c.sleepUntil(time.Time{}) }

// reset ends the connection with a TCP reset.
func (c *conn) reset() {
	if t, ok := c.nc.(*net.TCPConn); ok {
		// Without SO_LINGER the close below is an ordinary one, which the client sees as a cut all the same.
		_ = t.SetLinger(0)
	}
	c.nc.Close()
}
