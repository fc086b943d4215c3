package postgres

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"llmhub/secret"
)

// cutter is a TCP proxy before the server whose connections can be cut.
type cutter struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	refuse  bool
	conns   map[net.Conn]bool
	onBytes func(fromServer bool, b []byte) (pass bool)
}

// newCutter returns a proxy before the server, and the URL by way of it.
func newCutter(t testing.TB, database string) (*cutter, secret.Text) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: ln, to: fmt.Sprintf("127.0.0.1:%d", server.Port()), conns: map[net.Conn]bool{}}
	var done sync.WaitGroup
	done.Go(func() { c.accept(&done) })
	t.Cleanup(func() {
		_ = ln.Close()
		c.cutAll()
		done.Wait()
	})
	return c, secret.New(server.URL("127.0.0.1", ln.Addr().(*net.TCPAddr).Port, database))
}

func (c *cutter) accept(done *sync.WaitGroup) {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", c.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		c.mu.Lock()
		refused := c.refuse
		if !refused {
			c.conns[client], c.conns[up] = true, true
		}
		c.mu.Unlock()
		if refused {
			_, _ = client.Close(), up.Close()
			continue
		}
		done.Go(func() { c.copy(up, client, false) })
		done.Go(func() { c.copy(client, up, true) })
	}
}

func (c *cutter) copy(to, from net.Conn, fromServer bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			c.mu.Lock()
			hook := c.onBytes
			c.mu.Unlock()
			if hook != nil && !hook(fromServer, b[:n]) {
				return
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// watch has every piece of traffic shown to hook, which says whether it passes or cuts the connection.
func (c *cutter) watch(hook func(fromServer bool, b []byte) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onBytes = hook
}

// setAway cuts all connections and refuses new ones, or lets them pass again.
func (c *cutter) setAway(away bool) {
	c.mu.Lock()
	c.refuse = away
	c.mu.Unlock()
	if away {
		c.cutAll()
	}
}

func (c *cutter) cutAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
	clear(c.conns)
}
