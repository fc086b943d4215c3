package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/metering"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
)

const testToken = "a-token-of-some-length"

// startServer runs a whole llmhub on a free port until the test ends.
func startServer(t *testing.T) (*server, string) {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.FreeSpaceFloorBytes = t.TempDir(), 0
	cfg.Shutdown.Grace = 5 * time.Second
	cfg.Admin.Token = secret.New(testToken)
	u := config.DefaultUpstream()
	u.Name, u.BaseURL = "none", &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	cfg.Upstreams = []config.Upstream{u}
	day, err := store.ParseDay("2026-01-01")
	price, err2 := metering.ParseAmount("1000")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	cfg.Models = []config.Model{{Name: "m", Deployments: []config.Deployment{{Upstream: "none", Model: "m"}},
		Prices: []metering.Price{{From: day, InputPerMillion: price, CachedInputPerMillion: price, OutputPerMillion: price}}}}
	ctx, stop := context.WithCancel(context.Background())
	s, err := newServer(ctx, &cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return s, "http://" + ln.Addr().String()
}

// TestCommandsAgainstAServer goes the way from a tenant to a deactivated key on the command line.
func TestCommandsAgainstAServer(t *testing.T) {
	s, url := startServer(t)
	must := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := command(t, url, testToken, args...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
		return stdout
	}
	line := func(text string) string {
		t.Helper()
		if strings.Count(text, "\n") != 1 {
			t.Fatalf("%q is not one line", text)
		}
		return strings.TrimSpace(text)
	}
	tenant := line(must("tenant", "create", "--name", "Example GmbH"))
	if list := must("tenant", "list"); !strings.Contains(list, tenant) || !strings.HasPrefix(list, "ID ") {
		t.Errorf("tenants:\n%s", list)
	}
	sub := line(must("subscription", "create", "--tenant", tenant, "--models", "m,n"))
	if list := must("subscription", "list", "--tenant", tenant); !strings.Contains(list, sub) || !strings.Contains(list, "m,n") {
		t.Errorf("subscriptions:\n%s", list)
	}
	key := line(must("key", "create", "--subscription", sub, "--name", "ci", "--expires", "30d"))
	if !regexp.MustCompile(`^sk-lh-[a-z0-9]{40,}$`).MatchString(key) {
		t.Errorf("standard output is not the key alone: %q", key)
	}
	if _, _, stderr := command(t, url, testToken, "key", "create", "--subscription", sub, "--name", "two"); strings.Contains(stderr, "sk-lh-") {
		t.Errorf("the key is on standard error: %s", stderr)
	}
	var keys struct{ Data []keyAnswer }
	if err := json.Unmarshal([]byte(must("key", "list", "--json")), &keys); err != nil || len(keys.Data) != 2 {
		t.Fatalf("keys: %+v %v", keys, err)
	}
	var id string
	for _, k := range keys.Data {
		if k.Name == "ci" {
			id = k.ID
		}
		if k.Key != "" {
			t.Errorf("the list shows the key %s", k.Name)
		}
	}

	commitUsage(t, s.store, id)
	month := time.Now().In(s.cfg.Billing.TimeZone).Format("2006-01")
	if got, want := usageFields(must("usage", "--by", "key,model", "--month", month)), []string{
		"KEY NAME MODEL REQUESTS INPUT CACHED OUTPUT REASONING TOTAL ESTIMATED AMOUNT (EUR)",
		id + " ci m 1 1,234,567 0 1,000 0 1,235,567 0 1,235.567",
		"total 1 1,234,567 0 1,000 0 1,235,567 0 1,235.567",
	}; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("usage:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var usage usageAnswer
	if err := json.Unmarshal([]byte(must("usage", "--json")), &usage); err != nil || len(usage.Data) != 2 || !usage.Data[1].Total {
		t.Errorf("usage in JSON: %+v %v", usage, err)
	}

	if out := must("key", "deactivate", id); !strings.Contains(out, "is deactivated") {
		t.Errorf("deactivate: %q", out)
	}
	if out := must("subscription", "cancel", sub); !strings.Contains(out, "is cancelled") {
		t.Errorf("cancel: %q", out)
	}
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitFailed, []string{"key", "deactivate", id}},
		{exitFailed, []string{"subscription", "cancel", sub}},
		{exitFailed, []string{"key", "create", "--subscription", sub, "--name", "late"}},
		{exitFailed, []string{"usage", "--month", "November"}},
		{exitFailed, []string{"tenant", "create", "--name", " "}},
		{exitNotFound, []string{"key", "deactivate", "key_none"}},
		{exitNotFound, []string{"usage", "--tenant", "ten_none"}},
	} {
		if code, stdout, stderr := command(t, url, testToken, c.args...); code != c.code || stdout != "" || !strings.HasPrefix(stderr, "llmhub: ") {
			t.Errorf("%v: exit code %d, output %q, errors %q; want code %d", c.args, code, stdout, stderr, c.code)
		}
	}
}

// TestLedgerVerify looks at a folder in use, whole, of another time zone, and damaged.
func TestLedgerVerify(t *testing.T) {
	dir := t.TempDir()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(dir, local.Options{Location: berlin})
	if err != nil {
		t.Fatal(err)
	}
	commitUsage(t, l, "key_a")
	expect := func(code int, out, errs string, args ...string) {
		t.Helper()
		got, stdout, stderr := command(t, "", "", append([]string{"ledger", "verify", "--data", dir}, args...)...)
		stdout = strings.Join(usageFields(stdout), "\n")
		if got != code || !strings.Contains(stdout, out) || !strings.Contains(stderr, errs) {
			t.Errorf("%v: exit code %d, output\n%s\nerrors\n%s\nwant %d, %q, %q", args, got, stdout, stderr, code, out, errs)
		}
	}
	expect(exitFailed, "", "hint: stop llmhub serve first")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	expect(exitOK, "LEDGER ok\nframes in the log 1\n", "")
	expect(exitOK, "\nrequests 1\n", "")
	expect(exitOK, `"ok": true`, "", "--json")
	expect(exitFailed, "", "Europe/Berlin", "--time-zone", "UTC")
	expect(exitUsage, "", "is not a time zone", "--time-zone", "Nirgends")

	segments, err := filepath.Glob(filepath.Join(dir, "log", "*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no log: %v", err)
	}
	for _, path := range segments {
		flipLastByte(t, path)
	}
	expect(exitFailed, "LEDGER DAMAGED", "llmhub: verify data folder")
	expect(exitFailed, `"ok": false`, "damaged", "--json")
	dir = t.TempDir()
	expect(exitFailed, "", "is not a data folder")
}

// flipLastByte damages the last byte of a file that is not zero.
func flipLastByte(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndexFunc(b, func(r rune) bool { return r != 0 })
	if at < 0 {
		return
	}
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// commitUsage puts one request into the ledger.
func commitUsage(t *testing.T, l store.Ledger, key string) {
	t.Helper()
	source, err := l.NewSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = l.Commit(t.Context(), store.Batch{Source: source, Seq: 1, Events: []store.Event{{
		ID: store.NewRequestID(source, 1), Key: key, Model: "m", Deployment: "none/m", At: time.Now(), Provenance: store.FromUpstream,
		Tokens: store.Tokens{Input: 1_234_567, Output: 1000},
	}}})
	if err != nil {
		t.Fatal(err)
	}
}

// usageFields returns the lines of a table with one space between fields.
func usageFields(table string) []string {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return lines
}
