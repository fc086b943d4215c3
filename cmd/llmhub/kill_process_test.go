package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildBinary builds llmhub without the race detector, as it is shipped, and returns the path.
func buildBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "llmhub")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// freePort returns a port that nobody listens on, outside of the range that the system gives to outgoing connections:
// from that range it could be taken while the server is down, even by a client that calls it.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 12_000 + rand.IntN(18_000)
		ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no free port")
	return 0
}

// daemon is llmhub as a process, started again and again on the same data.
type daemon struct {
	t      *testing.T
	binary string
	config string
	port   int
	url    string
	env    []string
	// output gets the whole log of all runs, unless it is nil.
	output io.Writer
	// startUp is how long the last start took until the server was ready.
	startUp time.Duration
	proc    *process
}

// process is one run of the binary.
type process struct {
	cmd *exec.Cmd
	// settled is signalled each time the process says that it settles a request which a dead process had begun.
	settled chan struct{}
	ended   chan struct{} // closed when the process has ended and its output has been read
	err     error         // of Wait; valid once ended is closed
	output  io.Writer

	mu   sync.Mutex
	tail []string // its last lines
}

// newDaemon writes a configuration into a new folder. The text follows listen, data and admin.
func newDaemon(t *testing.T, binary, settings string, env ...string) *daemon {
	t.Helper()
	dir := t.TempDir()
	d := &daemon{t: t, binary: binary, config: filepath.Join(dir, "llmhub.yaml"), port: freePort(t),
		env: append(env, tokenVariable+"="+testToken)}
	d.url = "http://127.0.0.1:" + strconv.Itoa(d.port)
	text := fmt.Sprintf("listen: 127.0.0.1:%d\nadmin: {token: {env: %s}}\n%s", d.port, tokenVariable, settings)
	if !strings.Contains(settings, "\ndata:") {
		text += "data: ./data\n"
	}
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.proc != nil {
			d.kill()
		}
	})
	return d
}

// start starts the process and does not wait for anything.
func (d *daemon) start() {
	d.t.Helper()
	p := &process{settled: make(chan struct{}, 1<<16), ended: make(chan struct{})}
	p.output = d.output
	p.cmd = exec.Command(d.binary, "serve", "--config", d.config)
	p.cmd.Env = d.env
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.proc = p
	go func() {
		defer close(p.ended)
		p.follow(stderr)
		p.err = p.cmd.Wait()
	}()
}

// follow reads the process's log to its end.
func (p *process) follow(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if p.output != nil {
			_, _ = fmt.Fprintln(p.output, lines.Text())
		}
		if strings.Contains(lines.Text(), "request settled from its marks") {
			select {
			case p.settled <- struct{}{}:
			default:
			}
			continue
		}
		p.mu.Lock()
		p.tail = append(p.tail[max(0, len(p.tail)-40):], lines.Text())
		p.mu.Unlock()
	}
}

// log returns the last lines of the process's log.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.tail, "\n")
}

// awaitReady waits until the process serves.
func (d *daemon) awaitReady() {
	d.t.Helper()
	begun := time.Now()
	for d.status("/readyz") != http.StatusOK {
		select {
		case <-d.proc.ended:
			d.t.Fatalf("llmhub ended with %v instead of serving:\n%s", d.proc.err, d.proc.log())
		default:
		}
		if time.Since(begun) > time.Minute {
			d.t.Fatalf("llmhub is not ready after a minute:\n%s", d.proc.log())
		}
		time.Sleep(5 * time.Millisecond)
	}
	d.startUp = time.Since(begun)
}

// status returns that of a page, 0 without an answer.
func (d *daemon) status(path string) int {
	ctx, cancel := context.WithTimeout(d.t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// kill sends SIGKILL and waits until the process is gone.
func (d *daemon) kill() {
	d.t.Helper()
	if err := d.proc.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.t.Fatal(err)
	}
	<-d.proc.ended
	d.proc.failOnPanic(d.t)
}

// terminate sends SIGTERM.
func (d *daemon) terminate() {
	d.t.Helper()
	if err := d.proc.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
}

// exit waits until the process has ended of its own accord, and returns its exit code and last words.
func (d *daemon) exit() (code int, words string) {
	d.t.Helper()
	select {
	case <-d.proc.ended:
	case <-time.After(time.Minute):
		d.t.Fatalf("llmhub does not end:\n%s", d.proc.log())
	}
	d.proc.failOnPanic(d.t)
	return d.proc.cmd.ProcessState.ExitCode(), d.proc.log()
}

func (p *process) failOnPanic(t *testing.T) {
	t.Helper()
	if log := p.log(); strings.Contains(log, "panic") || strings.Contains(log, "fatal error") || strings.Contains(log, "SIGBUS") {
		t.Errorf("llmhub crashed:\n%s", log)
	}
}

// operator is who asks the running process about its ledger.
func (d *daemon) operator() *operator { return &operator{t: d.t, url: d.url, token: testToken} }
