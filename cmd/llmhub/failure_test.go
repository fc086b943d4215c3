package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"llmhub/config"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/store/local/usagelog"
)

// halt stops the hub politely.
func (h *hub) halt(t *testing.T) {
	t.Helper()
	h.stop()
	if err := <-h.stopped; err != nil {
		t.Errorf("hub stopped with %v", err)
	}
	h.stopped <- nil
}

// chat sends one whole request and returns the answer's status and body.
func (h *hub) chat(t *testing.T, a *account) (int, string) {
	t.Helper()
	return h.page(t, a.text, http.MethodPost, "/v1/chat/completions", a.chat("m", false))
}

// TestFailedSync lets a sync of the log fail: who waits for it is not told that all is well, the process ends, and the
// next one finds what was written.
func TestFailedSync(t *testing.T) {
	var failing atomic.Bool
	dir := t.TempDir()
	on := func(cfg *config.Config) { cfg.Data = dir }
	h := startHub(t, []string{"m"}, on, func(o *local.Options) {
		o.Faults.Sync = func() error {
			if failing.Load() {
				return syscall.EIO
			}
			return nil
		}
	})
	a := h.account("unlucky")
	if status, text := h.chat(t, a); status != http.StatusOK {
		t.Fatalf("before the failure: %d %s", status, text)
	}
	a.wantExact(t, 1)
	failing.Store(true)
	if status, text := h.chat(t, a); status != http.StatusServiceUnavailable || !strings.Contains(text, `"code":"usage_not_recorded"`) {
		t.Errorf("at the failure: %d %s", status, text)
	}
	if err := <-h.stopped; !errors.Is(err, syscall.EIO) || !errors.Is(err, store.ErrClosed) {
		t.Errorf("the server ended with %v", err)
	}
	h.stopped <- nil

	next := startHub(t, []string{"m"}, on)
	events := next.settledEvents(a.id, 2)
	if len(events) != 2 {
		t.Fatalf("%d entries, want 2", len(events))
	}
	given := h.provider.Totals().ByUser[a.user].FinishedUsage
	if got := plus(usageOf(events[0]), usageOf(events[1])); got != given {
		t.Errorf("the ledger has %+v, the provider gave %+v", got, given)
	}
}

// TestEmptyDatabaseFiles starts where a kill has left files of the database empty.
func TestEmptyDatabaseFiles(t *testing.T) {
	dir := t.TempDir()
	on := func(cfg *config.Config) { cfg.Data = dir }
	h := startHub(t, []string{"m"}, on)
	a := h.account("a")
	h.chat(t, a)
	a.wantExact(t, 1)
	h.halt(t)
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		if err := os.WriteFile(filepath.Join(dir, "db", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantServing(t, startHub(t, []string{"m"}, on), a, 1)
}

// wantServing insists that the hub has n entries of an account of a former hub on the same folder, and serves it.
func wantServing(t *testing.T, h *hub, a *account, n int) {
	t.Helper()
	if got := len(h.settledEvents(a.id, n)); got != n {
		t.Errorf("%d entries, want %d", got, n)
	}
	if status, text := h.chat(t, a); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
	if got := len(h.settledEvents(a.id, n+1)); got != n+1 {
		t.Errorf("%d entries after a request, want %d", got, n+1)
	}
}

// TestTornTail starts on a log whose last write was cut off by a power failure, at every length.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	on := func(cfg *config.Config) { cfg.Data = dir }
	h := startHub(t, []string{"m"}, on)
	a := h.account("a")
	h.chat(t, a)
	a.wantExact(t, 1)
	h.halt(t)
	for n, kept := range []int{1, 7, 30, 120} {
		tearLog(t, filepath.Join(dir, "log"), kept)
		h := startHub(t, []string{"m"}, on)
		wantServing(t, h, a, n+1)
		h.idle()
		h.halt(t)
	}
	if _, err := local.Verify(t.Context(), dir, storeOptions(h.server.cfg, h.server.log)); err != nil {
		t.Error(err)
	}
}

// tearLog appends the first bytes of a frame to a log, as a write leaves them that was never finished.
func tearLog(t *testing.T, dir string, kept int) {
	t.Helper()
	l, err := usagelog.Open(dir, usagelog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at, err := l.Append(make([]byte, 200), false)
	if err != nil {
		t.Fatal(err)
	}
	written := contents(t, dir)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for path, b := range written {
		if filepath.Base(path) == segmentName(at.Segment) {
			b = b[:at.Offset+int64(kept)]
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFlippedByte refuses to start on a damaged log, says what to do, and changes nothing.
func TestFlippedByte(t *testing.T) {
	dir := t.TempDir()
	h := startHub(t, []string{"m"}, func(cfg *config.Config) { cfg.Data = dir })
	a := h.account("a")
	for range 5 {
		h.chat(t, a)
	}
	a.wantExact(t, 5)
	h.halt(t)
	segment := filepath.Join(dir, "log", segmentName(1))
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x10
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	before := contents(t, filepath.Join(dir, "log"))

	_, err = newServer(t.Context(), h.server.cfg, h.server.log)
	if !errors.Is(err, store.ErrDamaged) {
		t.Errorf("the server starts with %v", err)
	}
	file := filepath.Join(t.TempDir(), "llmhub.yaml")
	text := fmt.Sprintf("listen: 127.0.0.1:0\ndata: %q\nadmin: {token: {env: %s}}\nupstreams: [{name: u, base_url: \"http://127.0.0.1:1/v1\"}]\nmodels: [{name: m, deployments: [{upstream: u}]}]\n",
		dir, tokenVariable)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := command(t, "", testToken, "serve", "--config", file)
	for _, part := range []string{"llmhub: open data folder " + dir, segment, "damaged", "hint: nothing was changed; run llmhub ledger verify", "backup"} {
		if !strings.Contains(stderr, part) {
			t.Errorf("no %q in %s", part, stderr)
		}
	}
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for path, b := range contents(t, filepath.Join(dir, "log")) {
		if !bytes.Equal(b, before[path]) {
			t.Errorf("%s was changed", path)
		}
	}
}

// contents reads the files of a folder.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		if all[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func segmentName(number uint32) string { return fmt.Sprintf("%08d.log", number) }
