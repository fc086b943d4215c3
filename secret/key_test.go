package secret_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"llmhub/secret"
)

// Whoever comes first makes the key; all get the same, and nothing else stays in the folder.
func TestLoadKeyRace(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	got := make([][]byte, 16)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = secret.LoadKey(dir, "pepper"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range got {
		if len(p) != secret.KeyBytes || !bytes.Equal(p, got[0]) || bytes.Equal(p, make([]byte, secret.KeyBytes)) {
			t.Fatalf("peppers %x and %x", p, got[0])
		}
	}
	info, err := os.Stat(filepath.Join(dir, "pepper"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
	if other, err := secret.LoadKey(t.TempDir(), "pepper"); err != nil || bytes.Equal(other, got[0]) {
		t.Errorf("another folder has the same pepper, or %v", err)
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	whole := bytes.Repeat([]byte{1}, secret.KeyBytes)
	write := func(content []byte, mode os.FileMode) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"readable by the group", write(whole, 0o640), "chmod 600"},
		{"readable by all", write(whole, 0o604), "chmod 600"},
		{"writable by others", write(whole, 0o602), "chmod 600"},
		{"empty", write(nil, 0o600), "0 bytes in place of 32"},
		{"short", write(whole[1:], 0o600), "31 bytes in place of 32"},
		{"long", write(append(whole[:secret.KeyBytes:secret.KeyBytes], '\n'), 0o600), "33 bytes in place of 32"},
		{"folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "must be a file"},
		{"symbolic link", func(t *testing.T, path string) {
			target := filepath.Join(t.TempDir(), "target")
			write(whole, 0o600)(t, target)
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
		}, "must be a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, filepath.Join(dir, "pepper"))
			if p, err := secret.LoadKey(dir, "pepper"); err == nil || p != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("LoadKey gives %v; want an error with %q", err, c.want)
			}
		})
	}
	if p, err := secret.LoadKey(filepath.Join(t.TempDir(), "absent"), "pepper"); err == nil || p != nil {
		t.Error("a pepper in a folder that does not exist")
	}
}
