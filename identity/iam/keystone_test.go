package iam_test

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"llmhub/identity/iam"
)

// patience is for a Keystone on a busy machine, whose first answer waits for half a minute of setting up.
const patience = 2 * time.Minute

// TestKeystone checks the contract with a real Keystone, which needs LLMHUB_KEYSTONE=1 and the Debian packages that
// test-keystone.sh installs.
func TestKeystone(t *testing.T) {
	if os.Getenv("LLMHUB_KEYSTONE") == "" {
		t.Skip("make test-keystone runs this with a real Keystone")
	}
	address := startKeystone(t)
	populate(t, address, population())
	c, err := iam.New(iam.Config{URL: address, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	contract(t, world{directory: c, now: time.Now})
}

// startKeystone starts a Keystone that ends with the test, and with its process. It does not wait: the socket listens
// from the beginning, and what comes early waits in it.
func startKeystone(t *testing.T) *url.URL {
	t.Helper()
	dir := t.TempDir()
	script, err := filepath.Abs("testdata/keystone.sh")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command("bash", script, dir, address)
	cmd.Dir, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = dir, []*os.File{socket}, &log, &log
	// A group of its own, so that the kill reaches the worker; and the kernel kills the script, or the server that it has
	// become, with the thread that started it, whose worker then ends by itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		runtime.UnlockOSThread()
		if t.Failed() {
			t.Logf("Keystone said:\n%s", log.Bytes())
		}
	})
	// Nobody but Keystone listens now: should it end, connections are refused at once.
	_ = l.Close()
	_ = socket.Close()
	return &url.URL{Scheme: "http", Host: address}
}
