package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// get makes a call and reads its whole answer.
func get(c *Client, payload string) (string, error) {
	call := c.NewCall()
	if err := call.Do(Request{Method: http.MethodPost, Path: "/x", Body: [][]byte{[]byte(payload)}}); err != nil {
		return "", err
	}
	defer call.Close()
	body, err := io.ReadAll(call)
	return string(body), err
}

// echo answers with what it was sent, and counts connections.
func echo(t *testing.T, conns *atomic.Int32) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	t.Cleanup(s.Close)
	return s
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var conns atomic.Int32
	s := echo(t, &conns)
	s.Start()
	c := newClient(t, Config{Name: "u", BaseURL: s.URL + "/base/", Header: []Header{{"Authorization", "Bearer secret"}, {"X-Title", "a b"}}})
	long := strings.Repeat("long ", 100_000)
	for _, payload := range []string{"a", long, "b", ""} {
		got, err := get(c, payload)
		if want := "/base/x Bearer secret " + payload; err != nil || got != want {
			t.Fatalf("%.60q, %v", got, err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 4 calls", n)
	}
	// The server closes the unused connection: the next call must not fall over it.
	s.CloseClientConnections()
	if _, err := get(c, "c"); err != nil {
		t.Errorf("after the server had closed the connection: %v", err)
	}
}

func TestTLS(t *testing.T) {
	var conns atomic.Int32
	s := echo(t, &conns)
	s.StartTLS()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	c := newClient(t, Config{Name: "u", BaseURL: s.URL, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}})
	for range 3 {
		if got, err := get(c, "x"); err != nil || got != "/x  x" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 3 calls", n)
	}
	unknown := newClient(t, Config{Name: "u", BaseURL: s.URL})
	if _, err := get(unknown, "x"); !errors.Is(err, ErrConnect) {
		t.Errorf("unknown authority: %v", err)
	}
}

func TestFailures(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	if _, err := get(newClient(t, Config{Name: "u", BaseURL: "http://" + gone.Addr().String()}), ""); !errors.Is(err, ErrConnect) {
		t.Errorf("nobody listens: %v", err)
	}
	slow := newClient(t, Config{Name: "u", BaseURL: "http://" + silent.Addr().String(), HeaderTimeout: 20 * time.Millisecond})
	if _, err := get(slow, ""); !errors.Is(err, ErrTimeout) {
		t.Errorf("no header in time: %v", err)
	}
	for _, address := range []string{"", "host:80", "ftp://host", "http://", "http://[::1"} {
		if _, err := New(Config{Name: "u", BaseURL: address}); err == nil {
			t.Errorf("%q taken for an address", address)
		}
	}
}

func TestMaxConnections(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		<-release
	}))
	t.Cleanup(s.Close)
	c := newClient(t, Config{Name: "u", BaseURL: s.URL, MaxConnections: 1})
	first := c.NewCall()
	if err := first.Do(Request{Method: http.MethodPost, Path: "/"}); err != nil {
		t.Fatal(err)
	}
	if _, err := get(c, ""); !errors.Is(err, ErrBusy) {
		t.Errorf("second call at once: %v", err)
	}
	close(release)
	first.Close()
	if _, err := get(c, ""); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
}

func TestInterruptAndTimeOuts(t *testing.T) {
	more := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			_, _ = io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			select {
			case <-more:
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	c := newClient(t, Config{Name: "u", BaseURL: s.URL})
	call := c.NewCall()
	if err := call.Do(Request{Method: http.MethodPost, Path: "/"}); err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	buf := make([]byte, 100)
	read := func() string {
		n, err := call.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	if got := read(); got != "part" {
		t.Fatalf("%q", got)
	}
	// A stream survives a read's time-out.
	if err := call.Within(10 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, err := call.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("no time-out: %v", err)
	}
	if err := call.Within(time.Minute); err != nil {
		t.Fatal(err)
	}
	more <- struct{}{}
	if got := read(); got != "part" {
		t.Fatalf("%q after a time-out", got)
	}
	// Interrupt ends a read that waits, and every later one.
	failed := make(chan error)
	go func() {
		_, err := call.Read(buf)
		failed <- err
	}()
	call.Interrupt()
	if err := <-failed; !errors.Is(err, ErrInterrupted) {
		t.Errorf("interrupted read: %v", err)
	}
	if err := call.Within(time.Minute); !errors.Is(err, ErrInterrupted) {
		t.Errorf("Within after Interrupt: %v", err)
	}
	call.Close()
	if n := len(c.idle); n != 0 {
		t.Errorf("%d connections kept after an interruption", n)
	}
}

func TestIdleConnectionsAgeOut(t *testing.T) {
	c := newClient(t, Config{Name: "u", BaseURL: "http://127.0.0.1:1", IdleTimeout: time.Minute})
	var closed atomic.Int32
	for range 3 {
		c.idle = append(c.idle, idleConn{newLink(closing{&closed}), time.Now().Add(-time.Hour)})
	}
	// One stays in use all the time, so that the others are never looked at from the top.
	for range 5 {
		c.put(newLink(closing{&closed}))
		c.takeIdle()
	}
	if n := closed.Load(); n != 3 || len(c.idle) != 0 {
		t.Errorf("%d of 3 old connections closed, %d kept", n, len(c.idle))
	}
}

// closing is a connection that counts its closing.
type closing struct{ n *atomic.Int32 }

func (c closing) Close() error                   { c.n.Add(1); return nil }
func (closing) SetDeadline(time.Time) error      { return nil }
func (closing) SetReadDeadline(time.Time) error  { return nil }
func (closing) SetWriteDeadline(time.Time) error { return nil }
func (closing) Read([]byte) (int, error)         { return 0, io.EOF }
func (closing) Write(p []byte) (int, error)      { return len(p), nil }
func (closing) LocalAddr() net.Addr              { return nil }
func (closing) RemoteAddr() net.Addr             { return nil }
