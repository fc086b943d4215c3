package subscription

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"llmhub/store/local"
)

func TestHasherAgreesWithTheStandard(t *testing.T) {
	pepper := bytes.Repeat([]byte{7}, pepperBytes)
	peppered, bare := NewHasher(pepper), NewHasher(nil)
	pepper[0] = 8 // the hasher has a copy,
	runtime.GC()  // also for states it makes from now on: two collections empty its pool
	runtime.GC()
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{7}, pepperBytes))
	var wg sync.WaitGroup
	for range 4 {
		token := newToken()
		mac.Reset()
		mac.Write(token)
		want := mac.Sum(nil)
		wg.Go(func() {
			for range 200 {
				if sum := peppered.sum(token); !bytes.Equal(sum[:], want) {
					t.Error("HMAC differs")
				}
				if sum := bare.sum(token); sum != sha256.Sum256(token) {
					t.Error("SHA-256 differs")
				}
			}
		})
	}
	wg.Wait()
	if bare.Scheme() != "sha256" || !strings.HasPrefix(peppered.Scheme(), "hmac-sha256:") {
		t.Errorf("schemes %s and %s", bare.Scheme(), peppered.Scheme())
	}
	if other := NewHasher([]byte("another")).Scheme(); other == peppered.Scheme() {
		t.Errorf("two peppers have the same scheme %s", other)
	}
}

// Whoever comes first makes the pepper; all get the same, and nothing else stays in the folder.
func TestLoadPepperRace(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	got := make([][]byte, 16)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = LoadPepper(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range got {
		if len(p) != pepperBytes || !bytes.Equal(p, got[0]) || bytes.Equal(p, make([]byte, pepperBytes)) {
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
	if other, err := LoadPepper(t.TempDir()); err != nil || bytes.Equal(other, got[0]) {
		t.Errorf("another folder has the same pepper, or %v", err)
	}
}

func TestLoadPepperRefuses(t *testing.T) {
	whole := bytes.Repeat([]byte{1}, pepperBytes)
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
		{"long", write(append(whole[:pepperBytes:pepperBytes], '\n'), 0o600), "33 bytes in place of 32"},
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
			if p, err := LoadPepper(dir); err == nil || p != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("LoadPepper gives %v; want an error with %q", err, c.want)
			}
		})
	}
	if p, err := LoadPepper(filepath.Join(t.TempDir(), "absent")); err == nil || p != nil {
		t.Error("a pepper in a folder that does not exist")
	}
}

// Keys that cannot be verified must stop the gate with a clear message, not be refused one by one.
func TestGateRefusesForeignHashes(t *testing.T) {
	first, second := NewHasher([]byte("first")), NewHasher([]byte("second"))
	bare := NewHasher(nil)
	for _, c := range []struct {
		name   string
		stored *Hasher
		used   *Hasher
		want   string
	}{
		{"pepper switched off", first, bare, "made with a pepper, but none is in use"},
		{"pepper switched on", bare, first, "made without a pepper, but one is in use"},
		{"pepper lost", first, second, "restore the file pepper"},
		{"unknown scheme", &Hasher{scheme: "md5"}, first, `"md5"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openStore(t)
			putKey(t, d, Key{ID: "key_a", SubscriptionID: "sub_a", TenantID: "ten_a", Scheme: c.stored.Scheme(), Hash: make([]byte, sha256.Size)})
			g := NewGate(c.used)
			if err := g.Run(t.Context(), d); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run gives %v; want an error with %q", err, c.want)
			}
			if err := g.WaitVersion(t.Context(), 1); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("WaitVersion gives %v", err)
			}
		})
	}
}

func putKey(t *testing.T, d *local.Store, k Key) {
	t.Helper()
	w, err := newCollections(d).keys.Write(k.ID, 0, k)
	if err == nil {
		_, err = d.Put(t.Context(), w)
	}
	if err != nil {
		t.Fatal(err)
	}
}
