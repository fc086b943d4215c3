// Package proxytest is a scripted model server with the APIs of OpenAI, Azure and Anthropic: for tests, for the kill loop,
// for the demo and for the benchmark.
//
// It speaks HTTP/1.1 on raw connections of its own, so that an answer can be cut, stalled, reset or split at any byte, and
// it counts exactly what it handed out, by the request's `user` member. It refuses to be clever: it does not understand
// prompts, it knows nothing of the gateway, and it never retries or repairs anything.
package proxytest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// defaultKeep is how many requests are kept for Requests and Sent where Options.Keep is 0.
const defaultKeep = 64

// Options configure a Provider. The zero value serves anybody on a free port of 127.0.0.1.
type Options struct {
	// Addr is the TCP address to listen on; empty means 127.0.0.1:0.
	Addr string
	// APIKey, if set, is what requests must carry as bearer token, as x-api-key at Anthropic's endpoints, or as api-key at
	// Azure's; others are answered 401.
	APIKey string
	// Logger receives a line per request at debug level; nil discards.
	Logger *slog.Logger
	// Keep bounds how many requests are kept for Requests and Sent: 0 means 64, a negative number none.
	Keep int
	// Record keeps the bytes sent for each kept request, for Sent.
	Record bool
}

// Provider is a running scripted model server. All methods may be called concurrently.
type Provider struct {
	opts     Options
	listener net.Listener
	created  string
	// tag stands in the IDs of responses, so that no other provider knows them.
	tag     string
	stored  responseStore
	nextID  atomic.Uint64
	active  atomic.Int64
	ledger  ledger
	journal journal
	wg      sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	conns   map[*conn]struct{}
	scripts map[string]Script
}

// Start listens and serves until Close.
func Start(o Options) (*Provider, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Keep == 0 {
		o.Keep = defaultKeep
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("start scripted provider: %w", err)
	}
	p := &Provider{
		opts:     o,
		listener: l,
		created:  strconv.FormatInt(time.Now().Unix(), 10),
		tag:      rand.Text(),
		conns:    map[*conn]struct{}{},
		scripts:  map[string]Script{"": {}},
	}
	p.journal.keep = o.Keep
	p.wg.Go(p.accept)
	return p, nil
}

// Origin returns the URL without a path, such as http://127.0.0.1:4711. Azure's paths are behind it.
func (p *Provider) Origin() string { return "http://" + p.listener.Addr().String() }

// URL returns the base URL that clients are configured with, such as http://127.0.0.1:4711/v1.
func (p *Provider) URL() string { return p.Origin() + "/v1" }

// Script sets how requests for the upstream model name are answered. The empty name stands for all names without a
// script of their own. Running answers keep the script they began with.
func (p *Provider) Script(model string, s Script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[model] = s
}

// Active returns how many requests are being answered now.
func (p *Provider) Active() int { return int(p.active.Load()) }

// Close ends all connections at once and waits until nothing of the provider runs any more.
func (p *Provider) Close() error {
	p.mu.Lock()
	p.closed = true
	err := p.listener.Close()
	for c := range p.conns {
		c.nc.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// DropConnections ends all connections at once, as a restart of the model server would, and goes on accepting new ones.
func (p *Provider) DropConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.nc.Close()
	}
}

func (p *Provider) accept() {
	for {
		nc, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.opts.Logger.Warn("accept failed", "error", err)
			time.Sleep(5 * time.Millisecond)
			continue
		}
		c := &conn{nc: nc}
		if !p.register(c) {
			nc.Close()
			return
		}
		p.wg.Go(func() {
			defer p.forget(c)
			p.serve(c)
		})
	}
}

func (p *Provider) register(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Provider) forget(c *conn) {
	c.nc.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// serve answers the requests of one connection, one after another.
func (p *Provider) serve(c *conn) {
	for {
		r, err := c.readRequest()
		if err != nil {
			p.opts.Logger.Debug("connection ended", "error", err)
			return
		}
		p.active.Add(1)
		err = p.handle(c, r)
		p.active.Add(-1)
		p.journal.done(r.id)
		if err != nil || r.close {
			p.opts.Logger.Debug("answer ended the connection", "id", r.id, "error", err)
			return
		}
	}
}

// Marker returns a text that, somewhere in a request, has it answered by the script of a name, whatever model it asks
// for: for gateways that know one model only. It is for models without a script of their own.
func Marker(name string) string { return "[script " + name + "]" }

// scriptFor returns the script for a request, and the name that it was found by.
func (p *Provider) scriptFor(model string, body []byte) (string, Script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.scripts[model]; ok && model != "" {
		return model, s
	}
	if _, rest, ok := bytes.Cut(body, []byte("[script ")); ok {
		name, _, _ := bytes.Cut(rest[:min(len(rest), 128)], []byte("]"))
		if s, ok := p.scripts[string(name)]; ok {
			return string(name), s
		}
	}
	return "", p.scripts[""]
}

// models returns the names that have scripts of their own.
func (p *Provider) models() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name := range p.scripts {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}
