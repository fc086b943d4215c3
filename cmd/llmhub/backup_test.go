package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/proxy/proxytest"
	"llmhub/store"
	"llmhub/store/local"
)

// backupFixture is a gateway on a folder that is larger than what the system buffers of a connection.
func backupFixture(t *testing.T) (g *restarted, key string) {
	t.Helper()
	provider, err := proxytest.Start(proxytest.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.Close() })
	provider.Script("m", proxytest.Script{Words: 5, PromptTokens: 10})
	g = newGateway(t, tokenVariable+"="+testToken, "UPSTREAM_KEY=k")
	g.configure(servingConfig(provider.URL(), "2s", servingModel("m", "1")))
	fillFolder(t, g.folder("data"))
	g.serve()
	sub := g.must("subscription", "create", "--tenant", g.must("tenant", "create", "--name", "T"), "--product", "llm-hub")
	return g, g.must("key", "create", "--subscription", sub, "--name", "k")
}

// folder returns a folder beside the configuration.
func (g *restarted) folder(name string) string { return filepath.Join(filepath.Dir(g.file), name) }

func fillFolder(t *testing.T, dir string) {
	t.Helper()
	s, err := local.Open(dir, local.Options{Location: config.Default().Billing.TimeZone})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`"` + strings.Repeat("x", store.MaxBody-2) + `"`)
	for i := range 32 {
		if _, err := s.Put(t.Context(), store.Write{Kind: "filling", ID: fmt.Sprint(i), Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// askers are callers that ask one after the other until they are stopped.
type askers struct {
	mu   sync.Mutex
	ids  []string // of whole answers
	more chan struct{}
	stop chan struct{}
	done sync.WaitGroup
}

func (g *restarted) startAskers(key string, callers int) *askers {
	l := &askers{stop: make(chan struct{}), more: make(chan struct{}, 1)}
	for range callers {
		l.done.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				if id, ok := askOnce(g.url, key); ok {
					l.mu.Lock()
					l.ids = append(l.ids, id)
					l.mu.Unlock()
					select {
					case l.more <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	return l
}

// askOnce sends a request and says whether its answer came to its end.
func askOnce(url, key string) (id string, whole bool) {
	r, err := http.NewRequest(http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}`))
	if err != nil {
		return "", false
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.Header.Get("X-Request-Id"), err == nil && resp.StatusCode == http.StatusOK && bytes.Contains(text, []byte("[DONE]"))
}

func (l *askers) answered() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.ids...)
}

// await waits until n answers have come.
func (l *askers) await(n int) {
	for len(l.answered()) < n {
		<-l.more
	}
}

func (l *askers) end() { close(l.stop); l.done.Wait() }

func (g *restarted) requests() float64 {
	g.t.Helper()
	day := func(days int) string { return time.Now().AddDate(0, 0, days).Format(time.DateOnly) }
	n, ok := g.total("--from", day(-1), "--to", day(2))["requests"].(float64)
	if !ok {
		g.t.Fatal("no count of requests")
	}
	return n
}

func (g *restarted) kill() {
	g.t.Helper()
	if err := g.cmd.Process.Kill(); err != nil {
		g.t.Fatal(err)
	}
	g.ended <- <-g.ended
}

// TestBackupUnderLoad backs a server up at full load, has it die in the middle of another backup, goes on with the first one
// elsewhere, and looks that nothing is missing, counted twice, or numbered twice.
func TestBackupUnderLoad(t *testing.T) {
	g, key := backupFixture(t)
	documents := func() string {
		return g.must("tenant", "list", "--json") + g.must("subscription", "list", "--json") + g.must("key", "list", "--json")
	}
	l := g.startAskers(key, 4)
	l.await(20)
	before := l.answered()
	file := g.folder("backup")
	var taken backupAnswer
	if err := json.Unmarshal([]byte(g.must("backup", "--output", file, "--json")), &taken); err != nil {
		t.Fatal(err)
	}
	if taken.Bytes < 32<<20 || len(taken.Secrets) != 3 {
		t.Errorf("%+v", taken)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() != taken.Bytes {
		t.Errorf("%v, %v", info, err)
	}
	l.await(len(l.answered()) + 10)
	g.diesInABackup(file)
	l.end()
	g.serve() // its IDs are shown to customers, too
	l = g.startAskers(key, 2)
	l.await(10)
	l.end()
	shown := map[string]bool{}
	for _, id := range append(before, l.answered()...) {
		shown[id] = true
	}
	want := documents()
	g.kill()

	data := g.folder("restored")
	code, _, stderr := command(t, "", "", "restore", "--from", file, "--data", data)
	if code != exitOK {
		t.Fatal(stderr)
	}
	text, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	g.configure(strings.Replace(string(text), "data: ./data", "data: ./restored", 1))
	g.serve()
	if got := documents(); withoutLastUse(got) != withoutLastUse(want) {
		t.Errorf("restored:\n%s\noriginal:\n%s", got, want)
	}
	restored := g.requests()
	if restored < float64(len(before)) {
		t.Errorf("%v requests, %d had been answered before the backup", restored, len(before))
	}
	l = g.startAskers(key, 2)
	l.await(10)
	l.end()
	for _, id := range l.answered() {
		if shown[id] {
			t.Errorf("request ID %s is used a second time", id)
		}
	}
	if n := g.requests(); n != restored+float64(len(l.answered())) {
		t.Errorf("%v requests, before %v, answered %d", n, restored, len(l.answered()))
	}
	again := g.folder("again")
	g.must("backup", "--output", again, "--without-secrets")
	g.kill()
	if code, stdout, stderr := command(t, "", "", "ledger", "verify", "--data", data); code != exitOK {
		t.Errorf("%s%s", stdout, stderr)
	}
	if code, _, stderr := command(t, "", "", "backup", "--output", g.folder("rest"), "--data", data); code != exitOK {
		t.Error(stderr)
	}
	if code, stdout, stderr := command(t, "", "", "restore", "--from", again, "--data", g.folder("third")); code != exitOK || !strings.Contains(stderr, "pepper, responses, seal.key") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	if _, err := os.Stat(filepath.Join(g.folder("third"), "pepper")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a secret is restored: %v", err)
	}
}

// withoutLastUse removes what requests change.
func withoutLastUse(text string) string {
	lines := strings.Split(text, "\n")
	kept := lines[:0]
	for _, line := range lines {
		if !strings.Contains(line, `"last_used_at"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// diesInABackup kills the server in the middle of a backup, and looks that what has come of it is refused.
func (g *restarted) diesInABackup(complete string) {
	g.t.Helper()
	r, err := http.NewRequest(http.MethodGet, g.url+backupPath, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	part := new(bytes.Buffer)
	if _, err := io.CopyN(part, resp.Body, 1<<20); err != nil {
		g.t.Fatal(err)
	}
	if code, _, stderr := command(g.t, g.url, testToken, "backup", "--output", g.folder("second")); code != exitFailed || !strings.Contains(stderr, "another backup is under way") {
		g.t.Errorf("a second backup: %d %s", code, stderr)
	}
	g.kill()
	if _, err := io.Copy(part, resp.Body); err == nil {
		g.t.Error("the backup of a dead server ends well")
	}
	info, err := os.Stat(complete)
	if err != nil || int64(part.Len()) >= info.Size() {
		g.t.Fatalf("%d bytes came of a backup of %v: %v", part.Len(), info, err)
	}
	file := g.folder("partial")
	if err := os.WriteFile(file, part.Bytes(), 0o600); err != nil {
		g.t.Fatal(err)
	}
	code, _, stderr := command(g.t, "", "", "restore", "--from", file, "--data", g.folder("never"))
	if code != exitFailed || !strings.Contains(stderr, "truncated or has been altered") {
		g.t.Errorf("%d %s", code, stderr)
	}
	if _, err := os.Stat(g.folder("never")); !errors.Is(err, os.ErrNotExist) {
		g.t.Errorf("something was restored: %v", err)
	}
}

// TestBackupIsForTheAdministrator asks without the token, and on the customers' listener where operators have another.
func TestBackupIsForTheAdministrator(t *testing.T) {
	h := startHub(t, nil, nil)
	for token, want := range map[string]int{"": http.StatusUnauthorized, "wrong": http.StatusUnauthorized, "test-admin-token": http.StatusOK} {
		if got := h.backupStatus(token); got != want {
			t.Errorf("token %q: status %d", token, got)
		}
	}
	h = startHub(t, nil, func(cfg *config.Config) { cfg.Portal.AdminListen = "127.0.0.1:0" })
	if got := h.backupStatus("test-admin-token"); got != http.StatusNotFound {
		t.Errorf("where operators have a listener of their own: status %d", got)
	}
}

func (h *hub) backupStatus(token string) int {
	h.t.Helper()
	r, err := http.NewRequest(http.MethodGet, h.url+backupPath, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := h.client().Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode
}

// TestServerStopsInABackup stops a server while nobody reads the backup that it sends: it must end all the same.
func TestServerStopsInABackup(t *testing.T) {
	h := startHub(t, nil, func(cfg *config.Config) {
		cfg.Data = t.TempDir()
		fillFolder(t, cfg.Data)
	})
	r, err := http.NewRequest(http.MethodGet, h.url+backupPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer test-admin-token")
	resp, err := h.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	h.stop()
	if err := <-h.stopped; err != nil {
		t.Error(err)
	}
	h.stopped <- nil
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the backup ends well")
	}
}

// TestBackupFromStrangeServers has what is sent be no whole backup: nothing may be kept.
func TestBackupFromStrangeServers(t *testing.T) {
	for _, c := range []struct {
		name   string
		handle http.HandlerFunc
		says   string
	}{
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", backupMediaType)
			_, _ = w.Write(make([]byte, 4096))
			panic(http.ErrAbortHandler)
		}, "broken off"},
		{"no backup", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", backupMediaType)
			_, _ = w.Write(make([]byte, 4096))
		}, "truncated or has been altered"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "not as llmhub does"},
		{"refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "not as llmhub does"},
	} {
		server := httptest.NewServer(c.handle)
		dir := t.TempDir()
		code, stdout, stderr := command(t, server.URL, testToken, "backup", "--output", filepath.Join(dir, "b"))
		server.Close()
		if code != exitFailed || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: %d %q %q", c.name, code, stdout, stderr)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", c.name, left, err)
		}
	}
}
