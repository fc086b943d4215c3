package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

var backupSecretsOf = BackupOptions{Secrets: []string{"pepper", "seal.key"}, Program: "test"}

// backupTo backs a store up into a new file.
func backupTo(t testing.TB, s *Store) (string, BackupManifest) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Backup(t.Context(), f, backupSecretsOf)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name(), m
}

func mustRestore(t testing.TB, backup string) (string, RestoreReport) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	r, err := Restore(t.Context(), backup, dir, RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return dir, r
}

// counter is the document that counts what its writer is about to commit.
func counter(t testing.TB, s *Store) (n int64, version store.Version) {
	t.Helper()
	d, err := s.Get(t.Context(), "counter", "c")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.Body, &n); err != nil {
		t.Fatal(err)
	}
	return n, d.Version
}

// TestBackupIsOneMoment takes backups while a writer counts in a document and then commits a batch, again and again, and
// folds run as often as they can. In each restored folder the document and the batches must agree.
func TestBackupIsOneMoment(t *testing.T) {
	o := Options{Location: berlin(t), foldEvery: time.Millisecond, SegmentBytes: 4096}
	s := openTest(t, t.TempDir(), o)
	w := newWriter(t, s)
	version, err := s.Put(t.Context(), store.Write{Kind: "counter", ID: "c", Body: []byte("0")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			var err error
			b := w.batch()
			version, err = s.Put(t.Context(), store.Write{Kind: "counter", ID: "c", Expect: version, Body: fmt.Append(nil, w.n)})
			if err == nil {
				err = s.Commit(t.Context(), b)
			}
			if err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	last := int64(-1)
	for range 8 {
		for before := requests(t, s); requests(t, s) < before+20; {
			time.Sleep(time.Millisecond)
		}
		begun := requests(t, s)
		file, m := backupTo(t, s)
		dir, r := mustRestore(t, file)
		if len(r.Verify.Differences) > 0 || r.Verify.Events < begun || uint64(r.Verify.Frames) != m.Frames {
			t.Fatalf("%d events had been committed before the backup: %+v", begun, r.Verify)
		}
		restored := openTest(t, dir, o)
		n, _ := counter(t, restored)
		if got := requests(t, restored); got != r.Verify.Events || n != got && n != got+1 || got <= last {
			t.Fatalf("%d requests, %d events, the document says %d", got, r.Verify.Events, n)
		}
		last = n
	}
}

// TestRestored compares what is restored with the original, uses it, and backs it up again.
func TestRestored(t *testing.T) {
	o := Options{Location: berlin(t), foldEvery: -1, SegmentBytes: 2048}
	origin := t.TempDir()
	for _, name := range backupSecretsOf.Secrets {
		if err := os.WriteFile(filepath.Join(origin, name), []byte("secret of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openTest(t, origin, o)
	w := newWriter(t, s)
	w.commit(30)
	if err := s.fold(); err != nil {
		t.Fatal(err)
	}
	w.commit(4) // not folded
	large := []byte(`"` + strings.Repeat("x", store.MaxBody-2) + `"`)
	for i, body := range [][]byte{[]byte(`{"a":1}`), large, []byte(`{}`)} {
		write := store.Write{Kind: "k", ID: fmt.Sprint(i), Body: body, Index: map[string]string{"i": "v"}}
		if _, err := s.Put(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	version, err := s.Put(t.Context(), store.Write{Kind: "k", ID: "gone", Body: []byte(`1`)})
	if err == nil {
		_, err = s.Put(t.Context(), store.Write{Kind: "k", ID: "gone", Expect: version, Delete: true})
	}
	if err == nil {
		err = s.Mark(t.Context(), w.src, []store.Mark{{Kind: store.MarkBegun, ID: store.NewRequestID(w.src, 1000), Key: "key-9", Model: "m", Deployment: "up/m", At: noon}})
	}
	if err != nil {
		t.Fatal(err)
	}
	file, m := backupTo(t, s)
	if m.Source != uint32(w.src) || m.Frames != 35 || m.Folded != 30 || !slices.Equal(m.Secrets, backupSecretsOf.Secrets) {
		t.Errorf("%+v", m)
	}
	want := everything(t, s)
	w.commit(3) // behind the backup
	dir, r := mustRestore(t, file)
	checkModes(t, dir)
	for _, name := range m.Secrets {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != "secret of "+name {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	restored := openTest(t, dir, o)
	if got := everything(t, restored); got != want {
		t.Errorf("restored:\n%s\noriginal:\n%s", got, want)
	}
	orphans, err := restored.Orphans(t.Context(), 0)
	if err != nil || len(orphans) != 1 || orphans[0].ID != store.NewRequestID(w.src, 1000) {
		t.Errorf("orphans %+v, %v", orphans, err)
	}
	w2 := newWriter(t, restored)
	if uint32(w2.src) != r.Source+1 || r.Source < m.Source+sourcesSkipped {
		t.Errorf("source %d after %d, in the backup %d", w2.src, r.Source, m.Source)
	}
	w2.commit(5)
	file, _ = backupTo(t, restored)
	dir, r = mustRestore(t, file)
	if r.Verify.Events != 39 || requests(t, openTest(t, dir, o)) != 39 {
		t.Errorf("%+v", r.Verify)
	}
}

// TestRestoredWithoutUsage: there may be documents and no usage yet.
func TestRestoredWithoutUsage(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	if _, err := s.Put(t.Context(), store.Write{Kind: "k", ID: "1", Body: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	file, _ := backupTo(t, s)
	dir, _ := mustRestore(t, file)
	restored := openTest(t, dir, Options{})
	if got, want := everything(t, restored), everything(t, s); got != want {
		t.Errorf("restored:\n%s\noriginal:\n%s", got, want)
	}
	newWriter(t, restored).commit(1)
}

// everything lists sums, single requests, and documents with their versions as a watch tells of them.
func everything(t *testing.T, s *Store) string {
	t.Helper()
	sums, err := s.Usage(t.Context(), store.UsageQuery{From: 0, To: 40000, ByKey: true, ByModel: true, ByDay: true})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v\n", sums)
	for _, key := range []string{"key-0", "key-1", "key-2"} {
		events, _, err := s.Events(t.Context(), store.EventQuery{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%+v\n", events)
	}
	ctx, stop := context.WithCancel(t.Context())
	err = s.Watch(ctx, 0, func(docs []store.Document) error {
		for _, d := range docs {
			text += fmt.Sprintf("%s %s %d %v %.20s %d\n", d.Kind, d.ID, d.Version, d.Deleted, d.Body, len(d.Body))
		}
		return nil
	}, func(store.Version) { stop() })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	page, _, err := s.List(t.Context(), store.ListQuery{Kind: "k", Index: "i", Value: "v"})
	if err != nil {
		t.Fatal(err)
	}
	return text + fmt.Sprintf("%d by index", len(page))
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm() != map[bool]fs.FileMode{true: 0o700, false: 0o600}[e.IsDir()] {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// smallBackup is a backup with all kinds of parts.
func smallBackup(t *testing.T) []byte {
	t.Helper()
	dir := folder(t, Options{}, 20)
	if err := os.WriteFile(filepath.Join(dir, "pepper"), []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup")
	f, err := os.Create(file)
	if err == nil {
		_, err = BackupFolder(t.Context(), dir, f, Options{}, backupSecretsOf)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestDamagedBackupIsRefused changes each byte of a backup in turn, and cuts it off at each.
func TestDamagedBackupIsRefused(t *testing.T) {
	content := smallBackup(t)
	file := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckBackup(t.Context(), file, nil); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := 0; i < len(content); i += step {
		_, werr := f.WriteAt([]byte{content[i] ^ 1<<(i%8)}, int64(i))
		_, err := CheckBackup(t.Context(), file, nil)
		_, uerr := f.WriteAt(content[i:i+1], int64(i))
		if werr != nil || uerr != nil || !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("byte %d of %d changed: %v, %v, %v", i, len(content), err, werr, uerr)
		}
	}
	for n := len(content) - 1; n >= 0; n -= step {
		if err := f.Truncate(int64(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := CheckBackup(t.Context(), file, nil); !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("cut off behind byte %d of %d: %v", n, len(content), err)
		}
	}
}

// TestDamagedBackupRestoresNothing damages a backup at random in other ways. Nothing may be written.
func TestDamagedBackupRestoresNothing(t *testing.T) {
	content := smallBackup(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := slices.Clone(content)
		from := rapid.IntRange(0, len(b)-1).Draw(rt, "from")
		to := rapid.IntRange(from+1, len(b)).Draw(rt, "to")
		switch rapid.IntRange(0, 3).Draw(rt, "kind") {
		case 0:
			b = slices.Delete(b, from, to)
		case 1:
			b = slices.Insert(b, to, b[from:to]...)
		case 2:
			b = append(b, b[from:to]...)
		default:
			b[from] ^= rapid.Byte().Filter(func(x byte) bool { return x != 0 }).Draw(rt, "bits")
		}
		parent := t.TempDir()
		file := filepath.Join(t.TempDir(), "backup")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			rt.Fatal(err)
		}
		_, err := Restore(t.Context(), file, filepath.Join(parent, "data"), RestoreOptions{})
		if !errors.Is(err, store.ErrDamaged) {
			rt.Fatalf("restored with %v", err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			rt.Fatalf("left behind: %v, %v", left, err)
		}
	})
}

func TestRestoreTarget(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(file, smallBackup(t), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	if _, err := Restore(t.Context(), file, empty, RestoreOptions{}); err != nil {
		t.Errorf("into an empty folder: %v", err)
	}
	for _, c := range []struct {
		name, says string
		prepare    func(parent string) error
	}{
		{"not empty", "is not empty", func(p string) error { return os.MkdirAll(filepath.Join(p, "data", "x"), 0o700) }},
		{"a file", "not a directory", func(p string) error { return os.WriteFile(filepath.Join(p, "data"), nil, 0o600) }},
		{"a link", "a mount point or a link", func(p string) error { return os.Symlink(t.TempDir(), filepath.Join(p, "data")) }},
		{"another folder in the way", "is in the way", func(p string) error { return os.MkdirAll(filepath.Join(p, "data"+restoreSuffix, "x"), 0o700) }},
		{"parent missing", "no such file", func(p string) error { return os.Remove(p) }},
	} {
		parent := filepath.Join(t.TempDir(), "parent")
		if err := errors.Join(os.Mkdir(parent, 0o700), c.prepare(parent)); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), file, filepath.Join(parent, "data"), RestoreOptions{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestRestoreWithoutRoom has the disk fill up: nothing stays.
func TestRestoreWithoutRoom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(file, smallBackup(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, looks := range []int{1, 3, 4, 6} {
		parent := t.TempDir()
		n := 0
		_, err := Restore(t.Context(), file, filepath.Join(parent, "data"), RestoreOptions{freeSpace: func(string) (int64, int64, error) {
			if n++; n >= looks {
				return 1 << 20, 1 << 40, nil
			}
			return 1 << 39, 1 << 40, nil
		}})
		if !errors.Is(err, store.ErrNoSpace) {
			t.Errorf("full at look %d: %v", looks, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestBackupOfAFolderInUse(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	if _, err := BackupFolder(t.Context(), dir, new(strings.Builder), Options{}, BackupOptions{}); !errors.Is(err, usagelog.ErrInUse) {
		t.Errorf("offline: %v", err)
	}
	w := &heldWriter{held: make(chan struct{}), on: make(chan struct{})}
	first := make(chan error, 1)
	newWriter(t, s).commit(1)
	go func() {
		_, err := s.Backup(t.Context(), w, BackupOptions{})
		first <- err
	}()
	<-w.held
	if _, err := s.Backup(t.Context(), new(strings.Builder), BackupOptions{}); !errors.Is(err, ErrBackupRuns) {
		t.Errorf("a second one: %v", err)
	}
	newWriter(t, s).commit(3) // a slow backup holds nobody up
	close(w.on)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// heldWriter waits in its first write.
type heldWriter struct {
	held, on chan struct{}
	begun    bool
}

func (w *heldWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.begun = true
		close(w.held)
		<-w.on
	}
	return len(b), nil
}

const restoreChild = "LLMHUB_TEST_RESTORE"

// TestRestoreChild is the process that TestRestoreKilled starts: it kills itself at a step.
func TestRestoreChild(t *testing.T) {
	arguments := strings.Split(os.Getenv(restoreChild), "|")
	if len(arguments) != 3 {
		t.Skip("is run by TestRestoreKilled")
	}
	left, err := strconv.Atoi(arguments[2])
	if err != nil {
		t.Fatal(err)
	}
	step := func() {
		if left--; left < 0 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			select {}
		}
	}
	_, err = Restore(t.Context(), arguments[0], arguments[1], RestoreOptions{between: step, freeSpace: func(dir string) (int64, int64, error) {
		step()
		return freeSpace(dir)
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRestoreKilled has a process that restores die by kill -9 at each of its steps in turn, always on what the one before
// has left. Before the last steps there must be no folder, and behind them a whole one.
func TestRestoreKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(file, smallBackup(t), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	run := func(steps int) error {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRestoreChild$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%d", restoreChild, file, dir, steps))
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState.ExitCode() >= 0 {
			t.Fatalf("not killed at step %d: %v: %s", steps, err, out)
		}
		return err
	}
	absent, renamed := 0, 0
	for steps := 0; ; steps++ {
		err := run(steps)
		if _, serr := os.Stat(dir); errors.Is(serr, fs.ErrNotExist) && err != nil {
			absent++
			continue
		} else if serr != nil {
			t.Fatalf("step %d: %v, %v", steps, err, serr)
		}
		checkModes(t, dir)
		if r, verr := Verify(t.Context(), dir, Options{}); verr != nil || r.Events != 20 {
			t.Fatalf("step %d: %+v, %v", steps, r, verr)
		}
		if err == nil {
			break
		}
		renamed++
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if absent < 15 || renamed != 1 {
		t.Errorf("killed at %d steps before the folder had its name, and %d behind", absent, renamed)
	}
}
