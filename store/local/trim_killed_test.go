package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"llmhub/store"
)

const trimChild = "LLMHUB_TEST_TRIM"

// TestTrimChild is the process that TestTrimKilled kills: it commits, marks, folds, ends segments and trims all the time,
// and notes in a file how many batches it knows to be committed.
func TestTrimChild(t *testing.T) {
	dir := os.Getenv(trimChild)
	if dir == "" {
		t.Skip("is run by TestTrimKilled")
	}
	o := trimOptions
	o.foldEvery, o.trimEvery = 7*time.Millisecond, 3*time.Millisecond
	s := openTest(t, filepath.Join(dir, "data"), o)
	w := newWriter(t, s)
	acknowledged, err := os.OpenFile(filepath.Join(dir, "acknowledged"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	n := readCount(t, dir)
	for { // until it is killed
		b := w.batch()
		b.Events[0].At = noon.Add(-365 * 24 * time.Hour)
		mark := store.Mark{Kind: store.MarkBegun, ID: store.NewRequestID(w.src, 1<<30+w.n%5), Key: "key-1", Model: "m", Deployment: "up/m", At: noon}
		if err := errors.Join(s.Commit(t.Context(), b), s.Mark(t.Context(), w.src, []store.Mark{mark})); err != nil {
			t.Fatal(err)
		}
		n++
		if _, err := acknowledged.WriteAt(binary.BigEndian.AppendUint64(nil, n), 0); err != nil {
			t.Fatal(err)
		}
		if err := s.log.EndSegment(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
}

func readCount(t *testing.T, dir string) uint64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "acknowledged"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// TestTrimKilled kills a process that does nothing else, always on what the one before has left: what was acknowledged is
// there, once, and the folder is right.
func TestTrimKilled(t *testing.T) {
	const kills = 15
	dir := t.TempDir()
	var report VerifyReport
	for i := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTrimChild$")
		cmd.Env = append(os.Environ(), trimChild+"="+dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		before := readCount(t, dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		gone := make(chan error, 1)
		go func() { gone <- cmd.Wait() }()
		// It has to be at work; from then on any moment will do.
		for deadline := time.Now().Add(time.Minute); readCount(t, dir) < before+10 && time.Now().Before(deadline) && len(gone) == 0; time.Sleep(time.Millisecond) {
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // the random moment
		if err := cmd.Process.Kill(); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		if <-gone; cmd.ProcessState.ExitCode() >= 0 {
			t.Fatalf("it ended by itself: %s", out.String())
		}
		n := int64(readCount(t, dir))
		var err error
		report, err = Verify(t.Context(), filepath.Join(dir, "data"), trimOptions)
		if err != nil {
			t.Fatalf("after kill %d: %v: %+v", i+1, err, report)
		}
		// Each process may have died between a commit and the note of it.
		if got := report.Events + report.RemovedEvents; got < n || got > n+int64(i)+1 {
			t.Fatalf("after kill %d: %d were acknowledged: %+v", i+1, n, report)
		}
	}
	if report.RemovedEvents == 0 {
		t.Error("nothing was removed")
	}
	t.Logf("%+v", report)
}
