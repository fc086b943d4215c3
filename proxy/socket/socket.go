// Package socket looks at connections without reading from them.
package socket

import (
	"net"
	"syscall"
)

// State is what a look at a connection found.
type State int

const (
	// Quiet: open, and nothing to read.
	Quiet State = iota
	// Readable: there are bytes to read. They hide whether the peer has closed behind them.
	Readable
	// Closed: the peer has closed or reset the connection.
	Closed
)

// Look peeks at the connection's receive queue. It never blocks and takes nothing out. Connections without a file
// descriptor of their own are taken for Quiet. For TLS, pass the connection below.
func Look(c net.Conn) State { return NewProbe(c).Look() }

// Probe looks at one connection time and again, without allocating. It is for one goroutine at a time.
type Probe struct {
	raw   syscall.RawConn // nil for connections without a file descriptor
	peek  func(fd uintptr)
	state State
}

// NewProbe returns a probe of a connection.
func NewProbe(c net.Conn) *Probe {
	p := &Probe{}
	if sc, ok := c.(syscall.Conn); ok {
		raw, err := sc.SyscallConn()
		if err != nil {
			p.state = Closed
			return p
		}
		p.raw, p.peek = raw, func(fd uintptr) { p.state = look(int(fd)) }
	}
	return p
}

// Look is the function Look for the probe's connection.
func (p *Probe) Look() State {
	if p.raw != nil && p.raw.Control(p.peek) != nil {
		return Closed
	}
	return p.state
}

func look(fd int) State {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(fd, b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return Quiet
		case err != nil || n == 0:
			return Closed
		}
		return Readable
	}
}

// Below returns the connection under a TLS connection, or c itself.
func Below(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}
