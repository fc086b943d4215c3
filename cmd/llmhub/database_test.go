package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/proxy/proxytest"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/postgres"
	"llmhub/store/postgres/pgtest"
)

func testKey(c string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(c, 32)))
}

// newDatabase starts a database server for a test and returns it with the URL of an empty database.
func newDatabase(t *testing.T, options ...pgtest.Option) (*pgtest.Server, string) {
	t.Helper()
	db, err := pgtest.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Remove(); err != nil {
			t.Error(err)
		}
	})
	_, url, err := db.Database()
	if err != nil {
		t.Fatal(err)
	}
	return db, url
}

// newReplica is a process on a database, with a pepper of the given letter.
func newReplica(t *testing.T, binary, provider, url, pepper string) *daemon {
	t.Helper()
	return newDaemon(t, binary, fmt.Sprintf(`store:
  postgres:
    url: {env: DB}
    patience: 8s
    keys: {pepper: {env: K1}, responses: {env: K2}, seal: {env: K3}}
upstreams:
  - {name: up, base_url: %q}
models:
  - {name: m, deployments: [{upstream: up}]}
log: {level: info}
`, provider), "DB="+url, "K1="+testKey(pepper), "K2="+testKey("b"), "K3="+testKey("c"))
}

// ask sends a request with a key and returns status and Retry-After.
func (d *daemon) ask(key string) (status int, retryAfter string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url+"/v1/chat/completions",
		bytes.NewReader([]byte(`{"model":"m","user":"u","messages":[{"role":"user","content":"hi"}]}`)))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		d.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Retry-After")
}

// awaitStatus asks until the status is the given one, and returns the Retry-After with it.
func (d *daemon) awaitStatus(key string, want int) (retryAfter string, answered int) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		status, after := d.ask(key)
		if status == http.StatusOK {
			answered++
		}
		if status == want {
			return after, answered
		}
	}
	d.t.Fatalf("no answer with status %d:\n%s", want, d.proc.log())
	return "", 0
}

// TestDatabase has two processes on one database: keys made at one are good at the other, a database that is stopped
// leads to refusals with Retry-After once the patience is over, and one that is started again ends them without a restart.
// A finished request is in the ledger, once, whatever the database did.
func TestDatabase(t *testing.T) {
	db, url := newDatabase(t, pgtest.With("fsync", "on"))
	provider, err := proxytest.Start(proxytest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer provider.Close()
	binary := buildBinary(t)
	a, b := newReplica(t, binary, provider.URL(), url, "a"), newReplica(t, binary, provider.URL(), url, "a")
	a.start()
	b.start()
	a.awaitReady()
	b.awaitReady()
	tenant := a.operator().cli("tenant", "create", "--name", "Tenant")
	sub := a.operator().cli("subscription", "create", "--tenant", tenant)
	var key keyAnswer
	if err := json.Unmarshal([]byte(a.operator().cli("key", "create", "--subscription", sub, "--name", "k", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	_, answered := a.awaitStatus(key.Key, http.StatusOK)
	_, n := b.awaitStatus(key.Key, http.StatusOK)
	answered += n

	// A process with another pepper would take every key for a wrong one.
	other := newReplica(t, binary, provider.URL(), url, "x")
	other.start()
	if code, words := other.exit(); code == 0 || !strings.Contains(words, "store.postgres.keys.pepper is not the key") {
		t.Errorf("with another pepper: exit code %d, %s", code, words)
	}

	// A restart of the database, shorter than the patience, shows as delay at most.
	var during sync.WaitGroup
	statuses := make([]int, 8)
	db.Kill()
	for i := range statuses {
		during.Go(func() { statuses[i], _ = []*daemon{a, b}[i%2].ask(key.Key) })
	}
	if err := db.Start(); err != nil {
		t.Fatal(err)
	}
	during.Wait()
	for _, status := range statuses {
		if status != http.StatusOK {
			t.Errorf("status %d while the database was restarted", status)
			continue
		}
		answered++
	}

	db.Stop()
	for _, d := range []*daemon{a, b} {
		after, n := d.awaitStatus(key.Key, http.StatusServiceUnavailable)
		answered += n
		if after == "" {
			t.Error("a refusal without Retry-After")
		}
		if status, _ := d.ask("sk-llmhub-not-a-key"); status != http.StatusUnauthorized {
			t.Errorf("a wrong key is answered with %d while the database is away", status)
		}
		if d.status("/readyz") == http.StatusOK {
			t.Error("ready without a database")
		}
		if d.status("/healthz") != http.StatusOK {
			t.Error("not alive without a database")
		}
	}
	if err := db.Start(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*daemon{a, b} {
		d.awaitReady()
		_, n := d.awaitStatus(key.Key, http.StatusOK)
		answered += n
		if strings.Contains(d.proc.log(), "a-secret-of-the-tests") {
			t.Error("the log shows the password of the database")
		}
	}

	// What the provider has finished is in the ledger once: what a client was answered with, and what it was refused
	// because it could not be recorded in time.
	location, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := postgres.Open(t.Context(), secret.New(url), postgres.Options{Location: location})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ledger.Close(); err != nil {
			t.Error(err)
		}
	}()
	finished := provider.Totals().ByUser["u"]
	if finished.Finished < int64(answered) || answered < 12 {
		t.Fatalf("the provider has finished %d, and %d were answered", finished.Finished, answered)
	}
	var total store.Sum
	for deadline := time.Now().Add(30 * time.Second); total.Requests < finished.Finished && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		today := store.DayOf(time.Now(), location)
		rows, err := ledger.Usage(t.Context(), store.UsageQuery{Keys: []string{key.ID}, From: today - 1, To: today + 2})
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v, %v", rows, err)
		}
		total = rows[0]
	}
	if total.Requests != finished.Finished || total.Tokens.Input != finished.FinishedUsage.Prompt || total.Tokens.Output != finished.FinishedUsage.Output {
		t.Errorf("the ledger has %+v, the provider finished %+v", total, finished)
	}
	a.terminate()
	b.terminate()
	for _, d := range []*daemon{a, b} {
		if code, words := d.exit(); code != 0 {
			t.Errorf("exit code %d: %s", code, words)
		}
	}
	if orphans, err := ledger.Orphans(t.Context(), 0); err != nil || len(orphans) > 0 {
		t.Errorf("orphans %v, %v", orphans, err)
	}
}
