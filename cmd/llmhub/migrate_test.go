package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/store/postgres"
)

// migrationSource makes a data folder with all that there is to move, and returns it open.
func migrationSource(t *testing.T, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(dir, local.Options{Location: config.Default().Billing.TimeZone, SegmentBytes: 4096})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var sources [2]store.Source
	for i := range sources {
		sources[i], err = s.NewSource(t.Context())
		must(err)
	}
	at := time.Date(2026, 10, 30, 22, 30, 0, 0, time.UTC) // the events go over days and a month
	mark := func(id store.RequestID) store.Mark {
		return store.Mark{Kind: store.MarkBegun, ID: id, Key: "key-1", Model: "m", Deployment: "up/m", At: at, RequestBytes: 10}
	}
	must(s.Mark(t.Context(), sources[0], []store.Mark{mark(store.NewRequestID(sources[0], 900_001)), mark(store.NewRequestID(sources[0], 900_002))}))
	for n := range uint64(400) {
		source := sources[n%2]
		b := store.Batch{Source: source, Seq: n/2 + 1}
		for i := range 3 {
			b.Events = append(b.Events, store.Event{
				ID: store.NewRequestID(source, n*3+uint64(i)+1), Key: fmt.Sprintf("key-%d", n%5), Model: fmt.Sprintf("m%d", i), Deployment: "up/m",
				At: at.Add(time.Duration(n) * 10 * time.Minute), Duration: time.Second, Provenance: store.FromUpstream,
				Tokens: store.Tokens{Input: 10, CachedInput: 3, Output: int64(n), Reasoning: 1, Estimated: 2}, Quantities: store.Quantities{}.Plus(store.UnitImage1024, 1+int64(i)),
			})
		}
		if n == 399 { // settles one of the other source's
			b.Events[0].ID, b.Events[0].Recovered = store.NewRequestID(sources[0], 900_001), true
		}
		must(s.Commit(t.Context(), b))
	}
	for i := range 30 {
		v, err := s.Put(t.Context(), store.Write{Kind: "k", ID: fmt.Sprint(i), Body: fmt.Appendf(nil, `{"n": %d}`, i), Index: map[string]string{"i": fmt.Sprint(i % 3)}})
		must(err)
		if i%10 == 0 {
			_, err = s.Put(t.Context(), store.Write{Kind: "k", ID: fmt.Sprint(i), Expect: v, Delete: true})
			must(err)
		}
	}
	for _, name := range keyFiles {
		_, err := secret.LoadKey(dir, name)
		must(err)
	}
	return s
}

// trimmedSource makes such a folder, of which the retention has removed about the first half of the requests.
func trimmedSource(t *testing.T, dir string, location *time.Location) local.VerifyReport {
	t.Helper()
	if err := migrationSource(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	o := local.Options{Location: location, Retention: time.Since(time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC))}
	trim(t, dir, o)
	r, err := local.Verify(t.Context(), dir, o)
	if err != nil || r.RemovedEvents < 300 || r.Events < 300 || r.Events+r.RemovedEvents != 1200 {
		t.Fatalf("%+v, %v", r, err)
	}
	return r
}

