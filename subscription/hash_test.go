package subscription

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"runtime"
	"strings"
	"sync"
	"testing"

	"llmhub/store/local"
)

func TestHasherAgreesWithTheStandard(t *testing.T) {
	pepper := bytes.Repeat([]byte{7}, 32)
	peppered, bare := NewHasher(pepper), NewHasher(nil)
	pepper[0] = 8 // the hasher has a copy,
	runtime.GC()  // also for states it makes from now on: two collections empty its pool
	runtime.GC()
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{7}, 32))
	var wg sync.WaitGroup
	for range 4 {
		token := tokenForm.New()
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
