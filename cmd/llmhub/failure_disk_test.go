package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/store/local"
)

// smallDisk mounts a file system of the given size in memory. Where that is not allowed the test is skipped; in CI it
// fails.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("cannot mount a tmpfs: %v", err)
		}
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill writes until the disk is full and returns the file that takes the room.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for piece := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(piece)
	}
	if cerr := f.Close(); cerr != nil || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v, %v", err, cerr)
	}
	return path
}

// page returns status and body of a page of the hub.
func (h *hub) page(t *testing.T, key, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := h.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// diskClients send requests without end, those for streams with one key and the others with another.
type diskClients struct {
	load
	streams, whole *loadKey
	leave          context.CancelFunc

	finished, refused, withheld, brokenOff atomic.Int64
}

func startDiskClients(t *testing.T, h *hub, n int) *diskClients {
	t.Helper()
	key := func(name string) *loadKey {
		secret, id := h.key(name)
		return &loadKey{name: name, id: id, secret: secret}
	}
	c := &diskClients{load: load{url: h.url}, streams: key("streams"), whole: key("whole")}
	c.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n, DisableCompression: true}}
	ctx, leave := context.WithCancel(t.Context())
	c.leave = leave
	for i := range n {
		c.wg.Go(func() {
			for rng := rand.New(rand.NewPCG(1, uint64(i))); ctx.Err() == nil; {
				c.one(rng)
			}
		})
	}
	return c
}

// end waits until the clients are through with what they are doing. A second call does nothing.
func (c *diskClients) end() {
	c.leave()
	c.wg.Wait()
	c.client.CloseIdleConnections()
}

// one sends one request, whose client stays to the end, and sorts the outcome.
func (c *diskClients) one(rng *rand.Rand) {
	s := &sight{key: c.whole, plan: c.draw(rng)}
	s.plan.leaves = -1
	if s.plan.kind == streamed {
		s.key = c.streams
	}
	err := c.send(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sights = append(c.sights, s)
	var r *refusal
	switch {
	case err == nil:
		c.finished.Add(1)
	case !errors.As(err, &r) || r.Type == "" || r.Message == "":
		c.failures = append(c.failures, fmt.Sprintf("%s %s after %d events: %v", s.id, s.plan.summary(), s.content, err))
	case r.status == http.StatusInsufficientStorage && r.Code == "insufficient_storage":
		c.refused.Add(1)
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond) // as a client does that is told to come later
	case r.status == http.StatusServiceUnavailable && r.Code == "usage_not_recorded":
		c.withheld.Add(1)
	case r.status == 0 && r.Code == "usage_not_recorded":
		c.brokenOff.Add(1)
	default:
		c.failures = append(c.failures, s.id+" "+err.Error())
	}
}

// TestFullDiskWhileServing fills the disk under load and gives the room back: what cannot be recorded is withheld,
// everything else answers, and afterwards all is recorded once.
func TestFullDiskWhileServing(t *testing.T) {
	dir := smallDisk(t, "64m")
	h := startHub(t, []string{"cancel", "drain"}, func(cfg *config.Config) { cfg.Data = filepath.Join(dir, "data") })
	c := startDiskClients(t, h, 24)
	defer c.end()
	h.eventually("no request finishes", func() bool { return c.finished.Load() >= 50 })

	filler := fill(t, dir)
	h.eventually("the full disk is not met", func() bool { return c.refused.Load() >= 20 })
	h.idle()
	servesWithoutSpace(t, h, c.whole.secret)

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.eventually("not ready again with room", func() bool {
		status, _ := h.page(t, "", http.MethodGet, "/readyz", "")
		return status == http.StatusOK
	})
	before := c.finished.Load()
	h.eventually("no request finishes again", func() bool { return c.finished.Load() >= before+50 })
	c.end()
	h.idle()
	h.eventually("requests left at the provider", func() bool { return h.provider.Active() == 0 })
	checkAfterFullDisk(t, h, c)

	h.halt(t)
	if _, err := local.Verify(t.Context(), h.server.cfg.Data, storeOptions(h.server.cfg, h.server.log)); err != nil {
		t.Error(err)
	}
}

