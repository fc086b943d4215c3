package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// answerTimeout bounds one request, so that a server that hangs ends the benchmark.
const answerTimeout = 2 * time.Minute

// errRefused is what comes of a request that is beyond the limits of its key.
var errRefused = errors.New("refused because of a limit")

// client is an HTTP/1.1 client on one connection that does as little as can be done: it looks at the status, finds the
// end of the body and counts events.
type client struct {
	job  *job
	addr string
	conn net.Conn
	buf  []byte
	r, w int
	// refused says that a limit of the key was reached.
	refused bool
	// What is known of the body so far.
	events int
	tail   [8]byte
	began  time.Time
	begun  func()
}

func newClient(j *job, addr string) *client {
	return &client{job: j, addr: addr, buf: make([]byte, 16<<10)}
}

// request returns the whole request with a key.
func (j *job) request(key string) []byte {
	return []byte("POST " + j.Path + " HTTP/1.1\r\nHost: " + j.Addr + "\r\nAuthorization: Bearer " + key +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(j.Body)) + "\r\n\r\n" + j.Body)
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// do sends the request and reads the answer. It returns the time to the first byte of the body and the events in it.
func (c *client) do(request []byte, begun func()) (first time.Duration, events int, err error) {
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.addr, 10*time.Second); err != nil {
			return 0, 0, err
		}
		c.r, c.w = 0, 0
	}
	sent := time.Now()
	if err := c.conn.SetDeadline(sent.Add(answerTimeout)); err != nil {
		return 0, 0, err
	}
	c.events, c.began, c.begun, c.tail = 0, time.Time{}, begun, [8]byte{}
	if _, err := c.conn.Write(request); err != nil {
		return 0, 0, err
	}
	if err := c.answer(); err != nil {
		return 0, 0, err
	}
	if c.refused {
		return 0, 0, errRefused
	}
	return c.began.Sub(sent), c.events, c.complete()
}

// complete checks that the answer is a whole one.
func (c *client) complete() error {
	if c.events != c.job.Events || !bytes.HasSuffix(c.tail[:], []byte(c.job.End)) {
		return fmt.Errorf("the answer has %d events and ends with %q, want %d and %q", c.events, c.tail, c.job.Events, c.job.End)
	}
	return nil
}

func (c *client) answer() error {
	var head []byte
	for {
		if i := bytes.Index(c.buf[c.r:c.w], []byte("\r\n\r\n")); i >= 0 {
			head = c.buf[c.r : c.r+i+2]
			c.r += i + 4
			break
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
	c.refused = len(c.job.Keys) > 0 && bytes.HasPrefix(head, []byte("HTTP/1.1 429 "))
	if !c.refused && !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer %.300q", c.buf[c.r-len(head)-2:c.w])
	}
	head = bytes.ToLower(head)
	if bytes.Contains(head, []byte("\r\ntransfer-encoding: chunked\r\n")) {
		return c.chunks()
	}
	_, rest, ok := bytes.Cut(head, []byte("\r\ncontent-length: "))
	if !ok {
		return errors.New("the answer has neither a length nor chunks")
	}
	length, _, _ := bytes.Cut(rest, []byte("\r\n"))
	n, err := strconv.Atoi(string(length))
	if err != nil {
		return fmt.Errorf("content length: %w", err)
	}
	return c.body(n)
}

func (c *client) chunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return fmt.Errorf("chunk size: %w", err)
		}
		if err := c.body(int(n)); err != nil {
			return err
		}
		if line, err = c.line(); err != nil || len(line) > 0 {
			return fmt.Errorf("end of a chunk: %q %v", line, err)
		}
		if n == 0 {
			return nil
		}
	}
}

// line returns the next line without its end; it is good until the next read.
func (c *client) line() ([]byte, error) {
	for {
		if i := bytes.Index(c.buf[c.r:c.w], []byte("\r\n")); i >= 0 {
			line := c.buf[c.r : c.r+i]
			c.r += i + 2
			return line, nil
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// body consumes n bytes of the body.
func (c *client) body(n int) error {
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return err
			}
		}
		part := c.buf[c.r:min(c.w, c.r+n)]
		c.see(part)
		c.r += len(part)
		n -= len(part)
	}
	return nil
}

// see counts the ends of events in a part of the body and keeps its last bytes.
func (c *client) see(part []byte) {
	if c.began.IsZero() {
		c.began = time.Now()
		c.begun()
	}
	if c.job.Events > 0 {
		if part[0] == '\n' && c.tail[len(c.tail)-1] == '\n' {
			c.events++
		}
		c.events += bytes.Count(part, []byte("\n\n"))
	}
	if len(part) >= len(c.tail) {
		copy(c.tail[:], part[len(part)-len(c.tail):])
		return
	}
	copy(c.tail[:], c.tail[len(part):])
	copy(c.tail[len(c.tail)-len(part):], part)
}

// fill reads more, behind what has not been used yet.
func (c *client) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.r > 0 && len(c.buf)-c.w < 1024 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		return errors.New("a line of the answer is too long")
	}
	n, err := c.conn.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}
