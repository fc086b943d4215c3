// Package upstream speaks HTTP/1.1 to model servers.
//
// A Client keeps a pool of connections to one server and does what a streaming gateway needs and net/http's Transport
// does not give: a read deadline that a stream survives (for heartbeats), cancellation from any goroutine, and no
// goroutine hop per request. Header parsing is fasthttp's. It follows no redirects, asks for no compression, keeps no
// cookies and tries nothing twice.
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"llmhub/proxy/socket"
)

// Config describes one model server.
type Config struct {
	// Name is the operator's name for it.
	Name string
	// BaseURL is the address that endpoint paths are appended to, such as https://api.example/v1.
	BaseURL string
	// Header is sent with each request: credentials, and what else the server wants.
	Header []Header
	// ConnectTimeout bounds connecting and the TLS handshake; 0 means 5 s.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the wait for the answer's header; 0 means 10 min, since whole answers are long in coming.
	HeaderTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept; 0 means 55 s, below the usual 60 s of servers.
	IdleTimeout time.Duration
	// MaxIdle bounds the unused connections; 0 means 1,024.
	MaxIdle int
	// MaxConnections bounds the connections, and with them the calls, at a time; 0 means no bound.
	MaxConnections int
	// TLS is the configuration for https; nil means the system's roots.
	TLS *tls.Config
}

func (c *Config) setDefaults() {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.HeaderTimeout == 0 {
		c.HeaderTimeout = 10 * time.Minute
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 55 * time.Second
	}
	if c.MaxIdle == 0 {
		c.MaxIdle = 1024
	}
}

// Client calls one model server. It may be used concurrently.
type Client struct {
	cfg     Config
	address string
	prefix  string // the base URL's path
	host    string // and port, as the address names it
	head    string // the lines that each request has, from Host on
	tls     *tls.Config

	mu     sync.Mutex
	idle   []idleConn // the most recently used last
	busy   int        // calls that hold a connection or are about to
	closed bool
}

// link is a connection with what tells whether the server has closed it.
type link struct {
	net.Conn
	probe *socket.Probe
}

func newLink(conn net.Conn) *link { return &link{conn, socket.NewProbe(socket.Below(conn))} }

type idleConn struct {
	conn  *link
	since time.Time
}

// New returns a client, or says what is wrong with the address.
func New(cfg Config) (*Client, error) {
	cfg.setDefaults()
	u, err := url.Parse(cfg.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("upstream %s: %q is not an http or https address", cfg.Name, cfg.BaseURL)
	}
	c := &Client{cfg: cfg, host: u.Host, head: "Host: " + u.Host + "\r\n", prefix: strings.TrimSuffix(u.EscapedPath(), "/")}
	for _, h := range cfg.Header {
		if strings.ContainsAny(h.Name+h.Value, "\r\n\x00") {
			return nil, fmt.Errorf("upstream %s: header %q is not one line", cfg.Name, h.Name)
		}
		c.head += h.Name + ": " + h.Value + "\r\n"
	}
	c.head += "User-Agent: llmhub\r\nAccept-Encoding: identity\r\n"
	port := u.Port()
	if u.Scheme == "https" {
		c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if cfg.TLS != nil {
			c.tls = cfg.TLS.Clone()
		}
		if c.tls.ServerName == "" {
			c.tls.ServerName = u.Hostname()
		}
		c.tls.NextProtos = []string{"http/1.1"}
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	c.address = net.JoinHostPort(u.Hostname(), port)
	return c, nil
}

// Name returns the operator's name for the server.
func (c *Client) Name() string { return c.cfg.Name }

// Close closes the unused connections; those in use are closed when they are given back.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, i := range idle {
		i.conn.Close()
	}
}

// get returns a connection and whether it has been used before, as there is a live one and it need not be fresh. done
// must be called when the call is over.
func (c *Client) get(fresh bool) (conn *link, used bool, err error) {
	c.mu.Lock()
	if c.cfg.MaxConnections > 0 && c.busy >= c.cfg.MaxConnections {
		c.mu.Unlock()
		return nil, false, ErrBusy
	}
	c.busy++
	c.mu.Unlock()
	if !fresh {
		if conn := c.takeLive(); conn != nil {
			return conn, true, nil
		}
	}
	if conn, err = c.dial(); err != nil {
		c.done()
		return nil, false, fmt.Errorf("%w: %w", ErrConnect, err)
	}
	return conn, false, nil
}

func (c *Client) done() {
	c.mu.Lock()
	c.busy--
	c.mu.Unlock()
}

// takeLive returns an unused connection that the server has not closed, or nil.
func (c *Client) takeLive() *link {
	for {
		conn := c.takeIdle()
		if conn == nil {
			return nil
		}
		state := conn.probe.Look()
		if state == socket.Quiet || state == socket.Readable && c.tls != nil {
			return conn
		}
		conn.Close()
	}
}

func (c *Client) takeIdle() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.idle)
	if n == 0 {
		return nil
	}
	last := c.idle[n-1]
	c.idle[n-1] = idleConn{}
	c.idle = c.idle[:n-1]
	if time.Since(last.since) <= c.cfg.IdleTimeout {
		return last.conn
	}
	// The most recently used is too old, so all are.
	for _, i := range c.idle {
		i.conn.Close()
	}
	clear(c.idle)
	c.idle = c.idle[:0]
	last.conn.Close()
	return nil
}

func (c *Client) dial() (*link, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.ConnectTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	if c.tls == nil {
		return newLink(conn), nil
	}
	secure := tls.Client(conn, c.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return newLink(secure), nil
}

// put keeps a connection for later, or closes it. Its deadline stays until the next call moves it, which costs less than to
// end it and to set another.
func (c *Client) put(conn *link) {
	now := time.Now()
	var old *link // the least recently used, if too old: one for each that is kept is enough
	c.mu.Lock()
	if len(c.idle) > 0 && now.Sub(c.idle[0].since) > c.cfg.IdleTimeout {
		old = c.idle[0].conn
		c.idle[0] = idleConn{}
		c.idle = c.idle[1:]
	}
	if !c.closed && len(c.idle) < c.cfg.MaxIdle {
		c.idle = append(c.idle, idleConn{conn, now})
		conn = nil
	}
	c.mu.Unlock()
	if old != nil {
		old.Close()
	}
	if conn != nil {
		conn.Close()
	}
}

// The failures of a call, tested with errors.Is.
var (
	// ErrConnect: no connection could be had; the request has not been sent.
	ErrConnect = errors.New("cannot connect")
	// ErrBusy: as many calls are under way as may be.
	ErrBusy = errors.New("too many calls")
	// ErrStale: a connection that had been used before turned out to be closed, with nothing of an answer on it. The
	// server has all but certainly not begun: it closed the connection while the request was on its way.
	ErrStale = errors.New("connection closed by the server in the meantime")
	// ErrInterrupted: Interrupt was called.
	ErrInterrupted = errors.New("interrupted")
	// ErrTimeout: the answer's header did not come in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrProtocol: what came is not HTTP/1.1.
	ErrProtocol = errors.New("not an HTTP/1.1 answer")
)
