package pgtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server whose programs are in a folder that only the user of the tests may enter runs all the same.
func TestBinariesOfAClosedFolder(t *testing.T) {
	bin, err := findBinaries()
	if err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(closed, "server"), os.DirFS(filepath.Dir(bin))); err != nil {
		t.Fatal(err)
	}
	t.Setenv(binariesVariable, filepath.Join(closed, "server", filepath.Base(bin)))
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
}

// Nothing runs on another server than the one that was asked for.
func TestRefusals(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct{ variable, value, says string }{
		{binariesVariable, "bin", "must be an absolute path"},
		{binariesVariable, empty, "names no folder of a server's programs"},
		{majorVariable, "1", "asks for 1"},
		{majorVariable, "newest", "is no number"},
	} {
		t.Run(c.variable+"="+filepath.Base(c.value), func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			s, err := New()
			if err == nil {
				t.Error("it runs")
				err = s.Remove()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}
