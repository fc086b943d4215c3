package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// A child is told of its parent's end by the thread that started it.
func init() { runtime.LockOSThread() }

// part is a part of the control plane, as a child process.
type part struct {
	name string
	cmd  *exec.Cmd
	// ended gets how it ended; nobody else waits for it.
	ended chan error
}

// start starts a part with its log in the folder. It dies with this process, however that ends.
func start(dir, name string, args ...string) (*part, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(self, append([]string{name}, args...)...)
	c.Stdout, c.Stderr, c.Dir = log, log, dir
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, err
	}
	p := &part{name, c, make(chan error, 1)}
	go func() { p.ended <- c.Wait() }()
	return p, nil
}

// freeAddress returns the host and port of a listener that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// until waits for something, and says how long that took.
func (c *cluster) until(what string, limit time.Duration, done func() bool) error {
	for end := time.Now().Add(limit); !done(); time.Sleep(50 * time.Millisecond) {
		for _, p := range c.parts {
			select {
			case err := <-p.ended:
				return fmt.Errorf("%s has ended while waiting for %q: %v; see %s.log", p.name, what, err, p.name)
			default:
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %s: %s", limit, what)
		}
	}
	fmt.Fprintln(os.Stderr, "testcluster: "+strconv.FormatFloat(time.Since(c.began).Seconds(), 'f', 1, 64)+" s: "+what)
	return nil
}