// servesWithoutSpace insists on a full disk that everything but new work is served.
func servesWithoutSpace(t *testing.T, h *hub, key string) {
	t.Helper()
	const admin = "test-admin-token"
	for _, p := range []struct {
		key, method, path, body string
		status                  int
		says                    string
	}{
		{"", "GET", "/healthz", "", http.StatusOK, "ok"},
		{"", "GET", "/readyz", "", http.StatusServiceUnavailable, "no space"},
		{"", "GET", "/metrics", "", http.StatusOK, "llmhub_ledger_free_bytes"},
		{key, "GET", "/v1/models", "", http.StatusOK, `"drain"`},
		{key, "GET", "/v1/usage", "", http.StatusOK, "tokens"},
		{admin, "GET", "/api/v1/usage", "", http.StatusOK, `"total":true`},
		{admin, "GET", "/api/v1/keys", "", http.StatusOK, `"streams"`},
		{admin, "POST", "/api/v1/tenants", `{"name":"Too much"}`, http.StatusInsufficientStorage, ""},
		{key, "POST", "/v1/embeddings", `{"model":"drain","input":"x"}`, http.StatusInsufficientStorage, `"insufficient_storage"`},
		{key, "POST", "/v1/chat/completions", `{"model":"drain","stream":true,"messages":[]}`, http.StatusInsufficientStorage, `"insufficient_storage"`},
	} {
		if status, text := h.page(t, p.key, p.method, p.path, p.body); status != p.status || !strings.Contains(text, p.says) {
			t.Errorf("%s %s: %d %.300s; want %d and %q", p.method, p.path, status, text, p.status, p.says)
		}
	}
}

func checkAfterFullDisk(t *testing.T, h *hub, c *diskClients) {
	t.Helper()
	totals := h.provider.Totals()
	p := &operator{t: t, url: h.url, token: "test-admin-token"}
	o := p.check([]*loadKey{c.streams, c.whole}, c.sights, totals)
	t.Logf("%s; refused %d, withheld %d, broken off %d", o, c.refused.Load(), c.withheld.Load(), c.brokenOff.Load())
	for _, v := range append(o.violations, c.failures...) {
		t.Error(v)
	}
	if c.withheld.Load()+c.brokenOff.Load() == 0 {
		t.Error("no answer was withheld: the disk was not full in the middle of one")
	}
	// Nobody who asked for a whole answer left: what the provider gave is in the ledger, shown or not.
	if sum, given := p.sums()[c.whole.id], totals.ByUser["whole"]; sum.Requests != given.Finished ||
		sum.InputTokens != given.HandedOut.Prompt || sum.OutputTokens != given.HandedOut.Output {
		t.Errorf("the ledger has %+v, the provider handed out %+v", sum, given)
	}
}

// TestFreeSpaceFloor refuses new work below the floor, and nothing else.
func TestFreeSpaceFloor(t *testing.T) {
	dir := smallDisk(t, "64m")
	h := startHub(t, []string{"m"}, func(cfg *config.Config) {
		cfg.Data, cfg.FreeSpaceFloorBytes = filepath.Join(dir, "data"), 1<<30
	})
	a := h.account("below the floor")
	for _, stream := range []bool{false, true} {
		status, text := h.page(t, a.text, http.MethodPost, "/v1/chat/completions", a.chat("m", stream))
		if status != http.StatusInsufficientStorage || !strings.Contains(text, `"code":"insufficient_storage"`) {
			t.Errorf("stream %t: %d %s", stream, status, text)
		}
	}
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/v1/models": http.StatusOK} {
		if status, text := h.page(t, a.text, http.MethodGet, path, ""); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	a.wantNothing(t)
}