// trim opens a folder until its retention has removed something.
func trim(t *testing.T, dir string, o local.Options) {
	t.Helper()
	s, err := local.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	size := s.Stats().DataBytes
	eventually(t, "the retention removes something", func() bool { return s.Stats().DataBytes < size*3/4 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// contentsOf lists what can be seen of a store.
func contentsOf(t *testing.T, s engine) string {
	t.Helper()
	var out strings.Builder
	note := func(v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%+v\n", v)
	}
	q := store.UsageQuery{From: 20_000, To: 22_000, ByKey: true, ByModel: true, ByDay: true}
	note(s.Usage(t.Context(), q))
	q.ByDay, q.ByMonth = false, true
	note(s.Usage(t.Context(), q))
	keys := []string{"key-0", "key-1", "key-2", "key-3", "key-4"}
	note(s.LastUsed(t.Context(), keys))
	for _, key := range keys {
		events, _, err := s.Events(t.Context(), store.EventQuery{Key: key, Limit: 1000})
		note(events, err)
	}
	for i := range 3 {
		docs, _, err := s.List(t.Context(), store.ListQuery{Kind: "k", Index: "i", Value: fmt.Sprint(i)})
		for _, d := range docs {
			note(fmt.Sprintf("%s %d %s", d.ID, d.Version, d.Body), err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	err := s.Watch(ctx, 0, func(docs []store.Document) error {
		for _, d := range docs {
			if d.Kind != "installation" {
				note(fmt.Sprintf("%s %d %v", d.ID, d.Version, d.Deleted), nil)
			}
		}
		return nil
	}, func(store.Version) { stop() })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	note(s.Orphans(t.Context(), 0))
	return out.String()
}

// TestMigrateKilled moves a folder by a process that is killed later and later, until one has finished. Before that no
// store opens on the database once anything has been moved; behind it, it holds what the folder does.
func TestMigrateKilled(t *testing.T) {
	_, url := newDatabase(t)
	dir := filepath.Join(t.TempDir(), "data")
	location := config.Default().Billing.TimeZone
	there := trimmedSource(t, dir, location)
	from, err := local.Open(dir, local.Options{Location: location}) // none of its sources runs any more
	if err != nil {
		t.Fatal(err)
	}
	want := contentsOf(t, from)
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	killed, unfinished := 0, 0
	for after := 100 * time.Millisecond; ; after += 150 * time.Millisecond {
		cmd := exec.Command("llmhub", "migrate", "--from", dir, "--to", "env:DATABASE", "--json")
		cmd.Env = []string{"DATABASE=" + url, "HOME=" + t.TempDir()}
		var out, errs output
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			var r migrationReport
			if err := json.Unmarshal([]byte(out.String()), &r); err != nil || !r.Before && (r.Documents != 27 || r.Open != 1) || r.Batches != there.Batches || r.Requests != there.Events || r.Removed != there.RemovedEvents {
				t.Errorf("%s: %v", out.String(), err)
			}
			break
		}
		if cmd.ProcessState.ExitCode() >= 0 {
			t.Fatalf("not killed after %s: %v: %s", after, err, errs.String())
		}
		killed++
		s, err := postgres.Open(t.Context(), secret.New(url), postgres.Options{Location: location})
		if errors.Is(err, postgres.ErrImporting) {
			unfinished++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(errs.String(), url) {
			t.Error("the address is printed")
		}
	}
	t.Logf("killed %d times, %d of them when something had been moved", killed, unfinished)
	if unfinished == 0 {
		t.Error("never killed in the middle")
	}
	to, err := postgres.Open(t.Context(), secret.New(url), postgres.Options{Location: location})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if got := contentsOf(t, to); got != want {
		t.Errorf("database:\n%s\nfolder:\n%s", got, want)
	}
	if source, err := to.NewSource(t.Context()); err != nil || source != 3 {
		t.Errorf("source %d, %v", source, err)
	}
	if v, err := to.Put(t.Context(), store.Write{Kind: "k", ID: "new", Body: []byte(`1`)}); err != nil || v != 35 {
		t.Errorf("version %d, %v", v, err) // behind 33 commits of the folder, and the prints of its keys
	}
	if _, err := to.Get(t.Context(), "installation", "keys"); err != nil {
		t.Error(err)
	}
	again := func(says string, exit int) {
		t.Helper()
		lookup := func(name string) (string, bool) { return url, name == "DATABASE" }
		var out, errs output
		code := run(t.Context(), []string{"migrate", "--from", dir, "--to", "env:DATABASE"}, lookup, nil, &out, &errs)
		if text := out.String() + errs.String(); code != exit || !strings.Contains(text, says) || strings.Contains(text, url) {
			t.Errorf("%d %s", code, text)
		}
	}
	again("has been moved into the database before", exitOK)
	from, err = local.Open(dir, local.Options{Location: location})
	if err != nil {
		t.Fatal(err)
	}
	err = from.Commit(t.Context(), store.Batch{Source: 1, Seq: 201})
	if err = errors.Join(err, from.Close()); err != nil {
		t.Fatal(err)
	}
	again("the folder has been used since", exitFailed)
	dir = filepath.Join(t.TempDir(), "other")
	if err := migrationSource(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	again("the database is not empty", exitFailed)
}

// TestMigrateOfATrimmedFolder: a folder whose retention has removed batches without requests is moved like others, and one of
// which something was removed in the middle of its move is refused.
func TestMigrateOfATrimmedFolder(t *testing.T) {
	server, url := newDatabase(t)
	location := config.Default().Billing.TimeZone
	migrate := func(url, dir string) (int, string) {
		var out, errs output
		lookup := func(name string) (string, bool) { return url, name == "DATABASE" }
		code := run(t.Context(), []string{"migrate", "--from", dir, "--to", "env:DATABASE"}, lookup, nil, &out, &errs)
		return code, out.String() + errs.String()
	}

	dir := filepath.Join(t.TempDir(), "empty-batches")
	o := local.Options{Location: location, SegmentBytes: 600, Retention: store.MinRetention}
	s, err := local.Open(dir, local.Options{Location: location, SegmentBytes: 600})
	if err != nil {
		t.Fatal(err)
	}
	source, err := s.NewSource(t.Context())
	for n := range uint64(40) {
		b := store.Batch{Source: source, Seq: n + 1}
		if n >= 35 {
			b.Events = []store.Event{{ID: store.NewRequestID(source, n), Key: "key-1", Model: "m", Deployment: "up/m", At: time.Now(), Provenance: store.FromUpstream}}
		}
		err = errors.Join(err, s.Commit(t.Context(), b))
	}
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	trim(t, dir, o)
	if code, text := migrate(url, dir); code != exitOK {
		t.Errorf("%d %s", code, text)
	}

	dir = filepath.Join(t.TempDir(), "trimmed-since")
	s = migrationSource(t, dir)
	if _, url, err = server.Database(); err != nil {
		t.Fatal(err)
	}
	to, err := postgres.Open(t.Context(), secret.New(url), postgres.Options{Location: location, Importing: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = to.BeginImport(t.Context(), fmt.Sprintf(`{"data_folder":%q}`, s.Identity()), []store.Source{1, 2})
	if err = errors.Join(err, to.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	o.SegmentBytes = 4096
	trim(t, dir, o)
	if code, text := migrate(url, dir); code != exitFailed || !strings.Contains(text, "and not from") {
		t.Errorf("%d %s", code, text)
	}
}
