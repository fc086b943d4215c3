package main

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// wire is the network between a replica and a server of the database, which can be cut and slow.
type wire struct {
	ln     net.Listener
	target string

	mu    sync.Mutex
	down  bool
	delay time.Duration // of what goes to the server
	conns map[net.Conn]struct{}
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{ln: ln, target: target, conns: map[net.Conn]struct{}{}}
	go w.serve()
	t.Cleanup(func() { ln.Close(); w.cut() })
	return w
}

func (w *wire) port() int { return w.ln.Addr().(*net.TCPAddr).Port }

func (w *wire) serve() {
	for {
		conn, err := w.ln.Accept()
		if err != nil {
			return
		}
		go w.join(conn)
	}
}

// join carries one connection, unless the wire is down.
func (w *wire) join(conn net.Conn) {
	defer conn.Close()
	server, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer server.Close()
	w.mu.Lock()
	if w.down {
		w.mu.Unlock()
		return
	}
	w.conns[conn], w.conns[server] = struct{}{}, struct{}{}
	w.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(conn, server)
		conn.Close()
	}()
	w.carry(server, conn)
	server.Close()
	<-done
	w.mu.Lock()
	delete(w.conns, conn)
	delete(w.conns, server)
	w.mu.Unlock()
}

func (w *wire) carry(to io.Writer, from io.Reader) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			w.mu.Lock()
			delay := w.delay
			w.mu.Unlock()
			time.Sleep(delay)
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut breaks all connections, in the middle of whatever they carry, and lets none through until heal.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.conns {
		c.Close()
	}
}

func (w *wire) heal() {
	w.mu.Lock()
	w.down = false
	w.mu.Unlock()
}

// slow delays each piece that goes to the server.
func (w *wire) slow(by time.Duration) {
	w.mu.Lock()
	w.delay = by
	w.mu.Unlock()
}
